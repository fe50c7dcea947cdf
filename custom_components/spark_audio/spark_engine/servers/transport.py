"""HTTP to one server: deadlines, error mapping, and one repeat on a stale keep-alive connection.

A request that cuts its connection may have ended the server's process: it must not be sent again (ggml servers abort on
a CUDA error). Only what was sent on a kept-alive connection that had been idle is repeated: the server may have closed
that before it read anything.
"""

import asyncio
import json
import os
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from http import HTTPStatus
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
    WSMsgType,
    WSServerHandshakeError,
)

from ..errors import Busy, Rejected, ServerFault, SparkError, TimedOut, Unauthorized, Unreachable
from ..models import Json
from .bodies import Body
from .deadlines import Deadlines
from .documents import read_json
from .faults import gpu_fault

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

LARGEST_EVENT = 1 << 20
"""Bytes of one message over a WebSocket."""

_LONGEST_MESSAGE = 200

_LONGEST_WAIT = 86_400.0
"""Seconds that a server may ask for before it is tried again; more is no promise."""

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
"""Half of a pair in JSON, escaped or as bytes; the other half may follow."""


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
            return _decoded(self.data)
        except ValueError as err:
            kind = self.content_type if _CONTENT_TYPE.fullmatch(self.content_type) else "something else"
            raise ServerFault(f"The server answered with {kind} where JSON was expected.", status=self.status) from err


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
                    event = _decoded(message.data.encode())
                except ValueError:
                    event = None
                if isinstance(event, dict):
                    return event
                raise ServerFault("The server sent what is no event.")
            case WSMsgType.CLOSE | WSMsgType.CLOSING | WSMsgType.CLOSED if self._socket.close_code != _CUT:
                raise ServerFault(f"The server closed the connection (code {self._socket.close_code}).")
            case WSMsgType.BINARY:
                raise ServerFault("The server sent what is no event.")
        raise _cut()


_CUT = 1006
"""The code of a WebSocket that ended without a close, as where the process of a server has ended."""


def _refused_handshake(err: WSServerHandshakeError) -> SparkError:
    message = f"The server opens no WebSocket ({err.status})."
    if err.status in (401, 403):
        return Unauthorized(message, status=err.status)
    if err.status in (429, 503):
        return Busy(message, status=err.status)
    if err.status >= 500:
        return ServerFault(message, status=err.status)
    return Rejected(message, status=err.status)


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
                raise _refused_handshake(shook) from err
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
            raise ServerFault(f"The server's answer broke off or is not HTTP ({type(err).__name__}).") from err

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
                raise _cut() from err
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
            raise _cut() from err

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


type Hide = Callable[[str], str]
"""Takes a secret out of a text that is shown to people, or logged."""


def hiding(secret: str | None) -> Hide:
    """Return what puts `...` for a secret, however it is spelt: some servers repeat the token that they refuse."""
    if not secret:
        return lambda text: text
    pattern = re.compile("".join(map(_spellings, secret)), re.IGNORECASE)
    return lambda text: pattern.sub("...", text)


def _spellings(char: str) -> str:
    """Return a pattern for a character as it is, and as it stands in JSON and in URLs."""
    encoded = "".join(f"%{byte:02x}" for byte in char.encode())
    return rf"(?:\\?{re.escape(char)}|\\u{ord(char):04x}|{encoded})"


def _cut() -> ServerFault:
    return ServerFault("The server closed the connection without an answer.", killed=True)


def _decoded(data: bytes) -> Json:
    """Return a JSON document, lone surrogates in it replaced: no text can be sent on with one. Raises ValueError."""
    document = read_json(data)
    if _SURROGATE.search(data):
        document = read_json(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))
    return document


def error_for(status: int, retry_after: str, data: bytes, hide: Hide, location: str = "") -> SparkError:
    """Return the error that an answer of status 300 or more stands for; `hide` takes the token out of its text.

    `retry_after` is the header as it came. The reason phrase tells nothing that the status does not.
    """
    seconds = _seconds(retry_after)
    text = data[: 1 << 16].decode("utf-8", "replace")
    try:
        document = _decoded(text.encode())
    except ValueError:
        document = None if text.lstrip().startswith("<") else text
    said = _said(hide(_message(document))) or phrase(status) or "no reason given"
    # A validation error repeats the caller's own words, which may be about anything.
    if fault := gpu_fault(said if _is_validation(document) else text, said, status, seconds):
        return fault
    if status in (401, 403):
        return Unauthorized(f"The server refuses the key ({status}): {said}", status=status, said=said)
    if status in (429, 503):
        message = f"The server is busy ({status}): {said}"
        return Busy(message, status=status, said=said, retry_after=seconds)
    if status >= 500:
        return ServerFault(f"The server failed ({status}): {said}", status=status, said=said)
    if status < 400:
        message = f"The server redirects ({status}); give the URL that it redirects to."
        return Rejected(message, status=status, said=hide(location)[:_LONGEST_MESSAGE])
    return Rejected(f"The server refuses the request ({status}): {said}", status=status, said=said)


def _is_validation(document: Json) -> bool:
    """Return whether FastAPI refuses the request itself: it lists what is wrong, with the input."""
    match document:
        case {"detail": [{"loc": _}, *_]}:
            return True
    return False


def _seconds(value: str) -> float | None:
    seconds = float(value) if value.isdecimal() else None
    return seconds if seconds is not None and seconds <= _LONGEST_WAIT else None


def phrase(status: int) -> str:
    """Return what a status means, empty for one that is in no standard."""
    return HTTPStatus(status).phrase if status in HTTPStatus else ""


def _said(message: str) -> str:
    """Return the server's own sentence on one line."""
    return " ".join(message.split())[:_LONGEST_MESSAGE]


def _message(document: Json) -> str:
    """Return the server's own text, from any of the shapes that servers use."""
    match document:
        case str():
            return document
        case {"error": {"message": str(message)}} | {"detail": str(message)} | {"error": str(message)}:
            return message
        case {"message": str(message)} | {"detail": [{"msg": str(message)}, *_]}:
            return message
    return ""
