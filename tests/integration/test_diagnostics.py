"""What to attach to a bug report."""

import json

import pytest
from homeassistant.components.diagnostics import REDACTED
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.components.diagnostics import get_diagnostics_for_config_entry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from syrupy.assertion import SnapshotAssertion

from custom_components.spark_audio.diagnostics import pattern, without
from tests.fakes import parakeet as parakeets
from tests.fakes.server import FakeServer, running
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
    async with running(parakeets.openai()) as server:
        entry = watched_entry(server.url, None, **options)
        await load(hass, entry)
    await press(hass, CHECK)
    text = json.dumps(await get_diagnostics_for_config_entry(hass, hass_client, entry))
    assert "No connection to **REDACTED**" in text
    for secret in (SECRET, KEY, "127.0.0.1", "example.org"):
        assert secret not in text


HOST, PROXY_HOST = "spark.fritz.box", "bücher.example"


@pytest.mark.parametrize(
    "said",
    [
        "No connection to spark.fritz.box:8000: refused.",
        "No connection to SPARK.Fritz.Box",
        "see http://Spark.fritz.box./health",
        "http%3A%2F%2Fspark.fritz.box%3A8000%2Fhealth",
        "http%253A%252F%252Fspark%252Efritz%252Ebox",
        "xn--bcher-kva.example does not answer, nor does B\u00dcCHER.example",
        "connect ECONNREFUSED 192.0.2.7:8000",
        "http://[fd00::7]:8000/ and FD00:0:0:0:0:0:0:7 and fd00::7:8000",
        "[::ffff:192.0.2.7]:8000, ::1",
        "fe80::7%eth0",
        "http%3A%2F%2F%5Bfd00%3A%3A7%5D%3A8000",
        "192.0.2.7 and then http%3A%2F%2F192%2E0%2E2%2E8",
    ],
)
def test_a_host_is_hidden_in_every_spelling(said: str) -> None:
    """In any case, as in DNS, encoded, with and without port; and every address: it may be what a name resolves to."""
    hosts = pattern([HOST, PROXY_HOST])
    shown = without({"evidence": [said]}, hosts)["evidence"][0].lower()
    assert REDACTED.lower() in shown
    for secret in ("fritz", "cher", "192", "0.2", "fd00", ":7", "::", "fe80"):
        assert secret not in shown, shown


@pytest.mark.parametrize(
    "said",
    [
        "CUDA error: an illegal memory access was encountered",
        "2026-11-27T08:58:26+00:00",
        "spark audio, 100 voices at 22.05 kHz, version 1.2.3",
        "my-spark.fritz.boxes, 50%25 done, 12:30",
        "std::bad_alloc",
    ],
)
def test_what_names_no_host_stays(said: str) -> None:
    assert without({"evidence": said}, pattern([HOST])) == {"evidence": said}
    assert without(said, pattern([])) == said


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
