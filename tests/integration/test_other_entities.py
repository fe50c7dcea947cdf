"""Fallbacks and restart buttons are followed when they are renamed, and missed when they are gone."""

from collections.abc import AsyncGenerator, Callable

import pytest
from homeassistant.core import CoreState, HomeAssistant, ServiceCall
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_mock_service

from custom_components.spark_audio.const import DOMAIN
from custom_components.spark_audio.spark_engine.healing.restart import Answer
from tests.fakes.server import FakeServer
from tests.helpers.integration.config_forms import direct
from tests.helpers.integration.hearing import METADATA, SPEECH, engine_entity
from tests.helpers.integration.issues import issues, said
from tests.helpers.integration.option_forms import start, submit, suggested
from tests.helpers.integration.other_engines import (
    CUDA,
    EARS,
    HEAR,
    MOUTH,
    SPEAK,
    OtherEars,
    OtherMouth,
    add_ears,
    add_mouth,
)
from tests.helpers.integration.set_up import set_up
from tests.helpers.integration.speaking import TEXT, entity_of

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled", "repairs")

BUTTON = "button.portainer_restart"


def registered(hass: HomeAssistant, entity_id: str) -> er.RegistryEntry:
    """What the registry knows of an entity."""
    found = er.async_get(hass).async_get(entity_id)
    assert found is not None
    return found


async def add_button(hass: HomeAssistant) -> er.RegistryEntry:
    """Register a button of another integration."""
    domain, name = BUTTON.split(".")
    button = er.async_get(hass).async_get_or_create(domain, "portainer", "1", suggested_object_id=name)
    hass.states.async_set(BUTTON, "unknown")
    return button


async def load(hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer, **options: str) -> MockConfigEntry:
    """A Spark with these options."""
    entry = MockConfigEntry(domain=DOMAIN, title="Box", data=direct(parakeet.url, magpie.url), options=options)
    assert await set_up(hass, entry)
    return entry


async def add_engines(hass: HomeAssistant) -> tuple[OtherEars, OtherMouth]:
    """The engines that stand in."""
    ears, mouth = OtherEars(), OtherMouth(lambda _: ("wav", b"RIFF"))
    await add_ears(hass, ears)
    await add_mouth(hass, mouth)
    return ears, mouth


async def test_renamed_fallbacks_still_stand_in(hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer) -> None:
    """Options of an older version hold entity ids; they are stored by registry id from now on, and forms show names."""
    ears, mouth = await add_engines(hass)
    entry = await load(hass, parakeet, magpie, fallback_stt=EARS, fallback_tts=MOUTH)
    assert entry.options["fallback_stt"] == registered(hass, EARS).id
    assert entry.options["fallback_tts"] == registered(hass, MOUTH).id
    registry = er.async_get(hass)
    registry.async_update_entity(EARS, new_entity_id="stt.cloud")
    registry.async_update_entity(MOUTH, new_entity_id="tts.cloud")
    await hass.async_block_till_done()

    parakeet.answers[HEAR] = magpie.answers[SPEAK] = CUDA
    result = await engine_entity(hass).async_process_audio_stream(METADATA, _stream())
    assert result.text == "Heard by another."
    assert len(ears.heard) == 1
    await entity_of(hass).async_get_tts_audio(TEXT, "en-US", {})
    assert len(mouth.asked) == 1
    assert issues(hass) == []
    form = await start(hass, entry)
    assert suggested(form, "fallback") == {"fallback_stt": "stt.cloud", "fallback_tts": "tts.cloud"}


