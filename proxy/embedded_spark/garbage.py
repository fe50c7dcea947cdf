"""What comes out while a GPU computes garbage: well-formed answers that are wrong."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass

from .engines import Delivery, Line, Recognizer, Synthesizer
from .wav import Recording
from .wedge import Mode

GARBAGE_WORDS = "of of of of of"
"""A decoder that is fed noise repeats itself."""

SECONDS_PER_CHARACTER = 0.077
"""How long Magpie takes to say a character: garbage has the right length."""

CUT_AFTER = 0.01
"""Seconds."""


@dataclass(frozen=True, slots=True)
class DeafRecognizer:
    """Hears the same words in everything, or none."""

    words: str

    def hear(self, recording: Recording) -> Generator[tuple[Line, ...]]:
        """Yield one line as long as the recording."""
        yield (Line(self.words, 0.0, recording.duration),) if self.words else ()


@dataclass(frozen=True, slots=True)
class MuteSynthesizer:
    """Speaks silence, of the length of the speech or cut after `cut_after` seconds."""

    cut_after: float | None = None

    def speak(self, text: str, delivery: Delivery, sample_rate: int) -> Generator[bytes]:  # noqa: ARG002 - the protocol
        """s16le mono PCM at `sample_rate` Hz."""
        seconds = SECONDS_PER_CHARACTER * len(text) if self.cut_after is None else self.cut_after
        yield bytes(2 * round(seconds * sample_rate))


HEARD: Mapping[Mode, Recognizer] = {Mode.GARBAGE: DeafRecognizer(GARBAGE_WORDS), Mode.EMPTY: DeafRecognizer("")}

SPOKEN: Mapping[Mode, Synthesizer] = {Mode.GARBAGE: MuteSynthesizer(), Mode.EMPTY: MuteSynthesizer(CUT_AFTER)}
