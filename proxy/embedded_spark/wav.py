"""WAV files, as far as speech needs them: 16-bit PCM, mono or stereo."""

import struct
from dataclasses import dataclass

PCM = 0x0001
EXTENSIBLE = 0xFFFE
SAMPLE_RATES = range(8_000, 192_001)
HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
FORMAT = struct.Struct("<HHIIHH")


class UnsupportedAudio(ValueError):
    """The bytes are no WAV file, or one of a kind that is not served. The message says which."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Speech to be heard: interleaved s16le PCM of `channels` channels at `sample_rate` Hz, whole frames only."""

    pcm: memoryview
    sample_rate: int
    channels: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.pcm) / (2 * self.channels * self.sample_rate)


def read_wav(content: bytes | bytearray) -> Recording:
    """Read a WAV file without copying its samples.

    A data chunk that claims more than there is (a truncated upload, a streamed file with an unknown length) ends where
    the bytes end. Raises UnsupportedAudio.
    """
    if len(content) < 12 or content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise UnsupportedAudio("the file is not a WAV file")
    layout: tuple[int, int] | None = None
    position = 12
    while position + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, position)
        body = memoryview(content)[position + 8 : position + 8 + size]
        if name == b"fmt ":
            layout = _read_format(body)
        elif name == b"data":
            if layout is None:
                raise UnsupportedAudio("the WAV file has its samples before their format")
            sample_rate, channels = layout
            return Recording(body[: len(body) - len(body) % (2 * channels)], sample_rate, channels)
        position += 8 + size + size % 2
    raise UnsupportedAudio("the WAV file holds no samples")


def _read_format(body: memoryview) -> tuple[int, int]:
    """Sample rate in Hz and number of channels of a `fmt ` chunk."""
    if len(body) < FORMAT.size:
        raise UnsupportedAudio("the WAV file's format is cut off")
    tag, channels, sample_rate, _, _, bits = FORMAT.unpack_from(body)
    if tag == EXTENSIBLE and len(body) >= 26:
        (tag,) = struct.unpack_from("<H", body, 24)
    if tag != PCM or bits != 16:
        raise UnsupportedAudio("the WAV file is not 16-bit PCM")
    if channels not in (1, 2):
        raise UnsupportedAudio(f"the WAV file has {channels} channels, only mono and stereo are served")
    if sample_rate not in SAMPLE_RATES:
        raise UnsupportedAudio(f"the WAV file's sample rate of {sample_rate} Hz is outside 8000 to 192000 Hz")
    return sample_rate, channels


def write_wav(pcm: bytes, sample_rate: int) -> bytes:
    """Return a complete WAV file of s16le mono `pcm`."""
    size = len(pcm)
    header = (b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, PCM, 1, sample_rate, sample_rate * 2, 2, 16, b"data", size)
    return HEADER.pack(*header) + pcm
