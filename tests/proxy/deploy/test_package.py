"""The wheel, alone in a bare environment, and the program that it installs."""

import asyncio
import os
import subprocess
import sys
import zipfile
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.request import urlopen

import pytest
import spark_engine
from aiohttp import ClientSession, web

from tests.fakes import magpie
from tests.fakes.server import running
from tests.helpers.proxy.program import started
from tests.helpers.repository import ROOT

pytestmark = pytest.mark.build

PROGRAM = [sys.executable, "-m", "spark_audio_proxy"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it would be published."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([*uv(), "build", "-q", "--wheel", "--out-dir", str(out), str(ROOT)], check=True)
    (path,) = out.glob("*.whl")
    return path


def uv() -> list[str]:
    """uv as scripts/setup found it."""
    own = ROOT / ".tools/bin/uv"
    return [str(own) if own.exists() else "uv", "--system-certs"]


def test_the_wheel_holds_three_packages_and_nothing_of_home_assistant(wheel: Path) -> None:
    """What HACS ships stays out."""
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {
        *("spark_engine", "spark_audio_proxy", "embedded_spark"),
        f"spark_audio_proxy-{spark_engine.__version__}.dist-info",
    }
    assert "spark_engine/py.typed" in names
    assert {"spark_audio_proxy/web/index.html", "spark_audio_proxy/web/app.js"} <= set(names)


def test_the_wheel_alone_starts(wheel: Path, tmp_path: Path) -> None:
    """In a bare environment, by its command; an `--embedded` without its engines says what is missing."""
    python = tmp_path / "env/bin/python"
    subprocess.run([*uv(), "venv", "-q", "-p", sys.executable, str(tmp_path / "env")], check=True)
    subprocess.run([*uv(), "pip", "install", "-q", "-p", str(python), str(wheel)], check=True)
    command = str(python.with_name("spark-audio-proxy"))
    with started([command]) as url, urlopen(f"{url}/v1/models") as answer:
        assert answer.status == 200
    refused = subprocess.run([command, "--embedded"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "spark-audio-proxy[embedded]" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--magpie-url", "nonsense"], "--magpie-url (SPARK_AUDIO_MAGPIE_URL): a URL starts with"),
        (["--host", "203.0.113.1", "--magpie-url", "http://127.0.0.1:9"], "open to the network"),
        (
            ["--host", "203.0.113.1", "--magpie-url", "http://127.0.0.1:9", "--api-key", "the-key-of-the-house"],
            "cannot listen on",
        ),
        (
            ["--magpie-url", "http://127.0.0.1:9", "--magpie-restart-docker", "tcp://127.0.0.1:9#magpie"],
            "restart target of magpie: ",
        ),
        (
            ["--magpie-url", "http://127.0.0.1:9", "--magpie-restart-url", "http://127.0.0.1:9,http://127.0.0.1:8"],
            "--magpie-restart-url (SPARK_AUDIO_MAGPIE_RESTART_URL): 2 items for 1 servers",
        ),
    ],
)
def test_what_is_wrong_at_the_start_is_one_sentence(arguments: list[str], message: str) -> None:
    """And an exit status, no traceback."""
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_what_else_keeps_it_from_starting_is_named() -> None:
    """A Python that cannot be run again, say: the port is not at fault."""
    program = "import sys; sys.executable = '/gone/python'; from spark_audio_proxy.__main__ import main; main()"
    arguments = ["--port", "0", "--magpie-url", "http://127.0.0.1:9"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last == "spark-audio-proxy: cannot start: [Errno 2] No such file or directory: '/gone/python'"


def test_it_says_where_it_listens_and_stops_when_told() -> None:
    """On a free port, with nothing behind it yet."""
    with started(PROGRAM) as url:
        assert url.startswith("http://127.0.0.1:")


async def test_a_request_in_flight_is_finished_on_stop() -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await go.wait()
        return await magpie.stream_pcm(request)

    speaking = magpie.nim()
    speaking.answers["POST", magpie.SYNTHESIZE_ONLINE] = answer

    async def program(url: str) -> AsyncGenerator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *PROGRAM,
            env=os.environ | {"SPARK_AUDIO_MAGPIE_URL": url, "SPARK_AUDIO_PORT": "0", "SPARK_AUDIO_WATCH": "off"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        yield process
        assert await process.wait() == 0

    async with running(speaking), ClientSession() as client:
        async for process in program(speaking.url):
            assert process.stdout is not None
            assert process.stderr is not None
            url = (await process.stdout.readline()).decode().split()[-1]
            body = {"input": "Good night.", "response_format": "wav"}
            task = asyncio.create_task(client.post(f"{url}/v1/audio/speech", json=body))
            await arrived.wait()
            process.terminate()
            while b"Stopping" not in await process.stderr.readline():
                pass
            go.set()
            async with await task as response:
                assert len(await response.read()) == 44 + len(magpie.spoken("Good night."))
