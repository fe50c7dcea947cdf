"""The bench of a voice turn: what becomes of its moments, what it sets up, and one real turn of each kind."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tools.bench import turn, turn_peers
from tools.bench.turn_peers import CORE_OPENAI, WYOMING, Peers
from tools.bench.turn_report import BALANCED, EARLY, HEARD_EARLY, OURS, TOOL, WAV, Answer, Hearing, Speaking, findings
from tools.stack import fetched
from tools.stack.errors import ToolError
from tools.stack.fetched import NotInstalled
from tools.stack.http import Json
from tools.stack.processes import Server
from tools.stack.satellite import Event, Reply, Turn
from tools.stack.tables import Spread


def heard(*, vad_end: float | None = 11.0, transcript: float = 11.5, sound: float = 12.0) -> Turn:
    """A turn whose command ended at 10 s, on some clock."""
    noticed = [] if vad_end is None else [Event(vad_end, "stt-vad-end", None)]
    events = (Event(9.0, "stt-start", None), *noticed, Event(transcript, "stt-end", None))
    return Turn(events, Reply(((sound, 100),), 0), 8.0, 10.0)


def spoken(first: float, audio_format: str = WAV, *, late: float = 0.0) -> Turn:
    """An answer whose first token came at 5 s and whose second second came so late."""
    written: Json = {"chat_log_delta": {"content": "The"}}
    events = (
        Event(4.9, "intent-progress", {"chat_log_delta": {"role": "assistant"}}),
        Event(5.0, "intent-progress", written),
    )
    start = 44 if audio_format == WAV else 0
    arrivals = ((first - 0.1, start), (first, start + 32_000), (first + 1.0 + late, start + 64_000))
    return Turn(events, Reply(arrivals, start))


def test_hearing_is_told_from_the_end_of_speech() -> None:
    """And from the moment it was noticed, where Home Assistant notices it."""
    early = Hearing(HEARD_EARLY)
    early.add(heard(transcript=11.0), [10.25])
    early.add(heard(transcript=11.25), [9.0, 10.75])
    balanced = Hearing(BALANCED)
    balanced.add(heard(vad_end=None, transcript=10.5), [10.25])
    found = findings([early, balanced], [], [])
    two_seconds = Spread(2000.0, 2000.0, 2000.0)
    assert found.tables[1].rows == (
        (
            *(HEARD_EARLY, Spread(-500.0, -750.0, -250.0), Spread(125.0, 0.0, 250.0)),
            *(Spread(1125.0, 1000.0, 1250.0), two_seconds, "1 to 2"),
        ),
        (BALANCED, None, None, Spread(500.0, 500.0, 500.0), two_seconds, "1"),
    )
    assert [(aim.at_most, aim.measured, aim.held) for aim in found.aims] == [(30.0, 125.0, False), (700.0, 500.0, True)]


def test_a_transcript_out_of_nothing_gives_no_figure() -> None:
    """Nor does a turn without one, nor one that failed."""
    for failed, complaint in (
        (heard(), "without a request"),
        (Turn((Event(1.0, "stt-start", None),), Reply((), 0), 1.0, 10.0), "without stt-end: stt-start"),
        (Turn(heard().events, None, 1.0, 10.0, "No ears."), r"failed: No ears\."),
    ):
        with pytest.raises(ToolError, match=complaint):
            Hearing(OURS).add(failed, [])


def test_speaking_is_told_from_the_first_token() -> None:
    """An agent's first event has no token in it."""
    usual = Speaking(Answer("three sentences", WAV, 12.0), OURS)
    usual.add(spoken(5.5))
    usual.add(spoken(5.75, late=0.25))
    packed = Speaking(Answer("three sentences", "MP3", 12.0), "another")
    packed.add(spoken(6.0, "MP3"))
    found = findings([], [usual, packed], [])
    assert [row[-2:] for row in found.tables[2].rows] == [
        (Spread(625.0, 500.0, 750.0), Spread(125.0, 0.0, 250.0)),
        (Spread(1000.0, 1000.0, 1000.0), None),
    ]
    assert [(aim.at_most, aim.measured) for aim in found.aims] == [(720.0, 625.0)]


