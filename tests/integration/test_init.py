"""Loading, not being able to, and unloading."""

import pytest
from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spark_audio.spark_engine.servers.parakeet_dialects import PROBED
from tests.fakes import faults
from tests.fakes import parakeet as fake_parakeet
from tests.fakes import server as fake
from tests.fakes.magpie import LIST_VOICES
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, Handler, running
from tests.helpers.integration.pipeline import STT, TTS
from tests.helpers.integration.set_up import entry_for, set_up, state_of

pytestmark = pytest.mark.usefixtures("assist")


async def test_both_services(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Two engines, each on the device of its service, with names that translations give; health beside them."""
    assert entry.state is ConfigEntryState.LOADED
    states = {state.entity_id: state.name for state in hass.states.async_all(["stt", "tts"])}
    assert states == {STT: "Parakeet Speech-to-text", TTS: "Magpie Text-to-speech"}
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    health = ("health", "reason", "canary_latency", "last_success", "restarts", "restarts_left", "check", "incident")
    assert {entity.unique_id for entity in entities} == {
        f"{entry.entry_id}_parakeet_speech_to_text",
        f"{entry.entry_id}_magpie_text_to_speech",
        f"{entry.entry_id}_magpie_silence",
        *(f"{entry.entry_id}_{service}_{key}" for service in ("parakeet", "magpie") for key in health),
    }
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert {device.name for device in devices} == {"Spark (127.0.0.1)", "Parakeet", "Magpie"}
    [spark] = [device for device in devices if device.via_device_id is None]
    assert {device.via_device_id for device in devices if device is not spark} == {spark.id}
    assert {device.entry_type for device in devices} == {dr.DeviceEntryType.SERVICE}


async def test_parakeet_alone(hass: HomeAssistant, parakeet: FakeServer) -> None:
    """A Spark that only hears."""
    assert await set_up(hass, entry_for(parakeet_url=parakeet.url))
    assert hass.states.async_entity_ids(["stt", "tts"]) == [STT]


async def test_magpie_alone(hass: HomeAssistant, magpie: FakeServer) -> None:
    """A Spark that only speaks."""
    assert await set_up(hass, entry_for(magpie_url=magpie.url))
    assert hass.states.async_entity_ids(["stt", "tts"]) == [TTS]


async def test_parakeet_away(hass: HomeAssistant, socket_enabled: None) -> None:
    """Pipelines keep their ears while a Parakeet is away that has answered: it is asked when there is speech."""
    async with running(fake_parakeet.openai()) as server:
        entry = entry_for(parakeet_url=server.url)
        assert await set_up(hass, entry)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert hass.states.async_entity_ids(["stt", "tts"]) == [STT]


async def test_parakeet_that_has_never_answered(hass: HomeAssistant, socket_enabled: None) -> None:
    """Home Assistant tries again."""
    entry = entry_for(parakeet_url=faults.refused())
    assert not await set_up(hass, entry)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.reason is not None
    assert entry.reason.startswith("Parakeet cannot be reached (Connection refused)")


async def test_parakeet_that_refuses_the_key(hass: HomeAssistant, parakeet: FakeServer) -> None:
    """On every page, which a gateway may do that passes the one request that counts: so that one is sent."""
    hear = parakeet.answers["POST", TRANSCRIPTIONS]
    refused = fake.json({"detail": "no"}, status=401)
    parakeet.answers = dict.fromkeys([*parakeet.answers, *(("GET", path) for path in PROBED)], refused)
    entry = entry_for(parakeet_url=parakeet.url)
    assert not await set_up(hass, entry)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    [flow] = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == SOURCE_REAUTH

    parakeet.answers["POST", TRANSCRIPTIONS] = hear
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()


async def test_magpie_away(hass: HomeAssistant, socket_enabled: None) -> None:
    """Without voices there is no engine: Home Assistant tries again, and says what it waits for."""
    entry = entry_for(magpie_url=faults.refused())
    assert not await set_up(hass, entry)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "cannot_connect"
    assert entry.reason is not None
    assert entry.reason.startswith("Magpie cannot be reached (Connection refused)")


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        (fake.json({"detail": "initializing"}, status=503), "busy"),
        (fake.text("Internal Server Error", status=500), "server_fault"),
        (fake.json({}), "no_voices"),
    ],
    ids=["loading", "500", "no voices"],
)
async def test_magpie_without_voices(hass: HomeAssistant, magpie: FakeServer, answer: Handler, key: str) -> None:
    """A Magpie that cannot list voices yet is waited for, and works as soon as it can."""
    healthy, magpie.answers["GET", LIST_VOICES] = magpie.answers["GET", LIST_VOICES], answer
    entry = entry_for(magpie_url=magpie.url)
    assert not await set_up(hass, entry)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == key

    magpie.answers["GET", LIST_VOICES] = healthy
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert hass.states.async_entity_ids(["stt", "tts"]) == [TTS]


async def test_unload_and_load_again(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Entities go, and come back as they were."""
    assert await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.NOT_LOADED
    assert {state_of(hass, entity_id) for entity_id in (STT, TTS)} == {STATE_UNAVAILABLE}

    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert STATE_UNAVAILABLE not in {state_of(hass, entity_id) for entity_id in (STT, TTS)}


async def test_remove(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Nothing is left of an entry that is removed."""
    await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    assert hass.states.async_entity_ids(["stt", "tts"]) == []
    assert er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id) == []
    assert dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id) == []


async def test_two_sparks(hass: HomeAssistant, entry: MockConfigEntry, parakeet: FakeServer) -> None:
    """A second Spark gets entities of its own."""
    assert await set_up(hass, entry_for(parakeet_url=parakeet.url))
    assert sorted(hass.states.async_entity_ids("stt")) == [STT, f"{STT}_2"]
