"""The machine's own Chromium, headless."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from embedded_spark.engines import Delivery, load_synthesizer
from playwright.async_api import Browser, async_playwright
from spark_engine.models import SAMPLE_RATE, Audio
from spark_engine.speech.audio import write_wav

from tools.stack.spoken import COMMAND, in_a_quiet_room

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

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


def spoken_command(folder: Path) -> Path:
    """Write a WAV file into `folder` in which COMMAND is spoken in a quiet room, and return it. Blocks for seconds.

    A microphone hears its file from the moment that it opens, and a page begins to send a little later: what is lost is
    the room, and at worst the word that is put before.
    """
    microphone = folder / "microphone.wav"
    words = f"Please {COMMAND[0].lower()}{COMMAND[1:]}"
    said = b"".join(load_synthesizer().speak(words, Delivery(1.0, 1.0, 1.0), SAMPLE_RATE))
    microphone.write_bytes(write_wav(Audio(in_a_quiet_room(said).pcm, SAMPLE_RATE)))
    return microphone
