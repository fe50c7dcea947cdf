"""Text stream in, PCM out in order: the next utterance is synthesised while the last one is played."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing
from enum import Enum, auto

from .models import Audio

type Synthesize = Callable[[str], AsyncGenerator[Audio]]

AHEAD = 1
"""Utterances synthesised beyond the one being played. One hides the gap; more would queue up in the server."""


class _Mark(Enum):
    UTTERANCE_END = auto()
    SPEECH_END = auto()


async def speak(utterances: AsyncIterable[str], synthesize: Synthesize) -> AsyncGenerator[Audio]:
    """Audio of all utterances in order, one request at a time, AHEAD of what the caller has taken.

    An error is raised where it belongs: after all audio that came before it. Whatever ends this generator ends the
    request in flight as well. Raises what `utterances` and `synthesize` raise.
    """
    # Unbounded in pieces, but `room` bounds it to 1 + AHEAD utterances.
    queue: asyncio.Queue[Audio | _Mark] = asyncio.Queue()
    room = asyncio.Semaphore(1 + AHEAD)

    async def produce() -> None:
        try:
            async for utterance in utterances:
                await room.acquire()
                async with aclosing(synthesize(utterance)) as pieces:
                    async for audio in pieces:
                        queue.put_nowait(audio)
                queue.put_nowait(_Mark.UTTERANCE_END)
        finally:
            queue.put_nowait(_Mark.SPEECH_END)

    producer = asyncio.create_task(produce())
    try:
        while (item := await queue.get()) is not _Mark.SPEECH_END:
            if isinstance(item, Audio):
                yield item
            else:
                room.release()
        await producer
    finally:
        producer.cancel()
        await asyncio.gather(producer, return_exceptions=True)