async def test_what_is_chosen_is_kept_by_registry_id(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """An entity that is in no registry, one of YAML for example, is kept by its entity id."""
    await add_engines(hass)
    hass.states.async_set("tts.from_yaml", "unknown")
    await submit(hass, entry, fallback={"fallback_stt": EARS, "fallback_tts": "tts.from_yaml"})
    assert entry.options["fallback_stt"] == registered(hass, EARS).id
    assert entry.options["fallback_tts"] == "tts.from_yaml"


async def test_renamed_restart_button(hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer) -> None:
    """It is pressed under its new name."""
    await add_button(hass)
    entry = await load(hass, parakeet, magpie, restart_kind="button", parakeet_restart_button=BUTTON)
    [target] = [m.watchdog.restarter.target for m in entry.runtime_data.spark.members if m.name.service == "parakeet"]
    er.async_get(hass).async_update_entity(BUTTON, new_entity_id="button.renamed")
    hass.states.async_remove(BUTTON)
    hass.states.async_set("button.renamed", "unknown")
    presses: list[ServiceCall] = async_mock_service(hass, "button", "press")
    reply = await target.restart()
    assert (reply.answer, reply.detail) == (Answer.ACCEPTED, "The button button.renamed was performed.")
    assert [press.data["entity_id"] for press in presses] == ["button.renamed"]
    assert issues(hass) == []


async def _stream() -> AsyncGenerator[bytes]:
    yield SPEECH


def _remove(hass: HomeAssistant, entity_id: str) -> Callable[[], object]:
    """Remove an entity; return what brings it back."""
    registry = er.async_get(hass)
    entity = registered(hass, entity_id)
    registry.async_remove(entity_id)
    hass.states.async_remove(entity_id)
    return lambda: registry.async_get_or_create(
        entity.domain, entity.platform, entity.unique_id, suggested_object_id=entity_id.partition(".")[2]
    )


def _remove_and_add_another(hass: HomeAssistant, entity_id: str) -> Callable[[], object]:
    """Remove an entity; return what puts another of the same name in its place."""
    registry = er.async_get(hass)
    registry.async_remove(entity_id)
    hass.states.async_remove(entity_id)
    domain, name = entity_id.split(".")
    return lambda: registry.async_get_or_create(domain, "another", "2", suggested_object_id=name)


def _disable(hass: HomeAssistant, entity_id: str) -> Callable[[], object]:
    """Disable an entity; return what enables it."""
    registry = er.async_get(hass)
    registry.async_update_entity(entity_id, disabled_by=er.RegistryEntryDisabler.USER)
    return lambda: registry.async_update_entity(entity_id, disabled_by=None)


@pytest.mark.parametrize("go", [_remove, _remove_and_add_another, _disable])
@pytest.mark.parametrize(
    ("kind", "service", "entity_id"),
    [
        ("fallback_gone", "Parakeet", EARS),
        ("fallback_gone", "Magpie", MOUTH),
        ("restart_target_gone", "Magpie", BUTTON),
    ],
)
async def test_one_that_is_gone(
    hass: HomeAssistant,
    parakeet: FakeServer,
    magpie: FakeServer,
    go: Callable[[HomeAssistant, str], Callable[[], object]],
    kind: str,
    service: str,
    entity_id: str,
) -> None:
    """A repair issue names it before it is needed, and disappears when it is back."""
    await add_engines(hass)
    await add_button(hass)
    options = {"fallback_stt": EARS, "fallback_tts": MOUTH, "magpie_restart_button": BUTTON}
    entry = await load(hass, parakeet, magpie, restart_kind="button", **options)
    assert issues(hass) == []
    come_back = go(hass, entity_id)
    await hass.async_block_till_done()
    assert issues(hass) == [kind]
    assert said(hass, kind, service) == {"service": service, "title": "Box", "missing": f"`{entity_id}`"}
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert issues(hass) == [kind]
    assert said(hass, kind, service)["missing"] == f"`{entity_id}`"
    come_back()
    await hass.async_block_till_done()
    assert issues(hass) == []


async def test_one_that_is_in_no_registry(hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer) -> None:
    """Its state tells whether it is there."""
    hass.states.async_set("tts.from_yaml", "unknown")
    entry = await load(hass, parakeet, magpie, fallback_tts="tts.from_yaml")
    assert issues(hass) == []
    hass.states.async_remove("tts.from_yaml")
    await hass.async_block_till_done()
    assert issues(hass) == ["fallback_gone"]
    assert suggested(await start(hass, entry), "fallback") == {}
    hass.states.async_set("tts.from_yaml", "unknown")
    await hass.async_block_till_done()
    assert issues(hass) == []


async def test_an_action_that_is_gone(hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer) -> None:
    """A script that was deleted."""
    async_mock_service(hass, "script", "restart_magpie")
    await load(hass, parakeet, magpie, restart_kind="action", magpie_restart_action="script.restart_magpie")
    assert issues(hass) == []
    hass.services.async_remove("script", "restart_magpie")
    await hass.async_block_till_done()
    assert issues(hass) == ["restart_target_gone"]
    async_mock_service(hass, "script", "restart_magpie")
    await hass.async_block_till_done()
    assert issues(hass) == []


async def test_not_missed_before_home_assistant_has_started(
    hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer
) -> None:
    """Other integrations may come later."""
    hass.set_state(CoreState.starting)
    entry = await load(hass, parakeet, magpie, fallback_stt=EARS)
    assert issues(hass) == []
    await hass.async_start()
    await hass.async_block_till_done()
    assert issues(hass) == ["fallback_gone"]
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert issues(hass) == []
