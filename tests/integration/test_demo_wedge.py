"""The story of a wedge: what is told, in which order, and what has to hold of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from demo import wedge
from demo.__main__ import parse
from demo.answers import Json
from demo.errors import DemoError
from demo.story import HANG_SECONDS, Call, Change, Kind, Story, Watched, assess, moments, read_status, summary

LIGHT = "Turn on the kitchen light."
FAULT = "The server reports a CUDA failure (500): CUDA error"
HELD = "Parakeet is being restarted."


def heard(at: float) -> Call:
    """A good transcription, sent at that moment."""
    return Call(Kind.TRANSCRIPTION, at, at + 0.1, 200, good=True, said=LIGHT)


def refused(at: float, said: str = HELD, status: int | None = 503, wait: str | None = "60") -> Call:
    """A refused one."""
    return Call(Kind.TRANSCRIPTION, at, at + 0.1, status, good=False, said=said, retry_after=wait)


def spoke(at: float, *, good: bool = True) -> Call:
    """A speech."""
    return Call(Kind.SPEECH, at, at + 0.1, 200 if good else 503, good=good, said="Magpie is being restarted.")


CHANGES = (
    Change(90.0, "healthy", "The canary was heard right."),
    Change(100.55, "suspect", FAULT),
    Change(100.7, "wedged", FAULT),
    Change(100.75, "restarting", "restart requested"),
    Change(105.8, "healthy", "The canary was heard right."),
)


def healed() -> Story:
    """A wedge at 100 s that healed."""
    return Story(
        wedged_at=100.0,
        calls=[heard(99.0), spoke(99.2), spoke(102.0), heard(106.0), refused(101.0), refused(100.5, FAULT)],
        watched=Watched("healthy", CHANGES, (100.75,), 3),
        starting_at=100.9,
        restarted=1,
    )


def test_the_story_is_told_in_its_order() -> None:
    """Who notices, who comes later, and what the watchdog does; nothing from before, and nothing twice."""
    story = healed()
    story.calls += [refused(101.5), heard(106.5)]
    assert [(round(moment.at - 100, 2), moment.sentence) for moment in moments(story)] == [
        (0.55, f"suspected: {FAULT}"),
        (0.6, f'a caller gets 503 "{FAULT}" Retry-After: 60'),
        (0.7, f"wedged, since a canary fails, too: {FAULT}"),
        (0.75, "restart requested (1 of 3)"),
        (0.9, "Parakeet is starting: 503, loading"),
        (1.1, f'a caller gets 503 "{HELD}" Retry-After: 60'),
        (5.8, "healthy: The canary was heard right."),
        (6.1, f'the first good answer: "{LIGHT}"'),
    ]


def test_a_story_that_has_just_begun_is_short() -> None:
    """And a good answer to a request that came before the first failing one is no recovery."""
    assert moments(Story(wedged_at=100.0)) == []
    early = Story(wedged_at=100.0, calls=[replace(heard(100.1), answered=100.9), refused(100.2)])
    assert (early.recovered, early.first_failing) == (None, 100.2)
    under_way = Story(
        wedged_at=100.0, calls=[replace(refused(99.8), answered=100.1), replace(heard(99.9), answered=100.2)]
    )
    assert (under_way.recovered, under_way.first_failing) == (None, 99.8)


def test_times_count_from_the_wedge_and_from_the_first_failing_request() -> None:
    """With what it cost."""
    rows = [line.split("  ") for line in summary(healed()).splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells[2:6] == [
        ["first failing request", "0.50 s", "0.00 s"],
        ["wedge detected", "0.70 s", "0.20 s"],
        ["restart requested", "0.75 s", "0.25 s"],
        ["first good answer", "6.10 s", "5.60 s"],
    ]
    assert cells[-3:] == [
        ["transcriptions lost", "2 of 3"],
        ["speeches lost", "0 of 1"],
        ["restarts used", "1 of 3"],
    ]


def test_what_was_not_reached_is_a_dash() -> None:
    """A wedge that nobody noticed has a table as well."""
    assert summary(Story(wedged_at=100.0, calls=[heard(101.0)])).count(" -\n") == 4


def test_a_wedge_that_heals_holds() -> None:
    """All of it."""
    assert all(check.held for check in assess(healed()))


def changed(**changes: object) -> Story:
    """The healed story, with something else in it."""
    story = healed()
    for name, value in changes.items():
        setattr(story, name, value)
    return story


def with_calls(*calls: Call) -> Story:
    """The healed story with more calls."""
    return changed(calls=[*healed().calls, *calls])


@pytest.mark.parametrize(
    ("story", "failed"),
    [
        (with_calls(refused(98.0)), ["all was well before"]),
        (changed(watched=replace(healed().watched, changes=())), ["the wedge was detected"]),
        (changed(watched=replace(healed().watched, restarts=(100.75, 103.0))), ["exactly one restart"]),
        (changed(restarted=0), ["exactly one restart"]),
        (changed(restarted=2), ["exactly one restart"]),
        (changed(calls=healed().calls[:3] + healed().calls[4:]), ["Parakeet hears again"]),
        (
            with_calls(refused(101.2, status=500)),
            ["whoever lost a request was told when to come back"],
        ),
        (
            with_calls(refused(101.2, wait=None)),
            ["whoever lost a request was told when to come back"],
        ),
        (
            with_calls(refused(101.2, "nothing for 30 s", None, None)),
            ["whoever lost a request was told when to come back"],
        ),
        (
            with_calls(replace(refused(101.2), answered=101.2 + HANG_SECONDS)),
            ["nobody was left hanging"],
        ),
        (with_calls(spoke(103.0, good=False)), ["Magpie went on speaking"]),
        (
            changed(calls=[heard(99.0), heard(101.0), spoke(101.0)]),
            ["Parakeet hears again", "whoever lost a request was told when to come back"],
        ),
    ],
)
def test_what_did_not_hold_is_named(story: Story, failed: Sequence[str]) -> None:
    """Exactly that, and whose log to read."""
    checks = [check for check in assess(story) if not check.held]
    assert [check.claim for check in checks] == failed
    assert all(check.faults for check in checks)


STATUS: Json = {
    "restart_limit": 3,
    "services": [
        {"name": "magpie", "state": "healthy", "history": [], "restarts": []},
        {
            "name": "parakeet",
            "state": "restarting",
            "history": [
                {"at": "1970-01-01T00:01:40.250+00:00", "from": "suspect", "to": "wedged", "evidence": FAULT},
            ],
            "restarts": ["1970-01-01T00:01:40.500+00:00"],
        },
    ],
}


def test_the_status_tells_of_parakeet() -> None:
    """Moments as seconds."""
    assert read_status(STATUS) == Watched("restarting", (Change(100.25, "wedged", FAULT),), (100.5,), 3)


def test_a_status_without_parakeet_is_an_error() -> None:
    """With a sentence."""
    with pytest.raises(DemoError, match="lacks state"):
        read_status({"services": []})


def test_the_wedge_needs_no_kept_home_assistant(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor does it go with a check."""
    assert parse(["--wedge"]).wedge
    for other in ("--keep", "--check"):
        with pytest.raises(SystemExit):
            parse(["--wedge", other])
    assert "--wedge needs no Home Assistant" in capsys.readouterr().err


