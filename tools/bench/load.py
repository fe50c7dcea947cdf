"""The load: requests made beforehand, on kept-alive connections, sent and clocked with as little work as possible.

What is measured must not be the client, so this is no HTTP client: it knows what the two servers here answer with.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import cast, override

from yarl import URL

from tools.stack.errors import ToolError

BLOCK_DEADLINE = 60.0
"""Seconds for one block of requests."""

SLICE = 0.002
"""Seconds of a slow line that are sent in one piece."""


@dataclass(frozen=True, slots=True)
class Request:
    """A POST, ready to be sent. `preamble` counts the bytes of the answer before its first audio: a WAV header's.

    `line` is how fast it is sent, in bytes a second; None sends it at once.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    preamble: int = 0
    line: float | None = None

    def head(self, url: URL) -> bytes:
        """Return the request line and headers for this server."""
        headers = {"Host": url.authority, "Content-Length": str(len(self.body)), **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {self.path} HTTP/1.1\r\n{lines}\r\n".encode()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer: the status, and seconds from the request to the first audio and to the last byte.

    `received` are the bytes of the answer's body.
    """

    status: int
    first: float
    whole: float
    received: int


@dataclass(frozen=True, slots=True)
class Block:
    """Requests by a number of callers at once, each caller one after the other. `seconds` from first to last."""

    exchanges: tuple[Exchange, ...]
    seconds: float


class Answer:
    """Reads one HTTP/1.1 answer, with a length or in chunks; its body is counted and thrown away."""

    def __init__(self) -> None:
        """Before the status line."""
        self.status = 0
        self.received = 0
        self.complete = False
        self._head: bytes | None = b""
        self._chunked = False
        self._line = b""
        self._left = 0
        self._is_last = False

    def feed(self, data: bytes) -> None:
        """Take what came. Raises ValueError for what is no such answer."""
        if self._head is not None:
            self._head, found, data = (self._head + data).partition(b"\r\n\r\n")
            if not found:
                return
            self._read_head(self._head.decode("latin-1").lower())
            self._head = None
        if self._chunked:
            self._feed_chunks(data)
        else:
            self.received += len(data)
            self.complete = self.received >= self._left

    def _read_head(self, head: str) -> None:
        status_line, *lines = head.split("\r\n")
        self.status = int(status_line.split(" ")[1])
        headers = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self._chunked = headers.get("transfer-encoding") == "chunked"
        if not self._chunked:
            self._left = int(headers["content-length"])

    def _feed_chunks(self, data: bytes) -> None:
        while data:
            if self._left:
                taken = min(self._left, len(data))
                # The line end behind a chunk is none of its bytes.
                self.received += max(0, min(taken, self._left - 2))
                self._left -= taken
                data = data[taken:]
                self.complete = self._is_last and not self._left
            else:
                size, found, rest = (self._line + data).partition(b"\r\n")
                if not found:
                    self._line = size
                    return
                self._line, data = b"", rest
                self._left = int(size, 16) + 2
                self._is_last = self._left == 2


class Connection(asyncio.Protocol):
    """One caller's connection: one request at a time."""

    def __init__(self) -> None:
        """Not connected yet."""
        self._transport: asyncio.Transport | None = None
        self._answer = Answer()
        self._done: asyncio.Future[Exchange] | None = None
        self._preamble = 0
        self._begun = 0.0
        self._first = 0.0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    @override
    def data_received(self, data: bytes) -> None:
        if self._done is None or self._done.done():
            return
        try:
            self._answer.feed(data)
        except (ValueError, KeyError, IndexError) as err:
            self._done.set_exception(ToolError(f"An answer is not HTTP as expected: {err}."))
            return
        now = time.perf_counter()
        if not self._first and self._answer.received > self._preamble:
            self._first = now
        if self._answer.complete:
            first = self._first or now
            answer = self._answer
            self._done.set_result(Exchange(answer.status, first - self._begun, now - self._begun, answer.received))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(ToolError(f"A connection was cut before its answer was complete ({exc})."))

    async def exchange(self, head: bytes, request: Request) -> Exchange:
        """Send a request and wait for the whole answer. Raises ToolError."""
        if self._transport is None:
            raise RuntimeError("not connected")
        self._answer, self._preamble, self._first = Answer(), request.preamble, 0.0
        self._done = asyncio.get_running_loop().create_future()
        self._begun = time.perf_counter()
        if request.line is None:
            self._transport.writelines([head, request.body])
        else:
            self._transport.write(head)
            await _send_slowly(self._transport, request.body, request.line)
        return await self._done

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()


async def _send_slowly(transport: asyncio.Transport, body: bytes, line: float) -> None:
    """As a line lets it through, counted from the start, so that a late piece does not delay those behind it."""
    size, begun = round(line * SLICE), time.perf_counter()
    for at in range(0, len(body), size):
        piece = body[at : at + size]
        await asyncio.sleep(begun + (at + len(piece)) / line - time.perf_counter())
        transport.write(piece)


async def run_block(
    url: str, request: Request, callers: int, each: int, begin: Callable[[], None] = lambda: None
) -> Block:
    """`callers` connections, each sending `each` requests; `begin` is called when they are open and the clock starts.

    Raises ToolError.
    """
    address = URL(url)
    host, port = address.host, address.port
    if host is None or port is None:
        raise ValueError(f"{url} names no host and port")
    head = request.head(address)

    async def call(connection: Connection) -> list[Exchange]:
        return [await connection.exchange(head, request) for _ in range(each)]

    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(BLOCK_DEADLINE), AsyncExitStack() as stack:
            connections = []
            for _ in range(callers):
                _, connection = await loop.create_connection(Connection, host, port)
                stack.callback(connection.close)
                connections.append(connection)
            begin()
            begun = time.perf_counter()
            answered = await asyncio.gather(*map(call, connections))
            seconds = time.perf_counter() - begun
    except TimeoutError:
        raise ToolError(f"{url} did not answer {callers} callers within {BLOCK_DEADLINE:.0f} s.") from None
    except OSError as err:
        raise ToolError(f"No connection to {url}: {err.strerror or err}.") from err
    return Block(tuple(exchange for exchanges in answered for exchange in exchanges), seconds)
