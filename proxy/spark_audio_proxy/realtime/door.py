"""The doors to sessions: `GET /v1/realtime?intent=transcription` and `GET /v1/audio/speech/stream`, both WebSockets."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web

from spark_audio_proxy.app_state import SESSIONS, SPARK, UPLOADS
from spark_audio_proxy.origins import was_forwarded
from spark_audio_proxy.problems import Problem
from spark_audio_proxy.speaking import magpie_of

from .connection import Connection
from .hearing import PooledHearing
from .session import Session
from .speech_session import SpeechSession

SUBPROTOCOL = "realtime"
"""What browsers offer beside their key, and must be answered."""

BETA = "realtime=v1"
BETA_SUBPROTOCOL = "openai-beta.realtime-v1"


async def realtime(request: web.Request) -> web.StreamResponse:
    """Open a session that transcribes, and serve it until its client leaves. Raises Problem where there is none."""
    parakeet = request.app[SPARK].parakeet
    if parakeet is None:
        raise Problem(404, "This proxy has no Parakeet: nothing can be transcribed.", "model", "model_not_found")
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    is_beta = request.headers.get("OpenAI-Beta") == BETA or BETA_SUBPROTOCOL in offered
    limits = request.app[SESSIONS].limits
    async with _opened(request, limits.heartbeat) as connection:
        hearing = PooledHearing(request, parakeet)
        await connection.serve(Session(hearing, limits, request.app[UPLOADS], connection.tell, is_beta=is_beta))
    return connection.socket


async def speech(request: web.Request) -> web.StreamResponse:
    """Open a session that speaks, and serve it until its client leaves. Raises Problem where there is none."""
    magpie = magpie_of(request)
    # No heartbeat: a client that plays what it gets answers a ping only once it has read all audio before it.
    async with _opened(request, None) as connection:
        await connection.serve(SpeechSession(request, magpie, connection))
    return connection.socket


@asynccontextmanager
async def _opened(request: web.Request, heartbeat: float | None) -> AsyncGenerator[Connection]:
    """A connection that has its place. Raises Problem for what is no WebSocket, and where there is no place."""
    sessions = request.app[SESSIONS]
    # Not compressed: audio does not get much smaller, and a small message could become a huge one.
    socket = web.WebSocketResponse(
        protocols=(SUBPROTOCOL,), heartbeat=heartbeat, max_msg_size=sessions.limits.largest_message, compress=False
    )
    if not socket.can_prepare(request):
        raise Problem(426, "Connect with a WebSocket.", code="websocket_required")
    address = "" if was_forwarded(request.headers) else request.remote or ""
    connection = Connection(request, socket, sessions.limits)
    with sessions.place(address, connection.stop):
        await socket.prepare(request)
        yield connection
