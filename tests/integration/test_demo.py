"""The demo's pure parts: sound in pieces, the stages of a turn, the checks, the report."""

from array import array
from itertools import pairwise
from math import pi, sin

import pytest

from demo.answers import items, pick, text
from demo.assist import Event, Reply, Turn
from demo.check import Outcome, assess, names_the_light
from demo.errors import DemoError
from demo.report import stage_table, stages, table, verdict
from demo.sound import Clip, from_samples, pieces, read_wav, resample, samples, speech_end, with_silence, write_wav

TONE = from_samples(array("h", (round(8000 * sin(2 * pi * 440 * n / 22_050)) for n in range(22_050))), 22_050)


def test_wav_survives_a_round_trip() -> None:
    """What is written is read again: samples and rate."""
    assert read_wav(write_wav(TONE)) == TONE


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "not answer with a WAV file"),
        (b"not sound at all", "not answer with a WAV file"),
        (write_wav(Clip(b"", 16_000)), "empty WAV file"),
        (write_wav(TONE).replace(b"\x01\x00\x01\x00", b"\x01\x00\x02\x00", 1), "on 2 channels"),
    ],
)
def test_other_answers_of_the_voice_are_named(data: bytes, complaint: str) -> None:
    """Whatever is not 16-bit mono sound ends the demo with a sentence."""
    with pytest.raises(DemoError, match=complaint):
        read_wav(data)


def test_resampling_keeps_length_and_pitch() -> None:
    """A second of 440 Hz is a second of 440 Hz at the other rate."""
    clip = resample(TONE, 16_000)
    values = samples(clip)
    rising = sum(1 for left, right in pairwise(values) if left < 0 <= right)
    assert (clip.rate, clip.seconds) == (16_000, 1.0)
    assert rising == pytest.approx(440, abs=1)
    assert max(values) == pytest.approx(8000, rel=0.02)


def test_speech_ends_with_its_last_sound() -> None:
    """Pauses within do not count, nor does the silence a voice leaves at the end."""
    assert speech_end(from_samples(array("h", [0, 5, 900, 0, 0, -900, 4, 0]), 8)) == 6 / 8


def test_silence_is_no_speech() -> None:
    """A voice that says nothing is no command."""
    with pytest.raises(DemoError, match="silence"):
        speech_end(Clip(bytes(3200), 16_000))


def test_pieces_are_due_when_a_microphone_has_heard_them() -> None:
    """20 ms after 20 ms, the rest at the end, nothing lost."""
    clip = with_silence(Clip(b"\x01\x02" * 700, 16_000), 0.01)
    cut = list(pieces(clip, 0.02))
    assert [len(piece.pcm) for piece in cut] == [640, 640, 440]
    assert [piece.due for piece in cut] == [0.02, 0.04, 860 / 16_000]
    assert b"".join(piece.pcm for piece in cut) == clip.pcm


def turn(*events: Event, reply: Reply | None = None) -> Turn:
    """A turn that began at 100 s and whose speech ended at 101 s."""
    return Turn(began_at=100.0, speech_ended_at=101.0, events=list(events), reply=reply)


HEARD = Event(102.5, "stt-end", {"stt_output": {"text": "Turn on the kitchen light."}})


def test_stages_are_measured_from_both_ends_of_the_speech() -> None:
    """Since the first sample, and since the last sound."""
    measured = stages(turn(Event(102.25, "stt-vad-end", None), HEARD, reply=Reply(103.0, 104.0, b"mp3")))
    assert [(stage.at, stage.after_speech) for stage in measured] == [
        (1.0, 0.0),
        (2.25, 1.25),
        (2.5, 1.5),
        (None, None),
        (3.0, 2.0),
        (4.0, 3.0),
    ]


def test_table_is_aligned() -> None:
    """Names to the left, numbers to the right, as wide as the widest."""
    assert table(("stage", "at"), [("a", "1.00 s"), ("longest", "-")]) == (
        "  stage        at\n  -------  ------\n  a        1.00 s\n  longest       -"
    )


def test_stage_that_was_not_reached_is_a_dash() -> None:
    """A turn that broke off still has a table."""
    lines = stage_table(turn(HEARD)).splitlines()
    assert lines[3].split() == ["transcript", "2.50", "s", "+1.50", "s"]
    assert lines[-1].split() == ["spoken", "reply", "complete", "-", "-"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("Turn on the kitchen light.", True),
        ("turn on the Kitchen-light", True),
        ("Turn on the kitchen.", False),
        ("", False),
        (None, False),
    ],
)
def test_the_light_is_recognised_however_it_is_spelled(words: str | None, *, named: bool) -> None:
    """Speech engines differ in capitals and punctuation."""
    assert names_the_light(words) is named


GOOD = Outcome(turn(HEARD), "off", "on", 0.9, "Turn on the kitchen light.")


def test_all_that_held_is_said() -> None:
    """One line per check."""
    checks = assess(GOOD)
    assert all(check.held for check in checks)
    assert verdict(checks).count("  ok    ") == len(checks)


@pytest.mark.parametrize(
    ("outcome", "failed"),
    [
        (Outcome(turn(), "off", "on", 0.9, "the kitchen light"), "Home Assistant heard the command"),
        (Outcome(turn(HEARD), "on", "on", 0.9, "the kitchen light"), "the kitchen light went on"),
        (Outcome(turn(HEARD), "off", "off", 0.9, "the kitchen light"), "the kitchen light went on"),
        (Outcome(turn(HEARD), "off", "on", 0.1, "the kitchen light"), "the answer was spoken"),
        (Outcome(turn(HEARD), "off", "on", 0.9, ""), "the proxy heard the command"),
    ],
)
def test_what_did_not_hold_is_named(outcome: Outcome, failed: str) -> None:
    """Exactly the check that failed, and whose log to read."""
    checks = [check for check in assess(outcome) if not check.held]
    assert [check.claim for check in checks] == [failed]
    assert checks[0].faults
    assert f"FAIL  {failed}" in verdict(checks)


def test_answers_that_lack_something_say_what() -> None:
    """A path into JSON gives the value, or a sentence with the path in it."""
    answer = {"stt_output": {"text": "hello", "words": ["hello"]}}
    assert text(answer, "stt_output", "text") == "hello"
    assert items(answer, "stt_output", "words") == ["hello"]
    assert pick(answer, "stt_output", "text", "deeper") is None
    with pytest.raises(DemoError, match=r"lacks stt_output\.language"):
        text(answer, "stt_output", "language")
    with pytest.raises(DemoError, match=r"lacks the list stt_output\.text"):
        items(answer, "stt_output", "text")
