"""`scripts/bench scale`: what becomes of the figures, and one small run."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tools.bench import __main__ as command
from tools.bench import scale
from tools.bench.requests import make_wav
from tools.bench.scale import findings, length
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
