"""Audio stream in, transcript out: transcribed in the pauses already, so that the answer is there when the turn ends.

A host keeps recording silence before it calls a command finished. A pause is used at once: what was said so far is
transcribed, and if nothing more is said, that transcript is the answer. With a rule it ends the turn as well.
"""

import asyncio
import time
from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass, replace

from ..errors import SparkError, TimedOut
from ..models import SAMPLE_RATE, SAMPLE_WIDTH, Audio, Transcript
from .turn_end import LONGEST_TURN, TurnRule, is_over
from .voice_activity import FRAME, VoiceActivity, VoiceDetector

PAUSE = 0.2
"""Seconds without speech that are worth a request: shorter ones lie between words."""

HUSH = bytes(round(0.2 * SAMPLE_RATE) * SAMPLE_WIDTH)
"""Silence put behind what is transcribed early: a sound that breaks off reads like a sentence that does.

With it, a small recogniser ended 21 of 24 whole commands with a full stop, as behind half a second of real silence;
without, 15.
"""

MOST_GUESSES = 4
"""Requests made early for one utterance: somebody who thinks aloud must not keep the GPU busy."""

BURST = 1.0
"""Seconds of audio in one piece from which on it is no microphone's: a file is not searched for pauses."""

type Transcribe = Callable[[Audio], Awaitable[Transcript]]


class TooLong(Exception):
    """More audio came than is kept in memory."""


@dataclass(frozen=True, slots=True)
class Heard:
    """All audio of a turn (16 kHz s16le mono), and what an early request that holds all its speech came to."""

    audio: Audio
    transcript: Transcript | None = None
    """None where there was no such request, or it failed at once: the caller asks, and is told what is wrong."""
    timed_out: TimedOut | None = None
    """Why there is none and the caller need not ask again: it has waited long enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """How one utterance is listened to.

    Without a detector nothing is transcribed early. `may_guess` tells whether the service can bear a request made
    early. Without a `rule` the stream's end is the turn's. `clock` tells monotonic seconds.
    """

    transcribe: Transcribe
    detector: VoiceDetector | None = None
    may_guess: Callable[[], bool] = lambda: True
    rule: TurnRule | None = None
    language: str | None = None
    clock: Callable[[], float] = time.monotonic
    longest: float = 300.0

    async def listen(self, stream: AsyncIterable[bytes]) -> Heard:
        """Hear a stream of 16 kHz s16le mono samples to the turn's end. Raises TooLong beyond `longest` seconds."""
        ear = _Ear(self)
        try:
            async for chunk in stream:
                ear.hear(chunk)
                if ear.is_over():
                    break
            return await ear.heard()
        finally:
            ear.drop()


class _Ear:
    """What was heard of one utterance so far."""

    def __init__(self, how: Listening) -> None:
        self._how = how
        self._heard = bytearray()
        self._activity = VoiceActivity(how.detector) if how.detector else None
        self._started = self._sound_at = self._spoken_at = how.clock()
        self._guess: asyncio.Task[Transcript] | None = None
        self._guess_holds = 0
        self._guesses = 0

    def hear(self, chunk: bytes) -> None:
        self._heard += chunk
        if _seconds(self._heard) > self._how.longest:
            raise TooLong
        if _seconds(chunk) > BURST:
            self._activity = None
        if (activity := self._activity) is None:
            return
        sound, speech = activity.sound_end, activity.speech_end
        while len(self._heard) >= (at := activity.frames * FRAME) + FRAME:
            activity.hear(bytes(self._heard[at : at + FRAME]))
        if activity.sound_end > sound:
            self._sound_at = self._how.clock()
        if activity.speech_end > speech:
            self._spoken_at = self._sound_at
        self._guess_in_a_pause(activity)

    def is_over(self) -> bool:
        """Return whether the turn ends here, where that is for us to say."""
        if self._how.rule is None or self._activity is None:
            return False
        if min(_seconds(self._heard), self._how.clock() - self._started) >= LONGEST_TURN:
            return True
        silence = self._silence(self._activity)
        return silence > 0 and is_over(self._how.rule, silence, self._understood(self._activity), self._how.language)

    def audio(self) -> Audio:
        return Audio(bytes(self._heard[: len(self._heard) // SAMPLE_WIDTH * SAMPLE_WIDTH]), SAMPLE_RATE)

    async def heard(self) -> Heard:
        """Return what came of it; the early request is waited for where it holds every frame of speech."""
        audio = self.audio()
        if self._guess is None or self._activity is None or self._guess_holds < self._activity.speech_end:
            return Heard(audio)
        try:
            return Heard(audio, await self._guess)
        except TimedOut as err:
            return Heard(audio, timed_out=err)
        except SparkError:
            return Heard(audio)

    def drop(self) -> None:
        guess, self._guess = self._guess, None
        if guess is None:
            return
        guess.cancel()
        guess.add_done_callback(_look_at_the_error)
        if guess.done() and not guess.cancelled() and guess.exception():
            # A service that fails or is busy is not asked early again.
            self._guesses = MOST_GUESSES

    def _silence(self, activity: VoiceActivity) -> float:
        """Return seconds without speech, by the clock as well: audio may arrive faster than real time."""
        return round(min(activity.silence, self._how.clock() - self._spoken_at), 3)

    def _understood(self, activity: VoiceActivity) -> str | None:
        """Return the text of all speech so far, None where it is not known."""
        if self._guess is None or self._guess_holds < activity.speech_end or not self._guess.done():
            return None
        failed = self._guess.cancelled() or self._guess.exception()
        return None if failed else self._guess.result().text

    def _guess_in_a_pause(self, activity: VoiceActivity) -> None:
        if self._guess is not None and self._guess_holds < activity.speech_end:
            self.drop()
        if self._guess is not None or self._guesses >= MOST_GUESSES or self._silence(activity) < PAUSE:
            return
        if self._how.may_guess():
            self._guesses += 1
            self._guess_holds = activity.frames
            so_far = self.audio()
            self._guess = asyncio.ensure_future(self._transcribe(replace(so_far, pcm=so_far.pcm + HUSH)))

    async def _transcribe(self, audio: Audio) -> Transcript:
        return await self._how.transcribe(audio)


def _seconds(samples: bytes | bytearray) -> float:
    return len(samples) / SAMPLE_WIDTH / SAMPLE_RATE


def _look_at_the_error(guess: asyncio.Future[Transcript]) -> None:
    """Nobody will ask for it, and asyncio complains of errors that nobody has seen."""
    if not guess.cancelled():
        guess.exception()
