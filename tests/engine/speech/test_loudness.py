"""Speech of every level comes out at one, without clipping and without waiting."""

import math
from array import array
from collections.abc import AsyncGenerator

import pytest
from spark_engine.models import Audio
from spark_engine.speech.loudness import AIM, CEILING, LONGEST_LEAD, MOST_GAIN, Leveller, levelled

RATE = 16_000


def tone(seconds: float, level: float) -> bytes:
    """A sine of that root mean square."""
    peak = level * math.sqrt(2)
    return array("h", [round(peak * math.sin(at * 0.2)) for at in range(round(seconds * RATE))]).tobytes()


def level_of(pcm: bytes) -> float:
    samples = array("h", pcm)
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples))


def through(pcm: bytes, piece: int = 1001) -> bytes:
    """All of it, in pieces that end within samples' blocks."""
    leveller = Leveller(RATE)
    pieces = [leveller.feed(pcm[at : at + 2 * piece]) for at in range(0, len(pcm), 2 * piece)]
    return b"".join([*pieces, leveller.finish()])


@pytest.mark.parametrize("times", [0.3, 0.6, 1.0, 2.0, 3.0])
def test_one_level(times: float) -> None:
    """From the first sample on, for as long as it is; no sample is lost."""
    spoken = tone(3.0, AIM * times)
    out = through(spoken)
    assert len(out) == len(spoken)
    for part in (out[: RATE // 2], out[RATE * 2 :]):
        assert level_of(part) == pytest.approx(AIM, rel=0.02)


def test_pauses_do_not_count() -> None:
    """Silence before speech and between sentences changes nothing, and stays silence."""
    quiet = bytes(RATE)
    out = through(quiet + tone(1.0, AIM / 2) + quiet + tone(1.0, AIM / 2))
    assert level_of(out[RATE + 3200 : 3 * RATE]) == pytest.approx(AIM, rel=0.02)
    assert level_of(out[4 * RATE :]) == pytest.approx(AIM, rel=0.02)
    assert out[:RATE] == quiet


def test_nothing_is_clipped() -> None:
    """A shout in quiet speech: the gain gives way before it, and comes back behind it."""
    out = through(tone(1.0, AIM / 3) + tone(0.1, 20_000) + tone(2.0, AIM / 3))
    samples = array("h", out)
    assert max(map(abs, samples)) <= CEILING
    assert level_of(out[: RATE * 2 - 2000]) == pytest.approx(AIM, rel=0.02)
    assert level_of(out[-RATE:]) > AIM / 3


def test_noise_is_not_raised() -> None:
    """More than 12 dB would be no speech any more; silence stays what it is."""
    assert level_of(through(tone(1.0, AIM / 9))) == pytest.approx(AIM / 9 * MOST_GAIN, rel=0.02)
    assert through(tone(2.0, 20)) == tone(2.0, 20)
    assert through(bytes(RATE)) == bytes(RATE)


def test_a_fraction_of_a_second_is_held_back() -> None:
    """And behind it only a block."""
    leveller, held, spoken = Leveller(RATE), 0, tone(0.02, AIM)
    while not (out := leveller.feed(spoken)):
        held += 1
    assert held * 0.02 < 0.3
    assert len(out) == held * len(spoken)
    assert len(leveller.feed(spoken * 5)) == 5 * len(spoken)

    leveller, held = Leveller(RATE), 0
    while not leveller.feed(bytes(len(spoken))):
        held += 1
    assert held * 0.02 < LONGEST_LEAD


async def test_as_a_stream() -> None:
    """Pieces in, pieces out, none of them empty; a single short one as well."""

    async def spoken(*pieces: bytes) -> AsyncGenerator[Audio]:
        for pcm in pieces:
            yield Audio(pcm, RATE)

    pcm = tone(1.0, AIM / 2)
    out = [audio async for audio in levelled(spoken(pcm[:1000], pcm[1000:20_000], pcm[20_000:]))]
    assert all(audio.pcm and audio.sample_rate == RATE for audio in out)
    assert sum(len(audio.pcm) for audio in out) == len(pcm)
    assert [len(audio.pcm) async for audio in levelled(spoken(pcm[:100]))] == [100]
    assert [audio async for audio in levelled(spoken())] == []
