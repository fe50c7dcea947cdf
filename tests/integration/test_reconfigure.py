"""Changing the addresses of a Spark that is there."""

from collections.abc import AsyncGenerator

import pytest
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spark_audio.addresses import title
from custom_components.spark_audio.const import DOMAIN
from tests.fakes import faults
from tests.fakes import magpie as fake_magpie
from tests.fakes.server import FakeServer, running
from tests.helpers.integration.config_forms import MAGPIE, PARAKEET, choose, direct, reconfigure
from tests.helpers.integration.set_up import entry_for

pytestmark = pytest.mark.usefixtures("assist")


@pytest.fixture
async def elsewhere(socket_enabled: None) -> AsyncGenerator[FakeServer]:
    """Another Magpie."""
    async with running(fake_magpie.nim()) as server:
        yield server


async def test_reconfigure_shows_what_is_known(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """The form starts with the URLs in use."""
    form = await choose(hass, await entry.start_reconfigure_flow(hass), "direct")
    schema = form["data_schema"]
    assert schema is not None
    suggested = {str(field): (field.description or {}).get("suggested_value") for field in schema.schema}
    assert {name: url for name, url in suggested.items() if url} == entry.data


async def test_reconfigure(
    hass: HomeAssistant, entry: MockConfigEntry, parakeet: FakeServer, elsewhere: FakeServer
) -> None:
    """The new URL is used at once, by the same entities."""
    before = set(er.async_get(hass).entities)
    result = await reconfigure(hass, entry, **{PARAKEET: parakeet.url, MAGPIE: elsewhere.url})
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    await hass.async_block_till_done()
    assert entry.data == direct(parakeet.url, elsewhere.url)
    assert entry.state is ConfigEntryState.LOADED
    assert set(er.async_get(hass).entities) == before


async def test_reconfigure_without_change(
    hass: HomeAssistant, entry: MockConfigEntry, parakeet: FakeServer, magpie: FakeServer
) -> None:
    """An entry is no duplicate of itself."""
    result = await reconfigure(hass, entry, **{PARAKEET: parakeet.url, MAGPIE: magpie.url})
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()


async def test_reconfigure_to_a_duplicate(
    hass: HomeAssistant, entry: MockConfigEntry, parakeet: FakeServer, elsewhere: FakeServer
) -> None:
    """Another entry's pair is refused."""
    entry_for(parakeet.url, elsewhere.url).add_to_hass(hass)
    result = await reconfigure(hass, entry, **{PARAKEET: parakeet.url, MAGPIE: elsewhere.url})
    assert result["reason"] == "already_configured"


async def test_reconfigure_with_errors(hass: HomeAssistant, entry: MockConfigEntry, parakeet: FakeServer) -> None:
    before = dict(entry.data)
    result = await reconfigure(hass, entry, **{PARAKEET: parakeet.url, MAGPIE: faults.refused()})
    assert (result["step_id"], result["errors"]) == ("direct", {MAGPIE: "cannot_connect"})
    assert entry.data == before


async def test_reconfigure_removes_a_service(
    hass: HomeAssistant, entry: MockConfigEntry, parakeet: FakeServer, magpie: FakeServer
) -> None:
    """A service that is taken out takes its device and entities with it, and comes back when it is entered again."""
    result = await reconfigure(hass, entry, **{PARAKEET: parakeet.url})
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert devices(hass, entry) == ["Parakeet"]
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    assert "tts" not in [entity.domain for entity in entities]

    await reconfigure(hass, entry, **{PARAKEET: parakeet.url, MAGPIE: magpie.url})
    await hass.async_block_till_done()
    assert devices(hass, entry) == ["Magpie", "Parakeet"]


def devices(hass: HomeAssistant, entry: MockConfigEntry) -> list[str]:
    """The names of the devices of the entry's services."""
    found = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return sorted(device.name or "" for device in found if device.via_device_id)


@pytest.mark.parametrize(("old", "new"), [("old-host", "127.0.0.1"), ("My Spark", "My Spark")])
async def test_reconfigure_and_title(hass: HomeAssistant, parakeet: FakeServer, old: str, new: str) -> None:
    """The title follows the host, unless the user chose another."""
    entry = MockConfigEntry(domain=DOMAIN, title=old, data={PARAKEET: "http://old-host", MAGPIE: None})
    entry.add_to_hass(hass)
    await reconfigure(hass, entry, **{PARAKEET: parakeet.url})
    await hass.async_block_till_done()
    assert entry.title == new


def test_title_of_two_hosts() -> None:
    """Two hosts are both named."""
    assert title({PARAKEET: "http://a:1", MAGPIE: "http://b:1"}) == "a, b"
    assert title({PARAKEET: "http://a:1", MAGPIE: "http://a:2"}) == "a"
    assert title({PARAKEET: None, MAGPIE: "http://[::1]:2"}) == "::1"
