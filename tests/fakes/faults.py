"""Servers that break on the wire: raw sockets, because no web framework misbehaves like this on purpose."""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

type Fault = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _read_request(reader: asyncio.StreamReader) -> None:
    """Read the head and as much of the body as was announced."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"content-length:" in head:
        await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST: what a crashed process looks like. The other side may have hung up before."""
    sock = writer.get_extra_info("socket")
    if sock.fileno() == -1:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Accept, read, and never answer."""
    await reader.read()
    await asyncio.Event().wait()


async def headers_then_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Begin an answer and stop."""
    await _read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    await asyncio.Event().wait()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte now and then, for ever: never idle, never done."""
    await _read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"\x00\x00")
        await asyncio.sleep(0.01)


async def reset_before_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Die on the request."""
    await _read_request(reader)
    _reset(writer)


async def reset_within_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Die in the middle of the answer."""
    await _read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n" + b"{" * 50)
    await writer.drain()
    await asyncio.sleep(0.01)
    _reset(writer)


async def close_without_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hang up politely, having said nothing."""
    await _read_request(reader)
    writer.close()


async def short_content_length(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Announce more than is sent."""
    await _read_request(reader)
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"text": "tur')
    writer.close()


async def cut_without_length(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close early where the close itself is the end: only the content shows that something is missing."""
    await _read_request(reader)
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{"text": "tur')
    writer.close()


async def html(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A web page with status 200: a captive portal, or the wrong port."""
    await _read_request(reader)
    page = b"<html><body>It works!</body></html>"
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page))
    await writer.drain()
    writer.close()


async def not_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Another protocol altogether."""
    await reader.read(1)
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
    await writer.drain()
    writer.close()


@asynccontextmanager
async def serving(fault: Fault) -> AsyncGenerator[str]:
    """The URL of a server on a free loopback port with this fault."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await fault(reader, writer)
        except asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def refused() -> str:
    """A URL on which nothing listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}"
