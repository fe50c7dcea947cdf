"""What is heard around speech: silence before it, a chime, silence behind it. Pure."""

import math
from array import array
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from ..models import Audio
from .audio import silence

type Chime = Callable[[int], Awaitable[Audio]]
"""Returns what to play before speech of that sample rate in Hz, in the same rate."""

GAP = 0.1
"""Seconds between a chime and speech."""

_NOTES = ((783.99, 0.0), (1046.5, 0.16))
"""Hz, and seconds until it is struck: G and C."""

_LENGTH, _DECAY, _ATTACK = 0.6, 9.0, 0.004
_AMPLITUDE = 0.16 * 32_767
"""Of each note: as loud as speech."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """Seconds of silence before and behind speech, and what is played before it, if anything."""

    silence_before: float = 0.0
    silence_behind: float = 0.0
    chime: Chime | None = None


async def surrounded(pieces: AsyncGenerator[Audio], around: Surroundings) -> AsyncGenerator[Audio]:
    """Yield silence and chime, the speech, and silence. Raises what `pieces` raise, before anything where nothing came.

    Nothing is yielded before there is speech: without that, a server that is down would be heard as a chime.
    """
    rate = 0
    async with aclosing(pieces):
        async for audio in pieces:
            if not rate:
                rate = audio.sample_rate
                if around.silence_before:
                    yield silence(around.silence_before, rate)
                if around.chime:
                    chime = await around.chime(rate)
                    yield Audio(chime.pcm + silence(GAP, rate).pcm, rate)
            yield audio
    if rate and around.silence_behind:
        yield silence(around.silence_behind, rate)


async def own_chime(sample_rate: int) -> Audio:
    """Return a chime of two notes."""
    samples = array("h", bytes(2 * round(_LENGTH * sample_rate)))
    for hertz, start in _NOTES:
        for at in range(round(start * sample_rate), len(samples)):
            seconds = at / sample_rate - start
            fade = min(1.0, seconds / _ATTACK, (len(samples) - at) / sample_rate / _ATTACK)
            level = _AMPLITUDE * fade * math.exp(-_DECAY * seconds)
            samples[at] += int(level * math.sin(2 * math.pi * hertz * seconds))
    return Audio(samples.tobytes(), sample_rate)
