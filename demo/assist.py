"""One voice command through Assist, as a satellite gives it: sound in real time, events, the spoken reply."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import ClientError

from .answers import Json, pick, text
from .errors import DemoError
from .home_assistant import HomeAssistant, Socket
from .processes import HOME_ASSISTANT
from .sound import ASSIST_RATE, Clip, pieces, speech_end, with_silence

PIECE_SECONDS = 0.02
# Home Assistant notices the end of a command 0.7 to 1.4 s after it; a microphone would just stay open.
SILENCE_SECONDS = 2.0
TURN_SECONDS = 45.0


@dataclass(frozen=True, slots=True)
class Event:
    """A pipeline event and when it arrived, in seconds of the loop's clock."""

    at: float
    kind: str
    data: Json


@dataclass(frozen=True, slots=True)
class Reply:
    """The spoken reply as Home Assistant served it (MP3 unless told otherwise); times as in `Event`."""

    first_byte_at: float
    complete_at: float
    audio: bytes


@dataclass(slots=True)
class Turn:
    """What happened during one command, as far as it came; times as in `Event`."""

    began_at: float = 0.0
    speech_ended_at: float | None = None
    events: list[Event] = field(default_factory=list)
    reply: Reply | None = None
    reply_fault: str | None = None

    def find(self, kind: str) -> Event | None:
        """The first event of a kind."""
        return next((event for event in self.events if event.kind == kind), None)

    @property
    def heard(self) -> str | None:
        """The transcript."""
        event = self.find("stt-end")
        return text(event.data, "stt_output", "text") if event else None

    @property
    def answered(self) -> str | None:
        """The text of the answer."""
        event = self.find("intent-end")
        speech = pick(event.data, "intent_output", "response", "speech", "plain", "speech") if event else None
        return speech if isinstance(speech, str) else None

    @property
    def error(self) -> str | None:
        """What the pipeline says went wrong."""
        event = self.find("error")
        return f"{pick(event.data, 'message')} ({pick(event.data, 'code')})" if event else None


async def say(home_assistant: HomeAssistant, pipeline: str, speech: Clip) -> Turn:
    """Give a spoken command (16 kHz) to a pipeline and wait until its reply has been fetched.

    An error inside the pipeline is part of the turn; DemoError means that there was no turn to speak of.
    """
    turn = Turn()
    try:
        async with asyncio.timeout(TURN_SECONDS), home_assistant.socket() as socket:
            await _Conversation(home_assistant, socket, turn, speech).hold(pipeline)
    except ExceptionGroup as broken:
        # One task of the turn's group failed and took the others with it.
        cause = broken.exceptions[0]
        raise DemoError(f"The voice command broke off: {cause}", HOME_ASSISTANT) from cause
    except TimeoutError:
        reached = turn.events[-1].kind if turn.events else "nothing"
        raise DemoError(
            f"The voice command did not come to an end within {TURN_SECONDS:.0f} seconds; it reached: {reached}.",
            HOME_ASSISTANT,
        ) from None
    return turn


class _Conversation:
    """The two directions of a turn: events come in while sound goes out."""

    def __init__(self, home_assistant: HomeAssistant, socket: Socket, turn: Turn, speech: Clip) -> None:
        self._home_assistant = home_assistant
        self._socket = socket
        self._turn = turn
        self._speech = speech
        self._speech_end = speech_end(speech)
        self._heard_enough = asyncio.Event()
        self._now: Callable[[], float] = asyncio.get_running_loop().time

    async def hold(self, pipeline: str) -> None:
        run = await self._socket.send(
            "assist_pipeline/run",
            start_stage="stt",
            end_stage="tts",
            input={"sample_rate": ASSIST_RATE},
            pipeline=pipeline,
        )
        async with asyncio.TaskGroup() as tasks:
            handler = b""
            async for message in self._socket.messages(run):
                if pick(message, "type") != "event":
                    continue
                event = Event(self._now(), text(message, "event", "type"), pick(message, "event", "data"))
                self._turn.events.append(event)
                match event.kind:
                    case "run-start":
                        handler = _handler(event.data)
                    case "stt-start":
                        tasks.create_task(self._send(handler))
                    case "stt-vad-end" | "stt-end":
                        self._heard_enough.set()
                    case "tts-end":
                        tasks.create_task(self._fetch(text(event.data, "tts_output", "url")))
                    case "run-end":
                        self._heard_enough.set()
                        break

    async def _send(self, handler: bytes) -> None:
        """The speech and then silence, each piece when a microphone would have it; stops when Assist has enough."""
        self._turn.began_at = self._now()
        for piece in pieces(with_silence(self._speech, SILENCE_SECONDS), PIECE_SECONDS):
            try:
                async with asyncio.timeout_at(self._turn.began_at + piece.due):
                    await self._heard_enough.wait()
            except TimeoutError:
                await self._socket.send_bytes(handler + piece.pcm)
            else:
                return
            if self._turn.speech_ended_at is None and piece.due >= self._speech_end:
                self._turn.speech_ended_at = self._now()
        await self._socket.send_bytes(handler)

    async def _fetch(self, path: str) -> None:
        audio = bytearray()
        first_byte_at = None
        try:
            async with self._home_assistant.session.get(f"{self._home_assistant.url}{path}") as response:
                if not response.ok:
                    self._turn.reply_fault = f"Home Assistant answered {response.status} instead of sound"
                    return
                async for chunk in response.content.iter_any():
                    first_byte_at = first_byte_at or self._now()
                    audio += chunk
        except ClientError as error:
            self._turn.reply_fault = f"the reply broke off: {error}"
            return
        if first_byte_at is None:
            self._turn.reply_fault = "the reply was empty"
            return
        self._turn.reply = Reply(first_byte_at, self._now(), bytes(audio))


def _handler(run_start: Json) -> bytes:
    """The byte that marks binary messages as sound of this run."""
    number = pick(run_start, "runner_data", "stt_binary_handler_id")
    if not isinstance(number, int):
        raise DemoError("Home Assistant gave no place to send the sound to.", HOME_ASSISTANT)
    return bytes([number])