def test_a_kept_demo_is_left_alone(tmp_path: Path) -> None:
    """The wedge has a folder of its own, which begins empty."""
    (tmp_path / "demo.json").touch()
    own = wedge.lay_out(tmp_path)
    (own / "state").mkdir()
    assert wedge.lay_out(tmp_path) == own
    assert [entry.name for entry in own.iterdir()] == ["logs"]
    assert (tmp_path / "demo.json").exists()


@pytest.mark.usefixtures("socket_enabled")
async def test_a_story_that_breaks_off_stops_the_callers() -> None:
    """With the one sentence that says why, and without waiting for answers."""

    async def never(request: web.Request) -> web.Response:
        asked.set()
        await asyncio.Event().wait()
        return web.Response()

    asked = asyncio.Event()
    app = web.Application()
    app.add_routes([web.post("/v1/audio/transcriptions", never), web.post("/v1/audio/speech", never)])
    async with TestServer(app, host="127.0.0.1", handler_cancellation=True) as server, ClientSession() as session:
        callers = wedge.Callers(session, str(server.make_url("")).rstrip("/"), b"wav")
        with pytest.raises(DemoError, match="the proxy has gone"):
            async with callers.calling():
                await asked.wait()
                raise DemoError("the proxy has gone")


@pytest.mark.usefixtures("socket_enabled")
async def test_callers_keep_what_they_get(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words, sentences, Retry-After, and a connection that breaks; the last answers are waited for."""
    monkeypatch.setattr(wedge, "PACE_SECONDS", 0.0)
    asked, enough = 0, asyncio.Event()

    async def transcribe(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        await request.read()
        match asked:
            case 1:
                return web.json_response({"text": LIGHT})
            case 2:
                return web.json_response({"text": "of of of"})
            case 3:
                error = {"error": {"message": HELD}}
                return web.json_response(error, status=503, headers={"Retry-After": "60"})
        enough.set()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def speak(request: web.Request) -> web.Response:
        await enough.wait()
        return web.Response(body=b"mp3")

    app = web.Application()
    app.add_routes([web.post("/v1/audio/transcriptions", transcribe), web.post("/v1/audio/speech", speak)])
    async with TestServer(app, host="127.0.0.1") as server, ClientSession() as session:
        callers = wedge.Callers(session, str(server.make_url("")).rstrip("/"), b"wav")
        async with callers.calling():
            await enough.wait()
    calls = callers.story.calls
    found = [(call.status, call.good, call.said, call.retry_after) for call in calls if call.kind is Kind.TRANSCRIPTION]
    assert {(200, True, LIGHT, None), (200, False, "of of of", None), (503, False, HELD, "60")} <= set(found)
    assert [(status, good) for status, good, *_ in found if status is None]
    assert (200, True) in [(call.status, call.good) for call in calls if call.kind is Kind.SPEECH]
    assert all(call.sent <= call.answered for call in calls)
