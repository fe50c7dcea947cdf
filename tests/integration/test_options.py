"""The options: each is asked for, checked, stored, and heard."""

from typing import Any

import pytest
from homeassistant.components.tts import async_create_stream
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator

from custom_components.spark_audio.const import DOMAIN
from custom_components.spark_audio.spark_engine.speech.audio import read_wav
from tests.fakes import faults
from tests.fakes import server as fake
from tests.fakes.magpie import LIST_VOICES, SYNTHESIZE_ONLINE, spoken
from tests.fakes.proxy import proxy
from tests.fakes.server import FakeServer, running
from tests.helpers.integration.config_forms import direct, through_proxy
from tests.helpers.integration.hearing import SPEECH, warnings
from tests.helpers.integration.option_forms import DEFAULTS, HEALING, SOUND, fields, filled_in, start, submit, suggested
from tests.helpers.integration.pipeline import STT, TTS, create_pipeline, run_pipeline
from tests.helpers.integration.set_up import set_up
from tests.helpers.integration.speaking import ARIA, ARIA_CALM, TEXT, entity_of

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")

LEO = "Magpie-Multilingual.DE-DE.Leo"


async def test_form(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Four sections; a voice for each language that the server speaks, and the emotions that its voices have."""
    form = await start(hass, entry)
    assert list(fields(form)) == ["voice", "listening", "healing", "fallback"]
    voices = fields(form, "voice")
    tags = ["de-de", "en-us", "es-us", "fr-fr", "it-it"]
    assert list(voices) == ["language", *tags, "emotion", "speed", "sample_rate", *SOUND, "replacements"]
    assert voices["language"].config["languages"] == ["de-DE", "en-US", "es-US", "fr-FR", "it-IT"]
    assert [option["value"] for option in voices["emotion"].config["options"]] == ["as_is", "calm", "happy", "neutral"]
    options = voices["de-de"].config["options"]
    assert options[0] == {"value": "Magpie-Multilingual.DE-DE.Aria", "label": "Aria"}
    assert {"value": "Magpie-Multilingual.DE-DE.Aria.Calm", "label": "Aria · Calm"} in options
    assert {option["value"].split(".")[1] for option in options} == {"DE-DE"}


async def test_form_reaches_the_frontend(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, entry: MockConfigEntry
) -> None:
    """The form can be sent to a browser, and what it answers is checked."""
    assert await async_setup_component(hass, "config", {})
    client = await hass_client()
    url = "/api/config/config_entries/options/flow"
    form = await (await client.post(url, json={"handler": entry.entry_id})).json()
    assert [field["type"] for field in form["data_schema"]] == ["expandable"] * 4
    # Of a form that is longer than a screen, what restarts a service is in sight.
    assert [field["name"] for field in form["data_schema"] if field["expanded"]] == ["healing"]
    bad = filled_in(listening={"turn_deadline": 0})
    response = await client.post(f"{url}/{form['flow_id']}", json=bad)
    assert response.status == 400


async def test_nothing_changed(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """What the form shows at first is what holds without it."""
    result = await submit(hass, entry)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options == DEFAULTS
    assert entry.state is ConfigEntryState.LOADED


async def test_all_is_kept_and_shown_again(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """What was chosen stands in the form the next time."""
    other = er.async_get(hass).async_get_or_create("stt", "other", "ears", suggested_object_id="other").entity_id
    chosen: dict[str, dict[str, Any]] = {
        "voice": {
            "language": "de-DE",
            "de-de": LEO,
            "emotion": "calm",
            "speed": 1.25,
            "sample_rate": "22050",
            "even_loudness": True,
            "silence_before": 0.5,
            "chime": "built_in",
            "silence_behind": 1.5,
            "replacements": "km -> Kilometer",
        },
        "listening": {
            "turn_end": "fast",
            "early_transcription": False,
            "home_names": False,
            "more_names": ["Oskar", "Lina"],
            "keep_corrections": True,
            "speech_only": False,
            "turn_deadline": 4.5,
            "noise_reduction": False,
            "auto_gain": False,
        },
        "healing": {"canary_interval": 60, "automatic_restart": False, "keep_warm": True, "restart_kind": "none"},
        "fallback": {"fallback_stt": other},
    }
    await submit(hass, entry, **chosen)
    registered = er.async_get(hass).async_get(other)
    assert registered is not None
    assert entry.options == {
        "language": "de-DE",
        "voices": {"de-DE": LEO},
        "emotion": "calm",
        "speed": 1.25,
        "sample_rate": 22_050,
        "even_loudness": True,
        "silence_before": 0.5,
        "chime": "built_in",
        "silence_behind": 1.5,
        "replacements": "km -> Kilometer",
        "turn_end": "fast",
        "early_transcription": False,
        "home_names": False,
        "more_names": ["Oskar", "Lina"],
        "keep_corrections": True,
        "speech_only": False,
        "turn_deadline": 4.5,
        "audio_processing": {"noise_reduction": False, "auto_gain": False},
        "canary_interval": 60,
        "automatic_restart": False,
        "keep_warm": True,
        "restart_kind": "none",
        "fallback_stt": registered.id,
    }
    form = await start(hass, entry)
    for name, values in chosen.items():
        assert {key: suggested(form, name)[key] for key in values} == values

    await submit(hass, entry)
    assert entry.options == DEFAULTS


async def test_chosen_voice_is_heard(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, entry: MockConfigEntry, magpie: FakeServer
) -> None:
    """In its language, at once, though the text is in the cache in another voice; and offered first."""

    async def heard(language: str | None = None) -> str:
        result = async_create_stream(hass, TTS, language)
        result.async_set_message(TEXT)
        assert b"".join([chunk async for chunk in result.async_stream_result()])
        await hass.async_block_till_done(wait_background_tasks=True)
        return magpie.posts(SYNTHESIZE_ONLINE)[-1].fields["voice"]

    german = "Magpie-Multilingual.DE-DE.Aria"
    assert [await heard(), await heard("de-DE")] == [ARIA, german]
    await submit(hass, entry, voice={"de-de": LEO})
    assert [await heard("de-DE"), await heard()] == [LEO, ARIA]
    await submit(hass, entry, voice={"en-us": ARIA_CALM})
    assert [await heard(), await heard("de-DE")] == [ARIA_CALM, german]
    ws = await hass_ws_client()
    await ws.send_json_auto_id({"type": "tts/engine/voices", "engine_id": TTS, "language": "en-US"})
    assert (await ws.receive_json())["result"]["voices"][0] == {"voice_id": ARIA_CALM, "name": "Aria · Calm"}


async def test_chosen_voice_that_speaks_every_language(
    hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer
) -> None:
    """A speaker without a language is chosen for one, and another speaks the rest."""
    magpie.answers["GET", LIST_VOICES] = fake.json({"any": {"voices": ["Aria", "Leo"]}})
    assert await hass.config_entries.async_reload(entry.entry_id)
    await submit(hass, entry, voice={"fr-fr": "Leo"})
    for language in ("fr-FR", "en-US", "it-IT"):
        await entity_of(hass).async_get_tts_audio(TEXT, language, dict(entity_of(hass).default_options or {}))
    assert [asked.fields["voice"] for asked in magpie.posts(SYNTHESIZE_ONLINE)] == ["Leo", "Aria", "Aria"]


async def test_sample_rate(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """It is asked for at the server, and part of what is cached."""
    await submit(hass, entry, voice={"sample_rate": "22050"})
    _, data = await entity_of(hass).async_get_tts_audio(TEXT, "en-US", {})
    assert read_wav(data or b"").pcm == spoken(TEXT, 22_050)
    assert (entity_of(hass).default_options or {})["sample_rate"] == 22_050


async def test_audio_processing(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, entry: MockConfigEntry, parakeet: FakeServer
) -> None:
    """Satellites are told at the start of each run."""
    await submit(hass, entry, listening={"noise_reduction": False})
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws), SPEECH)
    assert run.data("stt-start")["audio_processing"] == {
        "requires_external_vad": False,
        "prefers_auto_gain_enabled": True,
        "prefers_noise_reduction_enabled": False,
    }


@pytest.mark.parametrize(
    ("setting", "by_home_assistant"), [("home_assistant", True), ("balanced", False), ("fast", False)]
)
async def test_turn_end(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    entry: MockConfigEntry,
    parakeet: FakeServer,
    setting: str,
    by_home_assistant: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Home Assistant's own detector runs only where the option says so."""
    await submit(hass, entry, listening={"turn_end": setting})
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws), SPEECH)
    assert run.data("stt-start")["audio_processing"]["requires_external_vad"] is by_home_assistant


