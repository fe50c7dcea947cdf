"""Audio that is still being received: sent on meanwhile, and held, so that it can be sent again."""

import asyncio
from collections.abc import AsyncGenerator

from ..models import SAMPLE_WIDTH


class IncomingAudio:
    """16-bit little-endian mono PCM (s16le) of a length that is known beforehand, in bytes; its sample rate in Hz."""

    def __init__(self, size: int, sample_rate: int) -> None:
        """Nothing has come yet."""
        self.size = size
        self.sample_rate = sample_rate
        self._blocks: list[bytes] = []
        self._missing = size
        self._more = asyncio.Event()

    @property
    def seconds(self) -> float:
        """Length of the whole."""
        return self.size / SAMPLE_WIDTH / self.sample_rate

    def add(self, block: bytes) -> None:
        """Take the next bytes, samples cut anywhere. Raises ValueError for more than there may be."""
        if len(block) > self._missing:
            raise ValueError(f"The audio is longer than the {self.size} bytes that were announced.")
        self._blocks.append(block)
        self._missing -= len(block)
        self._more.set()
        self._more = asyncio.Event()

    async def blocks(self) -> AsyncGenerator[bytes]:
        """All bytes from the first one on, waiting for what has not come yet; any number of times."""
        number = 0
        while True:
            for block in self._blocks[number:]:
                yield block
                number += 1
            if not self._missing and number == len(self._blocks):
                return
            if number == len(self._blocks):
                await self._more.wait()
