"""What the two servers ask of a speech engine, and the thread each engine lives on."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from .wav import Recording

ADMITTED = 16
"""Requests one engine takes on at a time, those that wait for their turn included."""


class MissingEngine(ImportError):
    """The packages of the extra `embedded` are not installed."""

    def __init__(self, package: str | None) -> None:
        """Name the package that could not be imported."""
        super().__init__(
            f"{package or 'a speech engine'} is missing: pip install 'spark-audio-proxy[embedded]'", name=package
        )


class EngineLoading(Exception):
    """The engine has not loaded its model yet."""


class EngineBusy(Exception):
    """The engine's queue is full."""


@dataclass(frozen=True, slots=True)
class Line:
    """One stretch of speech; `start` and `end` in seconds from the beginning of the recording."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a voice speaks: factors on the engine's own pitch and duration, and loudness from 0 to 1."""

    pitch: float
    duration: float
    volume: float


class Recognizer(Protocol):
    """Speech to text. Blocking; one thread at a time, but several recordings may be under way."""

    def hear(self, recording: Recording) -> Generator[tuple[Line, ...]]:
        """Return the recording's lines in order, one tuple per piece of work, so that a caller can leave in between."""


class Synthesizer(Protocol):
    """Text to speech. Blocking; one thread at a time, but several texts may be under way."""

    def speak(self, text: str, delivery: Delivery, sample_rate: int) -> Generator[bytes]:
        """s16le mono PCM at `sample_rate` Hz, sentence by sentence; nothing where there is nothing to speak."""


def load_recognizer() -> Recognizer:
    """Load Moonshine; blocks. Raises MissingEngine."""
    try:
        from .moonshine import Moonshine  # noqa: PLC0415 - an optional extra, and slow to import

        return Moonshine()
    except ImportError as err:
        raise MissingEngine(err.name) from err


def load_synthesizer() -> Synthesizer:
    """Load Piper; blocks. Raises MissingEngine."""
    try:
        from .piper import Piper  # noqa: PLC0415 - an optional extra, and slow to import

        return Piper()
    except ImportError as err:
        raise MissingEngine(err.name) from err


class Engine[ModelT]:
    """A model on a thread of its own: loading and inference block, and no model is thread-safe."""

    def __init__(self, load: Callable[[], ModelT]) -> None:
        """Take what loads the model; nothing is loaded yet."""
        self._load = load
        self._model: ModelT | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="speech-engine")
        self._admitted = 0

    @property
    def ready(self) -> bool:
        """Return whether the model is loaded."""
        return self._model is not None

    @property
    def full(self) -> bool:
        """Return whether no further request is accepted."""
        return self._admitted >= ADMITTED

    async def load(self) -> None:
        """Load the model; whatever its loader raises comes through."""
        self._model = await asyncio.get_running_loop().run_in_executor(self._thread, self._load)

    @contextmanager
    def admit(self) -> Iterator[None]:
        """A place in the queue, taken before a request's body is read. Raises EngineLoading, EngineBusy."""
        if not self.ready:
            raise EngineLoading
        if self.full:
            raise EngineBusy
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1

    async def steps[T](self, work: Callable[[ModelT], Generator[T]]) -> AsyncGenerator[T]:
        """Run `work` one step at a time; the steps of concurrent requests take turns. Raises EngineLoading."""
        if self._model is None:
            raise EngineLoading
        results = work(self._model)
        loop = asyncio.get_running_loop()
        try:
            while (step := await loop.run_in_executor(self._thread, _step, results)) is not None:
                yield step[0]
        finally:
            # A step may still run when its caller has gone; the thread's queue puts the clean-up behind it.
            self._thread.submit(results.close)

    async def close(self) -> None:
        """Wait for the step that runs, then free the model. Requests must have ended before."""
        await asyncio.to_thread(self._thread.shutdown)
        self._model = None


def _step[T](results: Iterator[T]) -> tuple[T] | None:
    """Return the next result, None at the end: StopIteration cannot be raised into a future."""
    for result in results:
        return (result,)
    return None
