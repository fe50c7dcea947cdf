"""The bench of growing work: what is made, what becomes of the figures, and one small run. No time is asserted."""

import json
from pathlib import Path

import pytest
from spark_engine.speech.audio import read_wav
from spark_engine.speech.sentences import SentenceReader

from bench import __main__ as command
from bench import scale, scale_work
from bench.errors import BenchError
from bench.machine import MIB, this_machine
from bench.plot import as_svg
from bench.scale_report import Callers, Recording, Text, aims, charts, length, tables
from bench.scale_work import AUDIO_FORMATS, SENTENCES, make_mp3, make_text
from bench.soak_answers import seconds_of

TINY = scale.Plan(callers=((2, 2),), recordings=(1.0, 600.0), worth=2.0, texts=(10, 300))


@pytest.mark.parametrize("characters", [1, 2, 10, 47, 48, 49, 100, 1000, 30_000])
def test_a_text_is_as_long_as_it_is_wanted(characters: int) -> None:
    """And it ends like a sentence."""
    text = make_text(characters)
    assert len(text) == characters
    assert text.endswith(".")
    assert characters < 1000 or all(sentence in text for sentence in SENTENCES)


def test_a_long_text_has_many_sentences() -> None:
    """None of which is cut in two."""
    reader = SentenceReader()
    found = [*reader.feed(make_text(1000)), *reader.finish()]
    assert set(found[:-1]) == set(SENTENCES)


@pytest.mark.parametrize("seconds", [1.0, 60.0, 180.0])
def test_a_recording_is_as_long_as_it_is_wanted(seconds: float) -> None:
    """However it is encoded; copies of a minute add a few frames."""
    for audio_format in AUDIO_FORMATS:
        made = audio_format.make(seconds)
        sounding = read_wav(made).seconds if audio_format.name == "wav" else seconds_of(made, audio_format.name)
        assert seconds <= sounding <= seconds + 0.1 * max(1, seconds / 60)


def test_what_cannot_be_encoded_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A length that copies do not give, and a machine without ffmpeg."""
    with pytest.raises(ValueError, match="no whole minutes"):
        make_mp3(90.0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match="ffmpeg made no mp3"):
        make_mp3(1.0)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1.0, "1 s"), (90.0, "90 s"), (600.0, "10 min"), (3600.0, "1 h"), (7200.0, "2 h")]
)
def test_a_length_is_told_in_its_largest_unit(seconds: float, expected: str) -> None:
    """Without fractions."""
    assert length(seconds) == expected


def recorded(audio_format: str, seconds: float, peak: int) -> Recording:
    """A recording of 10 MiB that took half a second of CPU, in a proxy of 60 MiB."""
    return Recording(audio_format, seconds, 10 * MIB, 1.0, 0.5, 60 * MIB, peak * MIB, 3)


RECORDINGS = [
    recorded("wav", 1.0, 60),
    recorded("wav", 600.0, 90),
    recorded("wav", 7200.0, 100),
    recorded("mp3", 1.0, 60),
    recorded("mp3", 600.0, 80),
    recorded("mp3", 7200.0, 97),
]
TEXTS = [
    Text(10, 0.7, 0.08, 0.1, 1, 60 * MIB),
    Text(100, 7.0, 0.09, 0.2, 2, 60 * MIB),
    Text(1000, 70.0, 0.1, 2.0, 7, 76 * MIB),
]
CALLERS = [Callers("direct", 1, (0.02, 0.04), 0, 1.0, None), Callers("as shipped", 64, (0.2,), 3, 1.0, 90 * MIB)]


def test_memory_counts_beyond_the_file() -> None:
    """Never less than nothing."""
    assert [each.beyond_upload for each in RECORDINGS] == [0.0, 20.0, 30.0, 0.0, 10.0, 27.0]
    assert recorded("wav", 60.0, 60).cpu_per_minute == 500.0


def test_aims_are_about_growth() -> None:
    """From the first recording that has several pieces to the longest; and of the texts."""
    held = [(aim.measured, aim.held) for aim in aims(RECORDINGS, TEXTS)]
    assert held == [(10.0, True), (17.0, False), (16.0, True), (pytest.approx(0.1 / 0.09), True)]
    assert len(aims(RECORDINGS[:2], TEXTS)) == 2


def test_tables_and_charts_show_all() -> None:
    """Who asked no proxy has no memory there."""
    callers, recordings, texts = tables(CALLERS, RECORDINGS, TEXTS)
    assert callers.rows[0] == ("direct", 1, 20.0, 40.0, 2.0, 2, 0, None)
    assert callers.rows[1][5:] == (1, 3, 90.0)
    assert [row[:2] for row in recordings.rows[:3]] == [("wav", "1 s"), ("wav", "10 min"), ("wav", "2 h")]
    assert [row[0] for row in texts.rows] == [10, 100, 1000]
    drawn = charts(CALLERS, RECORDINGS, TEXTS, this_machine())
    assert [len(chart.bars) for chart in drawn] == [2, 6, 6, 3]
    for chart in drawn:
        assert as_svg(chart)


async def test_a_recording_that_is_not_heard_to_its_end_gives_no_figure() -> None:
    """A proxy that loses half would be twice as fast."""
    audio_format = scale_work.AudioFormat("wav", "audio/wav", lambda seconds: AUDIO_FORMATS[0].make(seconds / 2))
    with pytest.raises(BenchError, match=r"Of 4 s of wav only 2\.0 s were heard"):
        await scale.measure_recording(audio_format, 4.0, 1)


async def test_a_run_grows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The smallest there is, with real processes: what is longer takes more requests."""
    monkeypatch.setattr(scale, "QUICK", TINY)
    file = tmp_path / "figures.json"
    assert await command.run(command.parse(["scale", "--quick", "--json", str(file), "--plot", str(tmp_path)])) == 0
    assert "| as shipped        |       2 |" in capsys.readouterr().out
    callers, recordings, texts = json.loads(file.read_text())["tables"]
    assert [(row["way"], row["served"]) for row in callers["rows"]] == [(way, 4) for way in ("direct", *scale.SETTINGS)]
    requests = [(row["format"], row["length"], row["requests to the upstream"]) for row in recordings["rows"]]
    assert requests == [("wav", "1 s", 1), ("wav", "10 min", 3), ("mp3", "1 s", 1), ("mp3", "10 min", 3)]
    short, long = texts["rows"]
    assert short["requests to the upstream"] == 1 < long["requests to the upstream"]
    assert short["sounds s"] < long["sounds s"]
    assert len(list(tmp_path.glob("bench-scale-*.svg"))) == 4
