"""All Sparks at a glance."""

import asyncio

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import get_system_health_info

from tests.fakes.server import FakeServer
from tests.helpers.integration.translations import TRANSLATIONS
from tests.helpers.integration.watched import CHECK, load, press, watched_entry

pytestmark = pytest.mark.usefixtures("assist")


async def test_what_it_says(hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer) -> None:
    """Counted over all entries, from what real inference has shown."""
    assert await async_setup_component(hass, "system_health", {})
    await load(hass, watched_entry(parakeet.url, magpie.url))
    await load(hass, watched_entry(None, magpie.url))
    await press(hass, CHECK)
    info = await asyncio.wait_for(get_system_health_info(hass, "spark_audio"), 5)
    assert info == {"sparks": 2, "services": 3, "healthy": 1, "gave_up": 0, "restarts": 0}
    assert set(info) == set(TRANSLATIONS["system_health"]["info"])


async def test_without_any(hass: HomeAssistant, parakeet: FakeServer) -> None:
    """The page shows zeros, and no error."""
    assert await async_setup_component(hass, "system_health", {})
    entry = await load(hass, watched_entry(parakeet.url))
    assert await hass.config_entries.async_unload(entry.entry_id)
    info = await get_system_health_info(hass, "spark_audio")
    assert set(info.values()) == {0}
