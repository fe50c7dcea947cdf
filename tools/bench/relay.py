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
        self._connections: set[asyncio.Task[None]] = set()

    async def lead_to(self, url: str) -> None:
        """Pass on to another server from now on, and cut the connections to this one."""
        self._server = URL(url)
        await self._cut_all()

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
            await self._cut_all()

    async def _cut_all(self) -> None:
        connections = tuple(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        connection = asyncio.create_task(self._relay(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _relay(self, reader: StreamReader, writer: StreamWriter) -> None:
        """What breaks on one side breaks on the other."""
        ends, pumps, is_post = [writer], list[asyncio.Task[None]](), asyncio.Event()
        try:
            with suppress(OSError):
                there, back = await asyncio.open_connection(self._server.host, self._server.port)
                ends.append(back)
                pumps.append(asyncio.create_task(_pass_requests(reader, back, is_post)))
                pumps.append(asyncio.create_task(self._pass_answers(there, writer, is_post)))
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for end in ends:
                end.transport.abort()

    async def _pass_answers(self, reader: StreamReader, writer: StreamWriter, is_post: asyncio.Event) -> None:
        while data := await reader.read(_BLOCK):
            if is_post.is_set() and self._is_armed:
                self._is_armed = False
                self.cuts.append(time.monotonic())
                writer.write(data[: len(data) // 2])
                await writer.drain()
                # Closed by RST.
                sock: socket.socket = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
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
