"""WAV that goes to Parakeet as it is, 16 kHz s16le mono: recognised without a decoder, even while it still arrives."""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from spark_engine.models import SAMPLE_RATE, SAMPLE_WIDTH
from spark_engine.speech.audio import WavReader

from .decode import Block

_HEADERS = (1 << 10, 1 << 16)
"""Bytes that hold most WAV headers, and those that hold all."""

_WAV_SLACK = 4096
"""Bytes that a WAV header may promise too many: some writers count padding or their own header."""

_BLOCK = 1 << 16

_OTHERS = tuple(map(re.compile, (rb"WAVE(?:fmt |LIST|JUNK)", rb"ID3[\x02-\x04]\0[\0\x10\x20\x40\x80][\0-\x7f]{4}")))
"""Within samples of which no length is told: another file was joined to this one."""


@dataclass(frozen=True, slots=True)
class WavHead:
    """Where the samples start, and how many bytes of them are announced, None where the header does not tell.

    `passes` is whether the samples are those that Parakeet takes.
    """

    start: int
    announced: int | None
    passes: bool

    @property
    def file_size(self) -> int | None:
        """Return the bytes of the whole file, where its samples pass and its header tells; else None."""
        if not self.passes or not self.announced or self.announced % SAMPLE_WIDTH:
            return None
        return self.start + self.announced


def read_head(data: memoryview) -> WavHead | None:
    """Return the head of a WAV file that begins like this, None where this is no WAV file or has no samples (yet).

    Raises ValueError where it is a damaged one.
    """
    if bytes(data[:4]) != b"RIFF" or bytes(data[8:12]) != b"WAVE":
        return None
    reader, read = WavReader(), 0
    for size in _HEADERS:
        samples = reader.feed(bytes(data[read:size]))
        read = size
        if reader.format is not None and (samples or reader.announced):
            passes = reader.format.is_s16_mono and reader.format.sample_rate == SAMPLE_RATE
            return WavHead(reader.header_size, reader.announced, passes)
    return None


def samples_of(data: memoryview, head: WavHead) -> memoryview | None:
    """Return the samples of a whole file, not copied; None where it has to be decoded.

    Raises ValueError with a sentence for the user where it is cut.
    """
    present = len(data) - head.start
    missing = 0 if head.announced is None else head.announced - present
    if missing > _WAV_SLACK:
        raise ValueError(f"The WAV file is cut: {missing} of its {head.announced} bytes of audio are missing.")
    # Chunks after the samples would sound as a click: only a file that ends with them is taken as it is.
    if not head.passes or missing < 0 or present < SAMPLE_WIDTH:
        return None
    if head.announced is None and any(other.search(data, head.start) for other in _OTHERS):
        return None
    return data[head.start : head.start + present // SAMPLE_WIDTH * SAMPLE_WIDTH]


async def in_blocks(samples: memoryview) -> AsyncGenerator[Block]:
    """Yield samples in blocks, not copied."""
    for at in range(0, len(samples), _BLOCK):
        yield Block(samples[at : at + _BLOCK])
