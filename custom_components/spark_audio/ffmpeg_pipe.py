"""Sound through Home Assistant's ffmpeg, while it is still being spoken."""

import asyncio
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from homeassistant.exceptions import HomeAssistantError

from .const import DOMAIN
from .spark_engine.models import Audio

CHUNK = 4096
"""Bytes that are read at once, less where there are less: 46 ms of 16-bit samples at 44.1 kHz."""


def bare_samples(audio: Audio) -> tuple[str, ...]:
    """Return how ffmpeg is told of samples without a header; it would look at them for longer without the first."""
    return "-probesize", "32", "-f", "s16le", "-ar", str(audio.sample_rate), "-ac", "1"


async def samples(first: Audio, rest: AsyncGenerator[Audio]) -> AsyncGenerator[bytes]:
    """Yield the samples of all pieces."""
    yield first.pcm
    async for audio in rest:
        yield audio.pcm


async def through_ffmpeg(
    ffmpeg: str, given: tuple[str, ...], sound: AsyncGenerator[bytes], *output: str, translation_key: str
) -> AsyncGenerator[bytes]:
    """Yield what ffmpeg makes of sound, a moment after it comes in.

    `ffmpeg` is the program to run, `given` its arguments for what it reads, `output` those for what it writes. Raises
    what `sound` raises, behind all audio that came before; HomeAssistantError with this `translation_key` where ffmpeg
    fails. The program ends with this generator, whatever ends it.
    """
    process, stdin, stdout = await _start(ffmpeg, given, output, translation_key)
    feeding = asyncio.create_task(_feed(stdin, sound))
    try:
        while data := await stdout.read(CHUNK):
            yield data
        await feeding
        if status := await process.wait():
            raise _failed(translation_key, f"it ended with status {status}")
    finally:
        feeding.cancel()
        if process.returncode is None:
            process.kill()
        await asyncio.gather(feeding, return_exceptions=True)
        # Reads what is left of its output, too: its pipe would stay open with that.
        await process.communicate()


async def _start(
    ffmpeg: str, given: tuple[str, ...], output: tuple[str, ...], translation_key: str
) -> tuple[Process, StreamWriter, StreamReader]:
    try:
        process = await asyncio.create_subprocess_exec(
            *(ffmpeg, "-hide_banner", "-loglevel", "error", *given, "-i", "pipe:0"),
            *(*output, "-flush_packets", "1", "pipe:1"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
        )
    except OSError as err:
        raise _failed(translation_key, err.strerror or type(err).__name__) from err
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("ffmpeg was started without its pipes")
    return process, process.stdin, process.stdout


async def _feed(stdin: StreamWriter, sound: AsyncGenerator[bytes]) -> None:
    try:
        # It has ended by itself then, and its status tells.
        with suppress(BrokenPipeError, ConnectionResetError):
            async with aclosing(sound):
                async for data in sound:
                    stdin.write(data)
                    await stdin.drain()
    finally:
        stdin.close()


def _failed(translation_key: str, reason: str) -> HomeAssistantError:
    return HomeAssistantError(
        translation_domain=DOMAIN, translation_key=translation_key, translation_placeholders={"reason": reason}
    )
