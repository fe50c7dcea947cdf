"""The options: each is asked for, checked, stored, and heard."""

from typing import Any

import pytest
from homeassistant.components.tts import async_create_stream
from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.data_entry_flow import FlowResultType, InvalidData, section
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator

from custom_components.spark_audio.const import DOMAIN
from custom_components.spark_audio.spark_engine.audio import read_wav
from tests.fakes import faults
from tests.fakes import server as fake
from tests.fakes.magpie import LIST_VOICES, SYNTHESIZE_ONLINE, spoken
from tests.fakes.proxy import proxy
from tests.fakes.server import FakeServer, running

from .conftest import set_up
from .pipeline import STT, TTS, create_pipeline, run_pipeline
from .test_config_flow import direct
from .test_contract import TRANSLATIONS
from .test_proxy_flow import through_proxy
from .test_stt import SPEECH, warnings
from .test_tts import ARIA, ARIA_CALM, TEXT, entity_of

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")

LEO = "Magpie-Multilingual.DE-DE.Leo"
VOICE = {"emotion": "as_is", "speed": 1, "sample_rate": "44100"}
LISTENING = {
    "turn_end": "balanced",
    "early_transcription": True,
    "turn_deadline": 10,
    "noise_reduction": True,
    "auto_gain": True,
}
HEALING = {"canary_interval": 300, "automatic_restart": True, "restart_kind": "none"}
DEFAULTS = {
    "emotion": "as_is",
    "speed": 1,
    "sample_rate": 44_100,
    "voices": {},
    "turn_end": "balanced",
    "early_transcription": True,
    "turn_deadline": 10,
    "audio_processing": {"noise_reduction": True, "auto_gain": True},
    "canary_interval": 300,
    "automatic_restart": True,
    "restart_kind": "none",
}


def filled_in(**sections: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The whole form as a browser sends it."""
    form = {"voice": VOICE, "listening": LISTENING, "healing": HEALING, "fallback": {}}
    return {name: {**fields, **sections.get(name, {})} for name, fields in form.items()}


async def start(hass: HomeAssistant, entry: MockConfigEntry) -> ConfigFlowResult:
    """The first form."""
    form = await hass.config_entries.options.async_init(entry.entry_id)
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "init")
    return form


async def submit(hass: HomeAssistant, entry: MockConfigEntry, **sections: dict[str, Any]) -> ConfigFlowResult:
    """What comes of the first form."""
    form = await start(hass, entry)
    result = await hass.config_entries.options.async_configure(form["flow_id"], filled_in(**sections))
    await hass.async_block_till_done()
    return result


def fields(form: ConfigFlowResult, name: str | None = None) -> dict[str, Any]:
    """Selectors by field, of the form or of one of its sections."""
    schema = form["data_schema"]
    assert schema is not None
    inner = schema.schema
    if name:
        [inside] = [value for key, value in inner.items() if str(key) == name]
        assert isinstance(inside, section)
        inner = inside.schema.schema
    return {str(key): value for key, value in inner.items()}


def suggested(form: ConfigFlowResult, name: str | None = None) -> dict[str, Any]:
    """What the form is filled in with at the start, where it is not the default."""
    schema = form["data_schema"]
    assert schema is not None
    inner = schema.schema if name is None else next(v for k, v in schema.schema.items() if str(k) == name).schema.schema
    return {str(key): key.description["suggested_value"] for key in inner if key.description}


async def test_form(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Four sections; a voice for each language that the server speaks, and the emotions that its voices have."""
    form = await start(hass, entry)
    assert list(fields(form)) == ["voice", "listening", "healing", "fallback"]
    voices = fields(form, "voice")
    tags = ["de-de", "en-us", "es-us", "fr-fr", "it-it"]
    assert list(voices) == ["language", *tags, "emotion", "speed", "sample_rate"]
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
        "voice": {"language": "de-DE", "de-de": LEO, "emotion": "calm", "speed": 1.25, "sample_rate": "22050"},
        "listening": {
            "turn_end": "fast",
            "early_transcription": False,
            "turn_deadline": 4.5,
            "noise_reduction": False,
            "auto_gain": False,
        },
        "healing": {"canary_interval": 60, "automatic_restart": False, "restart_kind": "none"},
        "fallback": {"fallback_stt": other},
    }
    await submit(hass, entry, **chosen)
    assert entry.options == {
        "language": "de-DE",
        "voices": {"de-DE": LEO},
        "emotion": "calm",
        "speed": 1.25,
        "sample_rate": 22_050,
        "turn_end": "fast",
        "early_transcription": False,
        "turn_deadline": 4.5,
        "audio_processing": {"noise_reduction": False, "auto_gain": False},
        "canary_interval": 60,
        "automatic_restart": False,
        "restart_kind": "none",
        "fallback_stt": other,
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
async def test_who_ends_the_turn(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    entry: MockConfigEntry,
    parakeet: FakeServer,
    setting: str,
    by_home_assistant: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Home Assistant's detector runs only where it is wanted."""
    await submit(hass, entry, listening={"turn_end": setting})
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws), SPEECH)
    assert run.data("stt-start")["audio_processing"]["requires_external_vad"] is by_home_assistant


