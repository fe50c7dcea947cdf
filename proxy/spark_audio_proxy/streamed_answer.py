"""Answers that are sent while they are made, and given up where the caller does not take them."""

import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import override

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

LOGGER = logging.getLogger(__name__)

UNTAKEN = 60.0
"""Seconds without a byte taken after which a caller is gone: it holds one of a few places at a service against all
others. A player may pause for as long, and before that for what the buffers on the way hold: half a minute of mp3."""


class StreamedAnswer(web.StreamResponse):
    """Waits for its caller with each write, and cuts the connection where nothing is taken for UNTAKEN seconds.

    A caller that is cut off looks like one that has gone: the handler is cancelled, or its next write fails.
    """

    _watched: AbstractContextManager[None] = nullcontext()

    @override
    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if request.transport is not None:
            self._watched = _watched(request, request.transport)
        return await super().prepare(request)

    @override
    async def write(self, data: bytes | bytearray | memoryview) -> None:
        with self._watched:
            await super().write(data)

    @override
    async def write_eof(self, data: bytes = b"") -> None:
        with self._watched:
            await super().write_eof(data)


async def deliver(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Send what is left of an answer, and cut the connection where the caller takes nothing: as `StreamedAnswer`."""
    if isinstance(response, StreamedAnswer):
        await response.write_eof()
    elif request.transport is not None:
        with _watched(request, request.transport):
            await response.prepare(request)
            await response.write_eof()


def _watched(request: web.BaseRequest, transport: asyncio.Transport) -> Watched:
    writer = request.writer

    def cut() -> None:
        LOGGER.info("%s %s: nothing was taken for %d s", request.method, request.path, UNTAKEN)
        transport.abort()

    return Watched(transport, lambda: writer.output_size, cut)


class Watched(AbstractContextManager[None]):
    """Looks after a connection for as long as a write takes."""

    def __init__(
        self,
        transport: asyncio.Transport,
        written: Callable[[], int],
        cut: Callable[[], None],
        untaken: float = UNTAKEN,
    ) -> None:
        """`written` returns the bytes that were sent so far; `cut` is called where none is taken for `untaken` s."""
        self._transport, self._written, self._cut, self._untaken = transport, written, cut, untaken

    @override
    def __enter__(self) -> None:
        self._before = self._taken()
        self._start()

    @override
    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _start(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._untaken, self._look)

    def _look(self) -> None:
        taken = self._taken()
        # Less where something was sent that `written` does not count: a ping.
        if taken <= self._before:
            self._cut()
        else:
            self._before = taken
            self._start()

    def _taken(self) -> int:
        """Return bytes of this answer that have arrived at the caller's machine, by what the kernel says."""
        return self._written() - self._transport.get_write_buffer_size() - _in_kernel(self._transport)


def _in_kernel(transport: asyncio.Transport) -> int:
    """Return bytes that were sent and not acknowledged; zero where the system does not tell.

    Our own buffer alone would not show that the caller reads: megabytes may be in the kernel's, which asks for more
    only once a third of it is empty. Minutes of mp3.
    """
    try:
        return int.from_bytes(ioctl(transport.get_extra_info("socket").fileno(), TIOCOUTQ, bytes(4)), sys.byteorder)
    except ValueError, OSError:
        return 0
