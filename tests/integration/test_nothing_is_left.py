"""What ends leaves nothing behind: no repair of a server that is gone, no text that is waited for."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import override

import pytest
from aiohttp import web
from homeassistant.components.tts import TTSAudioResponse
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spark_audio.spark_engine.speech.audio import silence, write_wav
from tests.fakes.server import FakeServer
from tests.helpers.integration.issues import issues
from tests.helpers.integration.other_engines import CUDA, SPEAK, OtherMouth, add_mouth
from tests.helpers.integration.speaking import entity_of
from tests.helpers.integration.watched import STATUS, fake_proxy, load, proxy_entry, service, status

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")


async def test_repairs_of_a_server_that_the_proxy_has_no_more(hass: HomeAssistant) -> None:
    """It was given up, and then taken out of the proxy's settings."""
    async with fake_proxy() as proxy:
        proxy.answers[STATUS] = status(service("parakeet"), service("parakeet-2", "gave_up"))
        entry = await load(hass, proxy_entry(proxy.url))
        assert issues(hass) == ["gave_up"]
        proxy.answers[STATUS] = status(service("parakeet"))
        await entry.runtime_data.async_refresh()
        await hass.async_block_till_done(wait_background_tasks=True)
        assert issues(hass) == []


class Writing:
    """Text that is begun, and whose end never comes."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self.waits, self.was_let_go = asyncio.Event(), asyncio.Event()

    async def text(self) -> AsyncGenerator[str]:
        """Write two sentences and a half."""
        try:
            yield "The first sentence is complete. "
            yield "The second"
            self.waits.set()
            await asyncio.Event().wait()
        finally:
            self.was_let_go.set()


class Streaming(OtherMouth):
    """Speaks while the text is being written."""

    @override
    async def async_stream_tts_audio(self, request: TTSAudioRequest) -> TTSAudioResponse:
        async def sound() -> AsyncGenerator[bytes]:
            yield write_wav(silence(0.5, 16_000))
            async for _ in request.message_gen:
                yield bytes(3200)

        return TTSAudioResponse("wav", sound())


async def test_text_of_a_turn_that_is_cancelled_before_its_first_sound(
    hass: HomeAssistant, both: MockConfigEntry, magpie: FakeServer
) -> None:
    """With a fallback, the first sound is waited for; the caller leaves meanwhile."""
    await add_mouth(hass, OtherMouth(lambda _: (None, None)))
    writing, is_asked, is_over = Writing(), asyncio.Event(), asyncio.Event()

    async def hang(_: web.Request) -> web.StreamResponse:
        is_asked.set()
        await is_over.wait()
        return web.Response()

    magpie.answers[SPEAK] = hang
    asking = asyncio.create_task(entity_of(hass).async_stream_tts_audio(TTSAudioRequest("en-US", {}, writing.text())))
    await is_asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await writing.was_let_go.wait()
    is_over.set()


async def test_text_that_a_fallback_speaks(hass: HomeAssistant, both: MockConfigEntry, magpie: FakeServer) -> None:
    """The listener leaves in the middle."""
    await add_mouth(hass, Streaming(lambda _: (None, None)))
    magpie.answers[SPEAK] = CUDA
    writing = Writing()
    response = await entity_of(hass).async_stream_tts_audio(TTSAudioRequest("en-US", {}, writing.text()))

    async def hear() -> None:
        async with aclosing(response.data_gen):
            async for _ in response.data_gen:
                pass

    hearing = asyncio.create_task(hear())
    await writing.waits.wait()
    hearing.cancel()
    await writing.was_let_go.wait()
