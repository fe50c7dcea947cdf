"""The bench of a voice turn: what becomes of its moments. No time is asserted."""

import pytest

from bench.errors import BenchError
from bench.figures import Spread
from bench.machine import this_machine
from bench.turn_report import (
    BALANCED,
    HEARD_EARLY,
    OURS,
    WAV,
    Answer,
    Hearing,
    Speaking,
    aims,
    charts,
    tables,
)
from bench.turn_voice import (
    Event,
    Sound,
    Turn,
)
from demo.answers import Json


def heard(*, vad_end: float | None = 11.0, transcript: float = 11.5, sound: float = 12.0) -> Turn:
    """A turn whose command ended at 10 s, on some clock."""
    events = [Event(9.0, "stt-start", None), Event(transcript, "stt-end", None)]
    if vad_end is not None:
        events.insert(1, Event(vad_end, "stt-vad-end", None))
    return Turn(tuple(events), Sound(((sound, 100),), 0), 10.0)


def spoken(first: float, audio_format: str = WAV, *, late: float = 0.0) -> Turn:
    """An answer whose first token came at 5 s and whose second second came so late."""
    written: Json = {"chat_log_delta": {"content": "The"}}
    events = (
        Event(4.9, "intent-progress", {"chat_log_delta": {"role": "assistant"}}),
        Event(5.0, "intent-progress", written),
    )
    start = 44 if audio_format == WAV else 0
    arrivals = ((first - 0.1, start), (first, start + 32_000), (first + 1.0 + late, start + 64_000))
    return Turn(events, Sound(arrivals, start), None)


def test_hearing_is_told_from_the_end_of_speech() -> None:
    """And from the moment it was noticed, where Home Assistant notices it."""
    early = Hearing(HEARD_EARLY)
    early.add(heard(transcript=11.0), [10.25])
    early.add(heard(transcript=11.25), [9.0, 10.75])
    assert (early.asked_after, early.after_noticed) == ([-750.0, -250.0], [0.0, 250.0])
    assert (early.transcript, early.sound) == ([1000.0, 1250.0], [2000.0, 2000.0])
    balanced = Hearing(BALANCED)
    balanced.add(heard(vad_end=None, transcript=10.5), [10.25])
    _, hearing, _ = tables([early, balanced], [], [])
    assert hearing.rows == (
        (HEARD_EARLY, Spread(-500.0, -750.0, -250.0), Spread(125.0, 0.0, 250.0), Spread(1125.0, 1000.0, 1250.0),
         Spread(2000.0, 2000.0, 2000.0), "1 to 2"),
        (BALANCED, None, None, Spread(500.0, 500.0, 500.0), Spread(2000.0, 2000.0, 2000.0), "1"),
    )  # fmt: skip
    assert [(aim.at_most, aim.measured, aim.held) for aim in aims([early, balanced], [])] == [
        (30.0, 125.0, False),
        (700.0, 500.0, True),
    ]


def test_a_transcript_out_of_nothing_gives_no_figure() -> None:
    """Nor does a turn without one."""
    with pytest.raises(BenchError, match="without a request"):
        Hearing(OURS).add(heard(), [])
    with pytest.raises(BenchError, match="without stt-end: stt-start"):
        Hearing(OURS).add(Turn((Event(1.0, "stt-start", None),), Sound((), 0), 10.0), [1.0])


def test_speaking_is_told_from_the_first_token() -> None:
    """An agent's first event has no token in it."""
    usual = Speaking(Answer("three sentences", WAV, 12.0), OURS)
    usual.add(spoken(5.5))
    usual.add(spoken(5.75, late=0.25))
    packed = Speaking(Answer("three sentences", "MP3", 12.0), "another")
    packed.add(spoken(6.0, "MP3"))
    _, _, speaking = tables([], [usual, packed], [])
    assert [row[-2:] for row in speaking.rows] == [
        (Spread(625.0, 500.0, 750.0), Spread(125.0, 0.0, 250.0)),
        (Spread(1000.0, 1000.0, 1000.0), None),
    ]
    assert [(aim.at_most, aim.measured) for aim in aims([], [usual, packed])] == [(720.0, 625.0)]
    with pytest.raises(BenchError, match="wrote nothing"):
        _ = Turn((), Sound((), 0), None).first_token


def test_charts_show_what_was_measured() -> None:
    """Ours stand out; each kind of answer is a group."""
    hearing = [Hearing(BALANCED), Hearing("another")]
    for way in hearing:
        way.add(heard(), [10.5])
    answers = [Answer(words, audio_format, 12.0) for words in ("short", "long") for audio_format in (WAV, "MP3")]
    speaking = [Speaking(answer, way) for answer in answers for way in (OURS, "another")]
    for each in speaking:
        each.add(spoken(5.5, each.answer.audio_format))
    first, second = charts(hearing, speaking, this_machine())
    assert [(bar.label, bar.ours, bar.aim) for bar in first.bars] == [(BALANCED, True, 700.0), ("another", False, None)]
    assert [len(group.bars) for group in second.groups] == [2, 2]
