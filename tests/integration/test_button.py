"""What a person can ask of a service, and what they are told when it cannot be done."""

from unittest.mock import patch

import pytest
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import snapshot_platform
from syrupy.assertion import SnapshotAssertion

from tests.fakes import server as fake
from tests.fakes.server import FakeServer, running
from tests.helpers.integration.docker_api import docker, healing, restarts
from tests.helpers.integration.set_up import state_of
from tests.helpers.integration.watched import (
    CHECK,
    HEALTH,
    PARAKEET,
    RESTART,
    STATUS,
    fake_proxy,
    load,
    only,
    press,
    proxy_entry,
    service,
    status,
    watched_entry,
)

pytestmark = pytest.mark.usefixtures("assist", "disk")

RESTART_ROUTE = ("POST", "/api/services/parakeet/restart")


@pytest.mark.usefixtures("socket_enabled")
async def test_buttons(hass: HomeAssistant, entity_registry: er.EntityRegistry, snapshot: SnapshotAssertion) -> None:
    """A restart for the service that has a target, a check for both."""
    async with fake_proxy() as proxy:
        proxy.answers[STATUS] = status(service("parakeet"), service("magpie", restart_target=None))
        async with only(Platform.BUTTON, hass, proxy_entry(proxy.url, entry_id="buttons")) as entry:
            await snapshot_platform(hass, entity_registry, snapshot, entry.entry_id)


async def test_a_check_shows_what_it_found(hass: HomeAssistant, parakeet: FakeServer) -> None:
    """Now, and not in five minutes."""
    await load(hass, watched_entry(parakeet.url))
    await press(hass, CHECK)
    assert state_of(hass, HEALTH) == "healthy"


async def test_one_restart_at_a_time(hass: HomeAssistant, parakeet: FakeServer) -> None:
    """The second press is told why nothing happens."""
    async with running(healing(parakeet)) as api:
        await load(hass, watched_entry(parakeet.url, **docker(api)))
        await press(hass, RESTART)
        assert state_of(hass, HEALTH) == "restarting"
        with pytest.raises(HomeAssistantError, match="Parakeet is already being restarted"):
            await press(hass, RESTART)
        await hass.async_block_till_done(wait_background_tasks=True)


async def test_a_target_that_was_taken_out(hass: HomeAssistant, parakeet: FakeServer) -> None:
    """The button goes with it; a restart that is asked for all the same is an error."""
    async with running(healing(parakeet)) as api:
        entry = await load(hass, watched_entry(parakeet.url, **docker(api)))
        assert hass.states.get(RESTART)
        hass.config_entries.async_update_entry(entry, options={"restart_kind": "none"})
        assert await hass.config_entries.async_reload(entry.entry_id)
        await hass.async_block_till_done()
        assert er.async_get(hass).async_get(RESTART) is None
        with pytest.raises(HomeAssistantError, match="it is not set what restarts it"):
            await entry.runtime_data.async_restart(PARAKEET)


async def test_a_restart_that_cannot_be_recorded(hass: HomeAssistant, parakeet: FakeServer) -> None:
    """It is not sent: after a crash it would be forgotten."""
    async with running(healing(parakeet)) as api:
        await load(hass, watched_entry(parakeet.url, **docker(api)))
        with (
            patch("homeassistant.helpers.storage.Store.async_save"),
            pytest.raises(HomeAssistantError, match="could not be recorded"),
        ):
            await press(hass, RESTART)
        assert restarts(api) == []


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (fake.json({"error": {"message": "busy with it"}}, status=409), "Parakeet is already being restarted"),
        (fake.json({"error": {"message": "no disk"}}, status=500), r"Parakeet has an error \(no disk\)"),
        (fake.json({"error": {"message": "no such"}}, status=404), r"Parakeet rejects the request \(no such\)"),
        (fake.json({"error": {"message": "wrong key"}}, status=401), r"Parakeet refuses the API key \(wrong key\)"),
    ],
    ids=["409", "500", "404", "401"],
)
@pytest.mark.usefixtures("socket_enabled")
async def test_what_the_proxy_says_about_a_restart(hass: HomeAssistant, answer: fake.Handler, told: str) -> None:
    """In the user's language, with the proxy's own reason."""
    async with fake_proxy() as proxy:
        await load(hass, proxy_entry(proxy.url))
        proxy.answers[RESTART_ROUTE] = answer
        with pytest.raises(HomeAssistantError, match=told):
            await press(hass, RESTART)


@pytest.mark.usefixtures("socket_enabled")
async def test_the_proxy_has_lost_its_target(hass: HomeAssistant) -> None:
    """It was started with other settings a second ago."""
    async with fake_proxy() as proxy:
        await load(hass, proxy_entry(proxy.url))
        proxy.answers[RESTART_ROUTE] = fake.json({"error": {"message": "none"}}, status=409)
        proxy.answers[STATUS] = status(service("parakeet", restart_target=None), service("magpie"))
        with pytest.raises(HomeAssistantError, match="it is not set what restarts it"):
            await press(hass, RESTART)
        await hass.async_block_till_done(wait_background_tasks=True)


@pytest.mark.usefixtures("socket_enabled")
async def test_the_proxy_cannot_be_reached(hass: HomeAssistant) -> None:
    async with fake_proxy() as proxy:
        await load(hass, proxy_entry(proxy.url))
    with pytest.raises(HomeAssistantError, match=r"Parakeet cannot be reached \(Connection refused\)"):
        await press(hass, CHECK)
