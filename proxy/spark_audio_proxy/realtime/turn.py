"""One turn: its words while it is spoken, and its transcript."""

from collections.abc import Callable
from typing import Protocol

from spark_engine.errors import Busy
from spark_engine.models import Audio, Transcript
from spark_engine.speech.listening import EarlyRequests
from spark_engine.speech.live_turn import HearLive, LiveTurn

from spark_audio_proxy.problems import Problem
from spark_audio_proxy.uploads.admission import Share

from . import events
from .deltas import Deltas
from .input_buffer import InputBuffer
from .settings import Document

MOST_EARLY = 12
"""Requests made early in one turn."""

GROWTH = 1.25
"""How many times longer than at the last early request a turn must be: all of them are at most five turns of audio."""

SHORTEST_EARLY = 0.5
"""Seconds of a turn before the first early request."""


class Hearing(Protocol):
    """What sessions ask of Parakeet."""

    def may_ask_early(self) -> bool:
        """Return whether Parakeet has room for a request that may be for nothing."""

    async def ask(self, audio: Audio, language: str | None) -> Transcript:
        """Return the transcript of 16 kHz s16le mono audio. Raises SparkError, and Problem 429 where too many wait."""

    def live(self, language: str | None) -> HearLive | None:
        """Return how a turn is heard while it is spoken; None where no server does."""

    async def until_back(self, retry_after: float) -> None:
        """Return once Parakeet may answer again; `retry_after` in seconds is what was told."""

    def take(self, seconds: float) -> None:
        """Count the audio of a turn that is to be transcribed."""

    def count(self, seconds: float) -> None:
        """Count audio that was transcribed."""

    def failed(self, problem: Problem) -> None:
        """Note why a turn has no transcript."""


class Turn:
    """What is known of one turn before it has ended."""

    def __init__(
        self, hearing: Hearing, memory: Share, language: Callable[[], str | None], tell: Callable[[Document], None]
    ) -> None:
        """`memory` is what its audio takes, `language` a BCP-47 tag or None; `tell` sends an event."""
        self.item_id = events.new_id("item")
        self.memory = memory
        self.deltas = Deltas()
        self._hearing = hearing
        self._language = language
        self._tell = tell
        self._asked = SHORTEST_EARLY / GROWTH
        self._seconds = 0.0
        self._live: LiveTurn | None = None
        self._has_begun = False
        self._early = EarlyRequests(
            self._ask_early, may_ask=self._may_ask, understood=self._understood, most=MOST_EARLY
        )

    def follow(self, buffer: InputBuffer) -> None:
        """Look at the buffer after each frame. A server that hears live gets it at once; others in pauses."""
        self._seconds = buffer.seconds
        newest = buffer.newest
        if not self._has_begun:
            self._has_begun = True
            newest = buffer.audio.pcm
            hear = self._hearing.live(self._language())
            self._live = LiveTurn(hear, self._understood) if hear else None
        if self._live:
            self._live.add(newest)
            return
        self._early.follow(buffer.activity, buffer.activity.silence, lambda: buffer.audio)

    def text(self, speech_end: int) -> str | None:
        """Return what was understood of all speech up to that frame, None where it is not known."""
        return self._live.text if self._live else self._early.text(speech_end)

    async def transcript(self, audio: Audio, speech_end: int) -> Transcript:
        """Return the transcript of the whole turn, whose last speech ends with that frame. Raises SparkError, Problem.

        What was asked early is the answer where it holds all speech.
        """
        early = await (self._live.transcript() if self._live else self._early.transcript(speech_end))
        return early or await self._hearing.ask(audio, self._language())

    def call_off(self) -> None:
        """Give up what is under way, and the memory."""
        if self._live:
            self._live.call_off()
        self._early.call_off()
        self.memory.hold(0)

    def _may_ask(self) -> bool:
        if self._seconds < self._asked * GROWTH or not self._hearing.may_ask_early():
            return False
        self._asked = self._seconds
        return True

    async def _ask_early(self, audio: Audio) -> Transcript:
        try:
            return await self._hearing.ask(audio, self._language())
        except Problem as err:
            # Nothing is lost: the turn asks again at its end.
            raise Busy(err.message) from err

    def _understood(self, transcript: Transcript) -> None:
        if more := self.deltas.so_far(transcript.text):
            self._tell(events.delta(self.item_id, more))
