"""Cut a long recording at its pauses into windows that Parakeet can take. Blocking, and bounded in memory."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from spark_engine.models import SAMPLE_WIDTH, Audio
from spark_engine.parakeet import SAMPLE_RATE

SEARCHED = 20.0
"""Seconds at the end of a window that are searched for a pause: people breathe more often than that."""

_FRAME = SAMPLE_RATE // 50
_PAUSE = 10
"""Frames of 20 ms: a pause between words is shorter than 0.2 s, one between phrases is not."""


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a recording and where it starts, in seconds."""

    start: float
    audio: Audio


def cut_windows(blocks: Iterable[bytes], seconds: float, longest: float) -> Iterator[Window]:
    """Windows of at most `seconds`, nothing lost between them.

    Raises ValueError where the recording exceeds `longest` seconds.
    """
    size = round(seconds * SAMPLE_RATE) * SAMPLE_WIDTH
    held, start = bytearray(), 0
    for block in blocks:
        held += block
        if (start + len(held)) / SAMPLE_WIDTH > longest * SAMPLE_RATE:
            raise ValueError(f"The recording is longer than {longest:.0f} seconds.")
        # One byte more than fits shows that this is not the last window.
        while len(held) > size:
            cut = quietest(bytes(held[:size]))
            yield _window(start, bytes(held[:cut]))
            del held[:cut]
            start += cut
    if held:
        yield _window(start, bytes(held))


def _window(start: int, pcm: bytes) -> Window:
    return Window(start / SAMPLE_WIDTH / SAMPLE_RATE, Audio(pcm, SAMPLE_RATE))


def quietest(pcm: bytes) -> int:
    """The byte to cut at: the middle of the quietest fifth of a second near the end."""
    first = max(0, len(pcm) // SAMPLE_WIDTH - round(SEARCHED * SAMPLE_RATE))
    samples = array("h", pcm[first * SAMPLE_WIDTH :])
    loudness = [sum(map(abs, samples[at : at + _FRAME])) for at in range(0, len(samples) - _FRAME + 1, _FRAME)]
    if len(loudness) < _PAUSE:
        return len(pcm)
    pauses = [sum(loudness[at : at + _PAUSE]) for at in range(len(loudness) - _PAUSE + 1)]
    # The last of equally quiet places: longer windows give the model more context.
    quiet = len(pauses) - 1 - pauses[::-1].index(min(pauses))
    return (first + (quiet + _PAUSE // 2) * _FRAME) * SAMPLE_WIDTH
