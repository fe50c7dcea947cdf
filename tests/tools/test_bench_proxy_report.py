"""What becomes of the samples of `scripts/bench proxy`, and of its texts and recordings."""

from dataclasses import astuple

import pytest
from spark_engine.speech.audio import read_wav
from spark_engine.speech.sentences import SentenceReader

from tools.bench.load import Block, Exchange, Request
from tools.bench.proxy_report import (
    DIRECT,
    NGINX,
    OURS,
    Case,
    aims,
    comparisons,
    health_table,
    memory_table,
    whole,
)
from tools.bench.requests import SENTENCES, Pair, make_mp3, make_text, make_wav
from tools.bench.soak_answers import seconds_of
from tools.stack.errors import ToolError
from tools.stack.tables import Cell, Spread

REQUEST = Request("/", {}, b"")
MEMORY = memory_table(
    32,
    20_000_000,
    [
        (NGINX, "", 32, 0, 50.0, 900.0),
        (OURS, "as shipped", 26, 6, 60.0, 100.0),
        (OURS, "1 GiB", 32, 0, 60.0, 200.0),
    ],
)
HEALTH = health_table(1000, 3, (0.001, 0.003))


def block(*milliseconds: float, seconds: float = 1.0) -> Block:
    """One request for each time, whose first audio came after half of it."""
    return Block(tuple(Exchange(200, each / 2000, each / 1000, 10) for each in milliseconds), seconds)


def case(name: str, callers: int, *, nginx: bool = True) -> Case:
    """Two rounds of each way."""
    measured = Case(name, Pair(REQUEST, REQUEST), callers, 2)
    for way, added, cpu in ((DIRECT, 0.0, 0.0), (NGINX, 0.5, 0.001), (OURS, 1.5, 0.002)):
        for slower in (0.0, 4.0):
            if nginx or way != NGINX:
                measured.add(way, block(20 + added + slower, 22 + added + slower, seconds=1 + added / 10), cpu)
    return measured


def test_what_is_added_is_told_round_by_round() -> None:
    """Against the way without anything in between; a machine that grew slower adds nothing."""
    measured = case("transcription", 1)
    assert astuple(measured.added(OURS, whole)) == pytest.approx((1.5, 1.5, 1.5))
    assert astuple(measured.cpu_each(OURS)) == pytest.approx((1.0, 1.0, 1.0))
    assert astuple(measured.times(OURS, NGINX)) == pytest.approx((1.05 / 1.15,) * 3)


def _figures(cell: Cell) -> tuple[float, ...] | None:
    return astuple(cell) if isinstance(cell, Spread) else None


def test_tables_name_every_way() -> None:
    """What was not asked of the direct way is empty."""
    of_one = [case("one", 1)]
    heard, slow, spoken = comparisons(of_one, of_one, of_one)
    assert [row[1] for row in heard.rows] == [DIRECT, NGINX, OURS]
    assert heard.rows[0][5:] == (None, None, None)
    assert [_figures(row[-1]) for row in slow.rows][0::2] == [None, pytest.approx((1.5, 1.5, 1.5))]
    assert [_figures(row[-1]) for row in spoken.rows][0::2] == [None, pytest.approx((0.75, 0.75, 0.75))]
    assert HEALTH.rows == ((OURS, 1000, 3, 2, 1.0, 3.0),)
    assert health_table(0, 3, ()).rows == ((OURS, 0, 3, 0, None, None),)


def test_aims_are_ours_and_of_what_was_measured() -> None:
    """Memory by its highest peak; throughput only where nginx ran and many called."""
    found = list(
        aims([case("t", 1), case("t", 32)], [case("one sentence", 1), case("one sentence", 32)], MEMORY, HEALTH)
    )
    assert [(aim.claim.split(":")[-1].strip(), aim.held) for aim in found] == [
        ("added at the median, ms", True),
        ("CPU of a request, ms", True),
        ("CPU of a request, ms", True),
        ("requests/s, times nginx's", True),
        ("first audio after the upstream's, ms", True),
        ("memory, 32 uploads at once, at its peak, MB", True),
        ("probes of /healthz answered under load", False),
    ]
    assert not [aim for aim in aims([case("t", 32, nginx=False)], [], MEMORY, HEALTH) if "nginx" in aim.claim]


@pytest.mark.parametrize("characters", [1, 2, 10, 47, 48, 49, 100, 1000])
def test_a_text_is_as_long_as_it_is_wanted(characters: int) -> None:
    """And it ends like a sentence; of a long one no sentence but the last is cut."""
    text = make_text(characters)
    assert len(text) == characters
    assert text.endswith(".")
    reader = SentenceReader()
    found = [*reader.feed(text), *reader.finish()]
    assert set(found[:-1]) <= set(SENTENCES)
    assert characters < 1000 or len(found) > 10


@pytest.mark.parametrize("seconds", [1.0, 60.0, 180.0])
def test_a_recording_is_as_long_as_it_is_wanted(seconds: float) -> None:
    """However it is encoded; copies of a minute add a few frames."""
    assert read_wav(make_wav(seconds)).seconds == seconds
    assert seconds <= seconds_of(make_mp3(seconds), "mp3") <= seconds + 0.1 * max(1, seconds / 60)


def test_what_cannot_be_encoded_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A length that copies do not give, and a machine without ffmpeg."""
    with pytest.raises(ValueError, match="no whole minutes"):
        make_mp3(90.0)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolError, match="ffmpeg made no mp3"):
        make_mp3(1.0)
