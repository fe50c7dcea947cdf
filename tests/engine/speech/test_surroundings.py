"""Silence and a chime around speech."""

from array import array
from collections.abc import AsyncGenerator

import pytest
from spark_engine.errors import ServerFault
from spark_engine.models import Audio
from spark_engine.speech.audio import silence
from spark_engine.speech.surroundings import GAP, Surroundings, own_chime, surrounded

RATE = 16_000
SPOKEN = [Audio(b"\1\0" * 100, RATE), Audio(b"\2\0" * 100, RATE)]


async def speech(*, fails_after: int | None = None) -> AsyncGenerator[Audio]:
    """Two pieces, or what comes before a failure."""
    for number, audio in enumerate(SPOKEN):
        if number == fails_after:
            raise ServerFault("It broke.")
        yield audio


async def test_around_speech() -> None:
    """In order: silence, chime, the speech as it comes, silence."""
    around = Surroundings(silence_before=0.5, silence_behind=0.25, chime=own_chime)
    chime = await own_chime(RATE)
    out = [audio async for audio in surrounded(speech(), around)]
    assert out == [
        silence(0.5, RATE),
        Audio(chime.pcm + silence(GAP, RATE).pcm, RATE),
        *SPOKEN,
        silence(0.25, RATE),
    ]


async def test_nothing_is_added_where_nothing_is_wanted() -> None:
    assert [audio async for audio in surrounded(speech(), Surroundings())] == SPOKEN


@pytest.mark.parametrize("fails_after", [0, 1])
async def test_a_failure(fails_after: int) -> None:
    """Before the first speech there is no sound at all; later it is raised where it belongs."""
    around = Surroundings(silence_before=0.5, silence_behind=0.25, chime=own_chime)
    out = []
    with pytest.raises(ServerFault):
        async for audio in surrounded(speech(fails_after=fails_after), around):
            out.append(audio)
    assert out[2:] == SPOKEN[:fails_after]
    assert bool(out) is bool(fails_after)


@pytest.mark.parametrize("rate", [22_050, 44_100])
async def test_own_chime(rate: int) -> None:
    """Short, never clipped, and without a click at either end."""
    chime = await own_chime(rate)
    samples = array("h", chime.pcm)
    assert chime.sample_rate == rate
    assert chime.seconds == pytest.approx(0.6)
    assert 5000 < max(map(abs, samples)) < 16_000
    assert abs(samples[0]) < 100
    assert abs(samples[-1]) < 100
