"""Audio stream in, transcript out: early transcription in pauses, so that the transcript is there at the turn's end.

A host goes on recording silence before it calls a command finished. A pause is used at once: the speech so far is
transcribed, and if no more speech follows, that transcript is the result. A rule ends the turn as well.
"""

import asyncio
import time
from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass, replace

from ..errors import SparkError, TimedOut
from ..models import SAMPLE_RATE, SAMPLE_WIDTH, Audio, Transcript
from .turn_end import LONGEST_TURN, Meaning, TurnRule, is_over
from .voice_activity import FRAME, VoiceActivity, VoiceDetector

PAUSE = 0.2
"""Seconds without speech that are worth a request: shorter ones lie between words."""

PADDING = bytes(round(0.2 * SAMPLE_RATE) * SAMPLE_WIDTH)
"""Silence behind what is transcribed early: audio that breaks off reads like a sentence that does.

With it, a small recogniser ended 21 of 24 whole commands with a full stop, as behind half a second of real silence;
without, 15.
"""

MOST_EARLY_REQUESTS = 4
"""Requests made early for one utterance: a speaker who thinks aloud must not keep the GPU busy."""

LONGEST_CHUNK = 1.0
"""Seconds of audio in one chunk of a microphone's stream; a longer one is a file, which is not searched for pauses."""

type Transcribe = Callable[[Audio], Awaitable[Transcript]]


async def without_meaning(_transcript: str) -> Meaning:
    """Return that no home knows the sentence."""
    return Meaning.UNKNOWN


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
    is_without_speech: bool = False
    """Whether a detector heard all of it, and nothing that could be speech: a recogniser would make words of noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """How one utterance is listened to.

    Without a detector nothing is transcribed early. `may_ask_early` tells whether the service can bear a request made
    early. `understood` is told each early transcript: all words up to a pause, more may follow. Without a `rule` the
    stream's end is the turn's; `meaning` tells the rule what the home makes of an early transcript. `speech_began` and
    `turn_ended` are called once each, with the place in the stream in seconds: at the first speech, and where the rule
    ends the turn, before the transcript is there. `clock` tells monotonic seconds.
    """

    transcribe: Transcribe
    detector: VoiceDetector | None = None
    may_ask_early: Callable[[], bool] = lambda: True
    understood: Callable[[Transcript], None] = lambda _: None
    rule: TurnRule | None = None
    meaning: Callable[[str], Awaitable[Meaning]] = without_meaning
    speech_began: Callable[[float], None] = lambda _: None
    turn_ended: Callable[[float], None] = lambda _: None
    language: str | None = None
    clock: Callable[[], float] = time.monotonic
    longest: float = 300.0

    async def listen(self, stream: AsyncIterable[bytes]) -> Heard:
        """Hear a stream of 16 kHz s16le mono samples to the turn's end. Raises TooLong beyond `longest` seconds."""
        turn = _Turn(self)
        try:
            async for chunk in stream:
                turn.add(chunk)
                if turn.is_over():
                    self.turn_ended(turn.heard_before)
                    break
            return await turn.result()
        finally:
            turn.call_off()


class _Turn:
    """The audio of one turn so far, and the request that was made early with it."""

    def __init__(self, options: Listening) -> None:
        self._options = options
        self._audio = bytearray()
        self.heard_before = 0.0
        """Seconds of audio before the newest chunk."""
        self._activity = VoiceActivity(options.detector) if options.detector else None
        self._started = self._sound_at = self._spoken_at = options.clock()
        self._request: asyncio.Task[Transcript] | None = None
        self._meaning = Meaning.UNKNOWN
        self._request_covers = 0
        self._requests = 0

    def add(self, chunk: bytes) -> None:
        self.heard_before = _seconds(self._audio)
        self._audio += chunk
        if _seconds(self._audio) > self._options.longest:
            raise TooLong
        if _seconds(chunk) > LONGEST_CHUNK:
            self._activity = None
        if (activity := self._activity) is None:
            return
        sound, speech = activity.sound_end, activity.speech_end
        while len(self._audio) >= (at := activity.frames * FRAME) + FRAME:
            activity.hear(bytes(self._audio[at : at + FRAME]))
        if activity.sound_end > sound:
            self._sound_at = self._options.clock()
        if activity.speech_end > speech:
            self._spoken_at = self._sound_at
            if not speech:
                self._options.speech_began(self.heard_before)
        self._request_in_a_pause(activity)

    def is_over(self) -> bool:
        """Return whether the turn ends here, where that is for us to say."""
        if self._options.rule is None or self._activity is None:
            return False
        if min(_seconds(self._audio), self._options.clock() - self._started) >= LONGEST_TURN:
            return True
        silence = self._silence(self._activity)
        return silence > 0 and is_over(
            self._options.rule, silence, self._understood(self._activity), self._options.language, self._meaning
        )

    def audio(self) -> Audio:
        return Audio(bytes(self._audio[: len(self._audio) // SAMPLE_WIDTH * SAMPLE_WIDTH]), SAMPLE_RATE)

    async def result(self) -> Heard:
        """Return what came of it; the early request is waited for where it holds every frame of speech."""
        audio = self.audio()
        if self._request is None or self._activity is None or self._request_covers < self._activity.speech_end:
            return Heard(audio, is_without_speech=self._activity is not None and self._activity.is_without_speech)
        try:
            return Heard(audio, await self._request)
        except TimedOut as err:
            return Heard(audio, timed_out=err)
        except SparkError:
            return Heard(audio)

    def call_off(self) -> None:
        request, self._request = self._request, None
        if request is None:
            return
        request.cancel()
        request.add_done_callback(_retrieve_error)
        if request.done() and not request.cancelled() and request.exception():
            # A service that fails or is busy is not asked early again.
            self._requests = MOST_EARLY_REQUESTS

    def _silence(self, activity: VoiceActivity) -> float:
        """Return seconds without speech, by the clock as well: audio may arrive faster than real time."""
        return round(min(activity.silence, self._options.clock() - self._spoken_at), 3)

    def _understood(self, activity: VoiceActivity) -> str | None:
        """Return the text of all speech so far, None where it is not known."""
        if self._request is None or self._request_covers < activity.speech_end or not self._request.done():
            return None
        failed = self._request.cancelled() or self._request.exception()
        return None if failed else self._request.result().text

    def _request_in_a_pause(self, activity: VoiceActivity) -> None:
        if self._request is not None and self._request_covers < activity.speech_end:
            self.call_off()
        if self._request is not None or self._requests >= MOST_EARLY_REQUESTS or self._silence(activity) < PAUSE:
            return
        if self._options.may_ask_early():
            self._requests += 1
            self._request_covers = activity.frames
            self._meaning = Meaning.UNKNOWN
            so_far = self.audio()
            self._request = asyncio.ensure_future(self._transcribe(replace(so_far, pcm=so_far.pcm + PADDING)))

    async def _transcribe(self, audio: Audio) -> Transcript:
        transcript = await self._options.transcribe(audio)
        self._options.understood(transcript)
        if self._options.rule:
            self._meaning = await self._options.meaning(transcript.text)
        return transcript


def _seconds(samples: bytes | bytearray) -> float:
    return len(samples) / SAMPLE_WIDTH / SAMPLE_RATE


def _retrieve_error(request: asyncio.Future[Transcript]) -> None:
    """Retrieve the error: asyncio logs errors that are never retrieved."""
    if not request.cancelled():
        request.exception()