def test_an_answer_with_a_tool_has_a_table_of_its_own() -> None:
    """The first sound, and the longest silence that is heard."""
    usual = Speaking(Answer(TOOL, WAV, 12.0), OURS)
    sound, quiet = b"\xff\x3f\x01\xc0" * 1_600, bytes(32_000)
    events = (Event(5.0, "intent-progress", {"chat_log_delta": {"content": "One"}}),)
    audio = bytes(44) + sound + quiet + sound
    usual.add(Turn(events, Reply(((5.5, len(audio)),), 44, audio)))
    found = findings([], [usual], [])
    assert found.tables[2].rows == ()
    ((way, first, silence),) = found.tables[3].rows
    assert (way, first) == (OURS, Spread(500.0, 500.0, 500.0))
    assert isinstance(silence, Spread)
    assert silence.median == pytest.approx(1000.0)


def test_what_is_asked_for_is_planned() -> None:
    """Longer answers only on request; a quick run has both that have aims."""
    quick, usual = turn.plan(quick=True, every=False), turn.plan(quick=False, every=False)
    every = turn.plan(quick=False, every=True)
    assert set(quick.answers) < set(usual.answers) < set(every.answers)
    assert {answer.words for answer in every.answers} == set(turn.ANSWERS)
    assert quick.variants == every.variants == tuple(turn.VARIANTS)


async def test_a_peer_that_cannot_be_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In uv's own words, or because it is not there; the others are measured."""
    monkeypatch.setattr(fetched, "FETCHED", tmp_path)
    monkeypatch.setattr(turn_peers, "FETCHED", tmp_path)
    monkeypatch.setenv("PATH", "")
    missing = (await turn_peers.install_peers()).missing
    assert list(missing) == [CORE_OPENAI, WYOMING]
    assert all(why.startswith("not measured, it cannot be installed here: uv cannot be") for why in missing.values())
    uv = tmp_path / "bin/uv"
    uv.parent.mkdir()
    uv.write_text("#!/bin/sh\necho Downloading\necho no such package >&2\nexit 2\n")
    uv.chmod(0o755)
    with pytest.raises(NotInstalled, match=r"^no such package$"):
        await turn_peers.install_integration("wyoming")


async def test_what_core_needs_is_there_before_home_assistant_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python never looks again into a folder that was missing at its start."""
    done: list[str] = []

    async def install() -> Peers:
        done.append("installed")
        return Peers({}, {})

    @asynccontextmanager
    async def home(_: Server) -> AsyncGenerator[None]:
        done.append("started")
        if done:
            raise ToolError("far enough")
        yield

    monkeypatch.setattr(turn_peers, "install_peers", install)
    monkeypatch.setattr(turn, "_home", home)
    monkeypatch.setattr(turn, "record_commands", list)
    with pytest.raises(ToolError, match="far enough"):
        await turn.measure(turn.plan(quick=True, every=False))
    assert done == ["installed", "started"]


async def test_one_turn_of_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a real Home Assistant, without peers: those are fetched from the network."""

    async def install() -> Peers:
        return Peers({}, dict.fromkeys(turn_peers.PEERS, "not measured"))

    monkeypatch.setattr(turn_peers, "install_peers", install)
    plan = turn.Plan(1, (EARLY,), (Answer("40 characters", WAV, turn.PACE),))
    packages, hearing, speaking, tool = (await turn.measure(plan)).tables
    assert tool.rows == ()
    assert [row[0] for row in packages.rows[:4]] == ["Home Assistant", OURS, CORE_OPENAI, WYOMING]
    assert packages.rows[2][1] == "not measured"
    ((way, asked, noticed, transcript, sound, requests),) = hearing.rows
    assert way == HEARD_EARLY
    assert isinstance(asked, Spread)
    assert isinstance(noticed, Spread)
    assert isinstance(transcript, Spread)
    assert isinstance(sound, Spread)
    assert asked.median < noticed.median < transcript.median < sound.median
    assert int(str(requests)[-1]) >= 1
    ((*_, first, stall),) = speaking.rows
    assert isinstance(first, Spread)
    assert isinstance(stall, Spread)
    assert first.median > 0
    assert stall.median >= 0
