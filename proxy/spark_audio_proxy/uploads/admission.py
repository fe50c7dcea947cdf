"""How much may go on at once, so that a burst ends in 429 and never in an overloaded GPU or a full memory."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, nullcontext

from spark_audio_proxy.problems import BUSY_RETRY, Problem

PATIENCE = 30.0
"""Seconds in the queue: behind a service that hangs, waiting longer does not help."""

SMALL = 1 << 19
"""Bytes of an upload that waits for no other one: a voice turn of 16 s must not wait behind a meeting."""

MOST_WAITING = 64
"""Uploads that may wait for room: each has up to a MiB in the buffers that it waits in."""


class Gate:
    """Lets `width` callers through at once and `queue` more wait; the next one is sent away."""

    def __init__(self, service: str, width: int, queue: int) -> None:
        """`service` is named in the message."""
        self._service = service
        self._width = width
        self._most = width + queue
        self._inside = 0
        self._free = asyncio.Semaphore(width)

    @property
    def has_room(self) -> bool:
        """Return whether less than half of the width is in use: room for work that may be for nothing."""
        return self._inside * 2 < self._width

    @contextmanager
    def place(self) -> Generator[None]:
        """A place among those who wait and those who are through. Raises Problem 429 when there is none."""
        if self._inside >= self._most:
            raise self._full()
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    @asynccontextmanager
    async def turn(self, *, first: bool = True) -> AsyncGenerator[None]:
        """Wait to be let through, first come, first served. Raises Problem 429 where the queue does not move.

        Who takes one turn after the other lets others through in between, and is refused none but the first.
        """
        try:
            async with asyncio.timeout(PATIENCE if first else None) if self._free.locked() else nullcontext():
                await self._free.acquire()
        except TimeoutError as err:
            raise self._full() from err
        try:
            yield
        finally:
            self._free.release()

    def _full(self) -> Problem:
        message = f"{self._service} has {self._inside} requests already."
        return Problem(429, message, code="queue_full", retry_after=BUSY_RETRY)


class BytesInFlight:
    """Bounds the bytes of uploads and of sessions held in memory by all clients together.

    An upload that needs room waits for it, unread; a session does not.
    """

    def __init__(self, limit: int) -> None:
        """`limit` in bytes."""
        self._limit = limit
        self._held = 0
        self._waiting = 0
        self._first_in_line = asyncio.Lock()
        self._released = asyncio.Event()

    @contextmanager
    def share(self) -> Generator[Share]:
        """What one upload may hold: nothing at first, and given back at the end."""
        share = Share(self)
        try:
            yield share
        finally:
            share.hold(0)

    async def grow(self, share: Share, size: int) -> None:
        """As `Share.grow`."""
        if size <= share.size:
            return
        if size > self._limit:
            raise _full(f"The upload needs {size} bytes of memory; this proxy has {self._limit} for all together.")
        # Those who hold much already go first: they can give it back only once they have it all.
        in_line = share.size <= SMALL < size
        if not self._fits(share, size) or (in_line and self._first_in_line.locked()):
            await self._wait_for_room(share, size, self._first_in_line if in_line else nullcontext())
        else:
            self._take(share, size)

    def hold(self, share: Share, size: int) -> None:
        """As `Share.hold`."""
        is_less = size < share.size
        if not is_less and (size > self._limit or not self._fits(share, size)):
            raise _full("There is no room for this at the moment; it is lost.")
        self._take(share, size)
        if is_less:
            self._released.set()
            self._released = asyncio.Event()

    async def _wait_for_room(self, share: Share, size: int, line: asyncio.Lock | nullcontext[None]) -> None:
        if self._waiting >= MOST_WAITING:
            raise _full()
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE), line:
                while not self._fits(share, size):
                    await self._released.wait()
                self._take(share, size)
        except TimeoutError as err:
            raise _full() from err
        finally:
            self._waiting -= 1

    def _fits(self, share: Share, size: int) -> bool:
        """Alone, an upload may have everything; large ones together leave an eighth to small ones."""
        others = self._held - share.size
        return not others or others + size <= (self._limit if size <= SMALL else self._limit - self._limit // 8)

    def _take(self, share: Share, size: int) -> None:
        self._held += size - share.size
        share.size = size


class Share:
    """The bytes that one upload, or one turn or text of a session, may hold."""

    def __init__(self, bytes_in_flight: BytesInFlight) -> None:
        """None yet."""
        self.size = 0
        self._all = bytes_in_flight

    async def grow(self, size: int) -> None:
        """Wait until the upload may hold `size` bytes in all; large ones are let in as they came.

        Raises Problem 429 where they never fit, where too many wait already, or where it takes too long.
        """
        await self._all.grow(self, size)

    def hold(self, size: int) -> None:
        """Hold `size` bytes in all from now on; less is given back. Raises Problem 429 where they do not fit now."""
        self._all.hold(self, size)


def _full(message: str = "Too many uploads at once; try again shortly.") -> Problem:
    return Problem(429, message, code="uploads_full", retry_after=BUSY_RETRY)
