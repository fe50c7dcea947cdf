"""How the services are, as sensors."""

from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from typing import override
from unittest.mock import PropertyMock, patch

import pytest
from aiohttp import ClientSession
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util.dt import utcnow
from pytest_homeassistant_custom_component.common import snapshot_platform
from syrupy.assertion import SnapshotAssertion

from custom_components.spark_audio.sensor import DIAGNOSTICS, HEALTH
from custom_components.spark_audio.spark_engine.healing.budget import Budget, Ledger, LedgerStore
from custom_components.spark_audio.spark_engine.healing.canary import Life, ServerCheck
from custom_components.spark_audio.spark_engine.healing.clock import Clock
from custom_components.spark_audio.spark_engine.healing.health import Observation, Outcome, State
from custom_components.spark_audio.spark_engine.healing.pool import PoolMember
from custom_components.spark_audio.spark_engine.healing.status import ServerStatus, status_of
from custom_components.spark_audio.spark_engine.healing.watchdog import Watchdog
from custom_components.spark_audio.spark_engine.servers.parakeet import Parakeet
from custom_components.spark_audio.spark_engine.servers.transport import Transport
from tests.fakes.server import FakeServer
from tests.helpers.integration.set_up import INTEGRATION, state_of
from tests.helpers.integration.translations import TRANSLATIONS
from tests.helpers.integration.watched import (
    PARAKEET,
    STATUS,
    fake_proxy,
    load,
    only,
    proxy_entry,
    service,
    status,
    watched_entry,
)

pytestmark = pytest.mark.usefixtures("assist")


@pytest.fixture
def all_sensors() -> Generator[None]:
    """Those that are disabled at first as well."""
    with patch(
        "homeassistant.helpers.entity.Entity.entity_registry_enabled_default",
        new_callable=PropertyMock,
        return_value=True,
    ):
        yield


@pytest.mark.usefixtures("all_sensors", "socket_enabled")
async def test_sensors(hass: HomeAssistant, entity_registry: er.EntityRegistry, snapshot: SnapshotAssertion) -> None:
    """All of them, with what the proxy tells of a Parakeet that was restarted twice."""
    async with fake_proxy() as proxy:
        recent = utcnow().isoformat()
        proxy.answers[STATUS] = status(
            service("parakeet", "restarting", restarts=[recent, recent], restarts_left=1, evidence="CUDA error")
        )
        async with only(Platform.SENSOR, hass, proxy_entry(proxy.url, entry_id="sensors")) as entry:
            await snapshot_platform(hass, entity_registry, snapshot, entry.entry_id)


@pytest.mark.usefixtures("socket_enabled")
async def test_reason_is_where_people_look(hass: HomeAssistant) -> None:
    """Why the health is what it is, on the page of the device; at the length that a state may have."""
    async with fake_proxy() as proxy:
        told = "CUDA error: an illegal memory access was encountered"
        proxy.answers[STATUS] = status(
            service("parakeet", "wedged", evidence=told, restart_problem="403: no permission."),
            service("magpie", "wedged", evidence="x" * 300),
        )
        await load(hass, proxy_entry(proxy.url))
        assert state_of(hass, "sensor.parakeet_reason") == f"{told} 403: no permission."
        assert state_of(hass, "sensor.magpie_reason") == "x" * 255
        proxy.answers[STATUS] = status(service("magpie"))
        [entry] = hass.config_entries.async_entries("spark_audio")
        await entry.runtime_data.async_refresh()
        assert state_of(hass, "sensor.parakeet_reason") in ("unknown", "unavailable")
        await hass.async_block_till_done(wait_background_tasks=True)


async def test_before_the_first_canary(hass: HomeAssistant, parakeet: FakeServer, all_sensors: None) -> None:
    await load(hass, watched_entry(parakeet.url))
    assert state_of(hass, "sensor.parakeet_health") == "unknown"
    assert state_of(hass, "sensor.parakeet_check_duration") == "unknown"
    assert state_of(hass, "sensor.parakeet_last_success") == "unknown"
    assert state_of(hass, "sensor.parakeet_recent_restarts") == "0"
    assert state_of(hass, "sensor.parakeet_restarts_left") == "3"


@pytest.mark.parametrize("state", list(State))
def test_every_state_can_be_shown(state: State) -> None:
    """It is an option of the sensor, and has a name and an icon of its own; Home Assistant has its own "unknown"."""
    if state is State.UNKNOWN:
        assert HEALTH.value(ServerStatus(name=PARAKEET, url="", state=state)) is None
        assert state.value not in (HEALTH.options or [])
        return
    assert str(HEALTH.value(ServerStatus(name=PARAKEET, url="", state=state))) in (HEALTH.options or [])
    assert TRANSLATIONS["entity"]["sensor"]["health"]["state"][state.value]
    assert f'"{state.value}": "mdi:' in (INTEGRATION / "icons.json").read_text()


def test_frequently_changing_sensors_are_disabled() -> None:
    """A value that changes with every canary would fill the database."""
    assert [sensor.key for sensor in DIAGNOSTICS if not sensor.entity_registry_enabled_default] == [
        *("canary_latency", "last_success")
    ]


class FakeClock(Clock):
    """Two clocks that drift apart."""

    wall, steady = 1_700_000_000.0, 50.0

    @override
    def time(self) -> float:
        return self.wall

    @override
    def monotonic(self) -> float:
        return self.steady


class NoLedger(LedgerStore):
    """A ledger that is never asked for."""

    @override
    async def load(self) -> Ledger:
        return Ledger()

    @override
    async def save(self, ledger: Ledger) -> None:
        """Keep nothing."""


@dataclass(frozen=True)
class WellCheck(ServerCheck):
    """A server whose canaries are always answered right."""

    @override
    async def canary(self, language: str | None) -> Observation:
        return Observation(Outcome.SUCCESS, canary=True)

    @override
    async def is_asleep(self) -> bool:
        return False

    @override
    async def life(self, deadline: float) -> Life:
        return (200,)


@pytest.fixture
async def client(socket_enabled: None) -> AsyncGenerator[Parakeet]:
    """A client of a server that is not there."""
    async with ClientSession() as session:
        yield Parakeet(Transport(session, "http://127.0.0.1:9"))


async def test_timestamps_do_not_drift(client: Parakeet) -> None:
    """The same success, looked at twice, was at the same time, however the clocks drift."""
    clock = FakeClock()
    watchdog = Watchdog(PARAKEET, WellCheck(), NoLedger(), clock=clock)
    member = PoolMember(PARAKEET, client.transport.base_url, client, watchdog)
    await watchdog.check()
    first = status_of(member)
    assert first.last_success == clock.wall
    clock.wall, clock.steady = clock.wall + 3600, clock.steady + 100
    second = status_of(member)
    assert (second.last_success, second.since) == (first.last_success, first.since)
    await watchdog.check()
    third = status_of(member)
    assert third.last_success == clock.wall
    assert third.restarts_left == Budget().limit


def test_a_server_that_is_not_watched(client: Parakeet) -> None:
    """It is neither well nor unwell."""
    now = status_of(PoolMember(PARAKEET, client.transport.base_url, client))
    assert (now.watched, now.state, now.restarts_left) == (False, State.UNKNOWN, None)
