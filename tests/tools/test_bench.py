"""The bench: its command line, its load and its upstream, and one small run through the proxy. No time is asserted."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Literal

import openai
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from spark_engine.servers.magpie import Magpie
from spark_engine.servers.magpie_dialects import NIM as MAGPIE_NIM
from spark_engine.servers.parakeet import Parakeet
from spark_engine.servers.parakeet_dialects import NIM as PARAKEET_NIM
from spark_engine.servers.transport import Transport
from spark_engine.speech.turn_end import is_complete

from tests.fakes import faults
from tools.bench import __main__ as command
from tools.bench import proxy
from tools.bench.health_under_load import probe_under_load, read_counts
from tools.bench.load import Request, run_block
from tools.bench.machine import cpu_seconds, field, used_cpu, used_memory, vitals
from tools.bench.nginx import find_nginx, start_nginx
from tools.bench.proxy_report import OURS, Case
from tools.bench.report import Findings
from tools.bench.requests import BYTES_PER_SECOND, Pair
from tools.bench.soak_answers import seconds_of
from tools.bench.upstream import Counts, Times, Upstream
from tools.stack import fetched
from tools.stack.command import FAILED
from tools.stack.errors import ToolError
from tools.stack.fetched import NotInstalled, Package
from tools.stack.folders import REPOSITORY
from tools.stack.processes import Server, started

REQUEST = Request("/v1/audio/transcriptions", {"Content-Type": "text/plain"}, b"0123456789")


def test_cpu_time_is_read_behind_any_name() -> None:
    """A process may be called `a) b`."""
    assert cpu_seconds("42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 250 125 9 9 20 0 1 0 100", 100) == 3.75


def test_a_field_that_is_not_there_is_an_error() -> None:
    """By name; and a process that is gone has no figures."""
    assert field("Name:\tpython\nVmHWM:\t   2048 kB\n", "VmHWM") == "2048 kB"
    with pytest.raises(ToolError, match="VmPeak"):
        field("VmHWM:\t   2048 kB\n", "VmPeak")
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    for read in (used_cpu, vitals, lambda pid: used_memory(pid, "VmRSS")):
        with pytest.raises(ToolError, match=str(process.pid)):
            read(process.pid)


@pytest.mark.parametrize(("headers", "pieces"), [({"Content-Length": "14"}, [14]), ({}, [3, 11])])
async def test_an_answer_is_counted_in_a_length_or_in_chunks(headers: dict[str, str], pieces: list[int]) -> None:
    """Its first audio is what comes behind the preamble."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=429, headers=headers)
        await response.prepare(request)
        for number, size in enumerate(pieces):
            await asyncio.sleep(number * 0.05)
            await response.write(bytes(size))
        return response

    app = web.Application()
    app.add_routes([web.post("/", answer)])
    async with TestServer(app) as server:
        block = await run_block(str(server.make_url("/")), Request("/", {}, b"", preamble=3), callers=2, each=2)
    assert [(exchange.status, exchange.received) for exchange in block.exchanges] == [(429, 14)] * 4
    least = 0.05 * (len(pieces) - 1)
    assert all(least < exchange.first <= exchange.whole <= block.seconds for exchange in block.exchanges)


async def test_an_answer_that_breaks_off_gives_no_figure() -> None:
    """Nor does one whose end nothing tells, or no server at all."""
    for fault, message in ((faults.reset_within_body, "No connection|cut"), (faults.cut_without_length, "not HTTP")):
        async with faults.serving(fault) as url:
            with pytest.raises(ToolError, match=message):
                await run_block(url, REQUEST, callers=2, each=1)
    with pytest.raises(ToolError, match="No connection"):
        await run_block(faults.refused(), REQUEST, callers=1, each=1)


async def test_a_refused_request_gives_no_figure() -> None:
    """A proxy that refuses would be the fastest of all."""
    case = Case("lost", Pair(REQUEST, Request("/nowhere", {}, b"")), 2, 1)
    async with started(proxy.UPSTREAM) as upstream:
        with pytest.raises(ToolError, match=r"lost, proxy: 2 requests failed, the first with status 404"):
            await proxy.measure_round(case, proxy.ours(), upstream)


async def test_health_is_asked_while_requests_are_held() -> None:
    """All of them at once, and the upstream counted them; a load that breaks gives no health."""
    async with started(proxy.UPSTREAM, "--recognition", "60") as upstream:
        assert await read_counts(upstream) == Counts()
        # The upstream has no /healthz: a probe that gets a 404 is none that was answered.
        assert await probe_under_load(upstream, REQUEST, callers=5, probes=3) == ()
        assert (await read_counts(upstream)).most_at_once == 5
    with pytest.raises(ToolError, match="No connection"):
        await probe_under_load(Server(0, "http://127.0.0.1:9"), REQUEST, callers=2, probes=3)


@pytest.fixture
async def upstream() -> AsyncGenerator[str]:
    """The speech server, which takes no time to hear here."""
    app = web.Application()
    app.add_routes(Upstream(Times(recognition=0.0)).routes())
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.mark.parametrize("face", ["", "/any"])
async def test_the_upstream_is_a_spark(upstream: str, face: str) -> None:
    """Two NIMs on every path."""
    async with ClientSession() as session:
        transport = Transport(session, f"{upstream}{face}")
        assert (await Parakeet(transport).server()).dialect is PARAKEET_NIM
        assert (await Magpie(transport).server()).dialect is MAGPIE_NIM


