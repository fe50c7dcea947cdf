"""Faster or slower speech at the same pitch. Magpie has no such parameter; Home Assistant brings ffmpeg, which can."""

import asyncio
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from .const import DOMAIN, FASTEST, SLOWEST
from .spark_engine.models import Audio
from .spark_engine.speech.audio import SampleFramer

CHUNK = 4096
"""Bytes that are read at once, less where there are less: 46 ms at 44.1 kHz."""


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
        process, stdin, stdout = await _start(ffmpeg, first.sample_rate, speed)
        feeding = asyncio.create_task(_feed(stdin, first, pieces))
        framer = SampleFramer()
        try:
            while data := await stdout.read(CHUNK):
                if pcm := framer.feed(data):
                    yield Audio(pcm, first.sample_rate)
            await feeding
            if status := await process.wait():
                raise _failed(f"it ended with status {status}")
        finally:
            feeding.cancel()
            if process.returncode is None:
                process.kill()
            await asyncio.gather(feeding, return_exceptions=True)
            # Reads what is left of its output, too: its pipe would stay open with that.
            await process.communicate()


async def _start(ffmpeg: str, sample_rate: int, speed: float) -> tuple[Process, StreamWriter, StreamReader]:
    try:
        process = await asyncio.create_subprocess_exec(
            *(ffmpeg, "-hide_banner", "-loglevel", "error"),
            # Without the first it looks at the beginning of the sound for longer, to find out what it was told.
            *("-probesize", "32", "-f", "s16le", "-ar", str(sample_rate), "-ac", "1", "-i", "pipe:0"),
            *("-af", f"atempo={speed:g}", "-f", "s16le", "-flush_packets", "1", "pipe:1"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
        )
    except OSError as err:
        raise _failed(err.strerror or type(err).__name__) from err
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("ffmpeg was started without its pipes")
    return process, process.stdin, process.stdout


async def _feed(stdin: StreamWriter, first: Audio, pieces: AsyncGenerator[Audio]) -> None:
    try:
        # It has ended by itself then, and its status tells.
        with suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(first.pcm)
            async for audio in pieces:
                await stdin.drain()
                stdin.write(audio.pcm)
    finally:
        stdin.close()


def _failed(reason: str) -> HomeAssistantError:
    return HomeAssistantError(
        translation_domain=DOMAIN, translation_key="stretch_failed", translation_placeholders={"reason": reason}
    )
