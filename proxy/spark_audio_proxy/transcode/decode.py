"""Any audio a browser or phone records, as 16 kHz mono PCM. Blocking: run it off the event loop."""

from collections.abc import Generator, Iterator
from io import BytesIO

import av
from av.error import FFmpegError
from spark_engine.audio import WavReader
from spark_engine.models import SAMPLE_WIDTH, Audio
from spark_engine.parakeet import SAMPLE_RATE

from .sniff import SNIFFED, sniff

_FORMATS = "wav, mp3, m4a, mp4, webm, ogg, opus, flac, aac"
SHORT = 1 << 20
"""Bytes of a recording that is read at once: half a minute of 16 kHz PCM."""

_BLOCK = 1 << 16
_HEADER = 1 << 16
_WAV_SLACK = 4096
"""Bytes that a WAV header may promise too many: some writers count padding or their own header."""


def decode(file: BytesIO) -> Generator[bytes]:
    """PCM blocks, 16 kHz s16le mono. Raises ValueError with a sentence for the user where there is no audio."""
    data = file.getbuffer()
    container = _container(data)
    if container == "wav" and (start := _clean_samples(data)) is not None:
        return _slices(data, start)
    return _decoded(file, container)


def read_clean(file: BytesIO) -> Audio | None:
    """The whole recording where it is short and already 16 kHz mono PCM, None where it has to be decoded.

    Copying it takes microseconds: less than handing it to another thread. Raises ValueError as `decode` does.
    """
    data = file.getbuffer()
    if len(data) > SHORT or _container(data) != "wav" or (start := _clean_samples(data)) is None:
        return None
    pcm = bytes(data[start:])
    return Audio(pcm[: len(pcm) // SAMPLE_WIDTH * SAMPLE_WIDTH], SAMPLE_RATE)


def _container(data: memoryview) -> str:
    if not data:
        raise ValueError("The audio file is empty.")
    container = sniff(bytes(data[:SNIFFED]))
    if container is None:
        raise ValueError(f"The file is not audio in a known format. Known are {_FORMATS}.")
    return container


def _clean_samples(data: memoryview) -> int | None:
    """Where the samples of a WAV file start, None where they are not yet what Parakeet wants."""
    reader, head = WavReader(), bytes(data[:_HEADER])
    samples = reader.feed(head)
    if reader.format is None or not (samples or reader.announced):
        return None
    start = len(head) - len(samples)
    present = len(data) - start
    missing = 0 if reader.announced is None else reader.announced - present
    if missing > _WAV_SLACK:
        raise ValueError(f"The WAV file is cut: {missing} of its {reader.announced} bytes of audio are missing.")
    # Chunks after the samples would be heard as a click: only a file that ends with them is taken as it is.
    is_clean = reader.format.is_s16_mono and reader.format.sample_rate == SAMPLE_RATE and missing >= 0
    return start if is_clean and present > 1 else None


def _slices(data: memoryview, start: int) -> Generator[bytes]:
    for at in range(start, len(data) - 1, _BLOCK):
        block = bytes(data[at : at + _BLOCK])
        yield block[: len(block) // 2 * 2]


def _decoded(file: BytesIO, container: str) -> Generator[bytes]:
    found = False
    try:
        with av.open(file, "r", format=container, io_open=_refuse) as media:
            if not media.streams.audio:
                raise ValueError("The file has no audio track.")
            for pcm in _resampled(media.decode(media.streams.audio[0])):
                found = found or bool(pcm)
                yield pcm
    except (FFmpegError, OSError, EOFError) as err:
        # A recording that stops in the middle is kept as far as it goes; one that never starts is an error.
        if not found:
            raise ValueError("The audio file is damaged or cut: nothing in it can be decoded.") from err
    if not found:
        raise ValueError("The audio file holds no sound.")


def _refuse(url: str, flags: int, options: object) -> BytesIO:
    """No upload may make us open anything else."""
    raise PermissionError(f"refused: {url!r} ({flags}, {options})")


def _resampled(frames: Iterator[av.AudioFrame]) -> Iterator[bytes]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    for frame in frames:
        yield from map(_samples, resampler.resample(frame))
    yield from map(_samples, resampler.resample(None))


def _samples(frame: av.AudioFrame) -> bytes:
    return bytes(frame.planes[0])[: frame.samples * 2]