async def test_voice_that_has_gone(
    hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The default voice speaks instead, the log says so once, and the form does not stumble over it."""
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
    coordinator = entry.runtime_data.coordinator
    before = coordinator.magpie
    entity = entity_of(hass)

    async with running(proxy()) as server:
        server.answers["GET", "/v1/audio/voices"] = fake.json(
            {"voices": [{"id": name, "speaker": "x"} for name in ("M.EN-US.Mia", "M.JA-JP.Mia")]}
        )
        other = MockConfigEntry(domain=DOMAIN, data=through_proxy(server.url))
        assert await set_up(hass, other)
        coordinator.magpie = other.runtime_data.coordinator.magpie
    coordinator.async_update_listeners()
    assert entity.supported_languages == ["en-US", "ja-JP"]
    assert entity.default_language == "en-US"
    assert (entity.default_options or {})["voice"] == "M.EN-US.Mia"
    assert [voice.name for voice in entity.async_get_supported_voices("ja-JP") or []] == ["Mia"]

    coordinator.magpie = before
    coordinator.async_update_listeners()
    assert (entity.default_options or {})["voices"] == f"de-DE={LEO}"


@pytest.mark.parametrize(("field", "own"), [("fallback_stt", STT), ("fallback_tts", TTS)])
async def test_own_entity_as_fallback(hass: HomeAssistant, entry: MockConfigEntry, field: str, own: str) -> None:
    """It is not offered, and refused from whoever sends it all the same."""
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


TARGETS: dict[str, tuple[str, dict[str, str]]] = {
    "hook": ("hook", {"parakeet_restart_url": "http://gpu:9999/hook?token=1", "parakeet_restart_token": "abc"}),
    "docker": ("docker", {"magpie_restart_docker": "http://gpu:2375#magpie_1"}),
    "action": ("action", {"parakeet_restart_action": "script.restart_parakeet"}),
    "button": ("button", {"magpie_restart_button": "button.other"}),
}


@pytest.fixture
def helpers(hass: HomeAssistant) -> None:
    """An action and a button that could restart something."""

    async def restart(_: ServiceCall) -> None:
        """Nothing."""

    hass.services.async_register("script", "restart_parakeet", restart)
    er.async_get(hass).async_get_or_create("button", "portainer", "1", suggested_object_id="other")


@pytest.mark.usefixtures("helpers")
@pytest.mark.parametrize(("kind", "targets"), TARGETS.values(), ids=TARGETS.keys())
async def test_restart_targets(hass: HomeAssistant, entry: MockConfigEntry, kind: str, targets: dict[str, str]) -> None:
    """A second form asks for what the chosen kind needs, and the next time it shows what was entered."""
    form = await submit(hass, entry, healing={"restart_kind": kind})
    assert (form["type"], form["step_id"], form["errors"]) == (FlowResultType.FORM, kind, {})
    assert set(targets) <= set(fields(form))
    padded = {name: text if kind == "button" else f" {text} " for name, text in targets.items()}
    result = await hass.config_entries.options.async_configure(form["flow_id"], padded)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert entry.options == {**DEFAULTS, "restart_kind": kind, **targets}
    name = next(iter(targets)).partition("_")[0]
    [target] = [member.watchdog.target for member in entry.runtime_data.spark.members if member.name == name]
    assert target.kind == kind

    form = await submit(hass, entry, healing={"restart_kind": kind})
    assert suggested(form) == targets
    other = next(name for name in fields(form) if name not in targets and not name.endswith("token"))
    await hass.config_entries.options.async_configure(form["flow_id"], {other: next(iter(targets.values()))})
    await hass.async_block_till_done()
    assert {name for name in entry.options if "_restart_" in name} == {other}


WRONG: dict[str, tuple[str, str, str, str]] = {
    "no URL": ("hook", "parakeet_restart_url", "gpu:9999", "invalid_url"),
    "credentials": ("hook", "magpie_restart_url", "http://a:b@gpu/", "invalid_url"),
    "bad port": ("hook", "magpie_restart_url", "http://gpu:99999/", "invalid_url"),
    "no container": ("docker", "parakeet_restart_docker", "http://gpu:2375", "invalid_docker"),
    "no API": ("docker", "parakeet_restart_docker", "gpu#parakeet", "invalid_docker"),
    "not a name": ("docker", "parakeet_restart_docker", "http://gpu:2375#-x y", "invalid_docker"),
    "no action": ("action", "magpie_restart_action", "script.gone", "unknown_action"),
    "half an action": ("action", "magpie_restart_action", "script", "unknown_action"),
    "no button": ("button", "magpie_restart_button", "button.gone", "unknown_entity"),
}


@pytest.mark.usefixtures("helpers")
@pytest.mark.parametrize(("kind", "field", "text", "error"), WRONG.values(), ids=WRONG.keys())
async def test_wrong_restart_targets(
    hass: HomeAssistant, entry: MockConfigEntry, kind: str, field: str, text: str, error: str
) -> None:
    """Each is told on its field, before anything is stored."""
    form = await submit(hass, entry, healing={"restart_kind": kind})
    form = await hass.config_entries.options.async_configure(form["flow_id"], {field: text})
    assert (form["type"], form["errors"]) == (FlowResultType.FORM, {field: error})
    told = TRANSLATIONS["options"]["error"][error]
    assert ("{entity}" in told) == (text in told.format(**(form["description_placeholders"] or {})))
    assert suggested(form) == {field: text}
    assert entry.options == {}


async def test_wrong_token(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """What no header can carry is told."""
    form = await submit(hass, entry, healing={"restart_kind": "hook"})
    wrong = {"parakeet_restart_url": "http://gpu/", "parakeet_restart_token": "two words"}
    form = await hass.config_entries.options.async_configure(form["flow_id"], wrong)
    assert form["errors"] == {"parakeet_restart_token": "invalid_key"}


@pytest.mark.parametrize("answers", [{}, {"parakeet_restart_url": " "}, {"parakeet_restart_token": "abc"}])
async def test_no_target_at_all(hass: HomeAssistant, entry: MockConfigEntry, answers: dict[str, str]) -> None:
    """A kind without a target would look like a cure and be none."""
    form = await submit(hass, entry, healing={"restart_kind": "hook"})
    form = await hass.config_entries.options.async_configure(form["flow_id"], answers)
    assert form["errors"] == {"base": "no_target"}


async def test_own_button_as_target(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """It would press itself."""
    own = er.async_get(hass).async_get_entity_id("button", DOMAIN, f"{entry.entry_id}_parakeet_check")
    assert own is not None
    form = await submit(hass, entry, healing={"restart_kind": "button"})
    assert own in fields(form)["parakeet_restart_button"].config["exclude_entities"]


async def test_actions_are_offered(hass: HomeAssistant, entry: MockConfigEntry, helpers: None) -> None:
    """All that there are."""
    form = await submit(hass, entry, healing={"restart_kind": "action"})
    assert "script.restart_parakeet" in fields(form)["parakeet_restart_action"].config["options"]


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
    """Options can be changed while the box is away; voices that nobody lists stay as they were chosen."""
    options = {"language": "de-DE", "voices": {"de-DE": LEO}, "emotion": "calm", "sample_rate": 22_050}
    entry = MockConfigEntry(domain=DOMAIN, data=direct(None, faults.refused()), options=options)
    assert not await set_up(hass, entry)
    form = await start(hass, entry)
    assert list(fields(form)) == ["voice", "healing", "fallback"]
    assert list(fields(form, "voice")) == ["speed", "sample_rate"]
    answers = {"voice": {"speed": 1, "sample_rate": "44100"}, "healing": HEALING, "fallback": {}}
    result = await hass.config_entries.options.async_configure(form["flow_id"], answers)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    kept = {name: entry.options[name] for name in ("language", "voices", "emotion")}
    assert kept == {"language": "de-DE", "voices": {"de-DE": LEO}, "emotion": "calm"}
    await hass.async_block_till_done()
