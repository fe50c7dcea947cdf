"""Audio stream in, transcript out: transcribed in the pauses already, so that the answer is there when the stream ends.

Home Assistant keeps recording 0.7 s of silence before it calls a command finished. A pause is used at once: what was
said so far is transcribed, and if nothing more is said, that transcript is the answer.
"""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from .errors import SparkError
from .models import SAMPLE_WIDTH, Audio, Transcript
from .parakeet import SAMPLE_RATE

FRAME = SAMPLE_RATE // 100 * SAMPLE_WIDTH
"""Bytes of 10 ms: what voice detectors look at."""

SPEECH = 0.5
"""Probability above which a frame is speech: Home Assistant's own threshold."""

PAUSE = 0.2
"""Seconds without speech that are worth a request: shorter ones lie between words."""

MOST_GUESSES = 4
"""Requests made early for one utterance: somebody who thinks aloud must not keep the GPU busy."""

type Transcribe = Callable[[Audio], Awaitable[Transcript]]


class VoiceDetector(Protocol):
    """Tells speech from anything else."""

    def __call__(self, frame: bytes, /) -> float:
        """The probability that this frame (10 ms, 16 kHz s16le mono) is speech; below 0 while it warms up."""


class TooLong(Exception):
    """More audio came than is kept in memory."""


@dataclass(frozen=True, slots=True)
class Listening:
    """How one utterance is listened to. `may_guess` tells whether the service can bear a request made early."""

    transcribe: Transcribe
    detector: VoiceDetector | None = None
    may_guess: Callable[[], bool] = lambda: True
    longest: float = 300.0

    async def listen(self, stream: AsyncIterable[bytes]) -> tuple[Audio, Transcript | None]:
        """All audio of the stream (16 kHz s16le mono), and its transcript if one was made early that holds all speech.

        Raises TooLong beyond `longest` seconds. An early request that fails is forgotten: the caller's own will tell.
        """
        ear = _Ear(self)
        try:
            async for chunk in stream:
                ear.hear(chunk)
            return ear.audio(), await ear.guessed()
        finally:
            ear.drop()


class _Ear:
    """What was heard of one utterance so far."""

    def __init__(self, how: Listening) -> None:
        self._how = how
        self._heard = bytearray()
        self._looked_at = 0
        self._speech_end = 0
        self._guess: asyncio.Task[Transcript] | None = None
        self._guess_holds = 0
        self._guesses = 0

    def hear(self, chunk: bytes) -> None:
        self._heard += chunk
        if len(self._heard) > self._how.longest * SAMPLE_RATE * SAMPLE_WIDTH:
            raise TooLong
        if self._how.detector is None:
            return
        while len(self._heard) - self._looked_at >= FRAME:
            frame = bytes(self._heard[self._looked_at : self._looked_at + FRAME])
            self._looked_at += FRAME
            if self._how.detector(frame) > SPEECH:
                self._speech_end = self._looked_at
        self._guess_in_a_pause()

    def audio(self) -> Audio:
        return Audio(bytes(self._heard[: len(self._heard) // SAMPLE_WIDTH * SAMPLE_WIDTH]), SAMPLE_RATE)

    async def guessed(self) -> Transcript | None:
        """The early transcript, None where there is none that holds every frame of speech."""
        if self._guess is None or self._guess_holds < self._speech_end:
            return None
        try:
            return await self._guess
        except SparkError:
            # The caller asks once more, and reports what that shows.
            return None

    def drop(self) -> None:
        guess, self._guess = self._guess, None
        if guess is None:
            return
        guess.cancel()
        guess.add_done_callback(_look_at_the_error)
        if guess.done() and not guess.cancelled() and guess.exception():
            # A service that fails or is busy is not asked early again.
            self._guesses = MOST_GUESSES

    def _guess_in_a_pause(self) -> None:
        if self._guess is not None and self._guess_holds < self._speech_end:
            self.drop()
        silence = (self._looked_at - self._speech_end) / SAMPLE_WIDTH / SAMPLE_RATE
        is_pause = self._speech_end > 0 and silence >= PAUSE
        if not is_pause or self._guess is not None or self._guesses >= MOST_GUESSES or not self._how.may_guess():
            return
        self._guesses += 1
        self._guess_holds = self._looked_at
        self._guess = asyncio.ensure_future(self._transcribe(self.audio()))

    async def _transcribe(self, audio: Audio) -> Transcript:
        return await self._how.transcribe(audio)


def _look_at_the_error(guess: asyncio.Future[Transcript]) -> None:
    """Nobody will ask for it, and asyncio complains of errors that nobody has seen."""
    if not guess.cancelled():
        guess.exception()
