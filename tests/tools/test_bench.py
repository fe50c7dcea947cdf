"""The bench counts right, prints what it found, and leaves nothing behind. No time is asserted."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import proxy
from bench.environments import NotInstalled
from bench.errors import BenchError
from bench.figures import Spread, added, percentile, spread
from bench.load import Answer, Request, run_block
from bench.machine import PROC, cpu_model, cpu_seconds, status_bytes, this_machine, used_cpu, used_memory, vitals
from bench.processes import REPOSITORY, Child, started
from bench.proxy_peers import ORIGINAL, Peer, ours
from bench.proxy_report import Case
from bench.report import Aim, Cell, Report, as_text, lay_out
from bench.requests import BYTES_PER_SECOND, Pair
from bench.upstream import form_field
from tests.fakes import faults

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

REQUEST = Request("/v1/audio/transcriptions", {"Content-Type": "text/plain"}, b"0123456789")


@pytest.mark.parametrize(("percent", "expected"), [(50, 3.0), (95, 5.0), (100, 5.0), (20, 1.0), (21, 2.0), (0.1, 1.0)])
def test_a_percentile_is_one_of_the_samples(percent: float, expected: float) -> None:
    """The nearest rank; nothing between samples is made up."""
    assert percentile([5.0, 1.0, 4.0, 2.0, 3.0], percent) == expected


def test_rounds_become_a_spread() -> None:
    """And what was added is told round by round, not between medians."""
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert added([10.0, 20.0, 30.0], [11.0, 25.0, 32.0]) == Spread(2.0, 1.0, 5.0)


def test_nothing_measured_is_no_figure() -> None:
    """An empty list is a mistake, not a zero."""
    for count in (lambda: percentile([], 50), lambda: spread([])):
        with pytest.raises(ValueError, match="no "):
            count()


def test_cpu_time_is_read_behind_any_name() -> None:
    """A process may be called `a) b`."""
    assert cpu_seconds("42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 250 125 9 9 20 0 1 0 100", 100) == 3.75


def test_memory_is_read_by_name() -> None:
    """In bytes; a name that is not there is an error."""
    status = "Name:\tpython\nVmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\n"
    assert status_bytes(status, "VmHWM") == 2 << 20
    assert status_bytes(status, "VmRSS") == 1 << 20
    with pytest.raises(BenchError, match="VmPeak"):
        status_bytes(status, "VmPeak")


def test_the_cpu_has_a_name_or_not() -> None:
    """ARM's cpuinfo names none."""
    assert cpu_model("processor\t: 0\nmodel name\t: Some CPU\nmodel name\t: Some CPU\n") == "Some CPU"
    assert cpu_model("processor\t: 0\nBogoMIPS\t: 2000.00\n") == "processor without a name"


