"""Spark Audio set up in Home Assistant, and the folder that it is in."""

from pathlib import Path

from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

import custom_components.spark_audio
from custom_components.spark_audio.spark_engine.healing.status import ServerStatus
from custom_components.spark_audio.spark_engine.models import ServerName, Service
from custom_components.spark_audio.stored import SparkStore

INTEGRATION = Path(custom_components.spark_audio.__file__).parent


def entry_for(parakeet_url: str | None = None, magpie_url: str | None = None) -> MockConfigEntry:
    """A config entry as the flow stores it."""
    return MockConfigEntry(
        domain="spark_audio", title="127.0.0.1", data={"parakeet_url": parakeet_url, "magpie_url": magpie_url}
    )


async def answered_before(hass: HomeAssistant, entry: MockConfigEntry) -> MockConfigEntry:
    """The entry, whose Parakeet has answered once: it is set up while that is away."""
    server = ServerStatus(name=ServerName(Service.PARAKEET), url=entry.data["parakeet_url"])
    await SparkStore(hass, entry.entry_id).learn([server])
    return entry


async def set_up(hass: HomeAssistant, entry: MockConfigEntry) -> bool:
    """Load the entry; whether it could be loaded."""
    entry.add_to_hass(hass)
    loaded = await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return loaded


def state_of(hass: HomeAssistant, entity_id: str) -> str:
    """The state of an entity that exists."""
    state = hass.states.get(entity_id)
    assert state is not None
    return state.state
