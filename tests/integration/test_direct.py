"""Wedges in direct mode: noticed, restarted by whatever was chosen, written down, told."""

import asyncio
import json
from pathlib import Path
from typing import override

import pytest
from aiohttp import web
from homeassistant.components.button import ButtonEntity
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers.entity_component import EntityComponent
from homeassistant.setup import async_setup_component
from homeassistant.util.hass_dict import HassKey

from custom_components.spark_audio.spark_engine.healing.budget import Ledger
from custom_components.spark_audio.spark_engine.healing.clock import SystemClock
from custom_components.spark_audio.spark_engine.speech.audio import silence
from custom_components.spark_audio.stored import StoredLedger
from tests.fakes import faults
from tests.fakes import server as fake
from tests.fakes.server import FakeServer
from tests.helpers.integration.docker_api import DOCKER_RESTART, docker, restarts
from tests.helpers.integration.set_up import answered_before, state_of
from tests.helpers.integration.watched import (
    BROKEN,
    CHECK,
    HEALTH,
    HEAR,
    INCIDENT,
    PARAKEET,
    RESTART,
    incidents,
    load,
    press,
    until,
    watched_entry,
)

BUTTONS: HassKey[EntityComponent[ButtonEntity]] = HassKey("button")
"""Where Home Assistant keeps its buttons; exported in the newer versions only."""

pytestmark = pytest.mark.usefixtures("assist", "watched", "disk")


def record(hass: HomeAssistant, entry_id: str) -> list[float]:
    """The restarts of Parakeet that are on the disk."""
    path = Path(hass.config.path(".storage", f"spark_audio.{entry_id}.parakeet"))
    restarts: list[float] = json.loads(path.read_text())["data"]["restarts"]
    return restarts


async def test_canaries_show_that_services_are_well(
    hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer
) -> None:
    """No speech is needed."""
    await load(hass, watched_entry(parakeet.url, magpie.url))
    await until(hass, HEALTH, "healthy")
    await until(hass, "sensor.magpie_health", "healthy")
    assert hass.states.async_entity_ids("button") == [CHECK, "button.magpie_check_now"]


async def test_a_wedge_is_restarted_by_docker(hass: HomeAssistant, parakeet: FakeServer, api: FakeServer) -> None:
    """Noticed, written down, restarted by one request, recovered; and each step told to automations."""
    heal = api.answers[DOCKER_RESTART]
    on_disk: list[int] = []

    async def look_first(request: web.Request) -> web.StreamResponse:
        on_disk.append(len(record(hass, entry.entry_id)))
        return await heal(request)

    api.answers[DOCKER_RESTART] = look_first
    entry = await load(hass, watched_entry(parakeet.url, **docker(api)))
    await until(hass, HEALTH, "healthy")
    told = incidents(hass)
    parakeet.answers[HEAR] = BROKEN
    await until(hass, HEALTH, "restarting")
    await until(hass, HEALTH, "healthy")
    await hass.async_block_till_done()
    assert told == ["wedged", "restart_requested", "recovered"]
    assert [asked.path for asked in restarts(api)] == [DOCKER_RESTART[1]]
    assert on_disk == [1], "sent before it was written down"
    await entry.runtime_data.async_refresh()
    assert state_of(hass, "sensor.parakeet_recent_restarts") == "1"
    assert state_of(hass, "sensor.parakeet_restarts_left") == "2"


async def test_a_single_failure_is_no_incident(hass: HomeAssistant, parakeet: FakeServer, api: FakeServer) -> None:
    """One failure that a canary does not confirm must not trigger automations."""
    well = parakeet.answers[HEAR]

    async def fail_once(request: web.Request) -> web.StreamResponse:
        parakeet.answers[HEAR] = well
        return await fake.text("Internal Server Error", status=500)(request)

    await load(hass, watched_entry(parakeet.url, **docker(api)))
    await until(hass, HEALTH, "healthy")
    told = incidents(hass)
    parakeet.answers[HEAR] = fail_once
    await until(hass, HEALTH, "suspect")
    await until(hass, HEALTH, "healthy")
    assert told == []
    assert restarts(api) == []


