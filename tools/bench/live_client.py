"""Clients of the realtime door: one that speaks a command, and many at once that go on speaking.

What is sent is made beforehand, so that the client costs little. All moments are seconds of CLOCK_MONOTONIC.
"""

import asyncio
import base64
import json
import time
from array import array
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice

import av
from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, WSMsgType
from spark_audio_proxy.transcode.encode import audio_frame
from spark_engine.models import SAMPLE_RATE, SAMPLE_WIDTH

from tools.stack.errors import ToolError
from tools.stack.http import Json, pick
from tools.stack.processes import PROXY
from tools.stack.spoken import Command

PATH = "/v1/realtime?intent=transcription"
TRANSCRIPTION = "conversation.item.input_audio_transcription"
DELTA, COMPLETED, FAILED = f"{TRANSCRIPTION}.delta", f"{TRANSCRIPTION}.completed", f"{TRANSCRIPTION}.failed"
COMMITTED = "input_audio_buffer.committed"
COMMIT = json.dumps({"type": "input_audio_buffer.commit"})
UPDATE = json.dumps({"type": "session.update", "session": {"type": "transcription"}})
"""Changes nothing; its answer tells that everything before it was looked at."""

CLIENT_RATE = 24_000
"""Hz that OpenAI's clients send."""

PIECE = 0.02
"""Seconds that a microphone sends at a time."""

DEADLINE = 60.0
"""Seconds for a turn, and for sessions to be opened."""

type Detection = Mapping[str, Json] | None
"""`turn_detection` of a session; None where the client ends its turns."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """Moments of one turn: its first and last sound, the first words, the end as the proxy saw it, the transcript."""

    begin: float
    end: float
    first_words: float | None
    ended: float
    completed: float


def messages(pcm: bytes, piece: float) -> list[str]:
    """Return the events that append 16 kHz s16le mono PCM as OpenAI's clients do, `piece` seconds in each."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=CLIENT_RATE)
    frames = [*resampler.resample(audio_frame(pcm, SAMPLE_RATE)), *resampler.resample(None)]
    sound = b"".join(bytes(frame.planes[0])[: frame.samples * SAMPLE_WIDTH] for frame in frames)
    size = round(piece * CLIENT_RATE) * SAMPLE_WIDTH
    pieces = (sound[at : at + size] for at in range(0, len(sound), size))
    return [json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(p).decode()}) for p in pieces]


@asynccontextmanager
async def opened(session: ClientSession, url: str, detection: Detection) -> AsyncGenerator[ClientWebSocketResponse]:
    """A session that waits for audio. Raises ToolError."""
    audio = {"input": {"transcription": {"model": "whisper-1", "language": "en"}, "turn_detection": detection}}
    # As behind another proxy: one address alone may have half of all sessions.
    headers = {"X-Forwarded-For": "192.0.2.1"}
    try:
        async with asyncio.timeout(DEADLINE):
            socket = await session.ws_connect(url + PATH, headers=headers, compress=0)
            await socket.send_json({"type": "session.update", "session": {"type": "transcription", "audio": audio}})
            while (await _next(socket))[0] != "session.updated":
                pass
    except (ClientError, TimeoutError) as err:
        raise ToolError(f"The proxy opens no realtime session: {err or 'not in time'}.", PROXY) from err
    async with socket:
        yield socket


async def speak(session: ClientSession, url: str, command: Command, detection: Detection) -> Spoken:
    """Speak a command in real time and wait for its transcript. Raises ToolError."""
    pieces = messages(command.pcm, PIECE)
    async with opened(session, url, detection) as socket, asyncio.timeout(DEADLINE):
        begun = time.monotonic()
        sending = asyncio.create_task(_send(socket, pieces, begun, command.end if detection is None else None))
        try:
            found: dict[str, float] = {}
            while COMPLETED not in found:
                kind, _ = await _next(socket)
                found.setdefault(kind, time.monotonic())
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    return Spoken(begun + command.begin, begun + command.end, found.get(DELTA), found[COMMITTED], found[COMPLETED])


async def _send(socket: ClientWebSocketResponse, pieces: Sequence[str], begun: float, end: float | None) -> None:
    """Send each piece when it was spoken, and commit once `end` seconds were."""
    for number, piece in enumerate(pieces, 1):
        await asyncio.sleep(begun + number * PIECE - time.monotonic())
        await socket.send_str(piece)
        if end is not None and number * PIECE >= end:
            await socket.send_str(COMMIT)
            return


async def _next(socket: ClientWebSocketResponse) -> tuple[str, Json]:
    """Return the kind of the next event, and the event. Raises ToolError for what is none, and for a failure."""
    message = await socket.receive()
    if message.type is not WSMsgType.TEXT:
        raise ToolError(f"The proxy ended a realtime session (code {socket.close_code}).", PROXY)
    event: Json = json.loads(message.data)
    kind = pick(event, "type")
    if kind in ("error", FAILED):
        raise ToolError(f"A realtime session failed: {pick(event, 'error', 'message')}", PROXY)
    return str(kind), event


@dataclass(slots=True)
class Crowd:
    """What many sessions saw; seconds.

    `late`: from the audio that ends a turn until the proxy says so; `waits`: from then to the transcript.
    """

    late: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)


async def crowd(
    sockets: Sequence[ClientWebSocketResponse], sound: Sequence[str], piece: float, seconds: float
) -> Crowd:
    """Send `sound` over and over in real time on all of them, each from another place on; without sound, be silent.

    Returns once the proxy has looked at all of it, however late. Raises ToolError.
    """
    seen, begun = Crowd(), time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for number, socket in enumerate(sockets):
            start, at = begun + piece * number / len(sockets), number * len(sound) // len(sockets)
            tasks.create_task(_follow(socket, seen, start))
            tasks.create_task(_go_on(socket, [*sound[at:], *sound[:at]], start, piece, seconds))
    return seen


async def _go_on(
    socket: ClientWebSocketResponse, sound: Sequence[str], begun: float, piece: float, seconds: float
) -> None:
    for number, message in enumerate(islice(cycle(sound), round(seconds / piece)), 1):
        await asyncio.sleep(begun + number * piece - time.monotonic())
        await socket.send_str(message)
    await asyncio.sleep(begun + seconds - time.monotonic())
    await socket.send_str(UPDATE)


async def _follow(socket: ClientWebSocketResponse, seen: Crowd, begun: float) -> None:
    stopped: dict[str, float] = {}
    while True:
        kind, event = await _next(socket)
        item, now = str(pick(event, "item_id")), time.monotonic()
        match kind:
            case "session.updated":
                return
            case "input_audio_buffer.speech_stopped":
                stopped[item] = now
                if isinstance(end := pick(event, "audio_end_ms"), int):
                    seen.late.append(now - begun - end / 1000)
            case "conversation.item.input_audio_transcription.completed" if item in stopped:
                seen.waits.append(now - stopped.pop(item))


def quiet_room(seconds: float) -> bytes:
    """Return the noise of a converter, 16 kHz s16le mono."""
    return array("h", [(number * 7919) % 11 - 5 for number in range(round(seconds * SAMPLE_RATE))]).tobytes()
