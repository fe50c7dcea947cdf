"""Audio stream in, transcript out: early transcription in pauses, so that the transcript is there at the turn's end.

A host goes on recording silence before it calls a command finished. A pause is used at once: the speech so far is
transcribed, and if no more speech follows, that transcript is the result. A rule ends the turn as well.
"""

import asyncio
import time
from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass, replace

from ..errors import ServerFault, SparkError, TimedOut
from ..models import SAMPLE_RATE, SAMPLE_WIDTH, Audio, Transcript
from .live_turn import HearLive, LiveTurn
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
    """All audio of a turn (16 kHz s16le mono), and what an early request that holds all its speech came to.

    Moments are those of the clock of the `Listening`.
    """

    audio: Audio
    turn_ended_at: float
    """When the rule ended the turn, or the stream was over."""
    transcript: Transcript | None = None
    """None where there was no such request, or it failed at once: the caller asks, and is told what is wrong."""
    failure: TimedOut | ServerFault | None = None
    """Why there is none and the caller need not ask again: it has waited long enough."""
    is_without_speech: bool = False
    """Whether a detector heard all of it, and nothing that could be speech: a recogniser would make words of noise."""
    speech_ended_at: float | None = None
    """When the last sound of speech came; None where no detector heard any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """How one utterance is listened to.

    With `hear_live` the words come while they are spoken, and `transcribe` is asked for nothing before the end.
    Without a detector nothing is transcribed early. `may_ask_early` tells whether the service can bear a request made
    early. `understood` is told each early transcript: all words up to a pause, more may follow. Without a `rule` the
    stream's end is the turn's; `meaning` tells the rule what the home makes of an early transcript. `speech_began` and
    `turn_ended` are called once each, with the place in the stream in seconds: at the first speech, and where the rule
    ends the turn, before the transcript is there. `clock` tells monotonic seconds.
    """

    transcribe: Transcribe
    hear_live: HearLive | None = None
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


class EarlyRequests:
    """Requests for all speech so far, made in pauses: the last one is worth something until more is said.

    Times are frames of a `VoiceActivity`.
    """

    def __init__(
        self,
        transcribe: Transcribe,
        *,
        may_ask: Callable[[], bool] = lambda: True,
        understood: Callable[[Transcript], None] = lambda _: None,
        meaning: Callable[[str], Awaitable[Meaning]] = without_meaning,
        most: int = MOST_EARLY_REQUESTS,
    ) -> None:
        """`may_ask` is asked before each of at most `most` requests.

        `understood` is told each transcript, and `meaning` what the home makes of it.
        """
        self.meaning = Meaning.UNKNOWN
        """What the home makes of the latest request's transcript."""
        self._ask = transcribe
        self._ask_meaning = meaning
        self._may_ask = may_ask
        self._understood = understood
        self._left = most
        self._request: asyncio.Task[Transcript] | None = None
        self._covers = 0

    def follow(self, activity: VoiceActivity, silence: float, audio: Callable[[], Audio]) -> None:
        """Make a request where there is a pause after `silence` seconds, and call one off that lacks newer speech.

        `audio` gives all audio so far.
        """
        if self._request is not None and self._covers < activity.speech_end:
            self.call_off()
        if self._request is not None or not self._left or silence < PAUSE:
            return
        if self._may_ask():
            self._left -= 1
            self._covers = activity.frames
            self.meaning = Meaning.UNKNOWN
            so_far = audio()
            self._request = asyncio.ensure_future(self._transcribe(replace(so_far, pcm=so_far.pcm + PADDING)))

    def text(self, speech_end: int) -> str | None:
        """Return the text of all speech up to that frame, None where it is not known (yet)."""
        if self._request is None or self._covers < speech_end or not self._request.done():
            return None
        failed = self._request.cancelled() or self._request.exception()
        return None if failed else self._request.result().text

    async def transcript(self, speech_end: int) -> Transcript | None:
        """Return what the request came to, waited for where it holds all speech up to that frame; None without one.

        Raises TimedOut; any other failure is None: the caller asks again.
        """
        if self._request is None or self._covers < speech_end:
            return None
        try:
            return await self._request
        except TimedOut:
            raise
        except SparkError:
            return None

    def call_off(self) -> None:
        """Cancel the request that is under way, if any. A service that failed is not asked early again."""
        request, self._request = self._request, None
        if request is None:
            return
        request.cancel()
        request.add_done_callback(_retrieve_error)
        if request.done() and not request.cancelled() and request.exception():
            self._left = 0

    async def _transcribe(self, audio: Audio) -> Transcript:
        transcript = await self._ask(audio)
        self._understood(transcript)
        self.meaning = await self._ask_meaning(transcript.text)
        return transcript


