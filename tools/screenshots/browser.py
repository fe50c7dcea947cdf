"""The machine's own Chromium, headless."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, async_playwright
from spark_engine.models import SAMPLE_RATE, Audio
from spark_engine.speech.audio import read_wav, write_wav

from tools.stack.spoken import in_a_quiet_room

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

MOMENT = 1.0
"""Seconds."""

QUIET = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@asynccontextmanager
async def chromium(*flags: str) -> AsyncGenerator[Browser]:
    """Yield a browser, until the context is left."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *flags])
        try:
            yield browser
        finally:
            await browser.close()


def talking_into(clip: Path) -> tuple[str, ...]:
    """Return flags for a microphone that hears this WAV file, once."""
    return (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={clip}%noloop",
    )


def after_a_moment(clip: Path, folder: Path) -> Path:
    """Write a WAV file (16 kHz mono) into `folder` that is like `clip` in a quiet room, after a moment; return it.

    A microphone hears its file from the moment that it opens; a page begins to send a little later.
    """
    late = folder / "microphone.wav"
    room = in_a_quiet_room(read_wav(clip.read_bytes()).pcm, before=MOMENT)
    late.write_bytes(write_wav(Audio(room.pcm, SAMPLE_RATE)))
    return late
