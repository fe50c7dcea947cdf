"""`GET /v1/realtime?intent=transcription`: the WebSocket of one session, from the handshake to the close."""

import asyncio
import json
import logging
from contextlib import suppress
from http import HTTPStatus

from aiohttp import WSCloseCode, WSMsgType, web
from spark_engine.models import Json

from spark_audio_proxy.app_state import SESSIONS, SPARK, UPLOADS
from spark_audio_proxy.origins import was_forwarded
from spark_audio_proxy.problems import CLIENT_GONE, Problem, bad_request, note_told

from . import events
from .hearing import PooledHearing
from .limits import Limits
from .session import Session
from .settings import Document

LOGGER = logging.getLogger(__name__)

SUBPROTOCOL = "realtime"
"""What browsers offer beside their key, and must be answered."""

BETA = "realtime=v1"
BETA_SUBPROTOCOL = "openai-beta.realtime-v1"


async def realtime(request: web.Request) -> web.StreamResponse:
    """Open a session and serve it until its client leaves. Raises Problem where there is none to open."""
    parakeet = request.app[SPARK].parakeet
    if parakeet is None:
        raise Problem(404, "This proxy has no Parakeet: nothing can be transcribed.", "model", "model_not_found")
    sessions = request.app[SESSIONS]
    # Not compressed: audio as base64 does not get much smaller, and a small message could become a huge one.
    socket = web.WebSocketResponse(
        protocols=(SUBPROTOCOL,),
        heartbeat=sessions.limits.heartbeat,
        max_msg_size=sessions.limits.largest_message,
        compress=False,
    )
    if not socket.can_prepare(request):
        raise Problem(426, "Connect with a WebSocket.", code="websocket_required")
    address = "" if was_forwarded(request.headers) else request.remote or ""
    connection = _Connection(request, socket, sessions.limits)
    with sessions.place(address, connection.stop):
        await socket.prepare(request)
        await connection.serve(PooledHearing(request, parakeet))
    return socket


class _Connection:
    """Sends and receives."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, limits: Limits) -> None:
        self._request, self._socket, self._limits = request, socket, limits
        self._unsent: asyncio.Queue[Document] = asyncio.Queue(limits.unsent)
        self._errors = 0
        self._is_stopped = False

    def stop(self) -> None:
        """Close: the proxy stops."""
        self._is_stopped = True
        self._unsent.shutdown()

    async def serve(self, hearing: PooledHearing) -> None:
        is_beta = self._request.headers.get("OpenAI-Beta") == BETA or BETA_SUBPROTOCOL in self._offered()
        session = Session(hearing, self._limits, self._request.app[UPLOADS], self._tell, is_beta=is_beta)
        sending = asyncio.create_task(self._send(), name="realtime sender")
        receiving = asyncio.create_task(self._receive(session), name="realtime receiver")
        try:
            await asyncio.wait((sending, receiving), return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                self._unsent.shutdown()
                await asyncio.wait((sending,))
        finally:
            for task in (sending, receiving):
                task.cancel()
            await asyncio.gather(sending, receiving, session.close(), return_exceptions=True)
        for task in (receiving, sending):
            if not task.cancelled() and (error := task.exception()):
                raise error
        await self._socket.close(code=WSCloseCode.GOING_AWAY if self._is_stopped else WSCloseCode.OK)

    def _offered(self) -> str:
        return self._request.headers.get("Sec-WebSocket-Protocol", "")

    def _tell(self, event: Document) -> None:
        """Send an event in its turn. Who does not read what it has asked for is cut off."""
        try:
            self._unsent.put_nowait(event)
        except asyncio.QueueFull:
            self._cut("does not read its events")
        except asyncio.QueueShutDown:
            return

    def _refuse(self, problem: Problem, caused_by: Json) -> None:
        note_told(self._request, problem)
        self._tell(events.error(problem, caused_by))

    def _cut(self, why: str) -> None:
        LOGGER.info("realtime: the client %s", why)
        note_told(self._request, Problem(CLIENT_GONE, f"The client {why}."))
        self._unsent.shutdown(immediate=True)
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _send(self) -> None:
        with suppress(asyncio.QueueShutDown):
            while True:
                event = await self._unsent.get()
                try:
                    async with asyncio.timeout(self._limits.untaken):
                        await self._socket.send_str(json.dumps(event))
                except TimeoutError:
                    self._cut("takes nothing")
                except ConnectionError:
                    return

    async def _receive(self, session: Session) -> None:
        """Hand each message to the session until the client leaves or makes no sense any more."""
        while True:
            try:
                message = await self._socket.receive(timeout=self._limits.idle)
            except TimeoutError:
                self._refuse(Problem(408, f"Nothing came for {self._limits.idle:.0f} s.", code="session_idle"), None)
                return
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            event: Document = {}
            try:
                event = _read(message.data)
                await session.take(event)
            except Problem as problem:
                self._refuse(problem, event.get("event_id"))
                # Where there is no room the client is not at fault.
                self._errors += problem.status == HTTPStatus.BAD_REQUEST
                if self._errors >= self._limits.errors:
                    return
            # The other side of the connection gets its turn, however fast events come.
            await asyncio.sleep(0)


def _read(data: Json | bytes) -> Document:
    """Return an event. Raises Problem 400 for anything else."""
    if not isinstance(data, str):
        raise bad_request("Send events as text, not as binary messages.", code="invalid_event")
    try:
        event: Json = json.loads(data)
    except (ValueError, RecursionError) as err:
        raise bad_request("This is not JSON.", code="invalid_event") from err
    if not isinstance(event, dict):
        raise bad_request("An event is a JSON object.", code="invalid_event")
    return event
