"""All words so far, from a request that is told of them while it runs."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress

from spark_engine.errors import ServerFault, SparkError
from spark_engine.healing.pool import ParakeetPool
from spark_engine.models import AudioSource, Transcript

type Understood = Callable[[Transcript], None]


async def while_it_runs(call: Callable[[Understood], Awaitable[Transcript]]) -> AsyncGenerator[Transcript]:
    """Yield what `call` is told is understood so far, and what it returns last. Raises what it raises."""
    so_far = asyncio.Queue[Transcript]()
    asking = asyncio.ensure_future(call(so_far.put_nowait))
    asking.add_done_callback(lambda _: so_far.shutdown())
    try:
        with suppress(asyncio.QueueShutDown):
            while True:
                yield await so_far.get()
        yield await asking
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def transcribe_live(
    parakeet: ParakeetPool, audio: AudioSource, language: str | None, understood: Understood
) -> Transcript | None:
    """Return the transcript of a server that hears live; None where that failed, and the plain way is left.

    Raises ServerFault where the recording may have killed the server.
    """
    transcript = None
    try:
        async with aclosing(parakeet.transcribe_live(audio.blocks(), language=language)) as pieces:
            async for transcript in pieces:
                understood(transcript)
    except SparkError as err:
        if isinstance(err, ServerFault) and err.killed:
            raise
        return None
    return transcript
