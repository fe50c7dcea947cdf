"""PCM and WAV without dependencies: read, write, frame, measure.

The WAV reader takes what real encoders write: chunks before `data`, chunks after it, and sizes of 0 or 0xFFFFFFFF from
encoders that stream (OpenAI, Kokoro and NIM all do).
"""

import struct
from dataclasses import dataclass

from ..models import SAMPLE_WIDTH, Audio

UNKNOWN_SIZE = 0xFFFFFFFF
"""Written as size when streaming: readers then take what comes. A 0 makes several of them read nothing at all."""

_RIFF_SIZE = 12
_CHUNK_HEAD = 8
_PCM = 1
_EXTENSIBLE = 0xFFFE
_MAX_HEADER = 1 << 20
_IMPOSSIBLE_SIZE = 0x7FFFF000
"""Sizes from here on are placeholders: UNKNOWN_SIZE less a header, or the largest signed number."""


@dataclass(frozen=True, slots=True)
class WavFormat:
    """The `fmt ` chunk. `encoding` is 1 for integer PCM, 3 for IEEE float."""

    encoding: int
    channels: int
    sample_rate: int
    bits: int

    @property
    def is_s16_mono(self) -> bool:
        """Return whether the samples are what modules hand each other."""
        return self.encoding == _PCM and self.channels == 1 and self.bits == SAMPLE_WIDTH * 8


class WavReader:
    """Takes a WAV file in pieces, gives its sample bytes. The time that it takes is linear in the bytes.

    `format` is known once the first samples came, and then `header_size`, the bytes in front of them, and `announced`:
    the bytes of samples that the header promises, None where it promises nothing.
    """

    def __init__(self) -> None:
        """Start in front of the header."""
        self.format: WavFormat | None = None
        self.announced: int | None = None
        self.header_size = 0
        self._head = bytearray()
        self._to_skip = 0
        self._left: int | None = None

    def feed(self, data: bytes) -> bytes:
        """Sample bytes found in this piece. Raises ValueError, saying why, when this is no WAV file."""
        if self._left is None:
            self._head += data
            data = self._parse_head()
            if self._left is None:
                return b""
        samples = data[: self._left]
        self._left -= len(samples)
        return samples

    def _parse_head(self) -> bytes:
        """Take whole chunks off the head. Return what comes behind it, nothing while it is not complete."""
        head = self._head
        if not self.header_size and not self._is_wave():
            return b""
        while self._skip() and len(head) >= _CHUNK_HEAD:
            name, size = struct.unpack_from("<4sI", head)
            if name == b"data":
                self._pass(_CHUNK_HEAD)
                return self._start_samples(bytes(head), size)
            if name == b"fmt ":
                if len(head) < _CHUNK_HEAD + size:
                    break
                self.format = _parse_format(bytes(head[_CHUNK_HEAD : _CHUNK_HEAD + size]))
            self._pass(_CHUNK_HEAD)
            self._to_skip = size + size % 2
        if self.header_size + len(head) > _MAX_HEADER:
            raise ValueError("damaged WAV file: no sample data within the first MiB")
        return b""

    def _is_wave(self) -> bool:
        """Return whether the first bytes have come. Raises ValueError where they are others."""
        if not b"RIFF".startswith(self._head[:4]):
            raise ValueError("not a WAV file: it does not start with RIFF")
        if len(self._head) < _RIFF_SIZE:
            return False
        if self._head[8:_RIFF_SIZE] != b"WAVE":
            raise ValueError("not a WAV file: RIFF without WAVE")
        self._pass(_RIFF_SIZE)
        return True

    def _skip(self) -> bool:
        """Drop what has come of a chunk that is not read. Return whether that was the whole chunk."""
        skipped = min(self._to_skip, len(self._head))
        self._to_skip -= skipped
        self._pass(skipped)
        return not self._to_skip

    def _pass(self, size: int) -> None:
        del self._head[:size]
        self.header_size += size

    def _start_samples(self, samples: bytes, size: int) -> bytes:
        if self.format is None:
            raise ValueError("damaged WAV file: no fmt chunk before the sample data")
        # Encoders that stream cannot know the size; all that comes is then sample data.
        self.announced = None if size == 0 or size >= _IMPOSSIBLE_SIZE else size
        self._left = 1 << 62 if self.announced is None else self.announced
        self._head.clear()
        return samples


