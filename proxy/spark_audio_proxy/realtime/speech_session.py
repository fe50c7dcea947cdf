"""A session that speaks text while it is written.

The messages are those of vLLM-Omni at the same address (its `serving_speech_stream.py`), with `input.flush` and
`input.cancel` beside them; the errors are OpenAI's.
"""

import asyncio
import logging
from contextlib import ExitStack, aclosing, suppress

from aiohttp import web
from spark_engine.errors import SparkError
from spark_engine.healing.pool import MagpiePool
from spark_engine.models import Json

from spark_audio_proxy.app_state import JOURNAL, SESSIONS, SETTINGS, SPEAKING, UPLOADS
from spark_audio_proxy.journal import InputTaken
from spark_audio_proxy.problems import Problem, bad_request, internal_error, problem_for
from spark_audio_proxy.speaking import SpeechWish, admission, check_voice, read_wish, spoken, too_long
from spark_audio_proxy.transcode.encode import RAW_RATES, AudioFormat
from spark_audio_proxy.uploads.admission import Share

from .connection import Connection
from .settings import Document
from .utterance import Utterance

LOGGER = logging.getLogger(__name__)

USUAL_FORMAT = "wav"
"""Without `response_format`, as vLLM-Omni has it: what begins soonest and has a header."""

KNOWN = "session.config, input.text, input.flush, input.done, input.cancel and session.close"


