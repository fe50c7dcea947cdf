"""Audio that is still being received: sent on meanwhile, and held, so that it can be sent again."""

import asyncio
from collections.abc import AsyncGenerator
from typing import override

from ..models import SAMPLE_WIDTH, AudioSource


class ArrivingAudio(AudioSource):
    """16-bit little-endian mono PCM (s16le) of a length that is announced, in bytes; its sample rate in Hz."""

    def __init__(self, size: int, sample_rate: int) -> None:
        """Nothing has come yet."""
        self._size = size
        self._sample_rate = sample_rate
        self._blocks: list[bytes] = []
        self._missing = size
        self._more = asyncio.Event()

    @property
    @override
    def size(self) -> int:
        return self._size

    @property
    @override
    def sample_rate(self) -> int:
        return self._sample_rate

    @property
    @override
    def seconds(self) -> float:
        return self._size / SAMPLE_WIDTH / self._sample_rate

    @property
    @override
    def held(self) -> bytes | None:
        return None if self._missing else b"".join(self._blocks)

    def add(self, block: bytes) -> None:
        """Take the next bytes, samples cut anywhere. Raises ValueError for more than was announced."""
        if len(block) > self._missing:
            raise ValueError(f"The audio is longer than the {self._size} bytes that were announced.")
        self._blocks.append(block)
        self._missing -= len(block)
        self._more.set()
        self._more = asyncio.Event()

    @override
    async def blocks(self) -> AsyncGenerator[bytes]:
        number = 0
        while True:
            for block in self._blocks[number:]:
                yield block
                number += 1
            if not self._missing and number == len(self._blocks):
                return
            if number == len(self._blocks):
                await self._more.wait()
