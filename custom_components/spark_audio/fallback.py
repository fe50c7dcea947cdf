"""When another engine steps in: what hearing and speaking have in common there."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

from homeassistant.core import HomeAssistant
from homeassistant.util.language import matches

from .replayed_text import Retold

_STEPPING_IN: ContextVar[bool] = ContextVar("stepping_in", default=False)


FIRST_SOUND_DEADLINE = 15.0
"""Seconds until something must be heard of another engine.

Enough for one that speaks an answer as a whole on a slow processor. With the 10 that a stuck Magpie takes, less than
the 30 after which satellites give up.
"""


class FallbackFailed(Exception):
    """The other engine could not help either. The message is half a sentence for the log, without speech or text."""


def is_stepping_in() -> bool:
    """Return whether this call comes from a fallback: two Sparks may stand in for each other, but not in circles.

    Holds for the coroutine that is called, not for a generator that it returns.
    """
    return _STEPPING_IN.get()


@contextmanager
def stepping_in() -> Generator[None]:
    """Around the call of the other engine. What it raises, whatever that is, becomes FallbackFailed."""
    token = _STEPPING_IN.set(True)
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
        _STEPPING_IN.reset(token)


def language_of(hass: HomeAssistant, wanted: str, supported: list[str]) -> str:
    """Return the other engine's own tag for a language. Raises FallbackFailed where it does not know it."""
    if wanted in supported:
        return wanted
    if fitting := matches(wanted, supported, hass.config.country):
        return fitting[0]
    raise FallbackFailed(f"it does not know {wanted}")


@asynccontextmanager
async def first_sound_in_time(text: Retold) -> AsyncGenerator[AsyncGenerator[str]]:
    """The text for another engine, around the wait for its first sound. Raises TimeoutError.

    Time in which the engine waits for text that is still being written does not count.
    """
    over = False
    async with asyncio.timeout(FIRST_SOUND_DEADLINE) as deadline:

        def count(seconds: float | None) -> None:
            if not over and not deadline.expired():
                deadline.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)

        async def told() -> AsyncGenerator[str]:
            count(None)
            async for chunk in text.again():
                count(FIRST_SOUND_DEADLINE)
                yield chunk
                count(None)
            count(FIRST_SOUND_DEADLINE)

        try:
            yield told()
        finally:
            over = True
