"""One voice turn, seen from where a satellite is: sound goes out in real time, events and a spoken answer come in.

All moments are seconds of CLOCK_MONOTONIC, which every process on one machine shares.
"""

import asyncio
import math
import random
import time
from array import array
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import ClientError
from embedded_spark.engines import Delivery, load_synthesizer
from spark_engine.models import SAMPLE_RATE

from demo.answers import Json, pick, text
from demo.home_assistant import HomeAssistant, Socket
from demo.sound import Clip, pieces

from .errors import BenchError

COMMANDS = (
    "Turn on the kitchen light.",
    "What is the weather going to be like tomorrow?",
    "Set a timer for ten minutes.",
    "Is the front door locked?",
    "Play some music in the living room.",
)

PIECE_SECONDS = 0.02
"""What a microphone sends at a time."""

BEFORE, AFTER = 0.5, 5.0
"""Seconds of a quiet room before and after a command."""

ROOM = 60.0
"""Decibels by which a quiet room is below the loudest 10 ms of a command: no microphone gives digital silence."""

FAINTEST = 40.0
"""Decibels below the loudest 10 ms at which speech has ended."""

HEAD = 4096
"""Bytes in which every header ends."""

TURN_DEADLINE = 60.0


@dataclass(frozen=True, slots=True)
class Command:
    """A spoken command in a quiet room, 16 kHz. `end` is when its last sound ends, in seconds from the start."""

    clip: Clip
    end: float


@dataclass(frozen=True, slots=True)
class Event:
    """A pipeline event and when it came."""

    at: float
    kind: str
    data: Json


@dataclass(frozen=True, slots=True)
class Sound:
    """A spoken answer as it came: when how many bytes were there. `start` is where its first sound is, in bytes."""

    arrivals: tuple[tuple[float, int], ...]
    start: int

    @property
    def first(self) -> float:
        """When the first byte of sound came, which no header is. Raises BenchError where none did."""
        for at, received in self.arrivals:
            if received > self.start:
                return at
        raise BenchError("A spoken answer was empty.")

    def seconds(self, bytes_per_second: int) -> float:
        """How long it is, where its format has a steady rate."""
        return (self.arrivals[-1][1] - self.start) / bytes_per_second

    def stall(self, bytes_per_second: int) -> float:
        """The seconds a player that starts with the first byte would have been silent in the middle, all together."""
        waited, before = 0.0, 0
        for at, received in self.arrivals:
            waited = max(waited, at - self.first - before / bytes_per_second)
            before = max(0, received - self.start)
        return waited


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of a turn. `spoke_until` is when the last sound of the command had been said; None without one."""

    events: tuple[Event, ...]
    sound: Sound
    spoke_until: float | None

    def at(self, kind: str) -> float:
        """When the first event of a kind came. Raises BenchError where none did."""
        event = self.find(kind)
        if event is None:
            raise BenchError(f"A turn ended without {kind}: {', '.join(event.kind for event in self.events)}.")
        return event.at

    def find(self, kind: str) -> Event | None:
        """The first event of a kind."""
        return next((event for event in self.events if event.kind == kind), None)

    @property
    def first_token(self) -> float:
        """When the agent's first word came. Raises BenchError."""
        for event in self.events:
            if event.kind == "intent-progress" and pick(event.data, "chat_log_delta", "content"):
                return event.at
        raise BenchError("The agent wrote nothing.")


def record_commands() -> Sequence[Command]:
    """COMMANDS, spoken by the embedded voice. Blocks for seconds."""
    voice = load_synthesizer()
    said = (b"".join(voice.speak(words, Delivery(1.0, 1.0, 1.0), SAMPLE_RATE)) for words in COMMANDS)
    return [in_a_quiet_room(pcm) for pcm in said]


def in_a_quiet_room(pcm: bytes) -> Command:
    """Speech (16 kHz s16le mono) with the room's noise before, under and after it."""
    samples = array("h", pcm)
    amplitude = 10 ** ((max(levels(samples)) - ROOM) / 20)
    before, after = round(BEFORE * SAMPLE_RATE), round(AFTER * SAMPLE_RATE)
    noise = random.Random(0)  # noqa: S311 - samples, no secret
    room = array("h", (round(noise.gauss(0, amplitude)) for _ in range(before + len(samples) + after)))
    for at, sample in enumerate(samples, before):
        room[at] = max(-32_768, min(32_767, room[at] + sample))
    return Command(Clip(room.tobytes(), SAMPLE_RATE), BEFORE + speech_end(samples))


def levels(samples: Sequence[int]) -> Sequence[float]:
    """The level of each 10 ms at 16 kHz in decibels."""
    size = SAMPLE_RATE // 100
    frames = (samples[at : at + size] for at in range(0, len(samples) - size + 1, size))
    return [10 * math.log10(sum(sample * sample for sample in frame) / size + 1e-9) for frame in frames]


def speech_end(samples: Sequence[int]) -> float:
    """Seconds until the last 10 ms that are less than FAINTEST below the loudest."""
    heard = levels(samples)
    return (1 + max(at for at, level in enumerate(heard) if level > max(heard) - FAINTEST)) / 100


