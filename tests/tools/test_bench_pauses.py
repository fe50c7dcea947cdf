"""`scripts/bench pauses`: the set of spoken turns, and what is counted of it."""

import random
from array import array

from bench.pauses import by_kind, chart, summary
from bench.spoken_turns import AFTER, BEFORE, FRAME, SAMPLE_RATE, SpokenTurn, turn

LOUD = array("h", [9_000, -9_000] * (SAMPLE_RATE // 4)).tobytes()
"""Half a second."""

HUSHED = bytes(SAMPLE_RATE // 2)
"""A quarter of a second."""


def spoken(end: int, kind: str = "quiet") -> SpokenTurn:
    """A turn whose last sound is there."""
    return SpokenTurn("Stop.", kind, b"", end)


def test_a_turn_has_its_pause_and_nothing_of_the_synthesisers() -> None:
    """Its end is the frame of the last sound."""
    made = turn("quiet", [("Turn on", HUSHED + LOUD + HUSHED), ("it.", HUSHED + LOUD)], 0.8, 0, random.Random(1))
    assert made.text == "Turn on … it."
    assert made.end == round((BEFORE + 0.5 + 0.8 + 0.5) * 100)
    assert len(made.pcm) // FRAME == made.end + round(AFTER * 100)
    loud = [any(made.pcm[at : at + FRAME]) for at in range(0, len(made.pcm), FRAME)]
    assert loud == [False] * 30 + [True] * 50 + [False] * 80 + [True] * 50 + [False] * 400


def test_the_room_is_heard() -> None:
    """The same noise with the same seed."""
    made = [turn("fan", [("Stop.", LOUD)], 0, 60, random.Random(seed)).pcm for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]
    assert any(made[0][:FRAME])


def test_what_counts_as_cut_off() -> None:
    """An end before the last sound; its echo is no word."""
    found = [
        (spoken(100), {"home_assistant": 227, "balanced": 165, "fast": 99}),
        (spoken(100), {"home_assistant": 90, "balanced": 95, "fast": 94}),
        (spoken(100), {"home_assistant": 225, "balanced": 161, "fast": 40}),
    ]
    cuts = {"somebody": {"home_assistant": 1, "balanced": 0, "fast": 3}}
    assert summary(found, cuts).rows == (
        ("Home Assistant", 1, 1, 1.25, 1.27),
        ("balanced", 0, 0, 0.61, 0.65),
        ("fast", 2, 3, 0.0, 0.0),
    )
    _, lost = chart(found, cuts).groups
    assert [bar.figure for bar in lost.bars] == [2.0, 0.0, 5.0]


def test_by_kind() -> None:
    """In the order of the set."""
    ends = {"home_assistant": 200, "balanced": 50, "fast": 50}
    found = [(spoken(100, "fan"), ends), (spoken(40, "quiet"), ends), (spoken(100, "fan"), ends)]
    assert by_kind(found).rows == (("fan", 2, 0, 2, 2), ("quiet", 1, 0, 0, 0))


def test_everybody_cut_off_leaves_no_gap() -> None:
    """And no figure is made up for it."""
    rows = summary([(spoken(100), {"home_assistant": 1, "balanced": 1, "fast": 1})], {}).rows
    assert rows[0] == ("Home Assistant", 1, 0, None, None)
