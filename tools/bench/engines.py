"""Speech engines without a model for the embedded Spark: they tell what they were given, and take known times."""

import time
from collections.abc import Generator
from dataclasses import dataclass

from embedded_spark.engines import Delivery, Line
from embedded_spark.garbage import SECONDS_PER_CHARACTER
from embedded_spark.wav import Recording
from spark_engine.healing.canary import canary_clip

from tools.stack.spoken import COMMAND

PIECE = 0.25
"""Seconds of speech in one piece."""

_LOUD = b"\x00\x10"


@dataclass(frozen=True, slots=True)
class CountingRecognizer:
    """Hears the canary's words in the canary, else how many samples a recording has, so that a lost piece is missed."""

    seconds: float = 0.0

    def hear(self, recording: Recording) -> Generator[tuple[Line, ...]]:
        """One line, after `seconds`."""
        time.sleep(self.seconds)
        is_canary = recording.pcm == canary_clip().pcm
        words = COMMAND if is_canary else f"{len(recording.pcm) // 2 // recording.channels} samples"
        yield (Line(words, 0.0, recording.duration),)


@dataclass(frozen=True, slots=True)
class PacedSynthesizer:
    """Speaks a loud sound of the right length, piece by piece, `pace` times faster than it sounds; None at once."""

    pace: float | None = None

    def speak(self, text: str, delivery: Delivery, sample_rate: int) -> Generator[bytes]:  # noqa: ARG002 - the protocol
        """s16le mono PCM at `sample_rate` Hz."""
        left = round(SECONDS_PER_CHARACTER * len(text) * sample_rate)
        size = round(PIECE * sample_rate) if self.pace else left
        while left > 0:
            time.sleep(PIECE / self.pace if self.pace else 0)
            yield _LOUD * min(size, left)
            left -= size
