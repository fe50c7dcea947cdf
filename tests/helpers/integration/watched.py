"""Watched Sparks at a quick pace: what the tests of health share."""

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import Platform
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, State, callback
from homeassistant.helpers.event import async_track_state_change_event
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spark_audio.spark_engine.models import ServerName, Service
from tests.fakes import server as fake
from tests.fakes.magpie import spark_audio
from tests.fakes.parakeet import CUDA, TRANSCRIPTIONS
from tests.fakes.server import FakeServer, running
from tests.helpers.integration.set_up import INTEGRATION, set_up

PARAKEET = ServerName(Service.PARAKEET)
MAGPIE = ServerName(Service.MAGPIE)


ROOT = INTEGRATION.parent.parent
PYTHON = os.environ.get("SPARK_AUDIO_PYTHON", str(ROOT / ".venv/bin/python"))

HEAR = ("POST", TRANSCRIPTIONS)
KEY = "sesame-7Fq2-open-the-door"
BROKEN = fake.json({"detail": CUDA}, status=500)

HEALTH = "sensor.parakeet_health"
RESTART = "button.parakeet_restart"
CHECK = "button.parakeet_check_now"
INCIDENT = "event.parakeet_incident"


def watched_entry(parakeet_url: str | None = None, magpie_url: str | None = None, **options: object) -> MockConfigEntry:
    """A direct entry, looked at so often that tests do not wait."""
    return MockConfigEntry(
        domain="spark_audio",
        title="127.0.0.1",
        data={"connection": "direct", "parakeet_url": parakeet_url, "magpie_url": magpie_url},
        options={"canary_interval": 0.05, **options},
    )


def proxy_entry(url: str, entry_id: str | None = None) -> MockConfigEntry:
    """An entry through the proxy, as the flow stores it."""
    return MockConfigEntry(
        domain="spark_audio",
        title="127.0.0.1",
        data={"connection": "proxy", "proxy_url": url, "api_key": KEY, "verify_ssl": True},
        entry_id=entry_id,
    )


async def load(hass: HomeAssistant, entry: MockConfigEntry) -> MockConfigEntry:
    """The entry, loaded."""
    assert await set_up(hass, entry)
    assert entry.state is ConfigEntryState.LOADED
    return entry


@asynccontextmanager
async def only(platform: Platform, hass: HomeAssistant, entry: MockConfigEntry) -> AsyncGenerator[MockConfigEntry]:
    """The entry, loaded with one platform: a snapshot is of one."""
    with patch("custom_components.spark_audio._platforms", return_value=[platform]):
        yield await load(hass, entry)
        assert await hass.config_entries.async_unload(entry.entry_id)


async def until(hass: HomeAssistant, entity_id: str, wanted: str) -> None:
    """Wait for a state, by its change."""
    await _until(hass, entity_id, lambda state: state.state == wanted)


async def until_told(hass: HomeAssistant, kind: str, entity_id: str = INCIDENT) -> None:
    """Wait for an incident of this kind to be the last one."""
    await _until(hass, entity_id, lambda state: state.attributes.get("event_type") == kind)


async def until_problem(hass: HomeAssistant, entity_id: str = HEALTH) -> None:
    """Wait until the restart target is known not to work."""
    await _until(hass, entity_id, lambda state: bool(state.attributes.get("restart_problem")))


async def _until(hass: HomeAssistant, entity_id: str, is_wanted: Callable[[State], bool]) -> None:
    reached = asyncio.Event()

    @callback
    def look(event: Event[EventStateChangedData]) -> None:
        if (state := event.data["new_state"]) and is_wanted(state):
            reached.set()

    stop = async_track_state_change_event(hass, entity_id, look)
    try:
        state = hass.states.get(entity_id)
        if state is None or not is_wanted(state):
            await reached.wait()
    finally:
        stop()


def incidents(hass: HomeAssistant, entity_id: str = INCIDENT) -> list[str]:
    """The types of the events that come from now on, in their order."""
    seen: list[str] = []

    @callback
    def look(event: Event[EventStateChangedData]) -> None:
        state = event.data["new_state"]
        if state and state.attributes.get("event_type"):
            seen.append(state.attributes["event_type"])

    async_track_state_change_event(hass, entity_id, look)
    return seen


async def press(hass: HomeAssistant, entity_id: str) -> None:
    """Press a button as a person does."""
    await hass.services.async_call("button", "press", {"entity_id": entity_id}, blocking=True)


@asynccontextmanager
async def real_proxy(folder: Path, **settings: str) -> AsyncGenerator[str]:
    """The URL of the proxy itself, in a process of its own where Home Assistant is not installed."""
    environment = {f"SPARK_AUDIO_{name.upper()}": value for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        *(PYTHON, "-m", "spark_audio_proxy", "--port", "0", "--state-dir", str(folder), "--api-key", KEY),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        match = re.search(r"listening on (\S+)", line)
        assert match, f"the proxy did not start: {line!r}"
        yield match[1]
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


STATUS = ("GET", "/api/status")
MOMENT = "2026-11-22T12:00:00.000+00:00"


def service(name: str, state: str = "healthy", **changes: object) -> dict[str, object]:
    """One service in the proxy's status, as docs and proxy have it."""
    return {
        "name": name,
        "url": f"http://192.0.2.1/{name}",
        "server": "openai",
        "state": state,
        "since": MOMENT,
        "evidence": "A request was served.",
        "last_canary": {
            "at": MOMENT,
            "latency": 0.125,
            "outcome": "success",
            "detail": "The canary was transcribed right.",
        },
        "last_success": MOMENT,
        "restart_target": "docker",
        "restarts_left": 3,
        "restarts": [],
        "history": [],
        **changes,
    }


def status(*services: dict[str, object], automatic: bool = True, proxy_id: str | None = None) -> fake.Handler:
    """The proxy's status."""
    return fake.json(
        {
            "id": proxy_id,
            "automatic_restarts": automatic,
            "restart_limit": 3,
            "restart_window": 1800.0,
            "services": list(services),
        }
    )


@asynccontextmanager
async def fake_proxy() -> AsyncGenerator[FakeServer]:
    """A proxy of which a test decides what it tells; at first both its services are well."""
    server = spark_audio()
    server.answers[STATUS] = status(service("parakeet"), service("magpie"))
    server.answers[HEAR] = fake.json({"text": "Turn on the kitchen light."})
    async with running(server):
        yield server
