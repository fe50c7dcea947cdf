"""Faster or slower speech at the same pitch. Magpie has no such parameter; Home Assistant brings ffmpeg, which can."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from homeassistant.exceptions import ServiceValidationError

from .const import DOMAIN, FASTEST, SLOWEST
from .ffmpeg_pipe import speech_through_ffmpeg
from .spark_engine.models import Audio
from .spark_engine.speech.audio import SampleFramer


def read_speed(given: object) -> float:
    """Return the speed that a caller names, 1 is the voice's own. Raises ServiceValidationError for any other value."""
    try:
        speed = float(given) if isinstance(given, int | float | str) and not isinstance(given, bool) else 0.0
    except ValueError, OverflowError:
        speed = 0.0
    if not SLOWEST <= speed <= FASTEST:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="unusable_speed",
            translation_placeholders={"speed": str(given), "slowest": f"{SLOWEST:g}", "fastest": f"{FASTEST:g}"},
        )
    return speed


async def stretched(ffmpeg: str, pieces: AsyncGenerator[Audio], expected: int, speed: float) -> AsyncGenerator[Audio]:
    """Yield speech at `speed` times its tempo (0.5 to 2), a moment after it comes in. `ffmpeg` is the program to run.

    `expected` is the sample rate in Hz that the pieces are likely to have, and that of what is yielded. Raises what
    `pieces` raise, behind all audio that came before; HomeAssistantError where ffmpeg fails. The program ends with this
    generator, whatever ends it.
    """
    framer, output = SampleFramer(), ("-af", f"atempo={speed:g}", "-f", "s16le", "-ar", str(expected))
    stream = speech_through_ffmpeg(ffmpeg, pieces, expected, *output, translation_key="stretch_failed")
    async with aclosing(stream):
        async for data in stream:
            if pcm := framer.feed(data):
                yield Audio(pcm, expected)
