"""One turn heard live: audio in as it comes, all words so far out, the transcript at the end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing, suppress

from ..errors import ServerFault, SparkError, TimedOut
from ..models import Transcript

type HearLive = Callable[[AsyncIterable[bytes]], AsyncGenerator[Transcript]]
"""Yields all words so far, and the whole transcript last. Raises SparkError."""


class LiveTurn:
    """Begins to hear at once, beside its caller."""

    def __init__(self, hear: HearLive, understood: Callable[[Transcript], None] = lambda _: None) -> None:
        """`understood` is told all words so far whenever there are more."""
        self.text: str | None = None
        """All words so far, None before the first."""
        self.has_ended = False
        """Whether the server has heard the speaker end after them."""
        self._audio: asyncio.Queue[bytes] = asyncio.Queue()
        self._understood = understood
        self._hearing = asyncio.create_task(self._hear(hear), name="live turn")

    def add(self, pcm: bytes) -> None:
        """Take 16 kHz s16le mono PCM. Nothing is kept once hearing has ended."""
        if not self._hearing.done():
            self._audio.put_nowait(pcm)

    async def transcript(self) -> Transcript | None:
        """End the audio, and return the transcript; None where it failed: the caller asks in the plain way.

        Raises TimedOut, since the caller has waited long enough, and ServerFault where this audio may have killed the
        server: it must not be sent again.
        """
        self._audio.shutdown()
        try:
            return await self._hearing
        except TimedOut:
            raise
        except SparkError as err:
            if isinstance(err, ServerFault) and err.killed:
                raise
            return None

    def call_off(self) -> None:
        """Give up what is under way."""
        self._hearing.cancel()
        self._hearing.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def _hear(self, hear: HearLive) -> Transcript | None:
        transcript = None
        async with aclosing(hear(self._stream())) as pieces:
            async for transcript in pieces:
                is_news = transcript.text != self.text
                self.text, self.has_ended = transcript.text, transcript.has_ended
                if is_news:
                    self._understood(transcript)
        return transcript

    async def _stream(self) -> AsyncGenerator[bytes]:
        """Yield what has come meanwhile as one piece: each is a message to the server."""
        with suppress(asyncio.QueueShutDown):
            while True:
                pieces = [await self._audio.get()]
                while not self._audio.empty():
                    pieces.append(self._audio.get_nowait())
                yield b"".join(pieces)
