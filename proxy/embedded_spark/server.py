"""Both servers inside a running event loop."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from aiohttp import web

from .engines import Recognizer, Synthesizer, load_recognizer, load_synthesizer
from .garbage import HEARD, SPOKEN
from .magpie import create_magpie_app
from .parakeet import create_parakeet_app
from .wedge import START_DELAY, WedgeableEngine
from .wedge_routes import RESTART, add_wedge

SHUTDOWN_GRACE = 2.0
"""Seconds that requests in flight have to finish."""


class EmbeddedSpark:
    """The embedded Spark, as an async context manager; port 0 takes a free port.

    The servers listen at once and answer 503 while their models load; entering returns when both are ready. It raises
    OSError where a port cannot be had and MissingEngine where the extra `embedded` is not installed.
    """

    parakeet_url: str
    parakeet_restart_url: str
    magpie_url: str
    magpie_restart_url: str

    def __init__(
        self,
        host: str = "127.0.0.1",
        parakeet_port: int = 0,
        magpie_port: int = 0,
        *,
        load_recognizer: Callable[[], Recognizer] = load_recognizer,
        load_synthesizer: Callable[[], Synthesizer] = load_synthesizer,
        start_delay: float = START_DELAY,
        tells_sleep: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is started or loaded before the context is entered.

        `start_delay` is how many seconds a restart takes, and a load; `clock` is what they are counted with. With
        `tells_sleep` Parakeet is a RunParakeet, whose health page tells whether its model is loaded.
        """
        self._host = host
        self._ports = parakeet_port, magpie_port
        self._loaders = load_recognizer, load_synthesizer
        self._restarting = start_delay, clock
        self._tells_sleep = tells_sleep
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start both servers and load both models."""
        load_recognizer, load_synthesizer = self._loaders
        parakeet_port, magpie_port = self._ports
        async with AsyncExitStack() as stack:
            recognizer = WedgeableEngine(load_recognizer, HEARD, *self._restarting)
            stack.push_async_callback(recognizer.close)
            synthesizer = WedgeableEngine(load_synthesizer, SPOKEN, *self._restarting)
            stack.push_async_callback(synthesizer.close)
            hearing, speaking = create_parakeet_app(recognizer), create_magpie_app(synthesizer)
            add_wedge(hearing, recognizer, tells_sleep=self._tells_sleep)
            add_wedge(speaking, synthesizer)
            self.parakeet_url = await self._serve(stack, hearing, parakeet_port)
            self.parakeet_restart_url = self.parakeet_url + RESTART
            self.magpie_url = await self._serve(stack, speaking, magpie_port)
            self.magpie_restart_url = self.magpie_url + RESTART
            await asyncio.gather(recognizer.load(), synthesizer.load())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop both servers, then free both models."""
        await self._stack.aclose()

    async def _serve(self, stack: AsyncExitStack, app: web.Application, port: int) -> str:
        """Listen, and give the URL."""
        # Cancelling the handler when its client goes is what ends an inference without a caller.
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_GRACE)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, self._host, port).start()
        host, port = runner.addresses[0][:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
