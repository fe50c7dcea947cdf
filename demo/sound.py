"""Sound as bytes: 16-bit little-endian mono PCM with its sample rate; WAV in and out, resampling, pacing. Pure."""

import sys
import wave
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from .errors import DemoError

ASSIST_RATE = 16_000
BYTES_PER_SAMPLE = 2


@dataclass(frozen=True, slots=True)
class Clip:
    """s16le mono PCM at `rate` Hz."""

    pcm: bytes
    rate: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.pcm) / BYTES_PER_SAMPLE / self.rate


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a clip, due `due` seconds after its start: when a microphone would have heard all of it."""

    due: float
    pcm: bytes


def read_wav(data: bytes) -> Clip:
    """The clip in a WAV file; DemoError unless it is 16-bit mono and holds sound."""
    try:
        with wave.open(BytesIO(data)) as file:
            shape = (file.getsampwidth(), file.getnchannels())
            clip = Clip(file.readframes(file.getnframes()), file.getframerate())
    except (wave.Error, EOFError) as error:
        raise DemoError(f"The voice did not answer with a WAV file: {error}") from None
    if shape != (BYTES_PER_SAMPLE, 1):
        raise DemoError(f"The voice answered with {shape[0] * 8}-bit sound on {shape[1]} channels, not 16-bit mono.")
    if not clip.pcm:
        raise DemoError("The voice answered with an empty WAV file.")
    return clip


def write_wav(clip: Clip) -> bytes:
    """The clip as a WAV file."""
    buffer = BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(BYTES_PER_SAMPLE)
        file.setframerate(clip.rate)
        file.writeframes(clip.pcm)
    return buffer.getvalue()


def samples(clip: Clip) -> array[int]:
    """The samples, each -32768 to 32767."""
    values = array("h", clip.pcm)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def from_samples(values: array[int], rate: int) -> Clip:
    """The clip made of `values`."""
    if sys.byteorder == "big":
        values = array("h", values)
        values.byteswap()
    return Clip(values.tobytes(), rate)


def resample(clip: Clip, rate: int) -> Clip:
    """The same sound at `rate` Hz, each new sample on the line between its two neighbours."""
    if clip.rate == rate:
        return clip
    old = samples(clip)
    new = array("h")
    for index in range(len(old) * rate // clip.rate):
        left, rest = divmod(index * clip.rate, rate)
        right = min(left + 1, len(old) - 1)
        new.append(round(old[left] + (old[right] - old[left]) * rest / rate))
    return from_samples(new, rate)


def speech_end(clip: Clip, threshold: int = 300) -> float:
    """Seconds until its last sound that is no silence; DemoError if there is none."""
    values = samples(clip)
    for index in range(len(values) - 1, -1, -1):
        if abs(values[index]) > threshold:
            return (index + 1) / clip.rate
    raise DemoError("The voice answered with silence.")


def with_silence(clip: Clip, seconds: float) -> Clip:
    """The clip with silence after it."""
    return Clip(clip.pcm + bytes(round(seconds * clip.rate) * BYTES_PER_SAMPLE), clip.rate)


def pieces(clip: Clip, seconds: float) -> Iterator[Piece]:
    """The clip in pieces of `seconds`, each with the moment it is due; the last may be shorter."""
    size = round(clip.rate * seconds) * BYTES_PER_SAMPLE
    for start in range(0, len(clip.pcm), size):
        pcm = clip.pcm[start : start + size]
        yield Piece((start + len(pcm)) / BYTES_PER_SAMPLE / clip.rate, pcm)
