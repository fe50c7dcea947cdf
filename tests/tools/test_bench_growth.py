"""`scripts/bench scale` and `scripts/bench pauses`: what becomes of the figures, and one small run."""

import json
import random
from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from tools.bench import __main__ as command
from tools.bench import scale, spoken_turns
from tools.bench.pauses import by_kind, summary
from tools.bench.requests import make_wav
from tools.bench.scale import findings, length
from tools.bench.spoken_turns import AFTER, BEFORE, FRAME, PAUSES, ROOMS, SpokenTurn, phrases, spoken_turn, turns
from tools.stack.errors import ToolError


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1.0, "1 s"), (90.0, "90 s"), (600.0, "10 min"), (3600.0, "1 h"), (7200.0, "2 h")]
)
def test_a_length_is_told_in_its_largest_unit(seconds: float, expected: str) -> None:
    """Without fractions."""
    assert length(seconds) == expected


def test_aims_are_about_growth() -> None:
    """From the first recording that has several pieces to the longest; and of the texts."""
    plan = scale.Plan((), (1.0, 600.0, 7200.0), 0.0, (10, 100, 1000))
    recordings = [
        (name, length(seconds), 10.0, 1.0, 5.0, 3, 60.0, 90.0, beyond)
        for name, *grown in (("wav", 0.0, 20.0, 30.0), ("mp3", 0.0, 10.0, 27.0))
        for seconds, beyond in zip(plan.recordings, grown, strict=True)
    ]
    texts = [(10**each, 1.0, 80.0 + 10 * each, 2.0, 1, 60.0 + 8 * each) for each in (1, 2, 3)]
    found = [(aim.measured, aim.held) for aim in findings(plan, [], recordings, texts).aims]
    assert found == [(10.0, True), (17.0, False), (16.0, True), (1.1, True)]
    assert len(findings(replace(plan, recordings=(1.0, 600.0)), [], recordings, texts).aims) == 2


async def test_a_recording_that_is_not_heard_to_its_end_gives_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that loses half would be twice as fast."""
    monkeypatch.setattr(scale, "FORMATS", {"wav": lambda seconds: make_wav(seconds / 2)})
    with pytest.raises(ToolError, match=r"Of 4 s of wav only 2\.0 s were heard"):
        await scale.measure_recording("wav", 4.0, 1)


def test_a_run_grows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The smallest there is, with real processes: what is longer takes more requests."""
    monkeypatch.setattr(scale, "QUICK", scale.Plan(((2, 2),), (600.0,), 2.0, (10, 300)))
    monkeypatch.setattr(scale, "SETTINGS", {})
    monkeypatch.setattr(scale, "FORMATS", {"wav": make_wav})
    file = tmp_path / "figures.json"
    assert command.main(["scale", "--quick", "--json", str(file)]) == 0
    assert "| direct |       2 |" in capsys.readouterr().out
    callers, recordings, texts = json.loads(file.read_text())["tables"]
    assert [(row["way"], row["served"]) for row in callers["rows"]] == [("direct", 4)]
    requests = [(row["format"], row["length"], row["requests to the upstream"]) for row in recordings["rows"]]
    assert requests == [("wav", "10 min", 3)]
    short, long = texts["rows"]
    assert short["requests to the upstream"] == 1 < long["requests to the upstream"]
    assert short["sounds s"] < long["sounds s"]


LOUD = array("h", [9_000, -9_000] * 4_000).tobytes()
"""Half a second."""

HUSHED = bytes(8_000)
"""A quarter of a second."""


def test_a_turn_has_its_pause_and_nothing_of_the_synthesisers() -> None:
    """Its end is the frame of the last sound."""
    made = spoken_turn("quiet", [HUSHED + LOUD + HUSHED, HUSHED + LOUD], 0.8, 0, random.Random(1))
    assert made.end == round((BEFORE + 0.5 + 0.8 + 0.5) * 100)
    loud = [any(made.pcm[at : at + FRAME]) for at in range(0, len(made.pcm), FRAME)]
    assert loud == [False] * 30 + [True] * 50 + [False] * 80 + [True] * 50 + [False] * round(AFTER * 100)


def test_the_set_is_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same noise with the same seed, in each room, and each pause in 16 commands."""
    monkeypatch.setattr(spoken_turns, "AFTER", 0.0)
    said = dict.fromkeys(phrases(), LOUD[: 2 * FRAME])
    made = list(turns(said))
    assert len(made) == len(ROOMS) * (24 + 16 * len(PAUSES))
    assert made[-1] == list(turns(said))[-1]
    assert any(made[-1].pcm[:FRAME])
    assert {"Turn on the", "kitchen light.", "Tell me a joke."} <= set(said)


def test_what_counts_as_cut_off() -> None:
    """An end before the last sound; its echo is no word. Where all are cut off, no gap is made up."""
    ends = (
        {"home_assistant": 227, "balanced": 165, "fast": 99},
        {"home_assistant": 90, "balanced": 95, "fast": 94},
        {"home_assistant": 225, "balanced": 161, "fast": 40},
    )
    found = [(SpokenTurn("fan", b"", 100), each) for each in ends]
    assert summary(found, [{"home_assistant": 1, "balanced": 0, "fast": 3}]).rows == (
        ("Home Assistant", 1, 1, 1.25, 1.27),
        ("balanced", 0, 0, 0.61, 0.65),
        ("fast", 2, 3, 0.0, 0.0),
    )
    assert by_kind([*found, (SpokenTurn("quiet", b"", 40), ends[2])]).rows == (
        ("fan", 3, 1, 0, 2),
        ("quiet", 1, 0, 0, 0),
    )
    assert summary(found[1:2], []).rows[0] == ("Home Assistant", 1, 0, None, None)
