"""Text on its way to an engine: read once, replayed as often as needed, and whole where it is complete."""

import asyncio
from collections.abc import AsyncGenerator

LONGEST_PAUSE = 120.0
"""Seconds without further text after which the text is over.

Home Assistant does not end the text of a pipeline run that is cancelled or fails: it would be waited for, and silence
be made and kept meanwhile, for as long as Home Assistant runs. No tool that an agent calls takes longer.
"""


class ReplayedText:
    """Text that can be read again from its beginning, even while it is still being written. One reader at a time."""

    def __init__(self, text: AsyncGenerator[str], longest_pause: float = LONGEST_PAUSE) -> None:
        """Nothing is read yet. The text ends where it does not go on for `longest_pause` seconds."""
        self._text = text
        self._longest_pause = longest_pause
        self._read: list[str] = []
        self._ended = False
        self._reading: asyncio.Task[None] | None = None

    async def whole(self) -> str | None:
        """Return the text where it comes in one piece that is complete; None where it is still being written.

        Home Assistant hands over finished texts as a stream of one piece. Waits for the first piece.
        """
        if not self._read and not self._ended:
            await self._read_on()
        if not self._ended:
            self._begin_reading()
        return "".join(self._read) if self._ended and len(self._read) < 2 else None

    async def replay(self) -> AsyncGenerator[str]:
        """Yield all of it. A reader that leaves ends nothing: the next one gets the same."""
        given = 0
        while True:
            while given < len(self._read):
                yield self._read[given]
                given += 1
            if self._ended:
                return
            await self._read_on()

    def close(self) -> None:
        """Stop waiting for more text: no reader is left."""
        if self._reading:
            self._reading.cancel()

    async def _read_on(self) -> None:
        """Wait for one more piece, or the end. Raises what the text raises, to every reader."""
        reading = self._begin_reading()
        # Awaited directly, it would be cancelled with its reader.
        await asyncio.wait([reading])
        reading.result()
        self._reading = None

    def _begin_reading(self) -> asyncio.Task[None]:
        """Read one more piece, or the end. The task is done at once where that is there already."""
        self._reading = self._reading or asyncio.create_task(self._read_piece(), eager_start=True)
        return self._reading

    async def _read_piece(self) -> None:
        try:
            async with asyncio.timeout(self._longest_pause) as pause:
                async for piece in self._text:
                    self._read.append(piece)
                    return
        except TimeoutError:
            if not pause.expired():
                raise
        self._ended = True