async def test_voice_that_has_gone(
    hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The default voice speaks instead, the log says so once, and the form still opens."""
    await submit(hass, entry, voice={"de-de": LEO})
    magpie.answers["GET", LIST_VOICES] = fake.json({"de-DE": {"voices": ["Magpie-Multilingual.DE-DE.Mia"]}})
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    for _ in range(2):
        await entity_of(hass).async_get_tts_audio(TEXT, "de-DE", {})
    assert [asked.fields["voice"] for asked in magpie.posts(SYNTHESIZE_ONLINE)] == ["Magpie-Multilingual.DE-DE.Mia"] * 2
    assert [record.getMessage() for record in warnings(caplog)] == [
        f"Magpie has no voice {LEO} any more; the default voice of de-DE speaks instead"
    ]
    form = await start(hass, entry)
    assert "de-de" not in suggested(form, "voice")


async def test_language_that_has_gone(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """The one that was chosen is spoken by default while it can be; the form offers only what can be."""
    await submit(hass, entry, voice={"language": "de-DE"})
    assert entity_of(hass).default_language == "de-DE"
    magpie.answers["GET", LIST_VOICES] = fake.json({"en-US": {"voices": [ARIA]}})
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert entity_of(hass).default_language == "en-US"
    assert "language" not in suggested(await start(hass, entry), "voice")


async def test_voices_are_refreshed(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """The coordinator lists the voices anew: languages and voices follow, the default language stays while it can."""
    await submit(hass, entry, voice={"de-de": LEO})
    coordinator = entry.runtime_data
    before = coordinator.magpie
    entity = entity_of(hass)

    async with running(proxy()) as server:
        server.answers["GET", "/v1/audio/voices"] = fake.json(
            {"voices": [{"id": name, "speaker": "x"} for name in ("M.EN-US.Mia", "M.JA-JP.Mia")]}
        )
        other = MockConfigEntry(domain=DOMAIN, data=through_proxy(server.url))
        assert await set_up(hass, other)
        coordinator.magpie = other.runtime_data.magpie
    coordinator.async_update_listeners()
    assert {"en-US", "ja-JP"} <= set(entity.supported_languages)
    assert "de" not in entity.supported_languages
    assert entity.default_language == "en-US"
    assert (entity.default_options or {})["voice"] == "M.EN-US.Mia"
    assert [voice.name for voice in entity.async_get_supported_voices("ja-JP") or []] == ["Mia"]

    coordinator.magpie = before
    coordinator.async_update_listeners()
    assert (entity.default_options or {})["voices"] == f"de-DE={LEO}"


@pytest.mark.parametrize(("field", "own"), [("fallback_stt", STT), ("fallback_tts", TTS)])
async def test_own_entity_as_fallback(hass: HomeAssistant, entry: MockConfigEntry, field: str, own: str) -> None:
    """It is not offered, and refused where it is sent all the same."""
    form = await start(hass, entry)
    assert own in fields(form, "fallback")[field].config["exclude_entities"]
    with pytest.raises(InvalidData):
        await hass.config_entries.options.async_configure(form["flow_id"], filled_in(fallback={field: own}))


async def test_fallback_that_is_not_there(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A name that leads nowhere is told above its section, and what was entered stays."""
    result = await submit(hass, entry, fallback={"fallback_tts": "tts.gone"})
    assert (result["type"], result["errors"]) == (FlowResultType.FORM, {"fallback": "unknown_entity"})
    assert result["description_placeholders"] == {"entity": "tts.gone"}
    assert suggested(result, "fallback") == {"fallback_tts": "tts.gone"}
    assert entry.options == {}


async def test_through_the_proxy(hass: HomeAssistant) -> None:
    """The proxy heals: nothing about that is asked."""
    async with running(proxy()) as server:
        entry = MockConfigEntry(domain=DOMAIN, data=through_proxy(server.url))
        assert await set_up(hass, entry)
        form = await start(hass, entry)
        assert list(fields(form)) == ["voice", "listening", "fallback"]
        answers = filled_in()
        del answers["healing"]
        result = await hass.config_entries.options.async_configure(form["flow_id"], answers)
        assert result["type"] is FlowResultType.CREATE_ENTRY
        await hass.async_block_till_done()
        assert "restart_kind" not in entry.options


@pytest.mark.parametrize(
    ("url", "sections"),
    [("parakeet_url", ["listening", "healing", "fallback"]), ("magpie_url", ["voice", "healing", "fallback"])],
)
async def test_one_service(
    hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer, url: str, sections: list[str]
) -> None:
    """Only what this Spark has is asked about."""
    data = {**direct(parakeet.url, magpie.url)}
    data["magpie_url" if url == "parakeet_url" else "parakeet_url"] = None
    entry = MockConfigEntry(domain=DOMAIN, data=data)
    assert await set_up(hass, entry)
    assert list(fields(await start(hass, entry))) == sections


async def test_not_loaded(hass: HomeAssistant) -> None:
    """Options can be changed while the box is off; chosen voices stay although none are listed."""
    options = {"language": "de-DE", "voices": {"de-DE": LEO}, "emotion": "calm", "sample_rate": 22_050}
    entry = MockConfigEntry(domain=DOMAIN, data=direct(None, faults.refused()), options=options)
    assert not await set_up(hass, entry)
    form = await start(hass, entry)
    assert list(fields(form)) == ["voice", "healing", "fallback"]
    assert list(fields(form, "voice")) == ["speed", "sample_rate", *SOUND, "replacements"]
    answers = {"voice": {"speed": 1, "sample_rate": "44100", **SOUND}, "healing": HEALING, "fallback": {}}
    result = await hass.config_entries.options.async_configure(form["flow_id"], answers)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    kept = {name: entry.options[name] for name in ("language", "voices", "emotion")}
    assert kept == {"language": "de-DE", "voices": {"de-DE": LEO}, "emotion": "calm"}
    await hass.async_block_till_done()
