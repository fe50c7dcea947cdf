"""How much may go on at once, so that a burst ends in 429 and never in an overloaded GPU or a full memory."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from .problems import BUSY_RETRY, Problem

PATIENCE = 30.0
"""Seconds in the queue: behind a service that hangs, waiting longer helps nobody."""


class Gate:
    """Lets `width` callers through at once and `queue` more wait; the next one is sent away."""

    def __init__(self, service: str, width: int, queue: int) -> None:
        """`service` is named in the message."""
        self._service = service
        self._most = width + queue
        self._inside = 0
        self._free = asyncio.Semaphore(width)

    @asynccontextmanager
    async def entered(self) -> AsyncGenerator[None]:
        """Wait for a place and hold it. Raises Problem 429 when the queue is full, or does not move."""
        if self._inside >= self._most:
            raise self._full()
        self._inside += 1
        try:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._free.acquire()
            except TimeoutError as err:
                raise self._full() from err
            try:
                yield
            finally:
                self._free.release()
        finally:
            self._inside -= 1

    def _full(self) -> Problem:
        message = f"{self._service} has {self._inside} requests already."
        return Problem(429, message, code="queue_full", retry_after=BUSY_RETRY)


class BytesInFlight:
    """Bounds the upload bytes held in memory by all requests together."""

    def __init__(self, limit: int) -> None:
        """`limit` in bytes."""
        self._limit = limit
        self._held = 0

    def hold(self, size: int) -> None:
        """Take `size` bytes more. Raises Problem 429 where they do not fit."""
        if self._held + size > self._limit:
            raise Problem(
                429, "Too many uploads at once; try again shortly.", code="uploads_full", retry_after=BUSY_RETRY
            )
        self._held += size

    def release(self, size: int) -> None:
        """Give bytes back."""
        self._held -= size
