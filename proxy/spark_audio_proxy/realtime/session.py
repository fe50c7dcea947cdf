"""One session: events of the client in, events of the server out."""

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable
from contextlib import suppress

from spark_engine.errors import SparkError
from spark_engine.models import SAMPLE_RATE, SAMPLE_WIDTH, Audio, Transcript
from spark_engine.speech.voice_activity import FRAMES_PER_SECOND, VoiceActivity

from spark_audio_proxy.problems import Problem, bad_request, problem_for
from spark_audio_proxy.uploads.admission import BytesInFlight, Share

from . import events
from .audio import Decoder
from .detector import by_level, new_detector
from .input_buffer import InputBuffer, ends_turn
from .limits import Limits
from .settings import Document, SessionSettings, TurnDetection, updated
from .turn import Hearing, Turn

LOGGER = logging.getLogger(__name__)

AT_ONCE = 20
"""Frames that are looked at before others get their turn: a client may send a minute at once."""

SHORTEST = 0.1
"""Seconds below which OpenAI refuses to commit, too."""


class Session:
    """What one client has said so far, and what it is still to be told."""

    def __init__(
        self,
        hearing: Hearing,
        limits: Limits,
        memory: BytesInFlight,
        tell: Callable[[Document], None],
        *,
        is_beta: bool = False,
    ) -> None:
        """`memory` is what all turns and uploads share; `tell` sends an event, in order, without waiting."""
        self._hearing = hearing
        self._memory = memory
        self._limits = limits
        self._tell = tell
        self._id = events.new_id("sess")
        self._settings = SessionSettings(is_beta=is_beta)
        self._decoder = Decoder(self._settings.format)
        self._buffer = InputBuffer(VoiceActivity(new_detector(), skips_silence=True))
        self._turn = self._new_turn()
        self._last_item: str | None = None
        self._unfinished: set[asyncio.Task[None]] = set()
        self._in_order = asyncio.Lock()
        tell(events.session(self._settings, self._id, "created"))

    @property
    def is_busy(self) -> bool:
        """Return whether a transcript is still to come."""
        return bool(self._unfinished)

    async def take(self, event: Document) -> None:
        """Do what the client asks. Raises Problem for what makes no sense."""
        match event.get("type"):
            case "session.update" | "transcription_session.update":
                self._update(event)
            case "input_audio_buffer.append":
                await self._append(event)
            case "input_audio_buffer.commit":
                self._commit()
            case "input_audio_buffer.clear":
                self._clear()
            case unknown:
                known = "session.update, input_audio_buffer.append, .commit and .clear"
                raise bad_request(f"Unknown event {str(unknown)[:100]!r}; known are {known}.", "type", "unknown_event")

    async def close(self) -> None:
        """Give up what is under way."""
        self._turn.call_off()
        self._decoder.close()
        for task in self._unfinished:
            task.cancel()
        await asyncio.gather(*self._unfinished, return_exceptions=True)

    def _update(self, event: Document) -> None:
        after = updated(self._settings, event)
        if after.format != self._settings.format:
            self._decoder.close()
            self._decoder = Decoder(after.format)
        if (after.turn_detection is None) != (self._settings.turn_detection is None):
            # Where the client ends its turns, the level tells the pauses, in which words are asked for.
            self._buffer.activity.detector = new_detector() if after.turn_detection else by_level
        if after.turn_detection:
            self._buffer.activity.threshold = after.turn_detection.threshold
        self._settings = after
        self._tell(events.session(after, self._id, "updated"))

    async def _append(self, event: Document) -> None:
        audio = event.get("audio")
        if not isinstance(audio, str):
            raise bad_request("`audio` must be base64.", "audio")
        try:
            pcm = self._decoder.decode(base64.b64decode(audio, validate=True))
        except (binascii.Error, ValueError) as err:
            raise bad_request("`audio` is not base64.", "audio") from err
        if (
            self._buffer.seconds + len(pcm) / SAMPLE_WIDTH / SAMPLE_RATE > self._limits.longest_buffer
            and not self._settings.turn_detection
        ):
            raise bad_request(
                f"The buffer holds {self._limits.longest_buffer:.0f} s at most; commit it.", "audio", "buffer_full"
            )
        for number, frame in enumerate(self._buffer.frames_of(pcm)):
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            self._hear(frame)

    def _hear(self, frame: bytes) -> None:
        buffer, detection = self._buffer, self._settings.turn_detection
        buffer.hear(frame)
        try:
            self._turn.memory.hold(buffer.size)
        except Problem:
            self._drop_turn()
            raise
        if detection and not buffer.began:
            if not buffer.find_speech(detection):
                return
            start = _milliseconds(buffer.start)
            self._tell(
                events.event("input_audio_buffer.speech_started", item_id=self._turn.item_id, audio_start_ms=start)
            )
        self._turn.follow(buffer)
        if detection and (self._is_over(detection) or buffer.seconds >= self._limits.longest_turn):
            end = _milliseconds(buffer.frames)
            self._tell(events.event("input_audio_buffer.speech_stopped", item_id=self._turn.item_id, audio_end_ms=end))
            self._end_turn()

    def _is_over(self, detection: TurnDetection) -> bool:
        activity, turn = self._buffer.activity, self._turn
        text = turn.text(activity.speech_end)
        return ends_turn(detection, activity, text, self._settings.language, has_ended=turn.has_ended)

    def _commit(self) -> None:
        seconds = self._buffer.seconds
        if seconds < SHORTEST:
            raise bad_request(
                f"Expected at least {SHORTEST * 1000:.0f} ms of audio, but the buffer has {seconds * 1000:.0f} ms.",
                code="input_audio_buffer_commit_empty",
            )
        self._end_turn()

    def _clear(self) -> None:
        self._drop_turn()
        self._tell(events.event("input_audio_buffer.cleared"))

    def _drop_turn(self) -> None:
        self._buffer.take()
        self._turn.call_off()
        self._turn = self._new_turn()

    def _end_turn(self) -> None:
        turn, speech_end, previous = self._turn, self._buffer.activity.speech_end, self._last_item
        audio = self._buffer.take()
        self._hearing.take(audio.seconds)
        self._turn, self._last_item = self._new_turn(), turn.item_id
        self._tell(events.event("input_audio_buffer.committed", item_id=turn.item_id, previous_item_id=previous))
        for event in events.item_events(self._settings, turn.item_id, previous):
            self._tell(event)
        if len(self._unfinished) >= self._limits.turns:
            turn.call_off()
            message = f"{len(self._unfinished)} turns of this session wait for their transcript already."
            self._fail(turn, Problem(429, message, code="turns_full"))
            return
        task = asyncio.create_task(self._finish(turn, audio, speech_end), name=turn.item_id)
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)
        # Here, since a task that is cancelled before it has begun runs no `finally`.
        task.add_done_callback(lambda _: turn.call_off())

    async def _finish(self, turn: Turn, audio: Audio, speech_end: int) -> None:
        """Tell the transcript; where there is none, why, and the transcript once Parakeet is back, if that is soon."""
        try:
            async with self._in_order:
                transcript: Transcript | None = await turn.transcript(audio, speech_end)
        except (SparkError, Problem) as err:
            problem = err if isinstance(err, Problem) else problem_for(err)
            LOGGER.warning("realtime: %s", problem.message)
            self._fail(turn, problem)
            transcript = await self._once_back(problem, audio)
        if transcript is not None:
            if more := turn.deltas.final(transcript.text):
                self._tell(events.delta(turn.item_id, more))
            self._tell(events.completed(turn.item_id, transcript.text, audio.seconds))
            self._hearing.count(audio.seconds)

    def _fail(self, turn: Turn, problem: Problem) -> None:
        self._hearing.failed(problem)
        self._tell(events.failed(turn.item_id, problem))

    async def _once_back(self, problem: Problem, audio: Audio) -> Transcript | None:
        """Return the transcript as soon as Parakeet answers again; None where that is not soon."""
        if problem.retry_after is None or problem.retry_after > self._limits.patience:
            return None
        with suppress(SparkError, Problem, TimeoutError):
            async with asyncio.timeout(self._limits.patience):
                await self._hearing.until_back(problem.retry_after)
                async with self._in_order:
                    return await self._hearing.ask(audio, self._settings.language)
        return None

    def _new_turn(self) -> Turn:
        return Turn(self._hearing, Share(self._memory), lambda: self._settings.language, self._tell)


def _milliseconds(frames: int) -> int:
    return frames * 1000 // FRAMES_PER_SECOND
