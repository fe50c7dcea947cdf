"""Send a recording on to Parakeet while it is still being received: it has it all as soon as we do."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from spark_engine.models import SAMPLE_RATE
from spark_engine.speech.arriving_audio import IncomingAudio

PROMPT = 1.0
"""Seconds within which the rest has to come: a slow phone must not keep a turn at Parakeet that others wait for."""


class StreamedUpload:
    """Clean samples, `size` bytes in all, that are still being received as `blocks`."""

    def __init__(self, size: int, blocks: AsyncGenerator[bytes]) -> None:
        """Nothing is read yet."""
        self._audio = IncomingAudio(size, SAMPLE_RATE)
        self._blocks = blocks

    @property
    def seconds(self) -> float:
        """Length of the whole."""
        return self._audio.seconds

    async def asked[T](self, ask: Callable[[IncomingAudio], Awaitable[T]]) -> T:
        """What `ask` answers, which begins now; it is called off, and made anew with the whole, where the rest is late.

        Raises what `ask` raises, and what reading raises.
        """
        asking = asyncio.ensure_future(ask(self._audio))
        hurry = asyncio.get_running_loop().call_later(PROMPT, asking.cancel)
        try:
            async for block in self._blocks:
                self._audio.add(block)
            hurry.cancel()
            await asyncio.wait((asking,))
        finally:
            hurry.cancel()
            asking.cancel()
            # Whatever became of it, nothing of it may go on behind our back.
            await asyncio.gather(asking, return_exceptions=True)
        return await ask(self._audio) if asking.cancelled() else asking.result()
