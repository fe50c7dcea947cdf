"""The data that crosses module borders."""

from dataclasses import dataclass

type Json = str | int | float | bool | list[Json] | dict[str, Json] | None

SAMPLE_WIDTH = 2
"""Bytes per sample: PCM between modules is always 16-bit little-endian mono."""

SAMPLE_RATE = 16_000
"""Hz of all audio that is transcribed: Parakeet was trained on it, and resamples anything else itself, if it can."""


@dataclass(frozen=True, slots=True)
class Audio:
    """16-bit little-endian mono PCM (s16le) and its sample rate in Hz."""

    pcm: bytes
    sample_rate: int

    @property
    def seconds(self) -> float:
        """Length, counted from the samples."""
        return len(self.pcm) / SAMPLE_WIDTH / self.sample_rate


@dataclass(frozen=True, slots=True)
class Word:
    """One word and when it was said, in seconds from the start of the audio."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of speech and when it was said, in seconds from the start of the audio."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard. `segments` and `words` are None where the server gives none; times are never invented."""

    text: str
    language: str | None = None
    segments: tuple[Segment, ...] | None = None
    words: tuple[Word, ...] | None = None


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice of Magpie. `name` is what the server wants to hear; the rest is read from it where it tells."""

    name: str
    speaker: str
    language: str | None = None
    emotion: str | None = None
    model: str | None = None


NATIVE_RATE = 22_050
"""Hz that Magpie's codec works at."""


@dataclass(frozen=True, slots=True)
class SpeechStyle:
    """How text is to be spoken. None leaves a choice to us: the server's default voice for the language.

    `voice` is anything that `voices.find_voice` finds; `sample_rate` in Hz is a wish, the audio tells what came of it.
    """

    voice: str | None = None
    language: str | None = None
    sample_rate: int = NATIVE_RATE
