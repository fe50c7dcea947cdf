"""WAV that Parakeet can have as it is, 16 kHz s16le mono: found without a decoder, even while it is still coming."""

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from io import BytesIO

from spark_engine.models import SAMPLE_RATE, SAMPLE_WIDTH, Audio
from spark_engine.speech.audio import WavReader

from .sniff import SNIFFED, sniff

SHORT = 1 << 20
"""Bytes of a recording that is read at once: half a minute of 16 kHz PCM."""

_HEADERS = (1 << 10, 1 << 16)
"""Bytes that hold most WAV headers, and those that hold all."""

_WAV_SLACK = 4096
"""Bytes that a WAV header may promise too many: some writers count padding or their own header."""


@dataclass(frozen=True, slots=True)
class _Header:
    """Where the samples start, how many bytes of them are announced if that is told, and whether they are clean."""

    start: int
    announced: int | None
    is_clean: bool


def clean_samples(data: memoryview) -> memoryview | None:
    """The samples of a whole file, not copied, where it is a clean WAV file; None where it has to be decoded.

    Raises ValueError with a sentence for the user where it is cut or damaged.
    """
    header = _read_header(data)
    if header is None:
        return None
    present = len(data) - header.start
    missing = 0 if header.announced is None else header.announced - present
    if missing > _WAV_SLACK:
        raise ValueError(f"The WAV file is cut: {missing} of its {header.announced} bytes of audio are missing.")
    # Chunks after the samples would be heard as a click: only a file that ends with them is taken as it is.
    if not header.is_clean or missing < 0 or present < SAMPLE_WIDTH:
        return None
    return data[header.start : header.start + present // SAMPLE_WIDTH * SAMPLE_WIDTH]


def read_clean(file: BytesIO) -> Audio | None:
    """The whole recording where it is short and clean, else None. Raises ValueError as `clean_samples` does.

    Copying it takes microseconds: less than handing it to another thread.
    """
    data = memoryview(file.getvalue())
    samples = clean_samples(data) if len(data) <= SHORT else None
    return None if samples is None else Audio(bytes(samples), SAMPLE_RATE)


def clean_size(beginning: BytesIO) -> int | None:
    """Bytes of the whole file that begins like this, where it is clean WAV and its header tells; else None."""
    try:
        header = _read_header(memoryview(beginning.getvalue()))
    except ValueError:
        # What is wrong with it is told once it is decoded.
        return None
    if header is None or not header.is_clean or not header.announced or header.announced % SAMPLE_WIDTH:
        return None
    return header.start + header.announced


def samples_size(beginning: BytesIO) -> int:
    """Bytes of samples in the file that begins like this, which `clean_size` knows."""
    header = _read_header(memoryview(beginning.getvalue()))
    return header.announced if header and header.announced else 0


async def coming_samples(beginning: BytesIO, rest: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    """The samples, in blocks, of a file that `clean_size` knows, while it is still coming."""
    data = beginning.getvalue()
    if header := _read_header(memoryview(data)):
        yield data[header.start :]
    async for block in rest:
        yield block


def _read_header(data: memoryview) -> _Header | None:
    """None where this is no WAV file or has no samples. Raises ValueError where it is a damaged one."""
    if sniff(bytes(data[:SNIFFED])) != "wav":
        return None
    reader, read = WavReader(), 0
    for size in _HEADERS:
        samples = reader.feed(bytes(data[read:size]))
        read = size
        if reader.format is not None and (samples or reader.announced):
            is_clean = reader.format.is_s16_mono and reader.format.sample_rate == SAMPLE_RATE
            return _Header(reader.header_size, reader.announced, is_clean)
    return None
