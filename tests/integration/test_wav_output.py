"""The WAV that Home Assistant is handed: wide where its converter reads it, so that the beginning is heard soon."""

import asyncio
import struct
from typing import Any

import pytest
from aiohttp import web
from homeassistant.components.tts import async_create_stream
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.spark_audio.spark_engine.speech.audio import read_wav
from custom_components.spark_audio.wav_output import IS_OURS
from tests.fakes.magpie import spoken
from tests.fakes.server import FakeServer
from tests.helpers.integration.pipeline import TTS
from tests.helpers.integration.player import decode, probe
from tests.helpers.integration.speaking import POST, RATE, TEXT, entity_of, stream

pytestmark = pytest.mark.slow

WISHES: dict[str, tuple[dict[str, Any], int]] = {
    "nothing": ({}, 64),
    "mp3": ({"preferred_format": "mp3"}, 64),
    "telephone": ({"preferred_format": "mp3", "preferred_sample_rate": 8_000}, 64),
    "satellite": ({"preferred_format": "wav", "preferred_sample_rate": 16_000, "preferred_sample_bytes": 2}, 64),
    "mono": ({"preferred_format": "wav", "preferred_sample_channels": 1}, 64),
    "wav as it comes": ({"preferred_format": "wav"}, 16),
    "wav of no rate": ({"preferred_format": "wav", "preferred_sample_rate": None}, 16),
    "flac of 16 bits": (
        {"preferred_format": "flac", "preferred_sample_rate": 48_000, "preferred_sample_bytes": 2},
        64,
    ),
    "flac of 16 bits, in text": ({"preferred_format": "flac", "preferred_sample_bytes": "2"}, 64),
    "flac": ({"preferred_format": "flac", "preferred_sample_rate": 48_000, "preferred_sample_channels": 1}, 16),
    "flac of unknown bits": ({"preferred_format": "flac", "preferred_sample_bytes": 0}, 16),
    "ogg": ({"preferred_format": "ogg"}, 16),
}


@pytest.mark.parametrize(("wanted", "bits"), WISHES.values(), ids=WISHES.keys())
async def test_width(hass: HomeAssistant, entry: MockConfigEntry, wanted: dict[str, Any], bits: int) -> None:
    """Wide samples are for the converter of older versions alone; whatever comes of them has 16 bits, one channel."""
    response = await entity_of(hass).async_stream_tts_audio(TTSAudioRequest("en-US", wanted, _text()))
    file = b"".join([chunk async for chunk in response.data_gen])
    if IS_OURS:
        assert response.extension == wanted.get("preferred_format", "mp3")
    else:
        channels, rate, _, _, width = struct.unpack_from("<HIIHH", file, 22)
        assert (response.extension, channels, rate, width) == ("wav", 1, RATE, bits)
        assert len(file) == 44 + len(spoken(TEXT, RATE)) * bits // 16

    audio = b"".join(await stream(hass, TEXT, **{"preferred_format": "mp3", **wanted}))
    assert await probe(audio, "channels") == "1"
    assert await probe(audio, "bits_per_raw_sample") in ("16", "N/A", "0")
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_same_samples(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """What the converter makes of wide samples is what Magpie said, to the bit."""
    file = b"".join(await stream(hass, TEXT, preferred_sample_rate=RATE))
    assert read_wav(file).pcm == spoken(TEXT, RATE)
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_whole_files_are_narrow(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    assert read_wav(await _whole(hass)).pcm == spoken(TEXT, RATE)


FIRST_BYTE: dict[str, tuple[dict[str, Any], float, float]] = {
    "wav as it comes": ({"preferred_format": "wav"}, 0.03, 0.03),
    "wav": ({"preferred_format": "wav", "preferred_sample_rate": 16_000}, 0.03, 0.2),
    "satellite": (
        {
            "preferred_format": "wav",
            "preferred_sample_rate": 16_000,
            "preferred_sample_channels": 1,
            "preferred_sample_bytes": 2,
        },
        0.03,
        0.2,
    ),
    "flac": (
        {"preferred_format": "flac", "preferred_sample_rate": 48_000, "preferred_sample_bytes": 2},
        0.03,
        0.2,
    ),
    "mp3": ({}, 0.15, 0.2),
    "mp3 of a constant bitrate": ({"preferred_bitrate": 64}, 0.15, 0.2),
    "aac": ({"preferred_format": "aac"}, 0.15, 0.15),
}
"""What a player asks for, and the seconds of speech after which it gets a first byte: in 2026.11, and before."""


@pytest.mark.parametrize(("wanted", "newer", "older"), FIRST_BYTE.values(), ids=FIRST_BYTE.keys())
async def test_first_byte(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    magpie: FakeServer,
    wanted: dict[str, Any],
    newer: float,
    older: float,
) -> None:
    """Magpie goes on only when the player got the beginning, so nothing on the way may wait for more."""
    heard = asyncio.Event()
    pcm = spoken(TEXT, RATE)
    fed = 2 * round(RATE * (newer if IS_OURS else older))

    async def hesitate(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(pcm[:fed])
        await heard.wait()
        await response.write(pcm[fed:])
        return response

    magpie.answers[POST] = hesitate
    result = async_create_stream(hass, TTS, None, wanted)
    result.async_set_message(TEXT)
    response = await (await hass_client()).get(result.url)
    beginning = await response.content.readany()
    heard.set()
    audio = beginning + await response.read()
    assert len(await decode(audio)) == pytest.approx(len(spoken(TEXT, 16_000)), rel=0.1)
    await hass.async_block_till_done(wait_background_tasks=True)


async def _whole(hass: HomeAssistant) -> bytes:
    _, data = await entity_of(hass).async_get_tts_audio(TEXT, "en-US", {})
    return data or b""


async def _text() -> Any:
    yield TEXT