class RestartButton(ButtonEntity):
    """Another integration's button for the container."""

    entity_id = "button.portainer_parakeet_restart"
    _attr_name = "Restart container"

    def __init__(self, parakeet: FakeServer) -> None:
        """Put Parakeet's present answer back when pressed."""
        self._parakeet, self._well = parakeet, parakeet.answers[HEAR]
        self.pressed = 0

    @override
    async def async_press(self) -> None:
        self.pressed += 1
        self._parakeet.answers[HEAR] = self._well


async def test_a_wedge_is_restarted_by_a_button(hass: HomeAssistant, parakeet: FakeServer) -> None:
    """Any button entity of Home Assistant will do."""
    assert await async_setup_component(hass, "button", {})
    button = RestartButton(parakeet)
    await hass.data[BUTTONS].async_add_entities([button])
    options = {"restart_kind": "button", "parakeet_restart_button": button.entity_id}
    await load(hass, watched_entry(parakeet.url, **options))
    await until(hass, HEALTH, "healthy")
    parakeet.answers[HEAR] = BROKEN
    await until(hass, HEALTH, "restarting")
    await until(hass, HEALTH, "healthy")
    assert button.pressed == 1


async def test_a_wedge_is_restarted_by_an_action(hass: HomeAssistant, parakeet: FakeServer) -> None:
    """A script, a shell command, whatever can be called."""
    well, calls = parakeet.answers[HEAR], []

    async def restart(call: ServiceCall) -> None:
        calls.append(call.service)
        parakeet.answers[HEAR] = well

    hass.services.async_register("script", "restart_parakeet", restart)
    options = {"restart_kind": "action", "parakeet_restart_action": "script.restart_parakeet"}
    await load(hass, watched_entry(parakeet.url, **options))
    await until(hass, HEALTH, "healthy")
    parakeet.answers[HEAR] = BROKEN
    await until(hass, HEALTH, "restarting")
    await until(hass, HEALTH, "healthy")
    assert calls == ["restart_parakeet"]


async def test_a_hook_gets_its_token(hass: HomeAssistant, parakeet: FakeServer, api: FakeServer) -> None:
    """The restart button works while the service is well, too."""
    options = {
        "restart_kind": "hook",
        "parakeet_restart_url": f"{api.url}/restart",
        "parakeet_restart_token": "open",
    }
    await load(hass, watched_entry(parakeet.url, **options))
    await until(hass, HEALTH, "healthy")
    told = incidents(hass)
    await press(hass, RESTART)
    await until(hass, HEALTH, "healthy")
    await hass.async_block_till_done()
    [asked] = restarts(api)
    assert asked.headers["Authorization"] == "Bearer open"
    assert told == ["restart_requested", "recovered"]