class _Turn:
    """The audio of one turn so far, and the request that was made early with it."""

    def __init__(self, options: Listening) -> None:
        self._options = options
        self._audio = bytearray()
        self.heard_before = 0.0
        """Seconds of audio before the newest chunk."""
        self._activity = VoiceActivity(options.detector) if options.detector else None
        self._started = self._sound_at = self._spoken_at = options.clock()
        self._live = LiveTurn(options.hear_live, options.understood) if options.hear_live else None
        self._early = EarlyRequests(
            options.transcribe,
            may_ask=options.may_ask_early,
            understood=options.understood,
            meaning=options.meaning if options.rule else without_meaning,
        )

    def add(self, chunk: bytes) -> None:
        self.heard_before = _seconds(self._audio)
        self._audio += chunk
        if _seconds(self._audio) > self._options.longest:
            raise TooLong
        if self._live:
            self._live.add(chunk)
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
        if not self._live:
            self._early.follow(activity, self._silence(activity), self.audio)

    def is_over(self) -> bool:
        """Return whether the turn ends here, where that is for us to say."""
        if self._options.rule is None or self._activity is None:
            return False
        if min(_seconds(self._audio), self._options.clock() - self._started) >= LONGEST_TURN:
            return True
        silence = self._silence(self._activity)
        if silence <= 0:
            return False
        text, meaning = self._early.text(self._activity.speech_end), self._early.meaning
        has_ended = False
        if self._live:
            text, meaning, has_ended = self._live.text, Meaning.UNKNOWN, self._live.has_ended
        return is_over(self._options.rule, silence, text, self._options.language, meaning, has_ended=has_ended)

    def audio(self) -> Audio:
        return Audio(bytes(self._audio[: len(self._audio) // SAMPLE_WIDTH * SAMPLE_WIDTH]), SAMPLE_RATE)

    async def result(self) -> Heard:
        """Return what came of it; the early request is waited for where it holds every frame of speech."""
        activity = self._activity
        heard = Heard(
            self.audio(),
            self._options.clock(),
            is_without_speech=activity is not None and activity.is_without_speech,
            speech_ended_at=self._spoken_at if activity is not None and activity.speech_end else None,
        )
        try:
            return replace(heard, transcript=await self._transcript())
        except (TimedOut, ServerFault) as err:
            return replace(heard, failure=err)

    async def _transcript(self) -> Transcript | None:
        if self._live:
            return await self._live.transcript()
        return await self._early.transcript(self._activity.speech_end) if self._activity else None

    def call_off(self) -> None:
        if self._live:
            self._live.call_off()
        self._early.call_off()

    def _silence(self, activity: VoiceActivity) -> float:
        """Return seconds without speech, by the clock as well: audio may arrive faster than real time."""
        return round(min(activity.silence, self._options.clock() - self._spoken_at), 3)


def _seconds(samples: bytes | bytearray) -> float:
    return len(samples) / SAMPLE_WIDTH / SAMPLE_RATE


def _retrieve_error(request: asyncio.Future[Transcript]) -> None:
    """Retrieve the error: asyncio logs errors that are never retrieved."""
    if not request.cancelled():
        request.exception()
