"""The data that crosses module borders."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, override

type Json = str | int | float | bool | list[Json] | dict[str, Json] | None

SAMPLE_WIDTH = 2
"""Bytes per sample: PCM between modules is always 16-bit little-endian mono."""

SAMPLE_RATE = 16_000
"""Hz of all audio that is transcribed: Parakeet was trained on it, and resamples anything else itself, if it can."""


LOWEST_RATE, HIGHEST_RATE = 8_000, 96_000
"""Hz of speech that is taken from a server: what telephones and studios use. More is a mistake, or an attack."""


class Service(StrEnum):
    """What a Spark serves."""

    PARAKEET = "parakeet"
    MAGPIE = "magpie"

    @property
    def display_name(self) -> str:
        """Return the name as people read it."""
        return self.value.capitalize()


@dataclass(frozen=True, slots=True, order=True)
class ServerName:
    """One server of a service: `parakeet`, `parakeet-2`, ... in settings, logs and JSON."""

    service: Service
    number: int = 1

    @override
    def __str__(self) -> str:
        return self.service if self.number == 1 else f"{self.service}-{self.number}"

    @property
    def display_name(self) -> str:
        """Return the name as people read it: `Parakeet`, `Parakeet 2`."""
        return self.service.display_name if self.number == 1 else f"{self.service.display_name} {self.number}"

    @classmethod
    def parse(cls, text: str) -> ServerName:
        """Return the name that `text` spells. Raises ValueError for any other text."""
        service, _, number = text.partition("-")
        name = cls(Service(service), int(number or 1))
        if str(name) != text:
            raise ValueError(f"{text!r} is not the name of a server")
        return name


class AudioSource(Protocol):
    """16-bit little-endian mono PCM (s16le), held or still arriving, of a length that is known."""

    @property
    def size(self) -> int:
        """Return the bytes of the whole."""

    @property
    def sample_rate(self) -> int:
        """Return the sample rate in Hz."""

    @property
    def seconds(self) -> float:
        """Return the length of the whole."""

    @property
    def held(self) -> bytes | None:
        """Return all of it, None while some is still to come."""

    def blocks(self) -> AsyncGenerator[bytes]:
        """Yield all of it from the first byte on, waiting for what has not come yet; any number of times."""


@dataclass(frozen=True, slots=True)
class Audio:
    """16-bit little-endian mono PCM (s16le) and its sample rate in Hz."""

    pcm: bytes
    sample_rate: int

    @property
    def size(self) -> int:
        """Return the bytes of PCM."""
        return len(self.pcm)

    @property
    def seconds(self) -> float:
        """Return the length, counted from the samples."""
        return len(self.pcm) / SAMPLE_WIDTH / self.sample_rate

    @property
    def held(self) -> bytes:
        """Return the PCM, as any `AudioSource` that is complete."""
        return self.pcm

    async def blocks(self) -> AsyncGenerator[bytes]:
        """Yield the PCM in one block."""
        yield self.pcm


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
    """What was said. `segments` and `words` are None where the server gives none; times are never invented."""

    text: str
    language: str | None = None
    segments: tuple[Segment, ...] | None = None
    words: tuple[Word, ...] | None = None
    has_ended: bool = False
    """Whether a server that transcribes live has heard the speaker end here; more may follow all the same."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice of Magpie. `name` is what the server expects; the rest is read from it where it tells."""

    name: str
    speaker: str
    language: str | None = None
    emotion: str | None = None
    model: str | None = None


NATIVE_RATE = 22_050
"""Hz that Magpie's codec works at."""


@dataclass(frozen=True, slots=True)
class SpeechStyle:
    """How text is to be spoken. None leaves a choice to the server's default voice for the language.

    `voice` is anything that `voices.find_voice` finds; `sample_rate` in Hz is a wish, the audio tells what came of it.
    """

    voice: str | None = None
    language: str | None = None
    sample_rate: int = NATIVE_RATE
