"""The embedded Spark around engines without a model: they know one sentence, and take no time for it."""

from collections.abc import Generator

from embedded_spark import EmbeddedSpark
from embedded_spark.engines import Delivery, Line
from embedded_spark.garbage import SECONDS_PER_CHARACTER
from embedded_spark.wav import Recording

SENTENCE = "Turn on the kitchen light."

_LOUD = b"\x00\x10"


class Recognizer:
    """Hears the same sentence in everything."""

    def hear(self, recording: Recording) -> Generator[tuple[Line, ...]]:
        """One line."""
        yield (Line(SENTENCE, 0.0, recording.duration),)


class Synthesizer:
    """Speaks a sound of the right length, which is no silence."""

    def speak(self, text: str, delivery: Delivery, sample_rate: int) -> Generator[bytes]:  # noqa: ARG002 - the protocol
        """s16le mono PCM at `sample_rate` Hz."""
        yield _LOUD * round(SECONDS_PER_CHARACTER * len(text) * sample_rate)


def spark() -> EmbeddedSpark:
    """On free ports; not started yet."""
    return EmbeddedSpark(load_recognizer=Recognizer, load_synthesizer=Synthesizer)
