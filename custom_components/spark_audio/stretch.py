"""Faster or slower speech at the same pitch. Magpie has no such parameter; Home Assistant brings ffmpeg, which can."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from homeassistant.exceptions import ServiceValidationError

from .const import DOMAIN, FASTEST, SLOWEST
from .ffmpeg_pipe import bare_samples, samples, through_ffmpeg
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


async def stretched(ffmpeg: str, pieces: AsyncGenerator[Audio], speed: float) -> AsyncGenerator[Audio]:
    """Yield speech at `speed` times its tempo (0.5 to 2), a moment after it comes in. `ffmpeg` is the program to run.

    Raises what `pieces` raise, behind all audio that came before; HomeAssistantError where ffmpeg fails. The program
    ends with this generator, whatever ends it.
    """
    async with aclosing(pieces):
        if (first := await anext(pieces, None)) is None:
            return
        framer = SampleFramer()
        sound, output = samples(first, pieces), ("-af", f"atempo={speed:g}", "-f", "s16le")
        async with aclosing(
            through_ffmpeg(ffmpeg, bare_samples(first), sound, *output, translation_key="stretch_failed")
        ) as stream:
            async for data in stream:
                if pcm := framer.feed(data):
                    yield Audio(pcm, first.sample_rate)
