"""One voice turn, seen from where a satellite is: sound goes out in real time, events and a spoken answer come in.

All moments are seconds of CLOCK_MONOTONIC, which every process on one machine shares.
"""

import asyncio
import math
import time
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from aiohttp import ClientError
from spark_engine.models import SAMPLE_RATE, SAMPLE_WIDTH

from .errors import ToolError
from .home_assistant import HomeAssistant, Socket
from .http import Json, number, pick, text
from .processes import HOME_ASSISTANT
from .spoken import FAINTEST, FRAME_SECONDS, Command, levels

PIECE_SECONDS = 0.02
"""What a microphone sends at a time."""

FRAME_BYTES = round(FRAME_SECONDS * SAMPLE_RATE) * SAMPLE_WIDTH

TURN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Event:
    """A pipeline event and when it came."""

    at: float
    kind: str
    data: Json


@dataclass(frozen=True, slots=True)
class Reply:
    """A spoken answer as it came: when how many bytes were there. `start` is where its first sound is, in bytes."""

    arrivals: tuple[tuple[float, int], ...]
    start: int
    audio: bytes = b""

    @property
    def first(self) -> float:
        """When the first byte of sound came, which no header is. Raises ToolError where none did."""
        for at, received in self.arrivals:
            if received > self.start:
                return at
        raise ToolError("A spoken answer was empty.", HOME_ASSISTANT)

    def stall(self, bytes_per_second: int) -> float:
        """Return the seconds that a player which starts with the first byte would have been silent in the middle."""
        waited, before = 0.0, 0
        for at, received in self.arrivals:
            waited = max(waited, at - self.first - before / bytes_per_second)
            before = max(0, received - self.start)
        return waited

    def longest_silence(self) -> float:
        """Return the longest time between two sounds, in seconds, for a player that starts with the first byte.

        The audio is 16 kHz s16le mono in a WAV file. What comes too late is silence, too.
        """
        heard = levels(array("h", self.audio[self.start :]))
        faintest = max(heard) - FAINTEST
        longest, last = 0.0, math.inf
        for frame, level in enumerate(heard):
            if level > faintest:
                now = self._played_at(frame * FRAME_BYTES)
                longest = max(longest, now - last)
                last = now + FRAME_SECONDS
        return longest

    def _played_at(self, offset: int) -> float:
        """Return when a player comes to the byte at this offset, which is after the last byte that it waits for."""
        ready, before = self.first, 0
        for at, received in self.arrivals:
            ready = max(ready, at - before / FRAME_BYTES * FRAME_SECONDS)
            before = max(0, received - self.start)
            if before > offset:
                break
        return ready + offset / FRAME_BYTES * FRAME_SECONDS


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of a turn. `fault` says what failed; `spoke_until` is when the command's last sound had been said."""

    events: tuple[Event, ...]
    reply: Reply | None = None
    began: float | None = None
    spoke_until: float | None = None
    fault: str | None = None

    def find(self, kind: str) -> Event | None:
        """Return the first event of a kind."""
        return next((event for event in self.events if event.kind == kind), None)

    def at(self, kind: str) -> float:
        """Return when the first event of a kind came. Raises ToolError where none did."""
        if event := self.find(kind):
            return event.at
        raise ToolError(f"A turn ended without {kind}: {', '.join(event.kind for event in self.events)}.")

    def whole(self) -> Self:
        """Return this turn. Raises ToolError where something failed or nothing was spoken."""
        if self.fault or self.reply is None:
            raise ToolError(f"A voice turn failed: {self.fault or 'there was no spoken answer'}.", HOME_ASSISTANT)
        return self

    @property
    def heard(self) -> str | None:
        """The transcript."""
        event = self.find("stt-end")
        return text(event.data, "stt_output", "text") if event else None

    @property
    def answered(self) -> str | None:
        """The text of the answer."""
        event = self.find("intent-end")
        words = pick(event.data, "intent_output", "response", "speech", "plain", "speech") if event else None
        return words if isinstance(words, str) else None

    @property
    def first_token(self) -> float:
        """When the agent's first word came. Raises ToolError."""
        for event in self.events:
            if event.kind == "intent-progress" and pick(event.data, "chat_log_delta", "content"):
                return event.at
        raise ToolError("The agent wrote nothing.")


async def say(home: HomeAssistant, pipeline: str, command: Command) -> Turn:
    """Say a command to a pipeline; its answer comes as MP3, Home Assistant's own choice. Raises ToolError."""
    fields: Mapping[str, Json] = {
        "start_stage": "stt",
        "end_stage": "tts",
        "input": {"sample_rate": SAMPLE_RATE},
        "pipeline": pipeline,
    }
    return await hold_turn(home, "assist_pipeline/run", fields, command)


