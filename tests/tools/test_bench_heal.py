"""The bench of healing: what it makes of calls and a status, and one real wedge from beginning to end."""

import asyncio
from contextlib import suppress

import pytest
from aiohttp import ClientPayloadError, ClientSession
from embedded_spark.wedge import Mode
from spark_engine.models import Audio
from spark_engine.speech.audio import write_wav

from bench import __main__ as command
from bench import heal, healing
from bench.errors import BenchError
from bench.heal import AIMS, ALL, CANARY_ALONE, Case, aims, table
from bench.healing import WRONG, Call, Callers, Healing, Watched, judge, read_status
from bench.report import Report
from tests.fakes.server import FakeServer, data, running, text

CALLS = [
    Call(99.5, 100.25, "cut off"),
    Call(99.75, 100.5, None),
    Call(100.5, 100.75, None),
    Call(101.0, 101.25, "503"),
    Call(100.75, 103.5, "504"),
    Call(104.0, 104.5, "503"),
    Call(105.0, 105.25, None),
    Call(105.5, 105.75, None),
]
"""A wedge at 100 s, in the order of the answers. Two requests were under way, one was still served."""


def test_a_healing_counts_from_the_first_failing_request() -> None:
    """From when it was sent; what was sent before the wedge tells nothing."""
    assert judge(CALLS, 100.0, Watched(101.75, (102.75, 130.0)), 1) == Healing(
        detected=1.0, requested=2.0, served=4.5, lost=3, waited=2.75, restarts=1, faults=("503", "504")
    )


@pytest.mark.parametrize(
    ("calls", "watched"),
    [
        ([], Watched(100.5, (101.0,))),
        (CALLS[:3], Watched(100.5, (101.0,))),
        (CALLS[:-2], Watched(100.5, (101.0,))),
        (CALLS, Watched(None, (101.0,))),
        (CALLS, Watched(100.5, ())),
    ],
)
def test_a_story_with_a_hole_gives_no_figure(calls: list[Call], watched: Watched) -> None:
    """No zero is made up."""
    with pytest.raises(BenchError, match="without having been wedged"):
        judge(calls, 100.0, watched, 1)


def test_the_status_tells_when() -> None:
    """Of that service, since the wedge."""
    at = "1970-01-01T00:01:{}.500+00:00"
    history = [
        {"at": at.format(second), "to": state} for second, state in ((10, "wedged"), (40, "suspect"), (41, "wedged"))
    ]
    parakeet = {"name": "parakeet", "history": history, "restarts": [at.format(42)]}
    document = {"services": [{"name": "magpie", "history": [], "restarts": []}, parakeet]}
    assert read_status(document, "parakeet", 100.0) == Watched(101.5, (102.5,))
    assert read_status(document, "magpie", 100.0) == Watched(None, ())
    with pytest.raises(BenchError, match="does not tell of parakeet-2"):
        read_status(document, "parakeet-2", 100.0)


def case(mode: Mode, service: str, requested: float) -> Case:
    """A wedge whose restart was requested then."""
    return Case(mode, service, Healing(requested, requested, 9.0, 3, 0.1, 1, ("503",)))


def test_aims_are_the_slowest_of_their_kind() -> None:
    """A hang has none."""
    cases = [
        case(Mode.CUBLAS, "parakeet", 1.0),
        case(Mode.CUDA422, "magpie", 4.0),
        case(Mode.GARBAGE, "magpie", 16.0),
        case(Mode.HANG, "parakeet", 95.0),
    ]
    assert [(aim.at_most, aim.measured, aim.held) for aim in aims(cases)] == [(5.0, 4.0, True), (15.0, 16.0, False)]
    assert [(row[0], row[1], row[5]) for row in table(cases).rows] == [
        ("cublas", "parakeet", 5.0),
        ("cuda422", "magpie", 5.0),
        ("garbage (canary)", "magpie", 15.0),
        ("hang", "parakeet", None),
    ]


def test_every_mode_is_measured() -> None:
    """And only a hang has to be asked for."""
    assert set(ALL) == set(Mode)
    assert set(Mode) - set(AIMS) == {Mode.HANG}


async def test_callers_tell_right_from_wrong() -> None:
    """By what is heard, and by whether anything is."""
    async with heal.spark() as embedded, ClientSession() as session:
        url = embedded.parakeet_url
        assert await healing.hear(session, url) is None
        for mode, answer in (("garbage", WRONG), ("empty", WRONG), ("cublas", "500")):
            async with session.post(f"{url}/embedded/wedge", json={"mode": mode}):
                assert await healing.hear(session, url) == answer
        for handler, answer in (
            (data(write_wav(Audio(bytes(1000), 8_000)), "audio/wav"), WRONG),
            (data(write_wav(Audio(bytes(999) + b"1", 8_000)), "audio/wav"), None),
            (text("no", status=503), "503"),
        ):
            async with running(FakeServer({("POST", "/v1/audio/speech"): handler})) as server:
                assert await healing.speak(session, server.url) == answer


async def test_callers_go_on_until_told_and_count_the_last_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the answer."""
    monkeypatch.setattr(healing, "PACE", 0.0)
    answers = iter([None, "503"])
    left = asyncio.Event()

    async def ask(_: ClientSession, url: str) -> str | None:
        assert url == "http://proxy"
        with suppress(StopIteration):
            return next(answers)
        await left.wait()
        raise ClientPayloadError

    async with ClientSession() as session:
        callers = Callers(session, "http://proxy", ask)
        async with callers.calling():
            fault = await callers.until(lambda calls: next((call.fault for call in calls if call.fault), None))
            left.set()
    assert fault == "503"
    assert [call.fault for call in callers.calls[:2]] == [None, "503"]
    assert {call.fault for call in callers.calls[2:]} <= {"cut off"}


async def test_one_wedge_with_real_processes() -> None:
    """Both services, from their first failing request to the first good one."""
    report = await heal.measure((Mode.CUBLAS,))
    (measured,) = report.tables
    assert [(row[1], row[2], row[-1]) for row in measured.rows] == [("parakeet", "503", 1), ("magpie", "503", 1)]
    for row in measured.rows:
        detected, requested, _, served, lost, waited, _ = row[3:]
        assert 0 < detected <= requested < served
        assert lost > 0
        assert waited > 0


async def test_all_is_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """And only where there is more."""
    asked = []

    def answering(name: str) -> command.Measurement:
        async def answer(*, quick: bool) -> Report:
            asked.append((name, quick))
            raise BenchError(name)

        return answer

    question = command.Question("How fast?", answering("usual"), "and more", answering("all"))
    monkeypatch.setattr(command, "QUESTIONS", {"heal": question, "proxy": command.Question("Why?", answering("why"))})
    for arguments in (["heal"], ["heal", "--all"], ["heal", "--all", "--quick"], ["proxy"]):
        assert await command.run(command.parse(arguments)) == 1
    assert asked == [("usual", False), ("all", False), ("all", True), ("why", False)]
    with pytest.raises(SystemExit):
        command.parse(["proxy", "--all"])
    assert set(CANARY_ALONE) <= {(mode, name) for mode in Mode for name in heal.SERVICES}
    assert "unrecognized arguments: --all" in capsys.readouterr().err
