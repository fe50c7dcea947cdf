"""Speech engines without a model, for what the embedded Spark's servers do around them."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from threading import Event, current_thread

from embedded_spark import EmbeddedSpark
from embedded_spark.engines import Delivery, Line, Recognizer, Synthesizer
from embedded_spark.wav import Recording

TIMEOUT = 30.0
"""Seconds after which a test that hangs fails."""


@dataclass
class Gate:
    """A place where an engine's thread waits: `reached` tells that it is there, `opened` lets it go on."""

    reached: Event = field(default_factory=Event)
    opened: Event = field(default_factory=Event)

    def __call__(self) -> None:
        """Wait to be let through."""
        self.reached.set()
        if not self.opened.wait(TIMEOUT):
            raise TimeoutError("the gate was not opened")


@dataclass
class FakeRecognizer:
    """Hears the same pieces in every recording; a callable among them is called when its turn comes."""

    pieces: Iterable[tuple[Line, ...] | Callable[[], None]] = ((Line("Hello.", 0.1, 0.5),), (Line("World.", 0.6, 0.9),))
    recordings: list[Recording] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    left: Event = field(default_factory=Event)
    left_on: str = ""

    def hear(self, recording: Recording) -> Generator[tuple[Line, ...]]:
        """The pieces, with what happens written into `events`."""
        self.recordings.append(recording)
        self.events.append("begin")
        try:
            for piece in self.pieces:
                if callable(piece):
                    piece()
                else:
                    yield piece
            self.events.append("end")
        finally:
            self.left_on = current_thread().name
            self.left.set()


@dataclass
class FakeSynthesizer:
    """Speaks the same sentences whatever the text; a callable among them is called when its turn comes."""

    sentences: Iterable[bytes | Callable[[], None]] = (b"\x01\x00" * 400, b"\x02\x00" * 300)
    asked: list[tuple[str, Delivery, int]] = field(default_factory=list)
    left: Event = field(default_factory=Event)
    left_on: str = ""

    def speak(self, text: str, delivery: Delivery, sample_rate: int) -> Generator[bytes]:
        """The sentences."""
        self.asked.append((text, delivery, sample_rate))
        try:
            for sentence in self.sentences:
                if callable(sentence):
                    sentence()
                else:
                    yield sentence
        finally:
            self.left_on = current_thread().name
            self.left.set()


def playing(recognizer: Recognizer | None = None, synthesizer: Synthesizer | None = None) -> EmbeddedSpark:
    """An embedded Spark around these engines, fakes where left out."""
    hears, speaks = recognizer or FakeRecognizer(), synthesizer or FakeSynthesizer()
    return EmbeddedSpark(load_recognizer=lambda: hears, load_synthesizer=lambda: speaks)
