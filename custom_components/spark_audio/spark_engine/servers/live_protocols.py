"""The protocols of servers that hear live: NVIDIA NIM and NeMo-Speech.cpp, read in their clients and source.

Both take events of OpenAI's names with fields of their own.
"""

import base64
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import override

from ..errors import ServerFault
from ..models import SAMPLE_RATE, Json
from ..speech.language import with_region
from .bodies import json_body
from .live import LiveProtocol, refusal
from .transport import Transport
from .websocket import Socket

NIM_SESSIONS = "/v1/realtime/transcription_sessions"
NIM_REALTIME = "/v1/realtime?intent=transcription"
NEMO_REALTIME = "/v1/realtime"


async def _expect(socket: Socket, kind: str, deadline: float) -> None:
    """Read up to an event of that type. Raises SparkError for an error in its place."""
    while (event := await socket.receive(deadline)).get("type") != kind:
        if event.get("type") == "error":
            raise refusal(event)


class _Nim(LiveProtocol):
    """A token for one session over HTTP, then the session; each chunk is committed (riva python client 2.28.0)."""

    name = "nim"

    @asynccontextmanager
    @override
    async def connect(self, transport: Transport, language: str | None) -> AsyncGenerator[Socket]:
        page = transport.deadlines.page
        defaults = (await transport.post(NIM_SESSIONS, json_body({}), deadline=page)).json()
        if not isinstance(defaults, dict):
            raise ServerFault("The server's session is no JSON object.")
        async with transport.socket(NIM_REALTIME, _protocols(defaults.get("client_secret"))) as socket:
            await _expect(socket, "conversation.created", page)
            await socket.send({"type": "transcription_session.update", "session": _session(defaults, language)})
            await _expect(socket, "transcription_session.updated", page)
            yield socket

    @override
    async def send(self, socket: Socket, pcm: bytes) -> None:
        await socket.send({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()})
        await socket.send({"type": "input_audio_buffer.commit"})

    @override
    async def end(self, socket: Socket) -> None:
        await socket.send({"type": "input_audio_buffer.done"})

    @override
    def is_last(self, event: Mapping[str, Json]) -> bool:
        return event.get("is_last_result") is True


def _protocols(secret: Json) -> tuple[str, ...]:
    """Return the subprotocols that carry the session's token; older servers give none."""
    match secret:
        case {"value": str(token)} if token:
            return ("realtime", f"realtime-token.{token}")
    return ()


def _session(defaults: dict[str, Json], language: str | None) -> dict[str, Json]:
    """Return the server's own settings with ours in them."""

    def within(name: str, **ours: Json) -> dict[str, Json]:
        theirs = defaults.get(name)
        return {name: {**(theirs if isinstance(theirs, dict) else {}), **ours}}

    transcription: dict[str, Json] = {"language": with_region(language)} if language else {}
    return {
        **{name: value for name, value in defaults.items() if name != "client_secret"},
        "input_audio_format": "pcm16",
        **within("input_audio_transcription", **transcription),
        **within("input_audio_params", sample_rate_hz=SAMPLE_RATE, num_channels=1),
        **within("recognition_config", enable_automatic_punctuation=True),
    }


class _NemoSpeech(LiveProtocol):
    """Settings before the audio, then bare PCM; `committed` follows the last transcript (http_server.cpp, v0.1.0)."""

    name = "nemo-speech.cpp"

    @asynccontextmanager
    @override
    async def connect(self, transport: Transport, language: str | None) -> AsyncGenerator[Socket]:
        page = transport.deadlines.page
        async with transport.socket(NEMO_REALTIME) as socket:
            await _expect(socket, "session.created", page)
            session: dict[str, Json] = {"sample_rate": SAMPLE_RATE, "automatic_punctuation": True}
            if language:
                session["language"] = with_region(language)
            await socket.send({"type": "session.update", "session": session})
            await _expect(socket, "session.updated", page)
            yield socket

    @override
    async def send(self, socket: Socket, pcm: bytes) -> None:
        await socket.send_bytes(pcm)

    @override
    async def end(self, socket: Socket) -> None:
        await socket.send({"type": "input_audio_buffer.commit"})

    @override
    def is_last(self, event: Mapping[str, Json]) -> bool:
        return event.get("type") == "input_audio_buffer.committed"


NIM: LiveProtocol = _Nim()
NEMO_SPEECH: LiveProtocol = _NemoSpeech()