class SpeechSession:
    """Utterances one after the other, each spoken from its first sentence on."""

    def __init__(self, request: web.Request, magpie: MagpiePool, connection: Connection) -> None:
        """`request` opened the session."""
        app = request.app
        self._request, self._magpie, self._connection = request, magpie, connection
        self._settings, self._journal, self._memory = app[SETTINGS], app[JOURNAL], app[UPLOADS]
        self._most = app[SESSIONS].limits.turns
        self._gate = app[SPEAKING]
        self._wish: SpeechWish | None = None
        self._count = 0
        self._open: Utterance | None = None
        self._is_refusing = False
        self._current: Utterance | None = None
        self._waiting: asyncio.Queue[Utterance] = asyncio.Queue()
        self._is_closing = False
        self._speaking = asyncio.create_task(self._speak_all(), name="speech")

    @property
    def is_busy(self) -> bool:
        """Return whether a text that is complete is still to be spoken."""
        return self._current is not None and self._current.is_over

    async def take(self, event: Document) -> None:
        """Do what the client asks. Raises Problem for what makes no sense, and SparkError."""
        kind = event.get("type")
        if self._is_closing and kind != "input.cancel":
            raise bad_request("The session is closing.", "type", "session_closing")
        match kind:
            case "session.config":
                await self._configure(event)
            case "input.text":
                self._add(event.get("text"))
            case "input.flush":
                if self._open:
                    self._open.flush()
            case "input.done":
                self._end_utterance()
            case "input.cancel":
                await self._cancel()
            case "session.close":
                self._finish()
            case unknown:
                raise bad_request(
                    f"Unknown message {str(unknown)[:100]!r}; known are {KNOWN}.", "type", "unknown_event"
                )

    async def close(self) -> None:
        """Give up what is under way."""
        self._speaking.cancel()
        await asyncio.gather(self._speaking, return_exceptions=True)
        while not self._waiting.empty():
            self._waiting.get_nowait().drop()

    async def _configure(self, event: Document) -> None:
        if self._open or (self._is_refusing and self._wish):
            raise bad_request(
                "An utterance is being written: send input.done or input.cancel first.", "type", "utterance_open"
            )
        wish = read_wish(event, USUAL_FORMAT)
        await check_voice(self._magpie, wish, self._settings)
        self._wish, self._is_refusing = wish, False

    def _add(self, text: Json) -> None:
        if not isinstance(text, str):
            raise bad_request("`text` must be a string.", "text")
        utterance = self._written()
        if not text or utterance is None or utterance.has_failed:
            return
        characters = utterance.characters + len(text)
        try:
            if characters > self._settings.max_characters:
                raise too_long("text", characters, self._settings)
            utterance.add(text)
        except Problem as problem:
            # Without this piece the text is another one.
            utterance.fail(problem)
            return
        self._journal.tell(InputTaken(characters=len(text)))

    def _written(self) -> Utterance | None:
        """Return the utterance that is being written, a new one if need be; None where it was refused.

        Raises Problem 400 without settings, and 429 where too many wait already.
        """
        if self._open or self._is_refusing:
            return self._open
        self._is_refusing = True
        if self._wish is None:
            raise bad_request("Send session.config first.", "type", "not_configured")
        if self._waiting.qsize() >= self._most:
            raise Problem(429, f"{self._most} utterances of this session wait already.", code="utterances_full")
        self._is_refusing = False
        self._open = utterance = Utterance(self._count, self._wish, Share(self._memory))
        self._count += 1
        self._waiting.put_nowait(utterance)
        return utterance

    def _end_utterance(self) -> None:
        try:
            if utterance := self._written():
                utterance.end()
        finally:
            self._open, self._is_refusing = None, False

    async def _cancel(self) -> None:
        await self.close()
        self._open = self._current = None
        self._is_refusing = False
        self._speaking = asyncio.create_task(self._speak_all(), name="speech")
        self._connection.tell({"type": "input.cancelled", "utterance_index": self._count - 1})

    def _finish(self) -> None:
        if self._open:
            self._open.end()
        self._is_closing = True
        self._waiting.shutdown()

    async def _speak_all(self) -> None:
        with suppress(asyncio.QueueShutDown):
            while True:
                self._current = await self._waiting.get()
                await self._speak(self._current)
                self._current = None
        self._connection.finish()

    async def _speak(self, utterance: Utterance) -> None:
        """Speak an utterance to its end. Where it fails, say why, and pass over the rest of it."""
        index: Document = {"utterance_index": utterance.number}
        speech = _Speech(self._connection, index, utterance.wish.audio_format)
        try:
            problem = await self._attempt(utterance, speech)
            if problem:
                LOGGER.warning("%s: %s", self._request.path, problem.message)
                utterance.fail(problem)
                self._connection.refuse(problem)
            speech.end(has_failed=problem is not None)
            await utterance.ended()
            self._connection.tell({"type": "session.done", **index, "total_sentences": int(speech.size > 0)})
        finally:
            utterance.drop()

    async def _attempt(self, utterance: Utterance, speech: _Speech) -> Problem | None:
        """Return why it could not be spoken to its end."""
        try:
            if await utterance.has_text():
                with ExitStack() as places:
                    admit = admission(self._gate, places)
                    pieces = spoken(self._request, utterance.wish, utterance.pieces(), admit=admit)
                    async with aclosing(pieces):
                        async for piece in pieces:
                            await speech.send(piece)
        except Problem as problem:
            return problem
        except SparkError as err:
            return problem_for(err)
        except Exception:
            # A task of its own: the middleware that answers these for requests does not see it, and the client waits.
            LOGGER.exception("%s failed", self._request.path)
            return internal_error()
        return None


class _Speech:
    """The audio of one utterance, on its way to the client."""

    def __init__(self, connection: Connection, index: Document, audio_format: AudioFormat) -> None:
        self._connection, self._index, self._format = connection, index, audio_format
        self.size = 0

    async def send(self, piece: bytes) -> None:
        if not self.size:
            rate = RAW_RATES.get(self._format.name)
            raw: Document = {"sample_rate": rate, "channels": 1} if rate else {}
            self._tell("start", format=self._format.name, **raw)
        self.size += len(piece)
        await self._connection.deliver(piece)

    def end(self, *, has_failed: bool) -> None:
        if self.size:
            self._tell("done", total_bytes=self.size, error=has_failed)

    def _tell(self, verb: str, **fields: Json) -> None:
        self._connection.tell({"type": f"audio.{verb}", **self._index, "sentence_index": 0, **fields})