def _parse_format(chunk: bytes) -> WavFormat:
    if len(chunk) < 16:
        raise ValueError("damaged WAV file: fmt chunk too short")
    encoding, channels, sample_rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if encoding == _EXTENSIBLE and len(chunk) >= 26:
        (encoding,) = struct.unpack_from("<H", chunk, 24)
    if not channels or not sample_rate:
        raise ValueError("damaged WAV file: no channels or a sample rate of 0")
    return WavFormat(encoding, channels, sample_rate, bits)


def read_wav(data: bytes) -> Audio:
    """Return the audio of a 16-bit mono WAV file. Raises ValueError for anything else; a wrong size is forgiven."""
    reader = WavReader()
    pcm = reader.feed(data)
    if reader.format is None:
        raise ValueError("damaged WAV file: it ends within the header")
    if not reader.format.is_s16_mono:
        raise ValueError(f"not 16-bit mono PCM: {reader.format}")
    return Audio(pcm[: len(pcm) // SAMPLE_WIDTH * SAMPLE_WIDTH], reader.format.sample_rate)


def wav_header(sample_rate: int, data_bytes: int | None = None, sample_width: int = SAMPLE_WIDTH) -> bytes:
    """Return the 44 bytes before mono samples of `sample_width` bytes each; None where the size is not known yet."""
    size = UNKNOWN_SIZE if data_bytes is None else data_bytes
    riff = UNKNOWN_SIZE if data_bytes is None else data_bytes + 36
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", riff, b"WAVE", b"fmt ", 16),
        *(_PCM, 1, sample_rate, sample_rate * sample_width, sample_width, sample_width * 8),
        *(b"data", size),
    )


def write_wav(audio: Audio) -> bytes:
    """Return a complete WAV file, sizes filled in."""
    return wav_header(audio.sample_rate, len(audio.pcm)) + audio.pcm


WIDE = 8
"""Bytes per sample of `widened` PCM."""


def widened(pcm: bytes) -> bytes:
    """s16le as s64le, the same sound in four times the bytes: for readers that wait for so many bytes, not seconds."""
    wide = bytearray(len(pcm) // SAMPLE_WIDTH * WIDE)
    # The 16 bits are the uppermost of the 64: the last two bytes of eight.
    wide[6::WIDE], wide[7::WIDE] = pcm[0::2], pcm[1::2]
    return bytes(wide)


class SampleFramer:
    """Rejoins samples that were split across chunks: HTTP knows nothing of 16-bit samples."""

    def __init__(self) -> None:
        """Start with nothing held back."""
        self._odd = b""

    def feed(self, data: bytes) -> bytes:
        """Return whole samples; an odd last byte waits for the next piece."""
        data = self._odd + data
        whole = len(data) // SAMPLE_WIDTH * SAMPLE_WIDTH
        self._odd = data[whole:]
        return data[:whole]


def silence(seconds: float, sample_rate: int) -> Audio:
    """Return digital silence of that length."""
    return Audio(bytes(round(seconds * sample_rate) * SAMPLE_WIDTH), sample_rate)


SHORTEST_SPEECH = 0.05
"""Seconds below which nothing was said, whatever the text."""

CLICK = 0.025
"""Seconds that are held back until more follows: half of what would count as speech. Players wait for them."""


def longest_plausible_speech(text: str) -> float:
    """Return seconds above which an answer to `text` will never end: no voice needs a second for a character."""
    return 10.0 + len(text)


def shortest_plausible_speech(text: str) -> float:
    """Return seconds below which an answer to `text` was cut or is empty.

    A Magpie in trouble answers 200 with a well-formed WAV that is empty or far too short. A quarter of the usual
    0.077 s a character is never reached by real speech of 40 letters and digits or more; signs take no time.
    """
    spoken = sum(map(str.isalnum, text))
    return 0.25 * 0.077 * spoken if spoken >= 40 else SHORTEST_SPEECH
