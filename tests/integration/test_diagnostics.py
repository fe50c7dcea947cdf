"""What to attach to a bug report."""

import json

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.components.diagnostics import get_diagnostics_for_config_entry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from syrupy.assertion import SnapshotAssertion

from tests.fakes import faults
from tests.fakes.server import FakeServer
from tests.helpers.documents import at, items, string
from tests.helpers.integration.watched import (
    BROKEN,
    CHECK,
    HEALTH,
    HEAR,
    KEY,
    MOMENT,
    STATUS,
    fake_proxy,
    load,
    press,
    proxy_entry,
    service,
    status,
    until,
    watched_entry,
)

pytestmark = pytest.mark.usefixtures("assist")

SECRET = "hook-with-a-secret-path"


@pytest.mark.usefixtures("socket_enabled")
async def test_through_the_proxy(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, snapshot: SnapshotAssertion
) -> None:
    """Settings, states, and how they came about."""
    assert await async_setup_component(hass, "diagnostics", {})
    async with fake_proxy() as proxy:
        change = {"at": MOMENT, "from": "healthy", "to": "wedged", "evidence": "CUDA error"}
        proxy.answers[STATUS] = status(
            service("parakeet", "wedged", history=[change], dialect="openai", model="parakeet-tdt-0.6b")
        )
        entry = await load(hass, proxy_entry(proxy.url))
        document = await get_diagnostics_for_config_entry(hass, hass_client, entry)
        port = proxy.url.rpartition(":")[2]
    assert json.loads(json.dumps(document).replace(port, "8600")) == snapshot


async def test_nothing_secret(hass: HomeAssistant, hass_client: ClientSessionGenerator, socket_enabled: None) -> None:
    """No key, no hook, no host: not in the settings and not in what servers said."""
    assert await async_setup_component(hass, "diagnostics", {})
    options = {
        "restart_kind": "hook",
        "parakeet_restart_url": f"http://hooks.example.org/{SECRET}",
        "parakeet_restart_token": KEY,
        "magpie_restart_docker": "http://docker.example.org#magpie",
    }
    entry = watched_entry(faults.refused(), None, **options)
    await load(hass, entry)
    await press(hass, CHECK)
    text = json.dumps(await get_diagnostics_for_config_entry(hass, hass_client, entry))
    assert "No connection to **REDACTED**" in text
    for secret in (SECRET, KEY, "127.0.0.1", "example.org"):
        assert secret not in text


@pytest.mark.usefixtures("watched")
class TestTransitions:
    """Of a Spark that is watched from here."""

    async def test_transitions_are_listed(
        self, hass: HomeAssistant, hass_client: ClientSessionGenerator, parakeet: FakeServer
    ) -> None:
        """With the evidence for each."""
        assert await async_setup_component(hass, "diagnostics", {})
        entry = await load(hass, watched_entry(parakeet.url))
        await until(hass, HEALTH, "healthy")
        parakeet.answers[HEAR] = BROKEN
        await until(hass, HEALTH, "wedged")
        document = await get_diagnostics_for_config_entry(hass, hass_client, entry)
        [about] = items(document, "services")
        assert [(at(change, "before"), at(change, "after")) for change in items(about, "history")] == [
            ("unknown", "healthy"),
            ("healthy", "suspect"),
            ("suspect", "wedged"),
        ]
        assert "CUDA" in string(about, "history", 2, "evidence")
        assert at(about, "last_canary", "observation", "outcome") == "signed_fault"
        assert document["servers"] == {"parakeet": "openai, model parakeet-tdt-0.6b"}
