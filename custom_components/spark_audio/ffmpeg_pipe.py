"""Speech through Home Assistant's ffmpeg, while it is still being spoken."""

import asyncio
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import suppress

from homeassistant.exceptions import HomeAssistantError

from .const import DOMAIN
from .spark_engine.models import Audio

CHUNK = 4096
"""Bytes that are read at once, less where there are less: 46 ms of 16-bit samples at 44.1 kHz."""


async def through_ffmpeg(
    ffmpeg: str, first: Audio, rest: AsyncGenerator[Audio], *output: str, translation_key: str
) -> AsyncGenerator[bytes]:
    """Yield what ffmpeg makes of speech, a moment after it comes in.

    `ffmpeg` is the program to run, `output` its arguments for what it writes. Raises what `rest` raises, behind all
    audio that came before; HomeAssistantError with this `translation_key` where ffmpeg fails. The program ends
    with this generator, whatever ends it.
    """
    process, stdin, stdout = await _start(ffmpeg, first.sample_rate, output, translation_key)
    feeding = asyncio.create_task(_feed(stdin, first, rest))
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
    ffmpeg: str, sample_rate: int, output: tuple[str, ...], translation_key: str
) -> tuple[Process, StreamWriter, StreamReader]:
    try:
        process = await asyncio.create_subprocess_exec(
            *(ffmpeg, "-hide_banner", "-loglevel", "error"),
            # Without the first it looks at the beginning of the sound for longer, to find out what it was told.
            *("-probesize", "32", "-f", "s16le", "-ar", str(sample_rate), "-ac", "1", "-i", "pipe:0"),
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


async def _feed(stdin: StreamWriter, first: Audio, rest: AsyncGenerator[Audio]) -> None:
    try:
        # It has ended by itself then, and its status tells.
        with suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(first.pcm)
            async for audio in rest:
                await stdin.drain()
                stdin.write(audio.pcm)
    finally:
        stdin.close()


def _failed(translation_key: str, reason: str) -> HomeAssistantError:
    return HomeAssistantError(
        translation_domain=DOMAIN, translation_key=translation_key, translation_placeholders={"reason": reason}
    )
