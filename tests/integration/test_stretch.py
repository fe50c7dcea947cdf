"""Faster and slower speech, through the ffmpeg that Home Assistant brings."""

import asyncio
import os
from array import array
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from itertools import pairwise
from math import pi, sin
from pathlib import Path

import pytest
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from custom_components.spark_audio.spark_engine.errors import ServerFault
from custom_components.spark_audio.spark_engine.models import Audio
from custom_components.spark_audio.spark_engine.speech.audio import silence
from custom_components.spark_audio.stretch import read_speed, stretched

RATE = 22_050
HUM = 220
"""Hz."""


def hum(seconds: float, rate: int = RATE) -> Audio:
    """A tone."""
    samples = (round(9000 * sin(2 * pi * HUM * i / rate)) for i in range(round(seconds * rate)))
    return Audio(array("h", samples).tobytes(), rate)


def pitch(audio: Audio) -> float:
    """Hz, by the times that the sound goes up through zero."""
    samples = array("h", audio.pcm)
    ups = sum(1 for before, after in pairwise(samples) if before < 0 <= after)
    return ups / audio.seconds


async def in_pieces(*pieces: Audio, then: Exception | None = None) -> AsyncGenerator[Audio]:
    """These, and then perhaps an error."""
    for piece in pieces:
        yield piece
    if then:
        raise then


async def heard(pieces: AsyncGenerator[Audio], into: list[Audio] | None = None) -> Audio:
    """All that comes."""
    into = [] if into is None else into
    async for audio in pieces:
        into.append(audio)
    return Audio(b"".join(audio.pcm for audio in into), into[0].sample_rate)


@pytest.mark.parametrize("rate", [22_050, 44_100])
@pytest.mark.parametrize("speed", [0.5, 0.85, 1.3, 2.0])
async def test_tempo_without_pitch(speed: float, rate: int) -> None:
    """Another length, the same tone, the same sample rate."""
    audio = await heard(stretched("ffmpeg", in_pieces(hum(1, rate), hum(1, rate)), rate, speed))
    assert audio.sample_rate == rate
    assert audio.seconds == pytest.approx(2 / speed, rel=0.03)
    assert pitch(audio) == pytest.approx(HUM, rel=0.03)


@pytest.mark.parametrize("speed", [0.5, 2.0])
async def test_shortest_audio(speed: float) -> None:
    """Not even the pause that stands for text without words gets lost."""
    audio = await heard(stretched("ffmpeg", in_pieces(silence(0.05, RATE)), RATE, speed))
    assert audio.pcm
    assert not any(audio.pcm)


async def test_nothing_is_held_back() -> None:
    """The first audio goes out while the rest has not even been made."""
    sounds = asyncio.Event()

    async def speaking() -> AsyncGenerator[Audio]:
        yield hum(0.3)
        await sounds.wait()
        yield hum(0.7)

    async with aclosing(stretched("ffmpeg", speaking(), RATE, 1.25)) as pieces:
        first = await anext(pieces)
        sounds.set()
        rest = await heard(pieces)
    assert first.seconds + rest.seconds == pytest.approx(1 / 1.25, rel=0.05)


async def test_errors_come_behind_the_audio() -> None:
    """Speech that breaks off is an error, and what was said before is heard."""
    into: list[Audio] = []
    with pytest.raises(ServerFault, match="cut"):
        await heard(stretched("ffmpeg", in_pieces(hum(1), then=ServerFault("cut")), RATE, 2.0), into)
    assert sum(audio.seconds for audio in into) == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize("rate", [16_000, 44_100])
async def test_another_rate_than_expected(rate: int) -> None:
    """The length and the tone are right all the same, at the rate that was expected."""
    audio = await heard(stretched("ffmpeg", in_pieces(hum(1, rate), hum(1, rate)), RATE, 1.3))
    assert audio.sample_rate == RATE
    assert audio.seconds == pytest.approx(2 / 1.3, rel=0.03)
    assert pitch(audio) == pytest.approx(HUM, rel=0.03)


async def test_program_starts_before_the_first_audio(tmp_path: Path) -> None:
    """It takes a tenth of a second to start, which is over when the first audio comes."""

    os.mkfifo(tmp_path / "started")

    async def speaking() -> AsyncGenerator[Audio]:
        await asyncio.to_thread((tmp_path / "started").read_bytes)
        yield hum(0.3)

    starts = program(tmp_path, f'echo > {tmp_path}/started; exec ffmpeg "$@"')
    audio = await heard(stretched(starts, speaking(), RATE, 2.0))
    assert audio.seconds == pytest.approx(0.15, rel=0.1)


