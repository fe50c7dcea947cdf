"""Fake servers that hear live, as NVIDIA's client and NeMo-Speech.cpp's http_server.cpp have it.

They understand a word of the text with each quarter of a second of audio.
"""

import base64
import json as jsons
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from tests.fakes import parakeet
from tests.fakes.parakeet import TEXT, TRANSCRIPTIONS
from tests.fakes.server import FakeServer, json

type Step = Callable[[web.WebSocketResponse], Awaitable[None]]

PREFIX = "conversation.item.input_audio_transcription"
SESSIONS = "/v1/realtime/transcription_sessions"
BYTES_PER_WORD = 8000
DEFAULTS = {
    "id": "sess_1",
    "object": "realtime.transcription_session",
    "input_audio_format": "none",
    "input_audio_transcription": {"language": "en-US", "model": "parakeet-rnnt"},
    "input_audio_params": {"sample_rate_hz": 16000, "num_channels": 1},
    "recognition_config": {"max_alternatives": 1},
    "client_secret": {"value": "secret-of-one-session", "expires_at": 0},
}


@dataclass
class Live:
    """What a test sees of the sessions, and how it breaks them."""

    sessions: list[dict[str, object]] = field(default_factory=list)
    """The settings of each."""
    protocols: list[str] = field(default_factory=list)
    heard: bytes = b""
    """All audio."""
    readings: list[str] = field(default_factory=list)
    """All words so far, one reading after the other."""
    refuses: str | None = None
    """The message of an error in place of the first words."""
    breaks: Step | None = None
    """What happens in place of the second word."""
    is_silent_at_the_end: bool = False
    ends_after: int | None = None
    """After how many readings the server hears the speaker end."""

    def __post_init__(self) -> None:
        """Word after word, unless a test has other readings."""
        words = TEXT.split()
        self.readings = [" ".join(words[: number + 1]) for number in range(len(words))]

    @property
    def understood(self) -> int:
        """How many readings the audio so far is worth."""
        return min(len(self.heard) // BYTES_PER_WORD, len(self.readings))

    def ends_with(self, reading: str) -> bool:
        """Return whether the server hears the speaker end with this reading."""
        return self.ends_after is not None and reading == self.readings[self.ends_after - 1]

    async def hear(self, socket: web.WebSocketResponse, pcm: bytes) -> AsyncGenerator[str]:
        """Yield each new reading."""
        before = self.understood
        self.heard += pcm
        for number in range(before, self.understood):
            if number == 1 and self.breaks:
                await self.breaks(socket)
            yield self.readings[number]


def streaming_nim(live: Live, *, hears_whole: bool = False) -> FakeServer:
    """NIM with models for streaming alone: its route for whole recordings is there, a model for them is not."""
    fake = parakeet.nim()
    fake.answers["POST", SESSIONS] = json(DEFAULTS)
    if not hears_whole:
        message = (
            "Unavailable model requested given these parameters: language_code=en; sample_rate=16000; type=offline;"
        )
        fake.answers["POST", TRANSCRIPTIONS] = json({"detail": message}, status=400)

    async def realtime(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=("realtime",))
        await socket.prepare(request)
        live.protocols.append(request.headers.get("Sec-WebSocket-Protocol", ""))
        await socket.send_json({"type": "conversation.created", "conversation": {"id": "conv_1"}})
        sent = ""
        async for message in socket:
            event = jsons.loads(message.data)
            match event["type"]:
                case "transcription_session.update":
                    live.sessions.append(event["session"])
                    await socket.send_json({"type": "transcription_session.updated", "session": event["session"]})
                case "input_audio_buffer.append":
                    async for reading in live.hear(socket, base64.b64decode(event["audio"])):
                        if live.refuses:
                            await socket.send_json({"type": "error", "error": {"message": live.refuses}})
                            break
                        await socket.send_json({"type": f"{PREFIX}.delta", "delta": reading.removeprefix(sent)})
                        sent = reading
                        if live.ends_with(reading):
                            end = {"transcript": reading, "is_last_result": False, "words_info": {}}
                            await socket.send_json({"type": f"{PREFIX}.completed", **end})
                case "input_audio_buffer.done" if not live.is_silent_at_the_end:
                    done = {"type": f"{PREFIX}.completed", "transcript": TEXT, "is_last_result": True}
                    await socket.send_json({**done, "words_info": {}})
        return socket

    fake.answers["GET", "/v1/realtime"] = realtime
    return fake


def nemo_speech(live: Live) -> FakeServer:
    """NeMo-Speech.cpp: what a partial adds where it extends the last one, else all of it, without a mark."""
    fake = parakeet.nemo_speech()

    async def realtime(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "session.created", "session": {"input_audio_format": "pcm16"}})
        partial = ended = ""
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                async for reading in live.hear(socket, message.data):
                    if live.refuses:
                        await socket.send_json({"type": "error", "error": {"message": live.refuses}})
                        break
                    stretch = reading.removeprefix(ended).lstrip()
                    delta = stretch.removeprefix(partial) if stretch.startswith(partial) else stretch
                    partial = stretch
                    await socket.send_json({"type": f"{PREFIX}.delta", "delta": delta, "audio_processed": 1.0})
                    if live.ends_with(reading):
                        end = {"transcript": stretch, "audio_processed": 1.0}
                        await socket.send_json({"type": f"{PREFIX}.completed", **end})
                        partial, ended = "", reading
                continue
            event = jsons.loads(message.data)
            match event["type"]:
                case "session.update":
                    live.sessions.append(event["session"])
                    await socket.send_json({"type": "session.updated", "session": event["session"]})
                case "input_audio_buffer.commit" if not live.is_silent_at_the_end:
                    last = {"transcript": TEXT.removeprefix(ended).lstrip(), "audio_processed": 2.0}
                    await socket.send_json({"type": f"{PREFIX}.completed", **last})
                    await socket.send_json({"type": "input_audio_buffer.committed"})
        return socket

    fake.answers["GET", "/v1/realtime"] = realtime
    return fake


async def cut(socket: web.WebSocketResponse) -> None:
    """The process ends: no close."""
    assert socket._req is not None  # noqa: SLF001
    assert socket._req.transport is not None  # noqa: SLF001
    socket._req.transport.abort()  # noqa: SLF001


async def close(socket: web.WebSocketResponse) -> None:
    """A gateway that has enough."""
    await socket.close(code=1011)


async def garbage(socket: web.WebSocketResponse) -> None:
    """No event."""
    await socket.send_str("{")
