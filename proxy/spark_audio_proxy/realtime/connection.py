"""The WebSocket of one session, from its first event to the close, whatever the session is for."""

import asyncio
import json
import logging
from contextlib import suppress
from http import HTTPStatus
from typing import Protocol

from aiohttp import WSCloseCode, WSMsgType, web
from spark_engine.errors import SparkError
from spark_engine.models import Json

from spark_audio_proxy.problems import CLIENT_GONE, Problem, bad_request, note_told, problem_for
from spark_audio_proxy.streamed_answer import Watched

from . import events
from .limits import Limits
from .settings import Document

LOGGER = logging.getLogger(__name__)

LARGEST_PIECE = 1 << 16
"""Bytes of audio in one message: many clients take a MiB at most."""


class Session(Protocol):
    """What a connection serves."""

    @property
    def is_busy(self) -> bool:
        """Return whether its client has every reason to say nothing: it still waits for what it has asked for."""

    async def take(self, event: Document) -> None:
        """Do what the client asks. Raises Problem for what makes no sense, and SparkError."""

    async def close(self) -> None:
        """Give up what is under way."""


class Connection:
    """Sends and receives."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, limits: Limits) -> None:
        """`request` opened the socket, which is not prepared yet."""
        self.socket = socket
        self._request, self._limits = request, limits
        self._unsent: asyncio.Queue[tuple[WSMsgType, bytes]] = asyncio.Queue(limits.unsent)
        self._unsent_bytes = self._sent = 0
        self._errors = 0
        self._is_stopped = False

    def stop(self) -> None:
        """Close: the proxy stops."""
        self._is_stopped = True
        self.finish()

    def finish(self) -> None:
        """Close once everything is sent."""
        self._unsent.shutdown()

    async def serve(self, session: Session) -> None:
        """Serve the session until its client leaves, or until it is finished."""
        sending = asyncio.create_task(self._send(), name="session sender")
        receiving = asyncio.create_task(self._receive(session), name="session receiver")
        try:
            await asyncio.wait((sending, receiving), return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                self.finish()
                await asyncio.wait((sending,))
        finally:
            for task in (sending, receiving):
                task.cancel()
            await asyncio.gather(sending, receiving, session.close(), return_exceptions=True)
        for task in (receiving, sending):
            if not task.cancelled() and (error := task.exception()):
                raise error
        await self.socket.close(code=WSCloseCode.GOING_AWAY if self._is_stopped else WSCloseCode.OK)

    def tell(self, event: Document) -> None:
        """Send it in its turn. Who does not read what it has asked for is cut off."""
        self._put(WSMsgType.TEXT, json.dumps(event).encode())

    async def deliver(self, audio: bytes) -> None:
        """Send it in binary messages, in their turn, and wait until they are on their way."""
        for at in range(0, len(audio), LARGEST_PIECE):
            self._put(WSMsgType.BINARY, audio[at : at + LARGEST_PIECE])
            await self._unsent.join()

    def _put(self, kind: WSMsgType, data: bytes) -> None:
        self._unsent_bytes += len(data)
        try:
            self._unsent.put_nowait((kind, data))
        except asyncio.QueueShutDown:
            return
        except asyncio.QueueFull:
            is_full = True
        else:
            is_full = self._unsent_bytes > self._limits.unsent_bytes
        if is_full:
            self._cut("does not read its events")

    def refuse(self, problem: Problem, caused_by: Json = None) -> None:
        """Tell the client what is wrong, with an event that has this id if it was one."""
        note_told(self._request, problem)
        self.tell(events.error(problem, caused_by))

    def _cut(self, why: str) -> None:
        LOGGER.info("%s: the client %s", self._request.path, why)
        note_told(self._request, Problem(CLIENT_GONE, f"The client {why}."))
        self._unsent.shutdown(immediate=True)
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _send(self) -> None:
        transport = self._request.transport
        if transport is None:
            return
        watched = Watched(transport, lambda: self._sent, lambda: self._cut("takes nothing"), self._limits.untaken)
        with suppress(asyncio.QueueShutDown, ConnectionError):
            while True:
                kind, data = await self._unsent.get()
                self._unsent_bytes -= len(data)
                with watched:
                    self._sent += len(data)
                    await self.socket.send_frame(data, kind)
                self._unsent.task_done()

    async def _receive(self, session: Session) -> None:
        """Hand each message to the session until the client leaves or makes no sense any more."""
        while True:
            try:
                # Not the timeout of `receive`, which begins anew with each answer to a ping.
                async with asyncio.timeout(self._limits.idle):
                    message = await self.socket.receive()
            except TimeoutError:
                if session.is_busy:
                    continue
                self.refuse(Problem(408, f"Nothing came for {self._limits.idle:.0f} s.", code="session_idle"))
                return
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            event: Document = {}
            try:
                event = _read(message.data)
                await session.take(event)
            except (Problem, SparkError) as err:
                problem = err if isinstance(err, Problem) else problem_for(err)
                self.refuse(problem, event.get("event_id"))
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
