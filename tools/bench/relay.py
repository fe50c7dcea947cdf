"""A relay between the proxy and one server, which can cut an answer in its middle."""

import asyncio
import socket
import struct
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from yarl import URL

_BLOCK = 1 << 16


class Relay:
    """Passes on what comes, both ways, until it is told to cut."""

    def __init__(self, url: str) -> None:
        """`url` is the server's."""
        self.cuts: list[float] = []
        """When, in monotonic seconds."""
        self._server = URL(url)
        self._is_armed = False
        self._tasks: set[asyncio.Task[None]] = set()

    def arm(self) -> None:
        """Cut the next answer to a POST: a reset, as from a process that crashes."""
        self._is_armed = True

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[str]:
        """Yield the URL to be asked instead."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        try:
            yield f"http://{host}:{port}"
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        if task := asyncio.current_task():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            there, back = await asyncio.open_connection(self._server.host, self._server.port)
        except OSError:
            writer.transport.abort()
            return
        is_post = asyncio.Event()
        pumps = [
            asyncio.create_task(_pass_requests(reader, back, is_post)),
            asyncio.create_task(self._pass_answers(there, writer, is_post)),
        ]
        # What breaks on one side breaks on the other.
        try:
            with suppress(asyncio.CancelledError):
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for end in (writer, back):
                end.transport.abort()

    async def _pass_answers(self, reader: StreamReader, writer: StreamWriter, is_post: asyncio.Event) -> None:
        while data := await reader.read(_BLOCK):
            if is_post.is_set() and self._is_armed:
                self._is_armed = False
                self.cuts.append(time.monotonic())
                writer.write(data[: len(data) // 2])
                await writer.drain()
                _reset(writer)
                return
            writer.write(data)
            await writer.drain()
        # An end is passed on once all is written.
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _pass_requests(reader: StreamReader, writer: StreamWriter, is_post: asyncio.Event) -> None:
    while data := await reader.read(_BLOCK):
        if data.startswith(b"POST "):
            is_post.set()
        elif data.startswith(b"GET "):
            is_post.clear()
        writer.write(data)
        await writer.drain()


def _reset(writer: StreamWriter) -> None:
    """Close with RST."""
    sock: socket.socket = writer.get_extra_info("socket")
    if sock.fileno() != -1:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
