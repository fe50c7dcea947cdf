"""What callers get while a service is wedged, what the proxy tells of it, and what demo and bench make of it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientPayloadError, ClientSession
from embedded_spark import EmbeddedSpark
from embedded_spark.wedge import Mode
from spark_engine.models import Audio
from spark_engine.speech.audio import write_wav

from tests.fakes.server import FakeServer, data, json, running
from tools.bench import heal
from tools.bench.engines import CountingRecognizer, PacedSynthesizer
from tools.demo import wedge as demo
from tools.stack.errors import ToolError
from tools.stack.http import Json
from tools.stack.spoken import COMMAND
from tools.stack.tables import Table
from tools.stack.wedge import WRONG, Answer, Call, Callers, Change, Control, History, Outage, hear, read_status, speak

FAULT = "The server reports a CUDA failure (500): CUDA error"
REFUSAL = "The restart target answered 404 Not Found."
HELD = "Parakeet is being restarted."
SPEECH = ("POST", "/v1/audio/speech")


async def test_callers_tell_right_from_wrong() -> None:
    """By what is heard, and by whether anything is; a refusal has its sentence and its wait."""
    embedded = EmbeddedSpark(load_recognizer=CountingRecognizer, load_synthesizer=PacedSynthesizer)
    async with embedded, ClientSession() as session:
        control = Control(session, embedded.parakeet_url)
        assert await hear(session, embedded.parakeet_url) == Answer(None, COMMAND)
        for mode, fault in ((Mode.GARBAGE, WRONG), (Mode.EMPTY, WRONG), (Mode.CUBLAS, "500")):
            await control.wedge(mode)
            assert (await hear(session, embedded.parakeet_url)).fault == fault
        assert not (await control.state()).is_well
        for handler, answer in (
            (data(write_wav(Audio(bytes(1000), 8_000)), "audio/wav"), Answer(WRONG)),
            (data(write_wav(Audio(bytes(999) + b"1", 8_000)), "audio/wav"), Answer(None)),
            (json({"error": {"message": HELD}}, 503, {"Retry-After": "60"}), Answer("503", HELD, "60")),
        ):
            async with running(FakeServer({SPEECH: handler})) as server:
                assert await speak(session, server.url) == answer


async def test_callers_go_on_until_told_and_count_the_last_answers() -> None:
    """Whatever the answer."""
    answers = iter([Answer(None), Answer("503")])
    left = asyncio.Event()

    async def ask(_: ClientSession, url: str) -> Answer:
        assert url == "http://proxy"
        with suppress(StopIteration):
            return next(answers)
        await left.wait()
        raise ClientPayloadError

    async with ClientSession() as session:
        callers = Callers(session, "http://proxy", ask, pace=0.0)
        async with callers.calling():
            fault = await callers.until(lambda calls: next((each for each in calls if not each.is_good), None))
            left.set()
    assert fault.answer == Answer("503")
    assert {call.answer.fault for call in callers.calls[2:]} == {"cut off"}
    assert all(call.sent <= call.answered for call in callers.calls)


def test_the_status_tells_of_each_service() -> None:
    """Moments as seconds; a service that is not there is an error."""
    at = "1970-01-01T00:01:40.{}+00:00"
    parakeet: Json = {
        "name": "parakeet",
        "history": [
            {"at": at.format("250"), "from": "suspect", "to": "wedged", "evidence": FAULT},
            {"at": at.format("750"), "from": "restarting", "to": "wedged", "evidence": REFUSAL, "refused": True},
        ],
        "restarts": [at.format("500")],
    }
    status: Json = {"restart_limit": 3, "services": [{"name": "magpie", "history": [], "restarts": []}, parakeet]}
    assert read_status(status, "parakeet") == History(
        (Change(100.25, "wedged", FAULT), Change(100.75, "wedged", REFUSAL, refused=True)), (100.5,), 3
    )
    assert read_status(status, "magpie") == History((), (), 3)
    with pytest.raises(ToolError, match="does not tell of parakeet-2"):
        read_status(status, "parakeet-2")


def good(at: float, said: str = COMMAND) -> Call:
    """A request that was served, sent at that moment."""
    return Call(at, at + 0.1, Answer(None, said))


def refused(at: float, said: str = HELD, fault: str = "503", wait: str | None = "60") -> Call:
    """One that was not."""
    return Call(at, at + 0.1, Answer(fault, said, wait))


CHANGES = (
    Change(80.0, "wedged", "an earlier one"),
    Change(90.0, "healthy", "The canary was transcribed right."),
    Change(100.55, "suspect", FAULT),
    Change(100.7, "wedged", FAULT),
    Change(100.75, "restarting", "restart requested"),
    Change(105.8, "healthy", "The canary was transcribed right."),
)
OUTAGE = Outage(
    100.0,
    [good(99.0), refused(100.5, FAULT), refused(101.0), refused(101.5), good(106.0), good(106.5)],
    History(CHANGES, (100.75,), 3),
)
SPOKEN = [good(100.2), good(102.0)]


def with_calls(*calls: Call) -> Outage:
    """The outage with more of them."""
    return replace(OUTAGE, calls=sorted([*OUTAGE.calls, *calls], key=lambda call: call.answered))


def test_a_wedge_is_told_in_its_order() -> None:
    """Who notices, who comes later, and what the watchdog does; nothing from before, and nothing twice."""
    assert [(round(moment.at - 100, 2), moment.sentence) for moment in demo.moments(with_calls(refused(99.9)))] == [
        (0.55, f"suspected: {FAULT}"),
        (0.6, f'a caller gets 503 "{FAULT}" Retry-After: 60'),
        (0.7, f"wedged, since a canary fails, too: {FAULT}"),
        (0.75, "restart requested (1 of 3)"),
        (1.1, f'a caller gets 503 "{HELD}" Retry-After: 60'),
        (5.8, "healthy: The canary was transcribed right."),
        (6.1, f'the first good answer: "{COMMAND}"'),
    ]


def test_a_good_answer_to_an_earlier_request_is_no_recovery() -> None:
    """Nor has a wedge that was not noticed any."""
    early = Outage(100.0, [replace(good(100.1), answered=100.9), refused(100.2)])
    assert (early.recovered, early.first_failing) == (None, 100.2)
    assert demo.moments(Outage(100.0, [good(100.1)])) == []


def test_times_count_from_the_wedge_and_from_the_first_failing_request() -> None:
    """With what it cost; what was not reached is empty."""
    rows = [[cell.strip() for cell in row.split("|")] for row in demo.summary(OUTAGE, SPOKEN).splitlines()]
    assert [row[1:4] for row in rows[2:6]] == [
        ["first failing request", "0.50", "0.00"],
        ["wedge detected", "0.70", "0.20"],
        ["restart requested", "0.75", "0.25"],
        ["first good answer", "6.10", "5.60"],
    ]
    assert [row[0].split("  ")[0] + row[0][-6:] for row in rows[-3:]] == [
        *("transcriptions lost3 of 5", "speeches lost0 of 2", "restarts used1 of 3")
    ]
    unnoticed = demo.summary(Outage(100.0, [good(101.0)]), [])
    assert [line.split("|")[2:4] for line in unnoticed.splitlines()[2:6]] == [[" " * 19, " " * 35]] * 4


@pytest.mark.parametrize(
    ("outage", "spoken", "restarts", "failed"),
    [
        (OUTAGE, SPOKEN, 1, []),
        (with_calls(refused(99.8)), SPOKEN, 1, ["all was well before"]),
        (with_calls(refused(99.95)), SPOKEN, 1, []),
        (replace(OUTAGE, history=History((), (100.75,), 3)), SPOKEN, 1, ["the wedge was detected"]),
        (replace(OUTAGE, history=History(CHANGES, (100.75, 103.0), 3)), SPOKEN, 1, ["exactly one restart"]),
        (OUTAGE, SPOKEN, 0, ["exactly one restart"]),
        (replace(OUTAGE, calls=OUTAGE.calls[:-2]), SPOKEN, 1, ["Parakeet hears again"]),
        (with_calls(refused(101.2, fault="500")), SPOKEN, 1, ["each lost request was told when to come back"]),
        (with_calls(refused(101.2, wait=None)), SPOKEN, 1, ["each lost request was told when to come back"]),
        (with_calls(replace(refused(101.2), answered=106.3)), SPOKEN, 1, ["no caller was left hanging"]),
        (OUTAGE, [*SPOKEN, refused(103.0)], 1, ["Magpie went on speaking"]),
    ],
)
def test_what_did_not_hold_of_a_wedge_is_named(
    outage: Outage, spoken: Sequence[Call], restarts: int, failed: Sequence[str]
) -> None:
    """Exactly that, and whose log to read."""
    checks = [check for check in demo.assess(outage, spoken, restarts) if not check.held]
    assert [check.claim for check in checks] == failed
    assert all(check.faults for check in checks)


def test_the_wedge_leaves_a_kept_demo_alone(tmp_path: Path) -> None:
    """It has a folder of its own, which begins empty."""
    (tmp_path / "demo.json").touch()
    own = demo.lay_out_folder(tmp_path)
    (own / "state").mkdir()
    assert demo.lay_out_folder(tmp_path) == own
    assert [entry.name for entry in own.iterdir()] == ["logs"]
    assert (tmp_path / "demo.json").exists()


def test_the_bench_counts_from_the_first_failing_request() -> None:
    """A figure that is missing is not made up."""
    row = heal.judge(Mode.CUBLAS, "parakeet", OUTAGE, 1)
    assert row[:3] == ("cublas", "parakeet", "503")
    assert list(row[3:]) == pytest.approx([0.2, 0.25, 5.0, 5.6, 3, 0.1, 1])
    for hole in (
        replace(OUTAGE, calls=OUTAGE.calls[:1]),
        replace(OUTAGE, calls=OUTAGE.calls[:-2]),
        replace(OUTAGE, history=History(CHANGES[:3], (100.75,))),
        replace(OUTAGE, history=History(CHANGES, ())),
    ):
        with pytest.raises(ToolError, match="without having been wedged"):
            heal.judge(Mode.CUBLAS, "parakeet", hole, 1)


def test_aims_of_healing_are_the_slowest_of_their_kind() -> None:
    """A hang has none, and is measured only where it is asked for."""
    modes = ((Mode.CUBLAS, 1.0), (Mode.CUDA422, 4.0), (Mode.GARBAGE, 16.0), (Mode.HANG, 95.0))
    rows = [(heal.judge(mode, "parakeet", OUTAGE, 1), requested) for mode, requested in modes]
    table = Table("", heal.COLUMNS, tuple((*row[:4], requested, *row[5:]) for row, requested in rows))
    assert [(aim.at_most, aim.measured, aim.held) for aim in heal.aims(table)] == [
        *((5.0, 4.0, True), (15.0, 16.0, False))
    ]
    assert [(row[0], row[5]) for row in table.rows] == [
        *(("cublas", 5.0), ("cuda422", 5.0), ("garbage (canary)", 15.0), ("hang", None))
    ]
    every, usual = (set(heal.modes(quick=False, every=every)) for every in (True, False))
    # A service without memory is not restarted.
    assert (set(Mode) - every, every - usual) == ({Mode.MEMORY}, {Mode.HANG})
    assert len(heal.modes(quick=True, every=False)) == 2


async def test_one_wedge_with_real_processes() -> None:
    """Both services, from their first failing request to the first good one."""
    (measured,) = (await heal.measure((Mode.CUBLAS,))).tables
    assert [(row[1], row[2], row[-1]) for row in measured.rows] == [("parakeet", "503", 1), ("magpie", "503", 1)]
    for row in measured.rows:
        detected, requested, _, served, lost, waited, _ = [cell for cell in row[3:] if isinstance(cell, int | float)]
        # A canary may see it before a caller does.
        assert detected <= requested < served
        assert lost > 0
        assert waited > 0
