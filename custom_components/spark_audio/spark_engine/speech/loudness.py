"""Even loudness: every voice, language and server at one level, while it is being spoken. Pure.

The level is that of speech alone: blocks far below the rest are pauses. It is known after a fraction of a second,
which is held back, and gets more exact from then on. A gain follows it slowly, and gives way in time to what would be
clipped.
"""

import math
from array import array
from collections.abc import AsyncGenerator
from contextlib import aclosing
from operator import mul

from ..models import SAMPLE_WIDTH, Audio

AIM = 10 ** (-23 / 20) * 32_768
"""Level of speech, 23 dB below full scale. Its root mean square, in which loud syllables count more, is about 20."""

CEILING = 10 ** (-1 / 20) * 32_767
"""No sample is louder: 1 dB below full scale, for what a converter makes of it."""

MOST_GAIN = 10 ** (12 / 20)
"""Up or down, 12 dB: more would raise noise, not speech."""

BLOCK = 0.02
"""Seconds that share a gain."""

LEAD, LONGEST_LEAD = 0.3, 0.8
"""Seconds of speech, and of anything, after which the level counts as known."""

PAUSE = 90.3 - 50
"""Level below which there is no speech at all, 50 dB below full scale."""

FAINT = 15.0
"""Decibels below the speech's level at which a block is a pause within it."""

MEMORY = 10.0
"""Seconds of speech that the level is the mean of."""

STEP = 10 ** (0.5 / 20)
"""The most by which the gain changes from one block to the next while the level gets more exact: half a decibel."""


class Leveller:
    """Takes speech in pieces of any size, gives it at one level. All pieces have one sample rate."""

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate` in Hz."""
        self._size = round(BLOCK * sample_rate) * SAMPLE_WIDTH
        self._rest = b""
        self._held: list[array[int]] = []
        self._spoken = 0
        """Blocks of speech that the level is known from."""
        self._level = 0.0
        """Their mean level, in decibels above a magnitude of 1: a shout changes it little."""
        self._blocks = 0
        self._gain = 0.0
        """The gain at the end of what was given; 0 before that."""

    def feed(self, pcm: bytes) -> bytes:
        """Return s16le mono samples that are ready: behind the first fraction of a second, all but the last block."""
        self._rest += pcm
        for at in range(0, len(self._rest) - self._size + 1, self._size):
            self._hear(array("h", self._rest[at : at + self._size]))
        self._rest = self._rest[len(self._rest) // self._size * self._size :]
        is_known = self._spoken * BLOCK >= LEAD or self._blocks * BLOCK >= LONGEST_LEAD
        return self._given(len(self._held) - 1) if is_known else b""

    def finish(self) -> bytes:
        """Return what was held back."""
        if rest := self._rest[: len(self._rest) // SAMPLE_WIDTH * SAMPLE_WIDTH]:
            self._hear(array("h", rest))
        return self._given(len(self._held))

    def _hear(self, block: array[int]) -> None:
        self._held.append(block)
        self._blocks += 1
        level = 10 * math.log10(sum(map(mul, block, block, strict=True)) / len(block) or 1)
        if level <= max(PAUSE, self._level - FAINT):
            return
        self._spoken += 1
        self._level += (level - self._level) / min(self._spoken, MEMORY / BLOCK)

    def _given(self, count: int) -> bytes:
        """Return the first blocks of those that are held, at their gain."""
        out = array("h")
        for _ in range(count):
            block = self._held.pop(0)
            wanted = self._wanted()
            if not self._gain:
                self._gain = min(wanted, _limit(block))
            # The gain where this block ends suits the next one, too.
            following = _limit(self._held[0]) if self._held else MOST_GAIN
            end = min(max(wanted, self._gain / STEP), self._gain * STEP, _limit(block), following)
            out.extend(_ramped(block, self._gain, end))
            self._gain = end
        return out.tobytes()

    def _wanted(self) -> float:
        """Return the gain that the level asks for; none where nothing was spoken yet."""
        if not self._spoken:
            return 1.0
        return max(1 / MOST_GAIN, min(MOST_GAIN, AIM / 10 ** (self._level / 20)))


def _limit(block: array[int]) -> float:
    """Return the gain above which this block would be clipped."""
    return CEILING / max(1, *map(abs, (max(block), min(block))))


def _ramped(block: array[int], start: float, end: float) -> array[int]:
    """Return the block at a gain that goes evenly from `start` to `end`."""
    if abs(end - start) < 1e-4:
        return array("h", [int(sample * end) for sample in block])
    step = (end - start) / len(block)
    return array("h", [int(sample * (start + at * step)) for at, sample in enumerate(block)])


async def levelled(pieces: AsyncGenerator[Audio]) -> AsyncGenerator[Audio]:
    """Yield speech at one level, up to LONGEST_LEAD seconds after it comes in at first. Raises what `pieces` raise."""
    leveller: Leveller | None = None
    rate = 0
    async with aclosing(pieces):
        async for audio in pieces:
            rate = audio.sample_rate
            leveller = leveller or Leveller(rate)
            if pcm := leveller.feed(audio.pcm):
                yield Audio(pcm, rate)
    if leveller and (rest := leveller.finish()):
        yield Audio(rest, rate)
