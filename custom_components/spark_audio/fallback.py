"""The fallback engines: what speech to text and text to speech have in common there."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

from homeassistant.core import HomeAssistant
from homeassistant.util.language import matches

from .replayed_text import ReplayedText

_IS_FALLBACK: ContextVar[bool] = ContextVar("is_fallback", default=False)


FIRST_SOUND_DEADLINE = 15.0
"""Seconds until something must be heard of another engine.

Enough for one that speaks an answer as a whole on a slow processor. With the 10 that a stuck Magpie takes, less than
the 30 after which satellites give up.
"""


class FallbackFailed(Exception):
    """The other engine could not help either. The message is half a sentence for the log, without speech or text."""


def is_fallback_call() -> bool:
    """Return whether this call comes from a fallback: two Sparks may stand in for each other, but not in circles.

    Holds for the coroutine that is called, not for a generator that it returns.
    """
    return _IS_FALLBACK.get()


@contextmanager
def as_fallback() -> Generator[None]:
    """Around the call of the other engine. What it raises, whatever that is, becomes FallbackFailed."""
    token = _IS_FALLBACK.set(True)
    try:
        yield
    except FallbackFailed:
        raise
    except TimeoutError as err:
        raise FallbackFailed("it did not answer in time") from err
    except Exception as err:
        # Foreign code, whose messages may quote what was said.
        raise FallbackFailed(f"it failed with {type(err).__name__}") from err
    finally:
        _IS_FALLBACK.reset(token)


def language_of(hass: HomeAssistant, wanted: str, supported: list[str]) -> str:
    """Return the other engine's own tag for a language. Raises FallbackFailed where it does not know it."""
    if wanted in supported:
        return wanted
    if fitting := matches(wanted, supported, hass.config.country):
        return fitting[0]
    raise FallbackFailed(f"it does not know {wanted}")


@asynccontextmanager
async def first_sound_in_time(text: ReplayedText) -> AsyncGenerator[AsyncGenerator[str]]:
    """Give the text to another engine, around the wait for its first sound. Raises TimeoutError.

    Time in which the engine waits for text that is still being written does not count.
    """
    over = False
    async with asyncio.timeout(FIRST_SOUND_DEADLINE) as deadline:

        def count(seconds: float | None) -> None:
            if not over and not deadline.expired():
                deadline.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)

        async def counted() -> AsyncGenerator[str]:
            count(None)
            async for chunk in text.replay():
                count(FIRST_SOUND_DEADLINE)
                yield chunk
                count(None)
            count(FIRST_SOUND_DEADLINE)

        try:
            yield counted()
        finally:
            over = True