async def test_the_upstream_speaks_openai(upstream: str) -> None:
    """To OpenAI's own client; as long as the text takes to say, in every format, and never the same transcript."""
    async with openai.AsyncOpenAI(api_key="any", base_url=f"{upstream}/openai/v1", max_retries=0) as client:
        assert len((await client.models.list()).data) == 2
        first, again = [
            (await client.audio.transcriptions.create(model="any", file=("a.wav", b"RIFF"))).text for _ in range(2)
        ]
        assert is_complete(first, "en")
        assert first != again
        formats: tuple[Literal["wav", "mp3", "flac"], ...] = ("wav", "mp3", "flac")
        for name in formats:
            sound = await client.audio.speech.create(model="any", voice="alloy", input="x" * 26, response_format=name)
            assert seconds_of(sound.content, name) == pytest.approx(2.0, abs=0.25)
    counts = await read_counts(Server(0, upstream))
    assert (counts.requests, len(counts.transcriptions), counts.most_at_once) == (5, 2, 1)


NGINX = """#!{python}
import re, signal, socket, sys
if "-v" in sys.argv:
    print("nginx version: nginx/9.8.7")
else:
    config = open(sys.argv[sys.argv.index("-c") + 1]).read()
    assert "server 127.0.0.1:1234; keepalive" in config
    port = int(re.search(r"listen 127.0.0.1:([0-9]+)", config)[1])
    with socket.create_server(("127.0.0.1", port)):
        signal.pause()
"""


async def test_nginx_is_started_on_a_port_and_named_by_its_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In front of the upstream that it is told."""
    stand_in = tmp_path / "nginx"
    monkeypatch.setenv("PATH", str(tmp_path))
    stand_in.write_text(NGINX.format(python=sys.executable))
    stand_in.chmod(0o755)
    program, version = await find_nginx()
    assert (program, version) == (stand_in, "9.8.7")
    async with start_nginx(program, Server(0, "http://127.0.0.1:1234")) as server:
        assert server.url.startswith("http://127.0.0.1:")


async def test_what_cannot_be_fetched_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the words of the program that should have fetched it; and what is there is not fetched again."""
    monkeypatch.setattr(fetched, "FETCHED", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalled, match="apt-get cannot be started"):
        await fetched.unpack_debian("nginx", "usr/sbin/nginx")
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho Reading\necho E: no such package\nexit 100\n")
    apt.chmod(0o755)
    with pytest.raises(NotInstalled, match=r"^E: no such package$"):
        await fetched.unpack_debian("nginx", "usr/sbin/nginx")
    there = tmp_path / "bin/nginx"
    there.parent.mkdir()
    there.touch(0o755)
    assert await fetched.unpack_debian("nginx", "usr/sbin/nginx") == there
    with pytest.raises(NotInstalled, match="uv cannot be started"):
        await fetched.install_environment(tmp_path / "none", Path(sys.executable), (Package("flask", "1.0"),))


TINY = proxy.Plan(
    rounds=1,
    transcriptions=((1, 2), (2, 1)),
    speeches=((1, 1),),
    lines=1,
    uploads=2,
    upload_bytes=BYTES_PER_SECOND,
    held=3,
    probes=2,
)


def test_a_run_prints_every_way_and_keeps_the_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The smallest run there is, with real processes; what cannot be had here is named and gets no figure."""

    async def refuse() -> tuple[Path, str]:
        raise NotInstalled("no network")

    monkeypatch.setattr(proxy, "QUICK", TINY)
    monkeypatch.setattr(proxy, "SLOW", 0.5)
    monkeypatch.setattr(proxy, "LINES", {"100 Mbit/s": 12.5e6})
    monkeypatch.setattr(proxy, "find_nginx", refuse)
    file = tmp_path / "figures.json"
    assert command.main(["proxy", "--quick", "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    for row in ("|       1 | direct |", "|       2 | proxy  |", "| one sentence    |       1 | proxy  |", "as shipped"):
        assert row in printed
    compared, heard, slow, spoken, memory, health = json.loads(file.read_text())["tables"]
    assert compared["rows"][1] == {"what": "nginx", "": "not measured, it cannot be had here: no network"}
    assert [(row["callers"], row["way"]) for row in heard["rows"]] == [
        *((1, "direct"), (1, OURS), (2, "direct"), (2, OURS))
    ]
    assert [row["line"] for row in slow["rows"]] == ["100 Mbit/s"] * 2
    assert [row["text"] for row in spoken["rows"][::2]] == list(proxy.TEXTS)
    assert [(row["let in"], row["peak MiB"] >= row["idle MiB"]) for row in memory["rows"]] == [(2, True), (2, True)]
    assert [(row["way"], row["probes"], row["answered"]) for row in health["rows"]] == [(OURS, 2, 2)]


def test_a_measurement_that_fails_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the exit status says so."""

    async def fail(_: object) -> Findings:
        raise ToolError("No proxy.")

    monkeypatch.setattr(command, "QUESTIONS", {"proxy": command.Question("Why?", fail)})
    assert command.main(["proxy"]) == FAILED
    assert capsys.readouterr().err == "No proxy.\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["proxy", "--json", "/missing/figures.json"], "there is no folder /missing"),
        (["proxy", "--all"], "unrecognized arguments: --all"),
        (["heal", "--minutes", "1"], "unrecognized arguments: --minutes"),
        (["nothing"], "invalid choice"),
        *((["soak", "--minutes", minutes], "--minutes") for minutes in ("0", "-1", "nan", "inf", "ten")),
    ],
)
def test_a_wrong_command_line_is_told_before_anything_is_measured(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What takes minutes must not fail at its end."""
    with pytest.raises(SystemExit):
        command.parse(arguments)
    assert complaint in capsys.readouterr().err


def test_without_a_question_it_lists_them() -> None:
    """By name and with what they ask."""
    asked = [sys.executable, "-m", "tools.bench"]
    printed = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for name, question in command.QUESTIONS.items():
        assert f"scripts/bench {name}" in printed
        assert question.asks in printed