def test_a_process_that_is_gone_has_no_figures() -> None:
    """No zero is made up for it."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    with pytest.raises(BenchError, match=str(process.pid)):
        used_cpu(process.pid)
    with pytest.raises(BenchError, match=str(process.pid)):
        used_memory(process.pid, "VmRSS")
    with pytest.raises(BenchError, match=str(process.pid)):
        vitals(process.pid)


def test_vitals_count_what_is_open(tmp_path: Path) -> None:
    """Files, threads and memory of this very process."""
    before = vitals(os.getpid())
    with (tmp_path / "file").open("w"):
        assert vitals(os.getpid()).open_files == before.open_files + 1
    assert before.memory > 1 << 20
    assert before.threads >= 1


def test_a_table_is_markdown() -> None:
    """Words to the left, figures to the right and with about three digits, a missing one empty."""
    rows: list[tuple[Cell, ...]] = [("direct", 1, 20.123, None), ("proxy", 32, Spread(123.4, 99.96, 1234.5), -0.5)]
    assert lay_out(("way", "callers", "p50 ms", "added ms"), rows).splitlines() == [
        "| way    | callers |              p50 ms | added ms |",
        "|--------|--------:|--------------------:|---------:|",
        "| direct |       1 |                20.1 |          |",
        "| proxy  |      32 | 123 (100.0 to 1234) |    -0.50 |",
    ]


def test_an_aim_is_held_or_not() -> None:
    """Up to its limit it is."""
    assert Aim("added", 3.0, 3.0).held
    assert not Aim("added", 3.0, 3.01).held
    assert Aim("passed", None, 0.75, 0.75).held
    assert not Aim("passed", None, 0.74, 0.75).held


def test_limits_from_below_are_printed_where_there_are_any() -> None:
    """In a column of their own."""
    report = Report("How?", this_machine(), 1.0, (), (Aim("added", 3.0, 2.0),))
    assert as_text(report).endswith("| added |    3.00 |     2.00 | yes  |")
    report = replace(report, aims=(*report.aims, Aim("passed", None, 0.5, 0.75)))
    assert as_text(report).splitlines()[-4] == "| aim    | at most | at least | measured | held |"
    assert as_text(report).endswith("| passed |         |     0.75 |     0.50 | no   |")


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
CHUNKS = b"HTTP/1.1 429 Too Many\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\nb\r\nlo and more\r\n0\r\n\r\n"


@pytest.mark.parametrize(("data", "status", "received"), [(LENGTH, 200, 5), (CHUNKS, 429, 14)])
@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_an_answer_is_counted_however_it_is_cut(data: bytes, status: int, received: int, step: int) -> None:
    """Complete with its last byte and not before."""
    answer = Answer()
    for at in range(0, len(data), step):
        assert not answer.complete
        answer.feed(data[at : at + step])
    assert (answer.complete, answer.status, answer.received) == (True, status, received)


async def test_an_answer_that_breaks_off_is_an_error() -> None:
    """And so is one whose end nothing tells, or nobody at all: none of them gives a figure."""
    for fault, message in ((faults.reset_within_body, "cut"), (faults.cut_without_length, "not HTTP as expected")):
        async with faults.serving(fault) as url:
            with pytest.raises(BenchError, match=message):
                await run_block(url, REQUEST, callers=2, each=1)
    with pytest.raises(BenchError, match="No connection"):
        await run_block(faults.refused(), REQUEST, callers=1, each=1)


async def test_a_block_is_so_many_requests_by_so_many_callers() -> None:
    """Each with its times in order."""
    async with started("bench.upstream") as upstream:
        block = await run_block(upstream.url, REQUEST, callers=3, each=2)
    assert [exchange.status for exchange in block.exchanges] == [200] * 6
    assert all(0 < exchange.first <= exchange.whole <= block.seconds for exchange in block.exchanges)


async def test_a_refused_request_gives_no_figure() -> None:
    """A proxy that refuses would be the fastest of all."""
    missing = Request("/nowhere", {}, b"")
    async with started("bench.upstream") as upstream:
        with pytest.raises(BenchError, match=r"lost, proxy: 2 requests failed, the first with status 404"):
            await proxy.measure_round(Case("lost", Pair(REQUEST, missing), 2, 1), proxy.Way("proxy", upstream, ours()))


def test_the_upstream_finds_the_text_in_a_form() -> None:
    """As both callers send it."""
    body = b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nGood night.\r\n--b--\r\n'
    assert form_field(body, "text") == "Good night."
    with pytest.raises(ValueError, match="not found"):
        form_field(body, "voice")


async def test_children_end_with_their_use() -> None:
    """Whatever ends it."""

    async def fail(child: Child) -> None:
        assert (PROC / str(child.pid)).exists()
        raise LookupError(child.pid)

    with pytest.raises(LookupError) as raised:
        async with started("bench.upstream") as upstream:
            await fail(upstream)
    assert not (PROC / str(raised.value.args[0])).exists()


async def test_a_child_that_does_not_start_says_why() -> None:
    """Its last line, not its silence."""
    with pytest.raises(BenchError, match=r"spark_audio_proxy did not start: .*--port"):
        async with started("spark_audio_proxy", "--port", "nonsense"):
            pass


async def test_a_run_prints_both_ways_and_keeps_the_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The smallest run there is, with real processes; who cannot be had here is named and gets no figure."""

    async def refuse() -> Peer:
        raise NotInstalled("no network")

    monkeypatch.setattr(proxy, "QUICK", TINY)
    monkeypatch.setattr(proxy, "nginx", refuse)
    monkeypatch.setattr(proxy, "original", refuse)
    file = tmp_path / "figures.json"
    assert await command.run(command.parse(["proxy", "--quick", "--json", str(file), "--plot", str(tmp_path)])) == 0
    printed = capsys.readouterr().out
    for row in (
        "|       1 | direct |",
        "|       2 | proxy  |",
        "| one sentence    |       1 | proxy  |",
        "as shipped",
        "not measured, it cannot be had here: no network",
    ):
        assert row in printed
    compared, heard, slow, spoken, memory, health = json.loads(file.read_text())["tables"]
    assert [row["what"] for row in compared["rows"]] == ["Spark Audio proxy", "nginx", ORIGINAL]
    assert [(row["callers"], row["way"]) for row in heard["rows"]] == [
        *((1, "direct"), (1, "proxy"), (2, "direct"), (2, "proxy"))
    ]
    assert [(row["line"], row["way"]) for row in slow["rows"]] == [
        (line, way) for line in proxy.LINES for way in ("direct", "proxy")
    ]
    assert [(row["text"], row["way"]) for row in spoken["rows"]] == [
        (text, way) for text in proxy.TEXTS for way in ("direct", "proxy")
    ]
    assert [(row["let in"], row["peak MiB"] >= row["idle MiB"]) for row in memory["rows"]] == [(2, True), (2, True)]
    assert [(row["way"], row["probes"], row["answered"]) for row in health["rows"]] == [("proxy", 2, 2)]
    assert {path.stem for path in tmp_path.glob("*.svg")} == {
        *("bench-proxy-added", "bench-proxy-throughput", "bench-proxy-memory")
    }


async def test_a_measurement_that_fails_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And exit status 1; stopped by a signal it is 130."""
    for error, status, said in (
        (BenchError("No proxy."), 1, "scripts/bench: No proxy.\n"),
        (asyncio.CancelledError(), command.INTERRUPTED, ""),
    ):

        async def fail(*, quick: bool, error: BaseException = error) -> Report:
            assert not quick
            raise error

        monkeypatch.setattr(command, "QUESTIONS", {"proxy": command.Question("Why?", fail)})
        assert await command.run(command.parse(["proxy"])) == status
        assert capsys.readouterr().err == said


def test_a_file_that_cannot_be_written_is_told_before_the_measurement(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Not after it."""
    with pytest.raises(SystemExit):
        command.parse(["proxy", "--json", str(tmp_path / "missing/figures.json")])
    assert f"there is no folder {tmp_path / 'missing'}" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "status"), [((), 0), (("nothing",), 2)])
def test_without_a_question_it_lists_them(arguments: tuple[str, ...], status: int) -> None:
    """By name and with what they ask."""
    asked = [sys.executable, "-m", "bench", *arguments]
    done = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert "proxy" in done.stdout + done.stderr
    assert (proxy.QUESTION in done.stdout) == (status == 0)
