"""The status page in a browser, on top of real engines and of faulty fakes."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from embedded_spark import EmbeddedSpark
from playwright.async_api import Browser
from spark_engine.healing.canary import canary_clip
from spark_engine.speech.audio import write_wav

from tests.fakes import magpie, parakeet
from tests.fakes.server import FakeServer, running
from tools.screenshots.browser import chromium, talking_into


@pytest.fixture(scope="module", name="clip")
def recorded_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of "Turn on the kitchen light."."""
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    path.write_bytes(write_wav(canary_clip()))
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="browser")
async def talking_browser(clip: Path) -> AsyncGenerator[Browser]:
    """One Chromium for all tests; its microphone hears the clip."""
    async with chromium(*talking_into(clip)) as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="spark")
async def real_engines() -> AsyncGenerator[EmbeddedSpark]:
    """Real speech."""
    async with EmbeddedSpark(start_delay=3) as spark:
        yield spark


@pytest_asyncio.fixture(loop_scope="module", name="hears")
async def fake_parakeet() -> AsyncGenerator[FakeServer]:
    """A Parakeet that can be broken."""
    async with running(parakeet.openai()) as fake:
        yield fake


@pytest_asyncio.fixture(loop_scope="module", name="speaks")
async def fake_magpie() -> AsyncGenerator[FakeServer]:
    """A Magpie with a hundred voices."""
    async with running(magpie.nim()) as fake:
        yield fake
