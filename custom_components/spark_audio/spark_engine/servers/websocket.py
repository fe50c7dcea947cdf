"""A WebSocket to a server, and what its ends mean."""

from collections.abc import Mapping
from contextlib import suppress

from aiohttp import ClientError, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from ..errors import Busy, Rejected, ServerFault, SparkError, TimedOut, Unauthorized
from ..models import Json
from .documents import read_answer

LARGEST_EVENT = 1 << 20
"""Bytes of one message over a WebSocket."""


class Socket:
    """A WebSocket to a server: events go both ways, and bare bytes to it."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        """Open already; closing it is the transport's."""
        self._socket = socket

    async def send(self, event: Mapping[str, Json]) -> None:
        """Send an event. What has closed the connection meanwhile is told by `receive`."""
        with suppress(ClientError, ConnectionError):
            await self._socket.send_json(event)

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message, as `send` does."""
        with suppress(ClientError, ConnectionError):
            await self._socket.send_bytes(data)

    async def receive(self, deadline: float | None = None) -> Mapping[str, Json]:
        """Return the next event, within `deadline` seconds. Raises SparkError."""
        try:
            message = await self._socket.receive(deadline)
        except TimeoutError as err:
            raise TimedOut("The server did not answer in time.") from err
        match message.type:
            case WSMsgType.TEXT:
                try:
                    event = read_answer(message.data.encode())
                except ValueError:
                    event = None
                if isinstance(event, dict):
                    return event
                raise ServerFault("The server sent what is no event.")
            case WSMsgType.CLOSE | WSMsgType.CLOSING | WSMsgType.CLOSED if self._socket.close_code != _CUT:
                raise ServerFault(f"The server closed the connection (code {self._socket.close_code}).")
            case WSMsgType.BINARY:
                raise ServerFault("The server sent what is no event.")
        raise cut_off()


_CUT = 1006
"""The code of a WebSocket that ended without a close, as where the process of a server has ended."""


def refused_handshake(err: WSServerHandshakeError) -> SparkError:
    """Return the error that a refused handshake stands for."""
    message = f"The server opens no WebSocket ({err.status})."
    if err.status in (401, 403):
        return Unauthorized(message, status=err.status)
    if err.status in (429, 503):
        return Busy(message, status=err.status)
    if err.status >= 500:
        return ServerFault(message, status=err.status)
    return Rejected(message, status=err.status)


def cut_off() -> ServerFault:
    """Return the error of a connection that was closed in the middle: the process may have ended."""
    return ServerFault("The server closed the connection without an answer.", killed=True)
