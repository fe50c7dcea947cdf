"""Speech that fails: before its first sound, and in the middle of it."""

import logging
from collections.abc import AsyncGenerator

import pytest
from aiohttp import web
from homeassistant.components.tts import async_create_stream
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.spark_audio.spark_engine.speech.audio import read_wav
from tests.fakes import server as fake
from tests.fakes.magpie import in_pieces, spoken, stream_pcm
from tests.fakes.server import FakeServer, Handler
from tests.helpers.integration.pipeline import TTS
from tests.helpers.integration.speaking import POST, RATE, TEXT, cached, entity_of, stream

FAILS: dict[str, tuple[Handler, str]] = {
    "CUDA": (fake.json({"detail": "CUDA error: unspecified launch failure"}, status=500), "Magpie has an error"),
    "loading": (fake.json({"detail": "loading"}, status=503), "Magpie is busy or still loading its model"),
    "refuses key": (fake.json({"detail": "no"}, status=401), "Magpie refuses the API key"),
    "refuses request": (fake.json({"detail": "bad voice"}, status=400), "Magpie rejects the request"),
    "empty 200": (in_pieces(), "Magpie has an error"),
    "dies at once": (in_pieces(then_reset=True), "Magpie has an error"),
}


@pytest.mark.parametrize(("answer", "told"), FAILS.values(), ids=FAILS.keys())
async def test_magpie_fails(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    magpie: FakeServer,
    caplog: pytest.LogCaptureFixture,
    answer: Handler,
    told: str,
) -> None:
    """No audio is an error to the player, never a 200 with nothing in it; the log says why, nothing is kept."""
    magpie.answers[POST] = answer
    result = async_create_stream(hass, TTS)
    result.async_set_message(TEXT)
    client = await hass_client()
    assert (await client.get(result.url)).status == 500
    await hass.async_block_till_done(wait_background_tasks=True)
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [told in record.getMessage() for record in errors] == [True] * len(errors)
    assert errors
    assert not any(record.exc_info for record in errors)
    assert cached(hass) == []


async def test_fails_in_the_middle(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """Half an answer is never kept: the next time it is spoken whole."""
    magpie.answers[POST] = in_pieces(spoken(TEXT, RATE)[:50_000], then_reset=True)
    result = async_create_stream(hass, TTS, None, {"preferred_format": "wav"})
    result.async_set_message(TEXT)
    heard: list[bytes] = []
    with pytest.raises(HomeAssistantError) as failed:
        await _drain(result.async_stream_result(), heard)
    assert read_wav(b"".join(heard)).pcm == spoken(TEXT, RATE)[:50_000]
    assert failed.value.translation_key == "server_fault"
    await hass.async_block_till_done(wait_background_tasks=True)
    assert cached(hass) == []

    magpie.answers[POST] = stream_pcm
    assert read_wav(b"".join(await stream(hass, TEXT))).pcm == spoken(TEXT, RATE)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(cached(hass)) == 1


async def test_second_sentence_fails(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """What was said before the failure is heard, and nothing of it is kept."""

    async def once(request: web.Request) -> web.StreamResponse:
        magpie.answers[POST] = FAILS["CUDA"][0]
        return await stream_pcm(request)

    magpie.answers[POST] = once
    result = async_create_stream(hass, TTS, None, {"preferred_format": "wav"})
    result.async_set_message("This can be heard. This cannot.")
    chunks = result.async_stream_result()
    heard: list[bytes] = []
    with pytest.raises(HomeAssistantError, match="CUDA"):
        await _drain(chunks, heard)
    assert read_wav(b"".join(heard)).pcm == spoken("This can be heard.", RATE)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert cached(hass) == []


async def test_whole_file_fails(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """The same errors as when streaming."""
    magpie.answers[POST] = FAILS["CUDA"][0]
    with pytest.raises(HomeAssistantError) as failed:
        await entity_of(hass).async_get_tts_audio(TEXT, "en-US", {})
    assert failed.value.translation_key == "server_fault"


async def _drain(chunks: AsyncGenerator[bytes], into: list[bytes]) -> None:
    async for chunk in chunks:
        into.append(chunk)
