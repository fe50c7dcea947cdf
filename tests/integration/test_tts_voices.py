"""Which voice and which language speak, and which are offered."""

import pytest
from homeassistant.components.tts import async_create_stream
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.spark_audio.spark_engine.servers.magpie_dialects import NIM, MagpieServer
from custom_components.spark_audio.spark_engine.servers.magpie_readers import Repertoire
from custom_components.spark_audio.spark_engine.speech.voices import parse_voice
from custom_components.spark_audio.voices import labelled
from tests.fakes import server as fake
from tests.fakes.magpie import LIST_VOICES, SYNTHESIZE_ONLINE
from tests.fakes.server import FakeServer
from tests.helpers.integration.pipeline import TTS
from tests.helpers.integration.set_up import entry_for, set_up
from tests.helpers.integration.speaking import ARIA, ARIA_CALM, RATE, TEXT, entity_of, stream


async def test_speech_is_cached_per_voice(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """The same words in another voice are spoken anew, in the same voice they are not."""

    async def voices() -> list[str]:
        await hass.async_block_till_done(wait_background_tasks=True)
        return [asked.fields["voice"] for asked in magpie.posts(SYNTHESIZE_ONLINE)]

    await stream(hass, TEXT)
    await stream(hass, TEXT)
    assert await voices() == [ARIA]
    await stream(hass, TEXT, voice=ARIA)
    assert await voices() == [ARIA]
    await stream(hass, TEXT, voice=ARIA_CALM)
    assert await voices() == [ARIA, ARIA_CALM]


async def test_new_default_voice_is_heard(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """Speech in the cache is not taken for that of another default voice."""
    await stream(hass, TEXT)
    await hass.async_block_till_done(wait_background_tasks=True)
    magpie.answers["GET", LIST_VOICES] = fake.json({"en-US": {"voices": ["Magpie-Multilingual.EN-US.Jason"]}})
    assert await hass.config_entries.async_reload(entry.entry_id)
    await stream(hass, TEXT)
    await hass.async_block_till_done(wait_background_tasks=True)
    asked = [asked.fields["voice"] for asked in magpie.posts(SYNTHESIZE_ONLINE)]
    assert asked == [ARIA, "Magpie-Multilingual.EN-US.Jason"]


@pytest.mark.parametrize(
    ("language", "voice", "sent"),
    [
        (None, None, ARIA),
        ("de-DE", None, "Magpie-Multilingual.DE-DE.Aria"),
        ("de-DE", "Leo", "Magpie-Multilingual.DE-DE.Leo"),
        ("de", None, "Magpie-Multilingual.DE-DE.Aria"),
        ("de-AT", "Leo", "Magpie-Multilingual.DE-DE.Leo"),
        ("de_DE", None, "Magpie-Multilingual.DE-DE.Aria"),
        ("DE-de", "Leo", "Magpie-Multilingual.DE-DE.Leo"),
        ("de_LU", None, "Magpie-Multilingual.DE-DE.Aria"),
        ("es-419", None, "Magpie-Multilingual.ES-US.Aria"),
        ("es_ES", None, "Magpie-Multilingual.ES-US.Aria"),
        ("en", None, ARIA),
        ("en-GB", None, ARIA),
        ("en-GB", "Leo", "Magpie-Multilingual.EN-US.Leo"),
        ("de-DE", "Magpie-Multilingual.EN-US.Leo", "Magpie-Multilingual.EN-US.Leo"),
        ("en-US", "sofia.happy", "Magpie-Multilingual.EN-US.Sofia.Happy"),
    ],
)
async def test_language_and_voice(
    hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer, language: str | None, voice: str | None, sent: str
) -> None:
    """A language speaks with its own voice, unless the user chose one."""
    await stream(hass, TEXT, language, **({"voice": voice} if voice else {}))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert [asked.fields["voice"] for asked in magpie.posts(SYNTHESIZE_ONLINE)] == [sent]


async def test_unknown_voice(
    hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A voice that is not there, not any more perhaps: the language's own speaks, and the log says so once."""
    await stream(hass, TEXT, voice="Darth")
    await stream(hass, "Something else.", "de-DE", voice="Darth")
    await hass.async_block_till_done(wait_background_tasks=True)
    assert [asked.fields["voice"] for asked in magpie.posts(SYNTHESIZE_ONLINE)] == [
        ARIA,
        "Magpie-Multilingual.DE-DE.Aria",
    ]
    [line] = [record.getMessage() for record in caplog.records if "Darth" in record.getMessage()]
    assert line == "Magpie has no voice Darth any more; the default voice of en-US speaks instead"


async def test_unknown_language_and_option(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Home Assistant refuses what the entity does not announce."""
    with pytest.raises(HomeAssistantError, match=r"Language '?xx'? (is )?not supported"):
        async_create_stream(hass, TTS, "xx")
    with pytest.raises(HomeAssistantError, match="pitch"):
        async_create_stream(hass, TTS, None, {"pitch": 2})


async def test_voices_for_the_user_to_choose(hass_ws_client: WebSocketGenerator, entry: MockConfigEntry) -> None:
    """The list of a language: its own voices, the default one first, with names that people read."""
    ws = await hass_ws_client()
    await ws.send_json_auto_id({"type": "tts/engine/voices", "engine_id": TTS, "language": "en-US"})
    voices = (await ws.receive_json())["result"]["voices"]
    assert voices[:3] == [
        {"voice_id": ARIA, "name": "Aria"},
        {"voice_id": f"{ARIA}.Neutral", "name": "Aria · Neutral"},
        {"voice_id": ARIA_CALM, "name": "Aria · Calm"},
    ]
    assert {voice["voice_id"].split(".")[1] for voice in voices} == {"EN-US"}
    assert len({voice["name"] for voice in voices}) == len(voices) == 20

    await ws.send_json_auto_id({"type": "tts/engine/voices", "engine_id": TTS, "language": "xx"})
    assert (await ws.receive_json())["result"]["voices"] is None


@pytest.mark.parametrize(
    ("names", "language", "expected"),
    [
        (["M.EN-US.Mia.PleasantSurprised"], "en-US", ["Mia · Pleasant surprised"]),
        (["M.EN-US.Mia", "M.EN-GB.Mia"], "en-US", ["Mia", "Mia (en-GB)"]),
        (["A.EN-US.Mia", "B.EN-US.Mia"], "en-US", ["A.EN-US.Mia", "B.EN-US.Mia"]),
        (["Mia"], "fr-FR", ["Mia"]),
    ],
)
def test_names_of_voices(names: list[str], language: str, expected: list[str]) -> None:
    """No two voices look alike."""
    assert [label for _, label in labelled([parse_voice(name) for name in names], language)] == expected


@pytest.mark.parametrize(
    ("config_language", "country", "default"),
    [("en", "US", "en-US"), ("en", "GB", "en-US"), ("de", "AT", "de-DE"), ("es", "ES", "es-US"), ("nl", "NL", "en-US")],
)
async def test_default_language(
    hass: HomeAssistant,
    assist: None,
    magpie: FakeServer,
    config_language: str,
    country: str,
    default: str,
) -> None:
    hass.config.language, hass.config.country = config_language, country
    assert await set_up(hass, entry_for(magpie_url=magpie.url))
    entity = entity_of(hass)
    assert {"de", "de-AT", "de-DE", "en", "en-GB", "en-US", "es-419", "es-US", "fr", "it"} <= set(
        entity.supported_languages
    )
    assert "nl" not in entity.supported_languages
    assert entity.default_language == default
    voice = f"Magpie-Multilingual.{default.upper()}.Aria"
    assert entity.default_options == {"voice": voice, "speed": 1.0, "sample_rate": RATE}


@pytest.mark.parametrize(
    ("names", "told", "expected"),
    [
        (["M.EN-US.Mia", "M.DE-DE.Mia"], [], ["de-DE", "en-US"]),
        (["M.EN-US.Mia"], ["fr-FR"], ["en-US"]),
        (["Mia"], ["FR_fr", "en"], ["en", "fr-FR"]),
        (["Mia", "M.EN-GB.Mia"], ["de"], ["de", "en-GB"]),
    ],
)
def test_languages_of_magpie(names: list[str], told: list[str], expected: list[str]) -> None:
    """What the voices say counts; what the server says is for voices that say nothing."""
    repertoire = Repertoire(tuple(map(parse_voice, names)), languages=tuple(told))
    assert list(MagpieServer(NIM, repertoire).languages) == expected


async def test_bare_speakers(hass: HomeAssistant, assist: None, magpie: FakeServer) -> None:
    """Voices that name no language speak every one that Magpie knows."""
    magpie.answers["GET", LIST_VOICES] = fake.json({"any": {"voices": ["Aria", "Leo"]}})
    assert await set_up(hass, entry_for(magpie_url=magpie.url))
    await stream(hass, TEXT, "fr-FR")
    await hass.async_block_till_done(wait_background_tasks=True)
    [asked] = magpie.posts(SYNTHESIZE_ONLINE)
    assert (asked.fields["voice"], asked.fields["language"]) == ("Aria", "fr-FR")
