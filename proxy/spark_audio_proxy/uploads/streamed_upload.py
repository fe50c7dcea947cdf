"""A recording that goes on to Parakeet while it is still being received: it has all of it as soon as the proxy does."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from spark_engine.models import SAMPLE_RATE, AudioSource
from spark_engine.speech.arriving_audio import ArrivingAudio

LATE_AFTER = 1.0
"""Seconds within which the rest has to arrive: a slow phone must not keep a turn at Parakeet that others wait for."""


class StreamedUpload:
    """Samples that pass as they are, `size` bytes in all, and still arrive as `blocks`."""

    def __init__(self, size: int, blocks: AsyncGenerator[bytes]) -> None:
        """Nothing is read yet."""
        self.audio = ArrivingAudio(size, SAMPLE_RATE)
        self._blocks = blocks

    async def ask[T](self, call: Callable[[AudioSource], Awaitable[T]]) -> T:
        """Return what `call` answers, which begins now; it is called off, and made anew, where the rest is late.

        Raises what `call` raises, and what reading raises.
        """
        asking = asyncio.ensure_future(call(self.audio))
        call_off = asyncio.get_running_loop().call_later(LATE_AFTER, asking.cancel)
        try:
            async for block in self._blocks:
                self.audio.add(block)
            call_off.cancel()
            await asyncio.wait((asking,))
        finally:
            call_off.cancel()
            asking.cancel()
            # Nothing of it may go on in the background.
            await asyncio.gather(asking, return_exceptions=True)
        return await call(self.audio) if asking.cancelled() else asking.result()
