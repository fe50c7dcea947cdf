"""The load: requests made beforehand, on kept-alive connections, sent and clocked with as little work as possible.

What is measured must not be the client, so this is no HTTP client: it knows what the servers here answer with.
"""

import asyncio
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass

from yarl import URL

from tools.stack.errors import ToolError

BLOCK_SECONDS = 60.0
"""For one block of requests."""

SLICE = 0.002
"""Seconds of a slow line that are sent in one piece."""

_LIMIT = 1 << 20
"""Bytes of an answer that may wait to be read."""


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


async def run_block(
    url: str, request: Request, callers: int, each: int, begin: Callable[[], None] = lambda: None
) -> Block:
    """Send `each` requests on each of `callers` connections; `begin` is called when they are open and the clock starts.

    Raises ToolError.
    """
    address = URL(url)
    head = request.head(address)

    async def call(reader: StreamReader, writer: StreamWriter) -> list[Exchange]:
        return [await _exchange(reader, writer, head, request) for _ in range(each)]

    try:
        async with asyncio.timeout(BLOCK_SECONDS), AsyncExitStack() as stack:
            streams = []
            for _ in range(callers):
                reader, writer = await asyncio.open_connection(address.host, address.port, limit=_LIMIT)
                stack.callback(writer.transport.abort)
                streams.append((reader, writer))
            begin()
            begun = time.perf_counter()
            answered = await asyncio.gather(*(call(*stream) for stream in streams))
            seconds = time.perf_counter() - begun
    except TimeoutError:
        raise ToolError(f"{url} did not answer {callers} callers within {BLOCK_SECONDS:.0f} s.") from None
    except asyncio.IncompleteReadError as err:
        raise ToolError(f"{url}: a connection was cut before its answer was complete.") from err
    except (ValueError, asyncio.LimitOverrunError) as err:
        raise ToolError(f"{url}: an answer is not HTTP as expected: {err}.") from err
    except OSError as err:
        raise ToolError(f"No connection to {url}: {err.strerror or err}.") from err
    return Block(tuple(exchange for exchanges in answered for exchange in exchanges), seconds)


async def _exchange(reader: StreamReader, writer: StreamWriter, head: bytes, request: Request) -> Exchange:
    begun = time.perf_counter()
    if request.line is None:
        writer.writelines([head, request.body])
    else:
        writer.write(head)
        await _send_slowly(writer, request.body, request.line)
    answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    first, received = 0.0, 0
    async with aclosing(_body(reader, answer)) as pieces:
        async for size in pieces:
            received += size
            if not first and received > request.preamble:
                first = time.perf_counter()
    now = time.perf_counter()
    return Exchange(int(answer.split(" ")[1]), (first or now) - begun, now - begun, received)


async def _body(reader: StreamReader, head: str) -> AsyncGenerator[int]:
    """The sizes of an answer's pieces, as they come: it has a length or comes in chunks. Raises ValueError."""
    if "transfer-encoding: chunked" in head:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
            yield size
        await reader.readexactly(2)
        return
    _, found, rest = head.partition("content-length:")
    if not found:
        raise ValueError("it tells no length")
    left = int(rest.split("\r\n")[0])
    yield len(await reader.readexactly(left))


async def _send_slowly(writer: StreamWriter, body: bytes, line: float) -> None:
    """As a line lets it through, counted from the start, so that a late piece does not delay those behind it."""
    size, begun = round(line * SLICE), time.perf_counter()
    for at in range(0, len(body), size):
        piece = body[at : at + size]
        await asyncio.sleep(begun + (at + len(piece)) / line - time.perf_counter())
        writer.write(piece)
