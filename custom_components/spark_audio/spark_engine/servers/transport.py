"""HTTP to one server: deadlines, error mapping, and one repeat on a stale keep-alive connection.

A request that cuts its connection may have ended the server's process: it must not be sent again (ggml servers abort on
a CUDA error). Only what was sent on a kept-alive connection that had been idle is repeated: the server may have closed
that before it read anything.
"""

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import override

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientOSError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    ServerDisconnectedError,
    TraceConfig,
    TraceConnectionCreateEndParams,
    TraceConnectionCreateStartParams,
    TraceConnectionReuseconnParams,
    WSServerHandshakeError,
)

from ..errors import ServerFault, SparkError, TimedOut, Unreachable
from ..models import Json
from .bodies import Body
from .deadlines import Deadlines
from .documents import read_answer
from .refusals import error_for, hiding
from .websocket import LARGEST_EVENT, Socket, cut_off, refused_handshake

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that is being served; sent along, so that the logs of all parts can be read together."""

LARGEST_PAGE = 4 << 20
"""Bytes of a page that tells about a server: a list of a thousand voices has a fortieth of it."""

LARGEST_ANSWER = 16 << 20
"""Bytes of an answer to a request that is read whole: the words of an hour, with their times, have an eighth of it."""

LONGEST_NAME = 200
"""Characters of a name that a server tells: of a voice, a model, a version."""

_SHORTEST_SECRET = 12
"""Characters of a token that is hidden on pages: a shorter one may be a word that tells what the server is."""

_CONTENT_TYPE = re.compile(r"(application|audio|image|multipart|text|video)/[a-z0-9.+-]{1,40}")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that was read whole. Its status is always below 300: anything else was raised."""

    status: int
    content_type: str
    data: bytes = field(repr=False)

    def json(self) -> Json:
        """Return the decoded body. Raises ServerFault where it is no JSON."""
        try:
            return read_answer(self.data)
        except ValueError as err:
            kind = self.content_type if _CONTENT_TYPE.fullmatch(self.content_type) else "something else"
            raise ServerFault(f"The server answered with {kind} where JSON was expected.", status=self.status) from err


@dataclass(slots=True)
class _Connection:
    """What is known of the connection that a request goes out on."""

    is_reused: bool = False
    is_being_made: bool = False


async def _note_reuse(_: ClientSession, context: SimpleNamespace, _params: TraceConnectionReuseconnParams) -> None:
    """The session is the host's, and others use it, too: theirs have no `_Connection`."""
    if isinstance(context.trace_request_ctx, _Connection):
        context.trace_request_ctx.is_reused = True


async def _note_start(_: ClientSession, context: SimpleNamespace, _params: TraceConnectionCreateStartParams) -> None:
    if isinstance(context.trace_request_ctx, _Connection):
        context.trace_request_ctx.is_being_made = True


async def _note_end(_: ClientSession, context: SimpleNamespace, _params: TraceConnectionCreateEndParams) -> None:
    if isinstance(context.trace_request_ctx, _Connection):
        context.trace_request_ctx.is_being_made = False


_CONNECTIONS = TraceConfig()
_CONNECTIONS.on_connection_reuseconn.append(_note_reuse)
_CONNECTIONS.on_connection_create_start.append(_note_start)
_CONNECTIONS.on_connection_create_end.append(_note_end)
_CONNECTIONS.freeze()


