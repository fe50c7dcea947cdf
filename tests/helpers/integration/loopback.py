"""Servers on the loopback that end with a test, and all of their connections with them."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

HOST = "127.0.0.1"


@asynccontextmanager
async def serving(answer: Callable[[StreamReader, StreamWriter], Awaitable[None]]) -> AsyncGenerator[int]:
    """Yield the port at which each connection is answered like this."""
    connections: list[asyncio.Future[None]] = []

    def accept(reader: StreamReader, writer: StreamWriter) -> None:
        connection = asyncio.ensure_future(answered(reader, writer))
        connection.add_done_callback(ended)
        connection.add_done_callback(lambda _: writer.close())
        connections.append(connection)

    async def answered(reader: StreamReader, writer: StreamWriter) -> None:
        # The other side may go at any time.
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await answer(reader, writer)

    def ended(connection: asyncio.Future[None]) -> None:
        if not connection.cancelled():
            # What it raised is logged by the loop: the test waits for it in vain.
            connection.result()

    server = await asyncio.start_server(accept, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
