"""Sound through Home Assistant's ffmpeg, while it is still being spoken."""

import asyncio
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass

from homeassistant.exceptions import HomeAssistantError

from .const import DOMAIN
from .spark_engine.models import Audio

CHUNK = 4096
"""Bytes that are read at once, less where there are less: 46 ms of 16-bit samples at 44.1 kHz."""


async def speech_through_ffmpeg(
    ffmpeg: str, speech: AsyncGenerator[Audio], expected: int, *output: str, translation_key: str
) -> AsyncGenerator[bytes]:
    """Yield what ffmpeg makes of speech; as `through_ffmpeg`, but sooner.

    The program takes a tenth of a second to start, which it does while the first piece is being synthesised. `expected`
    is the sample rate in Hz that the speech is likely to have; with another one, the program starts anew.
    """
    early = _started(ffmpeg, _bare_samples(expected), output, translation_key)
    async with aclosing(speech), early as starting:
        if (first := await anext(speech, None)) is None:
            return
        sound = _samples(first, speech)
        if first.sample_rate == expected:
            stream = _passed_through(await starting, sound, translation_key)
        else:
            bare = _bare_samples(first.sample_rate)
            stream = through_ffmpeg(ffmpeg, bare, sound, *output, translation_key=translation_key)
        async with aclosing(stream):
            async for data in stream:
                yield data


async def through_ffmpeg(
    ffmpeg: str, given: tuple[str, ...], sound: AsyncGenerator[bytes], *output: str, translation_key: str
) -> AsyncGenerator[bytes]:
    """Yield what ffmpeg makes of sound, a moment after it comes in.

    `ffmpeg` is the program to run, `given` its arguments for what it reads, `output` those for what it writes. Raises
    what `sound` raises, behind all audio that came before; HomeAssistantError with this `translation_key` where ffmpeg
    fails. The program ends with this generator, whatever ends it.
    """
    async with (
        _started(ffmpeg, given, output, translation_key) as starting,
        aclosing(_passed_through(await starting, sound, translation_key)) as stream,
    ):
        async for data in stream:
            yield data


@dataclass(frozen=True, slots=True)
class _Program:
    """A running ffmpeg."""

    process: Process
    stdin: StreamWriter
    stdout: StreamReader


@asynccontextmanager
async def _started(
    ffmpeg: str, given: tuple[str, ...], output: tuple[str, ...], translation_key: str
) -> AsyncGenerator[asyncio.Task[_Program]]:
    """Start ffmpeg in the background, and end it, whatever it does then."""
    starting = asyncio.create_task(_start(ffmpeg, given, output, translation_key))
    try:
        yield starting
    finally:
        (program,) = await asyncio.gather(starting, return_exceptions=True)
        if isinstance(program, _Program):
            if program.process.returncode is None:
                program.process.kill()
            # Reads what is left of its output, too: its pipe would stay open with that.
            await program.process.communicate()


async def _passed_through(
    program: _Program, sound: AsyncGenerator[bytes], translation_key: str
) -> AsyncGenerator[bytes]:
    feeding = asyncio.create_task(_feed(program.stdin, sound))
    try:
        while data := await program.stdout.read(CHUNK):
            yield data
        await feeding
        if status := await program.process.wait():
            raise _failed(translation_key, f"it ended with status {status}")
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


def _bare_samples(sample_rate: int) -> tuple[str, ...]:
    """Return how ffmpeg is told of samples without a header; it would look at them for longer without the first."""
    return "-probesize", "32", "-f", "s16le", "-ar", str(sample_rate), "-ac", "1"


async def _samples(first: Audio, rest: AsyncGenerator[Audio]) -> AsyncGenerator[bytes]:
    yield first.pcm
    async for audio in rest:
        yield audio.pcm


async def _start(ffmpeg: str, given: tuple[str, ...], output: tuple[str, ...], translation_key: str) -> _Program:
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
    return _Program(process, process.stdin, process.stdout)


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
