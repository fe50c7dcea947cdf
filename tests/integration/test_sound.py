"""Silence, a chime, even loudness and other words: as options, as options of an action, and in what is cached."""

import math
from array import array
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spark_audio.spark_engine.models import Audio
from custom_components.spark_audio.spark_engine.speech.audio import read_wav, silence, write_wav
from custom_components.spark_audio.spark_engine.speech.loudness import AIM
from custom_components.spark_audio.spark_engine.speech.surroundings import GAP, own_chime
from tests.fakes.magpie import SYNTHESIZE_ONLINE, in_pieces, spoken
from tests.fakes.server import FakeServer
from tests.helpers.integration.hearing import warnings
from tests.helpers.integration.option_forms import start, submit, suggested
from tests.helpers.integration.pipeline import TTS
from tests.helpers.integration.speaking import POST, RATE, TEXT, entity_of, stream

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")

DING = Audio(b"\x10\x27" * (RATE // 10), RATE)
"""A tenth of a second."""


@pytest.fixture
def media(hass: HomeAssistant, tmp_path: Path) -> Path:
    """A media folder with a chime, beside a file that is in none."""
    folder = tmp_path / "media"
    (folder / "chimes").mkdir(parents=True)
    (folder / "chimes/ding.wav").write_bytes(write_wav(DING))
    (folder / "broken.wav").write_bytes(b"nothing that sounds")
    (tmp_path / "secret.wav").write_bytes(write_wav(DING))
    hass.config.media_dirs = {"local": str(folder)}
    return folder


async def heard(hass: HomeAssistant, text: str = TEXT, language: str = "en-US", **options: Any) -> Audio:
    """What the entity makes of it, whole and as a stream."""
    entity = entity_of(hass)
    merged = {**(entity.default_options or {}), **options}
    _, data = await entity.async_get_tts_audio(text, language, merged)

    async def once() -> AsyncGenerator[str]:
        yield text

    response = await entity.async_stream_tts_audio(
        TTSAudioRequest(language, {**merged, "preferred_format": "wav"}, once())
    )
    assert read_wav(b"".join([c async for c in response.data_gen])).seconds == pytest.approx(
        read_wav(data or b"").seconds
    )
    return read_wav(data or b"")


async def test_silence_and_chime(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """In the order in which they are heard."""
    await submit(hass, entry, voice={"silence_before": 0.5, "chime": "built_in", "silence_behind": 1})
    chime = await own_chime(RATE)
    assert (await heard(hass)).pcm == b"".join(
        [
            silence(0.5, RATE).pcm,
            chime.pcm,
            silence(GAP, RATE).pcm,
            spoken(TEXT, RATE),
            silence(1, RATE).pcm,
        ]
    )


async def test_nothing_by_default(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """And what is cached stays valid."""
    before = entity_of(hass).default_options
    await submit(hass, entry)
    assert entity_of(hass).default_options == before
    assert (await heard(hass)).pcm == spoken(TEXT, RATE)


@pytest.mark.parametrize(
    "options",
    [
        {"silence_before": 1},
        {"silence_behind": 1},
        {"chime": "built_in"},
        {"even_loudness": True},
        {"replacements": "kitchen -> bathroom"},
    ],
)
async def test_what_is_cached_depends_on_it(
    hass: HomeAssistant, entry: MockConfigEntry, options: dict[str, Any]
) -> None:
    """A text that was spoken before is spoken anew."""
    before = read_wav(b"".join(await stream(hass, TEXT))).pcm
    await hass.async_block_till_done(wait_background_tasks=True)
    await submit(hass, entry, voice=options)
    assert read_wav(b"".join(await stream(hass, TEXT))).pcm != before
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_options_of_an_action(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """They come before those of the entry, in both directions."""
    await submit(hass, entry, voice={"silence_before": 0.5, "chime": "built_in"})
    audio = await heard(hass, chime="none", silence_before="0", silence_behind=0.25)
    assert audio.pcm == spoken(TEXT, RATE) + silence(0.25, RATE).pcm
    with pytest.raises(ServiceValidationError, match="silence_before"):
        await hass.services.async_call(
            "tts",
            "speak",
            {"media_player_entity_id": "media_player.x", "message": TEXT, "options": {"silence_before": "long"}},
            target={"entity_id": TTS},
            blocking=True,
        )


@pytest.mark.parametrize("given", [-1, 11, True, "x", [1]])
async def test_no_seconds(hass: HomeAssistant, entry: MockConfigEntry, given: object) -> None:
    with pytest.raises(ServiceValidationError):
        await entity_of(hass).async_get_tts_audio(TEXT, "en-US", {"silence_behind": given})


@pytest.mark.parametrize(
    "name", ["chimes/ding.wav", "{media}/chimes/ding.wav", "media-source://media_source/local/chimes/ding.wav"]
)
async def test_chime_of_ones_own(hass: HomeAssistant, entry: MockConfigEntry, media: Path, name: str) -> None:
    """A file in a media folder, by each of its names."""
    name = name.format(media=media)
    await submit(hass, entry, voice={"chime": name})
    assert suggested(await start(hass, entry), "voice")["chime"] == name
    assert (await heard(hass)).pcm == DING.pcm + silence(GAP, RATE).pcm + spoken(TEXT, RATE)


@pytest.mark.parametrize("name", ["gone.wav", "../secret.wav", "{media}/../secret.wav", "/etc/passwd", "chimes"])
async def test_no_chime(
    hass: HomeAssistant, entry: MockConfigEntry, media: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Told by the form, above the section; where an action names it, the own one is played and the log says why."""
    name = name.format(media=media)
    form = await submit(hass, entry, voice={"chime": name})
    assert (form["errors"], form["description_placeholders"]) == ({"voice": "unknown_chime"}, {"chime": name})
    chime = await own_chime(RATE)
    assert (await heard(hass, chime=name)).pcm == chime.pcm + silence(GAP, RATE).pcm + spoken(TEXT, RATE)
    assert warnings(caplog)[0].getMessage() == f"The chime {name} cannot be played: there is no such media file"


@pytest.mark.usefixtures("media")
@pytest.mark.parametrize("ffmpeg", ["ffmpeg", "/nowhere/ffmpeg", "yes"])
async def test_chime_that_cannot_be_played(
    hass: HomeAssistant, entry: MockConfigEntry, caplog: pytest.LogCaptureFixture, ffmpeg: str
) -> None:
    """No sound in the file, no ffmpeg."""
    hass.data["ffmpeg"]._bin = ffmpeg  # noqa: SLF001 - Home Assistant's setting
    chime = await own_chime(RATE)
    assert (await heard(hass, chime="broken.wav")).pcm.startswith(chime.pcm)
    assert warnings(caplog)[0].getMessage() == "The chime broken.wav cannot be played"


async def test_chime_that_takes_too_long(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    media: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A decoder that never ends is ended, and our own chime is played."""
    program = media / "endless"
    program.write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    program.chmod(0o755)
    hass.data["ffmpeg"]._bin = str(program)  # noqa: SLF001 - Home Assistant's setting
    monkeypatch.setattr("custom_components.spark_audio.chime.DECODING_DEADLINE", 0.0)
    own = await own_chime(RATE)
    assert (await heard(hass, chime="chimes/ding.wav")).pcm.startswith(own.pcm)
    assert warnings(caplog)[0].getMessage() == "The chime chimes/ding.wav cannot be played"


async def test_even_loudness(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """A quiet voice and a loud one are as loud as each other."""
    await submit(hass, entry, voice={"even_loudness": True})
    for level in (0.4, 2.0):
        peak = AIM * level * math.sqrt(2)
        voice = array("h", [round(peak * math.sin(at * 0.05)) for at in range(2 * RATE)]).tobytes()
        magpie.answers[POST] = in_pieces(voice[:30_001], voice[30_001:])
        samples = array("h", (await heard(hass)).pcm)
        assert math.sqrt(sum(s * s for s in samples) / len(samples)) == pytest.approx(AIM, rel=0.02)


async def test_replacements(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """By the language that is spoken; the form shows what was entered."""
    rules = "km/h -> kilometres per hour\n[de]\nkm/h -> Kilometer pro Stunde"
    await submit(hass, entry, voice={"replacements": rules})
    assert suggested(await start(hass, entry), "voice")["replacements"] == rules
    await heard(hass, "At 5 km/h.")
    await heard(hass, "Mit 5 km/h.", "de")
    assert [asked.fields["text"] for asked in magpie.posts(SYNTHESIZE_ONLINE)] == [
        *["At 5 kilometres per hour."] * 2,
        *["Mit 5 Kilometer pro Stunde."] * 2,
    ]


async def test_line_that_is_no_replacement(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """The form says which line; nothing is saved."""
    form = await submit(hass, entry, voice={"replacements": "a -> b\nkm/h: kilometres per hour"})
    assert (form["errors"], form["description_placeholders"]) == ({"voice": "bad_replacement"}, {"line": "2"})
    assert entry.options == {}