async def say(home: HomeAssistant, pipeline: str, command: Command) -> Turn:
    """Say a command to a pipeline; its answer comes as MP3, Home Assistant's own choice. Raises BenchError."""
    async with _turn(home) as hearing:
        return await hearing.hold(
            "assist_pipeline/run",
            {
                "start_stage": "stt",
                "end_stage": "tts",
                "input": {"sample_rate": SAMPLE_RATE},
                "pipeline": pipeline,
            },
            command,
        )


async def ask(home: HomeAssistant, pipeline: str, words: str, output: Mapping[str, Json]) -> Turn:
    """Have the agent write an answer, which is spoken in a satellite's format. Raises BenchError."""
    async with _turn(home) as hearing:
        return await hearing.hold(
            "bench_agent/answer", {"pipeline": pipeline, "text": words, "output": dict(output)}, None
        )


@asynccontextmanager
async def _turn(home: HomeAssistant) -> AsyncGenerator[_Satellite]:
    try:
        async with asyncio.timeout(TURN_DEADLINE), home.socket() as socket, asyncio.TaskGroup() as tasks:
            yield _Satellite(home, socket, tasks)
    except TimeoutError:
        raise BenchError(f"A voice turn did not come to an end within {TURN_DEADLINE:.0f} s.") from None
    except ExceptionGroup as broken:
        # One task of the turn failed, and took the others with it.
        raise BenchError(str(broken.exceptions[0])) from broken


class _Satellite:
    """Speaks, and fetches what is spoken as soon as it is told to."""

    def __init__(self, home: HomeAssistant, socket: Socket, tasks: asyncio.TaskGroup) -> None:
        self._home = home
        self._socket = socket
        self._tasks = tasks
        self._enough = asyncio.Event()
        self._begun = 0.0
        self._handler, self._url = b"", ""
        self._fetching: asyncio.Task[Sound] | None = None

    async def hold(self, command_type: str, fields: Mapping[str, Json], command: Command | None) -> Turn:
        run = await self._socket.send(command_type, **fields)
        events: list[Event] = []
        async for message in self._socket.messages(run):
            if pick(message, "type") != "event":
                continue
            event = Event(time.monotonic(), text(message, "event", "type"), pick(message, "event", "data"))
            events.append(event)
            self._act(event, command)
            if event.kind == "run-end":
                break
        if self._fetching is None:
            raise BenchError("A voice turn ended without a spoken answer.")
        return Turn(tuple(events), await self._fetching, self._begun + command.end if command else None)

    def _act(self, event: Event, command: Command | None) -> None:
        match event.kind:
            case "run-start":
                number = pick(event.data, "runner_data", "stt_binary_handler_id")
                self._handler = bytes([number]) if isinstance(number, int) else b""
                self._url = text(event.data, "tts_output", "url")
            case "stt-start" if command:
                self._tasks.create_task(self._speak(command.clip))
            case "stt-vad-end" | "stt-end":
                self._enough.set()
            case "intent-progress" if pick(event.data, "tts_start_streaming"):
                # As satellites do: what is streamed is fetched from here on, anything else once it is made.
                self._fetch_once()
            case "tts-end":
                self._fetch_once()
            case "error":
                raise BenchError(f"A voice turn failed: {pick(event.data, 'message')}")

    def _fetch_once(self) -> None:
        self._fetching = self._fetching or self._tasks.create_task(self._fetch())

    async def _speak(self, clip: Clip) -> None:
        """Each piece when a microphone has it; until Assist has enough."""
        self._begun = time.monotonic()
        for piece in pieces(clip, PIECE_SECONDS):
            try:
                async with asyncio.timeout_at(self._begun + piece.due):
                    await self._enough.wait()
            except TimeoutError:
                await self._socket.send_bytes(self._handler + piece.pcm)
            else:
                return
        raise BenchError(f"Nobody noticed the end of a command within {AFTER:.0f} s.")

    async def _fetch(self) -> Sound:
        received, head = 0, b""
        arrivals: list[tuple[float, int]] = []
        try:
            async with self._home.session.get(f"{self._home.url}{self._url}") as response:
                if not response.ok:
                    raise BenchError(f"Home Assistant answered {response.status} instead of sound.")
                async for chunk in response.content.iter_any():
                    received += len(chunk)
                    arrivals.append((time.monotonic(), received))
                    head += chunk[: HEAD - len(head)]
        except ClientError as err:
            raise BenchError(f"A spoken answer broke off: {err}") from err
        return Sound(tuple(arrivals), sound_start(head))


def sound_start(head: bytes) -> int:
    """Where the first sound is, in the first bytes of a WAV, FLAC or MP3 file."""
    if head.startswith(b"RIFF"):
        at = head.find(b"data")
        return at + 8 if at > 0 else len(head)
    if head.startswith(b"fLaC"):
        at, is_last = 4, False
        while not is_last and at + 4 <= len(head):
            is_last, at = bool(head[at] & 0x80), at + 4 + int.from_bytes(head[at + 1 : at + 4])
        return at
    if head.startswith(b"ID3"):
        # An ID3v2 tag tells its size in four times seven bits (id3v2.4.0-structure, 3.1).
        return 10 + sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    return 0