async def hold_turn(home: HomeAssistant, run: str, fields: Mapping[str, Json], command: Command | None = None) -> Turn:
    """Hold the turn that the websocket command `run` starts. Raises ToolError where it does not come to an end."""
    try:
        async with asyncio.timeout(TURN_SECONDS), home.socket() as socket, asyncio.TaskGroup() as tasks:
            return await _Satellite(home, socket, tasks, command).hold(run, fields)
    except TimeoutError:
        raise ToolError(f"A voice turn did not come to an end within {TURN_SECONDS:.0f} s.", HOME_ASSISTANT) from None
    except ExceptionGroup as broken:
        # One task of the turn failed, and took the others with it.
        raise ToolError(f"A voice turn broke off: {broken.exceptions[0]}", HOME_ASSISTANT) from broken


class _Satellite:
    """Speaks, and fetches what is spoken as soon as it is told to."""

    def __init__(self, home: HomeAssistant, socket: Socket, tasks: asyncio.TaskGroup, command: Command | None) -> None:
        self._home = home
        self._socket = socket
        self._tasks = tasks
        self._command = command
        self._heard_enough = asyncio.Event()
        self._began: float | None = None
        self._fault: str | None = None
        self._handler, self._url = b"", ""
        self._fetching: asyncio.Task[Reply | None] | None = None

    async def hold(self, run: str, fields: Mapping[str, Json]) -> Turn:
        of = await self._socket.send(run, **fields)
        events: list[Event] = []
        async for message in self._socket.messages(of):
            if pick(message, "type") != "event":
                continue
            event = Event(time.monotonic(), text(message, "event", "type"), pick(message, "event", "data"))
            events.append(event)
            self._act(event)
            if event.kind == "run-end":
                break
        self._heard_enough.set()
        reply = await self._fetching if self._fetching else None
        spoke_until = self._began + self._command.end if self._command and self._began is not None else None
        return Turn(tuple(events), reply, self._began, spoke_until, self._fault)

    def _act(self, event: Event) -> None:
        match event.kind:
            case "run-start":
                if self._command:
                    self._handler = bytes([number(event.data, "runner_data", "stt_binary_handler_id")])
                self._url = text(event.data, "tts_output", "url")
            case "stt-start" if self._command:
                self._tasks.create_task(self._speak(self._command))
            case "stt-vad-end" | "stt-end":
                self._heard_enough.set()
            case "intent-progress" if pick(event.data, "tts_start_streaming"):
                # As satellites do: what is streamed is fetched from here on, anything else once it is made.
                self._fetch_once()
            case "tts-end":
                self._fetch_once()
            case "error":
                self._fault = f"{pick(event.data, 'message')} ({pick(event.data, 'code')})"

    def _fetch_once(self) -> None:
        self._fetching = self._fetching or self._tasks.create_task(self._fetch())

    async def _speak(self, command: Command) -> None:
        """Send each piece when a microphone has it, until Assist has heard enough."""
        self._began = time.monotonic()
        size = round(PIECE_SECONDS * SAMPLE_RATE) * SAMPLE_WIDTH
        for at in range(0, len(command.pcm), size):
            piece = command.pcm[at : at + size]
            due = self._began + (at + len(piece)) / SAMPLE_WIDTH / SAMPLE_RATE
            try:
                async with asyncio.timeout_at(due):
                    await self._heard_enough.wait()
            except TimeoutError:
                await self._socket.send_bytes(self._handler + piece)
            else:
                return
        raise ToolError("the end of the command was not noticed.", HOME_ASSISTANT)

    async def _fetch(self) -> Reply | None:
        arrivals: list[tuple[float, int]] = []
        audio = bytearray()
        try:
            async with self._home.session.get(f"{self._home.url}{self._url}") as response:
                if not response.ok:
                    self._fault = f"Home Assistant answered {response.status} instead of sound"
                    return None
                async for chunk in response.content.iter_any():
                    audio += chunk
                    arrivals.append((time.monotonic(), len(audio)))
        except ClientError as error:
            self._fault = f"the spoken answer broke off: {error}"
            return None
        return Reply(tuple(arrivals), sound_start(bytes(audio)), bytes(audio))


def sound_start(audio: bytes) -> int:
    """Return where the first sound is in a WAV, FLAC or MP3 file."""
    if audio.startswith(b"RIFF"):
        at = audio.find(b"data")
        return at + 8 if at > 0 else len(audio)
    if audio.startswith(b"fLaC"):
        at, is_last = 4, False
        while not is_last and at + 4 <= len(audio):
            is_last, at = bool(audio[at] & 0x80), at + 4 + int.from_bytes(audio[at + 1 : at + 4])
        return at
    if audio.startswith(b"ID3"):
        # An ID3v2 tag tells its size in four times seven bits (id3v2.4.0-structure, 3.1).
        return 10 + sum(byte << shift for byte, shift in zip(audio[6:10], (21, 14, 7, 0), strict=True))
    return 0
