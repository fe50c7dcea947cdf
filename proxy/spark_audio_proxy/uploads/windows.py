"""Cut a long recording at its pauses into windows that Parakeet can take: bounded in memory, and each copied once."""

import asyncio
from array import array
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from dataclasses import dataclass

from spark_engine.models import SAMPLE_RATE, SAMPLE_WIDTH, Audio

from spark_audio_proxy.transcode.decode import Block

SEARCHED = 20.0
"""Seconds at the end of a window that are searched for a pause: people breathe more often than that."""

_FRAME = SAMPLE_RATE // 50
_PAUSE = 10
"""Frames of 20 ms: a pause between words is shorter than 0.2 s, one between phrases is not."""


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a recording and where it starts, in seconds; and the seconds of it that could not be decoded."""

    start: float
    audio: Audio
    left_out: float = 0.0


def bytes_in(seconds: float) -> int:
    """Return the size of that much PCM: 16 kHz s16le mono."""
    return round(seconds * SAMPLE_RATE) * SAMPLE_WIDTH


async def cut_windows(blocks: AsyncIterable[Block], seconds: float, longest: float) -> AsyncGenerator[Window]:
    """Yield windows of at most `seconds`, nothing lost between them. No more is read while one is complete.

    Raises ValueError where the recording exceeds `longest` seconds.
    """
    cutter = Cutter(seconds, longest)
    async for block in blocks:
        cutter.add(block)
        while cutter.is_full:
            yield await asyncio.to_thread(cutter.cut)
    if cutter.held:
        yield cutter.last()


class Cutter:
    """Takes PCM in blocks, 16 kHz s16le mono, and gives windows of at most `seconds`."""

    def __init__(self, seconds: float, longest: float) -> None:
        """`longest` is the longest recording, in seconds."""
        self.held = 0
        self._size = bytes_in(seconds)
        self._longest = longest
        self._start = 0
        self._left_out = 0.0
        self._blocks: deque[memoryview] = deque()

    @property
    def is_full(self) -> bool:
        """Return whether a window is complete: one byte more than fits shows that it is not the last one."""
        return self.held > self._size

    def add(self, block: Block) -> None:
        """Take the next block. Raises ValueError where the recording gets longer than it may."""
        self._left_out += block.left_out
        if block.pcm:
            self._blocks.append(memoryview(block.pcm))
            self.held += len(block.pcm)
        check_length(self._start + self.held, self._longest)

    def cut(self) -> Window:
        """Return the next window, ending in a pause. Takes some ms: off the event loop."""
        searched = min(bytes_in(SEARCHED), self._size)
        end = _joined(self._blocks, self._size - searched, self._size)
        return self._take(self._size - searched + quietest(end))

    def last(self) -> Window:
        """Return all that is left."""
        return self._take(self.held)

    def _take(self, size: int) -> Window:
        pcm = _joined(self._blocks, 0, size)
        window = Window(self._start / SAMPLE_WIDTH / SAMPLE_RATE, Audio(pcm, SAMPLE_RATE), self._left_out)
        self._left_out = 0.0
        self._start += size
        self.held -= size
        while size and size >= len(self._blocks[0]):
            size -= len(self._blocks.popleft())
        if size:
            self._blocks[0] = self._blocks[0][size:]
        return window


def check_length(size: int, longest: float) -> None:
    """Raises ValueError where so many bytes of PCM are longer than `longest` seconds."""
    if size > longest * SAMPLE_RATE * SAMPLE_WIDTH:
        raise ValueError(f"The recording is longer than {longest:.0f} seconds.")


def _joined(blocks: Iterable[memoryview], start: int, end: int) -> bytes:
    """Return the bytes from `start` to `end` of all blocks in a row."""
    pieces, at = [], 0
    for block in blocks:
        if at >= end:
            break
        pieces.append(block[max(0, start - at) : end - at])
        at += len(block)
    return b"".join(pieces)


def quietest(pcm: bytes) -> int:
    """Return the byte to cut at: the middle of the quietest fifth of a second near the end."""
    first = max(0, len(pcm) // SAMPLE_WIDTH - round(SEARCHED * SAMPLE_RATE))
    samples = array("h", pcm[first * SAMPLE_WIDTH :])
    loudness = [sum(map(abs, samples[at : at + _FRAME])) for at in range(0, len(samples) - _FRAME + 1, _FRAME)]
    if len(loudness) < _PAUSE:
        return len(pcm)
    pauses = [sum(loudness[at : at + _PAUSE]) for at in range(len(loudness) - _PAUSE + 1)]
    # The last of equally quiet places: longer windows give the model more context.
    quiet = len(pauses) - 1 - pauses[::-1].index(min(pauses))
    return (first + (quiet + _PAUSE // 2) * _FRAME) * SAMPLE_WIDTH
