"""Change the sample rate of speech that goes on in another one: band-limited interpolation, without dependencies.

A second of audio takes 0.08 to 0.15 s of one core (AMD EPYC), which is enough for what it is for: another server goes
on within a text, and a player takes one rate for all of it.
"""

from array import array
from collections.abc import AsyncGenerator
from contextlib import aclosing
from math import ceil, cos, pi, sin
from operator import mul

from ..models import SAMPLE_WIDTH, Audio

ZERO_CROSSINGS = 8
"""Of the filter, on each side of its middle."""

PHASES = 256
"""Filters between two input samples; an output sample uses the nearest one before its place."""

_LOUDEST = (1 << 15) - 1


class Resampler:
    """Takes s16le mono PCM at `source` Hz in pieces, gives it at `target` Hz."""

    def __init__(self, source: int, target: int) -> None:
        """Nothing is held yet."""
        self.source = source
        self._target = target
        self._filters, self._reach = _filters(min(1.0, target / source))
        self._held = array("h", bytes((self._reach - 1) * SAMPLE_WIDTH))
        # Of the next output sample's window, in input samples times the target rate.
        self._at = 0

    def feed(self, pcm: bytes) -> bytes:
        """Return what is ready after these samples: all but the last few."""
        held, filters, at, target = self._held, self._filters, self._at, self._target
        held.frombytes(pcm)
        made, taps = array("h"), 2 * self._reach
        while (start := at // target) + taps <= len(held):
            value = sum(map(mul, held[start : start + taps], filters[at % target * PHASES // target], strict=True))
            made.append(max(-_LOUDEST - 1, min(_LOUDEST, round(value))))
            at += self.source
        passed = min(at // target, len(held))
        del held[:passed]
        self._at = at - passed * target
        return made.tobytes()

    def finish(self) -> bytes:
        """Return what is left."""
        return self.feed(bytes(self._reach * SAMPLE_WIDTH))


def _filters(cutoff: float) -> tuple[tuple[tuple[float, ...], ...], int]:
    """Return one filter for each phase, and how many samples it takes on each side.

    `cutoff` is the share of frequencies that both rates can hold.
    """
    reach = ceil(ZERO_CROSSINGS / cutoff)

    def weight(distance: float) -> float:
        angle = pi * distance * cutoff
        return (sin(angle) / angle if angle else 1.0) * cos(distance / (reach + 1) * pi / 2) ** 2

    filters = []
    for phase in range(PHASES):
        weights = [weight(tap - (reach - 1) - phase / PHASES) for tap in range(2 * reach)]
        whole = sum(weights)
        filters.append(tuple(each / whole for each in weights))
    return tuple(filters), reach


async def in_one_rate(pieces: AsyncGenerator[Audio]) -> AsyncGenerator[Audio]:
    """Yield all audio in the sample rate of the first piece. Raises what `pieces` raises."""
    rate, resampler = 0, None
    async with aclosing(pieces):
        async for audio in pieces:
            rate = rate or audio.sample_rate
            if resampler is not None and resampler.source != audio.sample_rate:
                yield Audio(resampler.finish(), rate)
                resampler = None
            if audio.sample_rate == rate:
                yield audio
                continue
            resampler = resampler or Resampler(audio.sample_rate, rate)
            if pcm := resampler.feed(audio.pcm):
                yield Audio(pcm, rate)
    if resampler is not None:
        yield Audio(resampler.finish(), rate)