class Transport:
    """HTTP to one server. The session is the host's: connections are kept alive and shared there."""

    def __init__(
        self, session: ClientSession, base_url: str, token: str | None = None, deadlines: Deadlines | None = None
    ) -> None:
        """Send nothing yet. `base_url` may end in a slash or in /v1, as people paste both."""
        self.base_url = base_url.rstrip("/").removesuffix("/v1").rstrip("/")
        self.deadlines = deadlines or Deadlines()
        self._host = self.base_url.partition("://")[2].partition("/")[0]
        self._session = session
        self._token = token
        self._hide = hiding(token)
        if _CONNECTIONS not in session.trace_configs:
            session.trace_configs.append(_CONNECTIONS)
        self._last_answer = -self.deadlines.connection_kept
        # Deadlines are set around whole requests; aiohttp only bounds connecting.
        self._timeout = ClientTimeout(total=None, sock_connect=self.deadlines.connect)

    @override
    def __repr__(self) -> str:
        return f"Transport({self.base_url})"

    async def warm(self) -> None:
        """Open a connection, and look the name up, before the request that a caller waits for.

        How the server is shows in that request; what this one meets is ignored.
        """
        if asyncio.get_running_loop().time() - self._last_answer < self.deadlines.connection_kept:
            return
        with suppress(SparkError):
            await self._whole("HEAD", "/", None, self.deadlines.connect, LARGEST_PAGE)

    async def get(self, path: str, *, deadline: float) -> Reply:
        """GET, and read the whole answer. `deadline` in seconds. Raises SparkError."""
        return await self._whole("GET", path, None, deadline, LARGEST_PAGE)

    async def post(self, path: str, body: Body, *, deadline: float) -> Reply:
        """POST, and read the whole answer. `deadline`, in seconds, covers everything from connecting to the last byte.

        Raises SparkError.
        """
        return await self._whole("POST", path, body, deadline, LARGEST_ANSWER)

    async def stream(self, path: str, body: Body, *, idle: float) -> AsyncGenerator[bytes]:
        """POST, and yield the answer's bytes as they come. Raises TimedOut after `idle` seconds without a byte.

        Only time spent waiting counts: a caller may take as long as it likes between pieces.
        """
        clock = asyncio.get_running_loop().time
        connection = _Connection()
        with self._translated(connection):
            async with asyncio.timeout(idle):
                response = await self._send("POST", path, body, connection)
        try:
            if response.status >= 300:
                with self._translated():
                    async with asyncio.timeout(idle):
                        raise self._error(response, await read_bounded(response, LARGEST_PAGE))
            waited = 0.0
            while True:
                before = clock()
                with self._translated():
                    async with asyncio.timeout(min(idle, self.deadlines.streamed_in_all - waited)):
                        piece = await response.content.readany()
                if not piece:
                    break
                waited += clock() - before
                yield piece
        finally:
            # Closes a cut stream's connection; a finished one is back in the pool already.
            response.close()

    @asynccontextmanager
    async def socket(self, path: str, protocols: Sequence[str] = ()) -> AsyncGenerator[Socket]:
        """Open a WebSocket, kept alive with pings. Raises SparkError."""
        try:
            with self._translated(_Connection()):
                async with asyncio.timeout(self.deadlines.connect + self.deadlines.page):
                    opened = await self._session.ws_connect(
                        self.base_url + path,
                        protocols=protocols,
                        headers=self._headers(),
                        max_msg_size=LARGEST_EVENT,
                    )
        except SparkError as err:
            # A refused handshake has a status, and no body that can be read.
            if isinstance(shook := err.__cause__, WSServerHandshakeError):
                raise refused_handshake(shook) from err
            raise
        async with opened:
            pings = asyncio.create_task(self._keep_alive(opened), name=f"pings to {self.base_url}")
            try:
                yield Socket(opened)
            finally:
                pings.cancel()
                await asyncio.gather(pings, return_exceptions=True)

    async def _keep_alive(self, socket: ClientWebSocketResponse) -> None:
        """Ping. Whether a pong comes does not count: a session has deadlines of its own."""
        while True:
            await asyncio.sleep(self.deadlines.socket_ping)
            with suppress(ClientError, ConnectionError):
                await socket.ping()

    def _headers(self) -> dict[str, str]:
        headers = {}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if request_id := REQUEST_ID.get():
            headers["X-Request-ID"] = request_id
        return headers

    async def _whole(self, method: str, path: str, body: Body | None, deadline: float, largest: int) -> Reply:
        connection = _Connection()
        with self._translated(connection):
            async with asyncio.timeout(deadline):
                async with await self._send(method, path, body, connection) as response:
                    data = await read_bounded(response, largest)
        if response.status >= 300:
            raise self._error(response, data)
        if self._token and method == "GET" and len(self._token) >= _SHORTEST_SECRET:
            # Names and titles on pages are shown to people as well. A transcript stays as it is.
            data = data.replace(self._token.encode(), b"...")
        return Reply(response.status, response.content_type, data)

    def _error(self, response: ClientResponse, data: bytes) -> SparkError:
        headers = response.headers
        location = headers.get("Location", "")
        return error_for(response.status, headers.get("Retry-After", ""), data, self._hide, location)

    @contextmanager
    def _translated(self, connection: _Connection | None = None) -> Iterator[None]:
        """Raise aiohttp's errors as the engine's: TimeoutError first; its socket timeouts are ClientErrors, too."""
        try:
            yield
        except SparkError:
            raise
        except TimeoutError as err:
            if connection and connection.is_being_made:
                raise Unreachable(f"No connection to {self._host} was made in time.", said="timed out") from err
            raise TimedOut("The server did not answer in time.") from err
        except ClientConnectorError as err:
            # asyncio's own text names the address once more.
            number = err.os_error.errno or 0
            said = os.strerror(number) if number > 0 else err.os_error.strerror or str(err.os_error)
            raise Unreachable(f"No connection to {err.host}:{err.port}: {said}.", said=said) from err
        except ClientError as err:
            raise ServerFault("The server's answer broke off or is not HTTP.") from err

    async def _send(self, method: str, path: str, body: Body | None, connection: _Connection) -> ClientResponse:
        """Send, and once more where a kept-alive connection turns out to be closed: no server has read that request."""
        # Kept-alive connections that were closed since the event loop last looked are dropped now.
        await asyncio.sleep(0)
        idle = asyncio.get_running_loop().time() - self._last_answer
        try:
            response = await self._request(method, path, body, connection)
        except ClientConnectorError:
            raise
        except (ServerDisconnectedError, ClientOSError) as err:
            if not connection.is_reused or idle < self.deadlines.stale_after:
                raise cut_off() from err
            response = await self._request_again(method, path, body, connection)
        self._last_answer = asyncio.get_running_loop().time()
        return response

    async def _request_again(
        self, method: str, path: str, body: Body | None, connection: _Connection
    ) -> ClientResponse:
        try:
            return await self._request(method, path, body, connection)
        except ClientConnectorError:
            raise
        except (ServerDisconnectedError, ClientOSError) as err:
            raise cut_off() from err

    async def _request(self, method: str, path: str, body: Body | None, connection: _Connection) -> ClientResponse:
        headers = self._headers()
        if body:
            headers |= {"Content-Type": body.content_type, "Content-Length": str(body.size)}
        return await self._session.request(
            method,
            self.base_url + path,
            data=body and body.payload(),
            headers=headers,
            allow_redirects=False,
            timeout=self._timeout,
            trace_request_ctx=connection,
        )


async def read_bounded(response: ClientResponse, largest: int) -> bytes:
    """Return the body. Raises ServerFault where it has more than `largest` bytes, and what reading raises."""
    pieces, size = [], 0
    while piece := await response.content.readany():
        size += len(piece)
        if size > largest:
            raise ServerFault(f"The server's answer exceeds {largest >> 20} MiB.", status=response.status)
        pieces.append(piece)
    return b"".join(pieces)