async def test_an_invalid_target_keeps_the_services_running(
    hass: HomeAssistant, parakeet: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The options flow refuses it; where one is stored all the same, the services are set up, and the log says why."""
    options = {"restart_kind": "docker", "parakeet_restart_docker": "nonsense"}
    await load(hass, watched_entry(parakeet.url, **options))
    await until(hass, HEALTH, "healthy")
    assert hass.states.get(RESTART) is None
    assert "127.0.0.1, Parakeet cannot be restarted, its restart target cannot be understood" in caplog.text


async def test_automatic_restarts_can_be_switched_off(
    hass: HomeAssistant, parakeet: FakeServer, api: FakeServer
) -> None:
    """A wedge is shown and left alone, until a person presses the button."""
    await load(hass, watched_entry(parakeet.url, automatic_restart=False, **docker(api)))
    await until(hass, HEALTH, "healthy")
    parakeet.answers[HEAR] = BROKEN
    await until(hass, HEALTH, "wedged")
    await press(hass, CHECK)
    assert (state_of(hass, HEALTH), restarts(api)) == ("wedged", [])
    await press(hass, RESTART)
    await until(hass, HEALTH, "healthy")
    assert len(restarts(api)) == 1


async def test_the_record_survives_a_restart_of_home_assistant(
    hass: HomeAssistant, parakeet: FakeServer, api: FakeServer
) -> None:
    """Three restarts before it went down: none after it came up again, whatever Parakeet does."""
    entry = watched_entry(parakeet.url, **docker(api))
    store = StoredLedger(hass, entry.entry_id, PARAKEET, parakeet.url)
    await store.load()
    now = SystemClock().time()
    await store.save(Ledger((now - 300, now - 200, now - 100)))
    parakeet.answers[HEAR] = BROKEN
    await load(hass, entry)
    await until(hass, HEALTH, "gave_up")
    assert restarts(api) == []
    assert state_of(hass, "sensor.parakeet_restarts_left") == "0"


async def test_reload_during_a_wedge(hass: HomeAssistant, parakeet: FakeServer, api: FakeServer) -> None:
    """The attempt before counts after; the recovery is still told to automations."""
    well, asked = parakeet.answers[HEAR], asyncio.Event()

    async def accept(request: web.Request) -> web.StreamResponse:
        asked.set()
        return await fake.text("", status=204)(request)

    api.answers[DOCKER_RESTART] = accept
    entry = await load(hass, watched_entry(parakeet.url, **docker(api)))
    await until(hass, HEALTH, "healthy")
    parakeet.answers[HEAR] = BROKEN
    await asked.wait()

    told = incidents(hass)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await until(hass, HEALTH, "wedged")
    assert len(record(hass, entry.entry_id)) == 1
    await entry.runtime_data.async_refresh()
    assert state_of(hass, "sensor.parakeet_restarts_left") == "2"
    assert len(restarts(api)) == 1, "60 s have to lie between two restarts"
    parakeet.answers[HEAR] = well
    await until(hass, HEALTH, "healthy")
    await hass.async_block_till_done()
    assert told == ["restart_requested", "wedged", "recovered"]


async def test_reload_while_a_request_runs(hass: HomeAssistant, parakeet: FakeServer) -> None:
    """The request is answered; it is no evidence any more."""
    well, reached, go_on = parakeet.answers[HEAR], asyncio.Event(), asyncio.Event()

    async def hold(request: web.Request) -> web.StreamResponse:
        reached.set()
        await go_on.wait()
        return await well(request)

    entry = await load(hass, watched_entry(parakeet.url, canary_interval=1000))
    await until(hass, HEALTH, "healthy")
    before = entry.runtime_data
    parakeet.answers[HEAR] = hold
    asked = asyncio.create_task(before.spark.parakeet.transcribe(silence(1, 16_000), language="en"))
    await reached.wait()
    parakeet.answers[HEAR] = well
    assert await hass.config_entries.async_reload(entry.entry_id)
    await until(hass, HEALTH, "healthy")
    go_on.set()
    assert (await asked).text == "Turn on the kitchen light."
    assert entry.runtime_data is not before
    assert state_of(hass, HEALTH) == "healthy"


async def test_unloaded_entries_are_not_watched(hass: HomeAssistant, parakeet: FakeServer) -> None:
    entry = await load(hass, watched_entry(parakeet.url))
    await until(hass, HEALTH, "healthy")
    tasks = [task for task in asyncio.all_tasks() if task.get_name().startswith("watchdog")]
    assert tasks
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert entry.state is ConfigEntryState.NOT_LOADED
    assert all(task.done() for task in tasks)


async def test_a_spark_that_is_off(hass: HomeAssistant, socket_enabled: None) -> None:
    """No restart is asked for: nothing is there that could wedge."""
    await load(hass, await answered_before(hass, watched_entry(faults.refused())))
    await until(hass, HEALTH, "unreachable")
    state = hass.states.get(HEALTH)
    assert state
    assert state.attributes["evidence"].startswith("No connection to 127.0.0.1")
    assert state_of(hass, INCIDENT) == "unknown"