async def test_listener_goes_away_before_the_first_audio(tmp_path: Path) -> None:
    """The program that was started for it ends."""
    os.mkfifo(tmp_path / "started")
    started = asyncio.Event()

    async def speaking() -> AsyncGenerator[Audio]:
        await asyncio.to_thread((tmp_path / "started").read_bytes)
        started.set()
        await asyncio.Event().wait()
        yield hum(0.3)

    starts = program(tmp_path, f"echo > {tmp_path}/started; exec cat /dev/zero")
    task = asyncio.create_task(heard(stretched(starts, speaking(), RATE, 2.0)))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_running(tmp_path)


async def test_errors_before_the_audio() -> None:
    """The speech's own error is told, and not that of a program that had nothing to do."""
    with pytest.raises(ServerFault, match="no voice"):
        await heard(stretched("/nowhere/ffmpeg", in_pieces(then=ServerFault("no voice")), RATE, 2.0))


async def test_empty_audio() -> None:
    assert [audio async for audio in stretched("/nowhere/ffmpeg", in_pieces(), RATE, 2.0)] == []


def program(folder: Path, script: str) -> str:
    """A program that stands in for ffmpeg, and writes down its process id."""
    path = folder / "ffmpeg"
    path.write_text(f"#!/bin/sh\necho $$ > {folder}/pid\n{script}\n")
    path.chmod(0o755)
    return str(path)


def is_running(folder: Path) -> bool:
    """Whether that program still is."""
    try:
        os.kill(int((folder / "pid").read_text()), 0)
    except ProcessLookupError:
        return False
    return True


async def leaves(pieces: AsyncGenerator[Audio]) -> None:
    """A listener who has heard enough."""
    await anext(pieces)
    await pieces.aclose()


async def is_cancelled(pieces: AsyncGenerator[Audio]) -> None:
    """A listener who is ended while waiting for more."""
    first = asyncio.Event()

    async def listen() -> None:
        async with aclosing(pieces):
            async for _ in pieces:
                first.set()

    task = asyncio.create_task(listen())
    await first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("end", [leaves, is_cancelled])
async def test_listener_goes_away(end: Callable[[AsyncGenerator[Audio]], Awaitable[None]], tmp_path: Path) -> None:
    """The program ends, though it had more to say, and so does the request for more."""
    closed = asyncio.Event()

    async def endless() -> AsyncGenerator[Audio]:
        try:
            yield hum(1)
            await asyncio.Event().wait()
        finally:
            closed.set()

    await end(stretched(program(tmp_path, "exec cat /dev/zero"), endless(), RATE, 2.0))
    assert closed.is_set()
    assert not is_running(tmp_path)


async def test_program_that_fails(tmp_path: Path) -> None:
    """Its status is told, behind what it gave."""
    into: list[Audio] = []
    with pytest.raises(HomeAssistantError) as failed:
        await heard(stretched(program(tmp_path, "head -c 4000; exit 3"), in_pieces(*[hum(1)] * 50), RATE, 2.0), into)
    assert failed.value.translation_placeholders == {"reason": "it ended with status 3"}
    assert sum(len(audio.pcm) for audio in into) == 4000
    assert not is_running(tmp_path)


async def test_no_program() -> None:
    """That it is missing is told."""
    with pytest.raises(HomeAssistantError) as failed:
        await heard(stretched("/nowhere/ffmpeg", in_pieces(hum(1)), RATE, 2.0))
    assert failed.value.translation_key == "stretch_failed"
    assert failed.value.translation_placeholders == {"reason": "No such file or directory"}


@pytest.mark.parametrize(("given", "speed"), [(1, 1.0), (0.5, 0.5), ("1.25", 1.25), (2, 2.0)])
def test_speeds(given: object, speed: float) -> None:
    assert read_speed(given) == speed


@pytest.mark.parametrize("given", [0.49, 2.01, 0, -1, "fast", "", None, True, float("nan"), float("inf"), 10**400, [1]])
def test_unusable_speeds(given: object) -> None:
    """What was given and what may be are told."""
    with pytest.raises(ServiceValidationError) as refused:
        read_speed(given)
    assert refused.value.translation_placeholders == {"speed": str(given), "slowest": "0.5", "fastest": "2"}
