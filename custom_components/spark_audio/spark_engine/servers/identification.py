"""What a server was found out to be: remembered, until it may be another one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from ..errors import Rejected, ServerFault, SparkError, Unreachable, WrongServer

LOGGER = logging.getLogger(__name__)


class Identified(Protocol):
    """What probing found out about one server."""

    @property
    def settled(self) -> bool:
        """Return whether it is worth remembering: a model list may still grow, a page may have been kept from us."""


class Identification[ServerT: Identified]:
    """Which server is behind a URL: found out at the first call, remembered until it may be another one."""

    def __init__(self, name: str, identify: Callable[[], Awaitable[ServerT]]) -> None:
        """`name` is for the log; `identify` probes, and what it raises is passed on, with nothing remembered."""
        self._name = name
        self._identify = identify
        self._server: ServerT | None = None
        self._identifying = asyncio.Lock()
        self._said: dict[int, str] = {}

    @property
    def known(self) -> ServerT | None:
        """Return what is remembered."""
        return self._server

    async def server(self) -> ServerT:
        """Return what the server is. Raises SparkError."""
        async with self._identifying:
            return self._server or await self._found_out()

    async def refresh(self) -> ServerT:
        """Probe now. What was remembered stays where that fails. Raises SparkError."""
        async with self._identifying:
            return await self._found_out()

    def learned(self, before: ServerT, after: ServerT) -> None:
        """Remember more about the server, unless it is known to be another one by now."""
        if self._server is before:
            self._server = after

    def forget(self) -> None:
        """Probe again at the next call."""
        self._server = None

    @contextmanager
    def forgetting(self) -> Iterator[None]:
        """Around each request: forget the server where the error may mean that another one was started in its place."""
        try:
            yield
        except SparkError as err:
            if _may_be_another(err):
                self.forget()
            self._say_what_is_wrong(err)
            raise

    async def _found_out(self) -> ServerT:
        try:
            server = await self._identify()
        except SparkError as err:
            self._say_what_is_wrong(err)
            raise
        self._server = server if server.settled else None
        self._say(logging.INFO, f"{self._name} speaks {server}")
        return server

    def _say_what_is_wrong(self, err: SparkError) -> None:
        if isinstance(err, WrongServer):
            self._say(logging.WARNING, f"{self._name}: {err.message}")

    def _say(self, level: int, sentence: str) -> None:
        """Log what is new: a server that is asked again and again would repeat itself."""
        if self._said.get(level) != sentence:
            self._said[level] = sentence
            LOGGER.log(level, sentence)


def _may_be_another(err: SparkError) -> bool:
    match err:
        case Unreachable() | WrongServer():
            return True
        case ServerFault(status=None):
            # No HTTP status: the connection was cut, or what came is of another kind.
            return True
        case Rejected(status=404 | 405):
            return True
    return False
