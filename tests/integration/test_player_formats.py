"""Each format that a player may ask for, through Home Assistant's own path: `tts.speak`, media source, audio proxy."""

import asyncio
from itertools import product

import pytest
from homeassistant.components import media_source
from homeassistant.components.tts import async_create_stream
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_mock_service
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.spark_audio.wav_output import IS_OURS
from tests.fakes.magpie import spoken
from tests.helpers.integration.pipeline import TTS
from tests.helpers.integration.player import decode, frames, probe
from tests.helpers.integration.speaking import RATE, TEXT

pytestmark = pytest.mark.slow

type Wish = dict[str, str | int]

CODECS = {
    "wav": "pcm_s16le",
    "flac": "flac",
    "mp3": "mp3",
    "ogg": "vorbis",
    "opus": "opus",
    "aac": "aac",
    "adts": "aac",
}

SECONDS = len(spoken(TEXT, RATE)) / 2 / RATE

AT_ONCE = 4


def wishes(audio_format: str) -> list[Wish]:
    """Every combination of rate, channels and width, and of the bitrate where Home Assistant knows of it."""
    names = ("preferred_sample_rate", "preferred_sample_channels", "preferred_sample_bytes", "preferred_bitrate")
    values = ((None, 16_000, 48_000), (None, 1, 2), (None, 2), (None, 64) if audio_format == "mp3" else (None,))
    combinations = [*product(*values), *product((None, 16_000), (2,), (2,), (64,))]
    return [
        {"preferred_format": audio_format, **{name: value for name, value in zip(names, each, strict=True) if value}}
        for each in dict.fromkeys(combinations)
    ]


@pytest.mark.parametrize("audio_format", CODECS)
async def test_a_speaker_gets_what_it_asks_for(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, entry: MockConfigEntry, audio_format: str
) -> None:
    """Codec, rate, channels, width, bitrate and length, as a decoder finds them in what comes out."""
    client = await hass_client()
    played = async_mock_service(hass, "media_player", "play_media")
    places = asyncio.Semaphore(AT_ONCE)

    async def play(media: str) -> bytes:
        async with places:
            found = await media_source.async_resolve_media(hass, media, None)
            response = await client.get(found.url)
            assert response.status == 200, media
            assert response.content_type.startswith("audio/")
            return await response.read()

    wanted = wishes(audio_format)
    for wish in wanted:
        data = {"media_player_entity_id": "media_player.kitchen", "message": TEXT, "options": wish}
        await hass.services.async_call("tts", "speak", {"entity_id": TTS, **data}, blocking=True)
    files = await asyncio.gather(*(play(call.data["media_content_id"]) for call in played))
    for wish, file in zip(wanted, files, strict=True):
        await _check(wish, file)
    await hass.async_block_till_done(wait_background_tasks=True)


async def _check(wish: Wish, file: bytes) -> None:
    found, seconds, sizes = await frames(file)
    rate = int(wish.get("preferred_sample_rate", RATE))
    if (audio_format := wish["preferred_format"]) == "opus":
        # Opus is decoded at 48 kHz, whatever it was made from.
        assert int.from_bytes(file[file.index(b"OpusHead") + 12 :][:4], "little") == (48_000 if rate == RATE else rate)
        rate = 48_000
    channels = int(wish.get("preferred_sample_channels", 1))
    assert (found["codec_name"], int(found["sample_rate"]), int(found["channels"])) == (
        CODECS[str(audio_format)],
        rate,
        channels,
    ), wish
    if audio_format in ("wav", "flac"):
        assert found["sample_fmt"] == "s16", wish
    if audio_format == "mp3":
        constant = max(sizes) - min(sizes) <= 1
        assert constant is ("preferred_bitrate" in wish), wish
        if constant:
            assert sum(sizes) / len(sizes) * 8 / (1152 if rate > 32_000 else 576) * rate == pytest.approx(
                64_000, rel=0.01
            )
    assert seconds == pytest.approx(SECONDS, abs=0.2), wish


OTHERS: dict[str, tuple[Wish, tuple[str, str, str], bool]] = {
    "aac": ({"preferred_format": "aac"}, ("aac", "44100", "1"), True),
    "aac at 16 kHz": (
        {"preferred_format": "aac", "preferred_sample_rate": 16_000, "preferred_sample_channels": 2},
        ("aac", "16000", "2"),
        False,
    ),
    "16-bit aac": ({"preferred_format": "aac", "preferred_sample_bytes": 2}, ("aac", "44100", "1"), False),
    "16-bit ogg": ({"preferred_format": "ogg", "preferred_sample_bytes": 2}, ("vorbis", "44100", "1"), False),
    "16-bit mp3 in stereo": (
        {"preferred_format": "mp3", "preferred_sample_bytes": 2, "preferred_sample_channels": 2},
        ("mp3", "44100", "2"),
        False,
    ),
    "opus at a rate that it has not": (
        {"preferred_format": "opus", "preferred_sample_rate": 44_100},
        ("opus", "48000", "1"),
        False,
    ),
}
"""What a player asks for, what it gets, and whether the converter of an older Home Assistant can make it."""


@pytest.mark.parametrize(("wish", "expected", "older"), OTHERS.values(), ids=OTHERS.keys())
async def test_other_players(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    wish: Wish,
    expected: tuple[str, str, str],
    *,
    older: bool,
) -> None:
    """Music Assistant and scripts ask for an address; pipelines stream. Neither calls the entity.

    Older versions convert whatever the engine claims, and ffmpeg refuses what they ask of it.
    """
    client = await hass_client()
    asked = {"engine_id": TTS, "message": TEXT, "options": wish}
    address = (await (await client.post("/api/tts_get_url", json=asked)).json())["path"]
    streamed = async_create_stream(hass, TTS, None, wish)
    streamed.async_set_message(TEXT)
    for path in (address, streamed.url):
        response = await client.get(path)
        if not (IS_OURS or older):
            assert response.status == 500
            continue
        file = await response.read()
        assert tuple((await probe(file, "codec_name,sample_rate,channels")).split(",")) == expected
        assert len(await decode(file)) / 32_000 == pytest.approx(SECONDS, abs=0.2)
    await hass.async_block_till_done(wait_background_tasks=True)
