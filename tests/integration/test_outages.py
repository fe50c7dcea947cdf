"""What is neither well nor wedged: a box that is off, a full GPU, another server, a model that sleeps."""

import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spark_audio.outages import LONG
from custom_components.spark_audio.spark_engine.errors import OutOfMemory, WrongServer
from custom_components.spark_audio.spark_engine.healing.canary import ParakeetCheck
from custom_components.spark_audio.spark_engine.healing.health import Observation, observed
from custom_components.spark_audio.spark_engine.servers.parakeet import Parakeet
from custom_components.spark_audio.spark_engine.speech.audio import silence
from tests.fakes import faults
from tests.fakes import server as fake
from tests.fakes.server import FakeServer
from tests.helpers.integration.docker_api import docker, restarts
from tests.helpers.integration.issues import issues, said
from tests.helpers.integration.set_up import answered_before, state_of
from tests.helpers.integration.watched import (
    CHECK,
    HEALTH,
    HEAR,
    INCIDENT,
    STATUS,
    fake_proxy,
    incidents,
    load,
    press,
    proxy_entry,
    service,
    status,
    until,
    watched_entry,
)

pytestmark = pytest.mark.usefixtures("assist", "watched", "disk", "repairs", "socket_enabled")

OUT_OF_MEMORY = fake.json({"detail": "CUDA out of memory. Tried to allocate 20.00 MiB."}, status=500)


@pytest.fixture
async def proxy() -> AsyncGenerator[FakeServer]:
    """A proxy whose two services are well."""
    async with fake_proxy() as server:
        yield server


def ago(seconds: float) -> str:
    """Return that moment, as the proxy writes it."""
    return datetime.fromtimestamp(time.time() - seconds, UTC).isoformat()


async def later(hass: HomeAssistant, entry: MockConfigEntry, freezer: FrozenDateTimeFactory, seconds: float) -> None:
    """Let that time pass, and look again twice."""
    freezer.tick(seconds)
    for _ in range(2):
        await entry.runtime_data.async_refresh()
        await hass.async_block_till_done()


class TestUnreachable:
    """A box that is off is told of once that is long: one incident, one repair, both end with it."""

    async def test_watched_from_here(self, hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
        url = faults.refused()
        entry = await load(hass, await answered_before(hass, watched_entry(url)))
        await until(hass, HEALTH, "unreachable")
        told = incidents(hass)
        await later(hass, entry, freezer, LONG - 1)
        assert (told, issues(hass)) == ([], [])
        await later(hass, entry, freezer, 2)
        await later(hass, entry, freezer, 3600)
        assert (told, issues(hass)) == (["unreachable"], ["unreachable"])
        assert said(hass, "unreachable")["url"] == f"`{url}`"
        state = hass.states.get(INCIDENT)
        assert state is not None
        assert state.attributes["evidence"].startswith("No connection to 127.0.0.1")

    async def test_it_comes_back(
        self, hass: HomeAssistant, parakeet: FakeServer, freezer: FrozenDateTimeFactory
    ) -> None:
        entry = await load(hass, await answered_before(hass, watched_entry(faults.refused())))
        await until(hass, HEALTH, "unreachable")
        told = incidents(hass)
        await later(hass, entry, freezer, LONG)
        assert issues(hass) == ["unreachable"]
        [member] = entry.runtime_data.spark.members
        member.client.transport.base_url = parakeet.url
        await press(hass, CHECK)
        assert state_of(hass, HEALTH) == "healthy"
        assert (told, issues(hass)) == (["unreachable", "recovered"], [])

    async def test_the_proxy_tells(self, hass: HomeAssistant, proxy: FakeServer) -> None:
        """Its own clock counts since when."""
        entry = await load(hass, proxy_entry(proxy.url))
        told = incidents(hass)
        for seconds, found in ((LONG - 60, []), (LONG + 60, ["unreachable"])):
            proxy.answers[STATUS] = status(service("parakeet", "unreachable", since=ago(seconds)), service("magpie"))
            await entry.runtime_data.async_refresh()
            assert (told, issues(hass)) == (found, found)
        assert said(hass, "unreachable")["url"] == "`http://192.0.2.1/parakeet`"
        proxy.answers[STATUS] = status(service("parakeet"), service("magpie"))
        await entry.runtime_data.async_refresh()
        assert (told, issues(hass)) == (["unreachable", "recovered"], [])

    async def test_the_proxy_itself_is_away(
        self, hass: HomeAssistant, proxy: FakeServer, freezer: FrozenDateTimeFactory
    ) -> None:
        """Its address is named, and its return ends the outage although no state has changed there."""
        entry = await load(hass, proxy_entry(proxy.url))
        told, well = incidents(hass), proxy.answers[STATUS]
        proxy.answers[STATUS] = fake.text("Bad Gateway", status=502)
        await later(hass, entry, freezer, 1)
        assert (state_of(hass, HEALTH), told, issues(hass)) == ("unreachable", [], [])
        await later(hass, entry, freezer, LONG)
        assert (told, issues(hass)) == (["unreachable"], ["unreachable", "unreachable"])
        registry = {said(hass, "unreachable", name)["url"] for name in ("Parakeet", "Magpie")}
        assert registry == {f"`{proxy.url}`"}
        proxy.answers[STATUS] = well
        await later(hass, entry, freezer, 1)
        assert (told, issues(hass)) == (["unreachable", "recovered"], [])


class TestOutOfMemory:
    """Something else took the GPU's memory."""

    async def test_it_is_told_and_nothing_is_restarted(
        self, hass: HomeAssistant, parakeet: FakeServer, api: FakeServer
    ) -> None:
        """Callers are told, too; it recovers by itself."""
        entry = await load(hass, watched_entry(parakeet.url, **docker(api)))
        await until(hass, HEALTH, "healthy")
        told, well = incidents(hass), parakeet.answers[HEAR]
        parakeet.answers[HEAR] = OUT_OF_MEMORY
        await until(hass, HEALTH, "out_of_memory")
        with pytest.raises(OutOfMemory, match="another program has taken it"):
            await entry.runtime_data.spark.parakeet.transcribe(silence(1, 16_000), language="en")
        await press(hass, CHECK)
        assert (state_of(hass, HEALTH), restarts(api)) == ("out_of_memory", [])
        parakeet.answers[HEAR] = well
        await until(hass, HEALTH, "healthy")
        await hass.async_block_till_done()
        assert told == ["out_of_memory", "recovered"]

    async def test_the_repair(self, hass: HomeAssistant, proxy: FakeServer) -> None:
        """After ten minutes: what passes needs no one."""
        entry = await load(hass, proxy_entry(proxy.url))
        reason = "The server has no GPU memory left (500): CUDA out of memory."
        for seconds, found in ((LONG - 60, []), (LONG + 60, ["out_of_memory"])):
            full = service("parakeet", "out_of_memory", since=ago(seconds), evidence=reason)
            proxy.answers[STATUS] = status(full, service("magpie"))
            await entry.runtime_data.async_refresh()
            assert issues(hass) == found
        assert said(hass, "out_of_memory")["reason"] == reason
        proxy.answers[STATUS] = status(service("parakeet"), service("magpie"))
        await entry.runtime_data.async_refresh()
        assert issues(hass) == []

    async def test_the_repair_of_what_is_watched_from_here(
        self, hass: HomeAssistant, parakeet: FakeServer, freezer: FrozenDateTimeFactory
    ) -> None:
        parakeet.answers[HEAR] = OUT_OF_MEMORY
        entry = await load(hass, watched_entry(parakeet.url))
        await until(hass, HEALTH, "out_of_memory")
        await later(hass, entry, freezer, LONG + 1)
        assert issues(hass) == ["out_of_memory"]
        assert "CUDA out of memory" in said(hass, "out_of_memory")["reason"]


class TestWrongServer:
    """Another server answers: said at once, named as what it is, and nothing is restarted."""

    NAMED = "This is a Magpie, no Parakeet: the two URLs may be swapped."

    async def test_watched_from_here(
        self, hass: HomeAssistant, parakeet: FakeServer, api: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wrong = True
        real = ParakeetCheck.canary

        async def canary(check: ParakeetCheck, language: str | None) -> Observation:
            return observed(WrongServer(self.NAMED), canary=True) if wrong else await real(check, language)

        monkeypatch.setattr(ParakeetCheck, "canary", canary)
        told = incidents(hass)
        entry = await load(hass, watched_entry(parakeet.url, **docker(api)))
        await until(hass, HEALTH, "wrong_server")
        await hass.async_block_till_done()
        assert (told, issues(hass)) == (["wrong_server"], ["wrong_server"])
        assert said(hass, "wrong_server") == {
            "service": "Parakeet",
            "title": "127.0.0.1",
            "url": f"`{parakeet.url}`",
            "reason": self.NAMED,
        }
        with pytest.raises(WrongServer, match="This is a Magpie"):
            await entry.runtime_data.spark.parakeet.transcribe(silence(1, 16_000), language="en")
        await press(hass, CHECK)
        assert (state_of(hass, HEALTH), restarts(api)) == ("wrong_server", [])
        wrong = False
        await until(hass, HEALTH, "healthy")
        await hass.async_block_till_done()
        assert (told, issues(hass)) == (["wrong_server", "recovered"], [])

    async def test_the_proxy_tells(self, hass: HomeAssistant, proxy: FakeServer) -> None:
        entry = await load(hass, proxy_entry(proxy.url))
        proxy.answers[STATUS] = status(service("parakeet", "wrong_server", evidence=self.NAMED), service("magpie"))
        await entry.runtime_data.async_refresh()
        assert said(hass, "wrong_server")["reason"] == self.NAMED
        proxy.answers[STATUS] = status(service("parakeet"), service("magpie"))
        await entry.runtime_data.async_refresh()
        assert issues(hass) == []


class TestAsleep:
    """The server has unloaded its model: a canary asks for that first, and loads it only where people want that."""

    async def test_a_canary_does_not_wake_it(
        self, hass: HomeAssistant, parakeet: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A command does, and ends the sleep."""
        monkeypatch.setattr(Parakeet, "is_asleep", _is_asleep)
        entry = await load(hass, watched_entry(parakeet.url))
        await until(hass, HEALTH, "asleep")
        await press(hass, CHECK)
        assert (state_of(hass, HEALTH), parakeet.posts(HEAR[1])) == ("asleep", [])
        state = hass.states.get(HEALTH)
        assert state is not None
        assert state.attributes["evidence"] == "The server has unloaded its model."
        await entry.runtime_data.spark.parakeet.transcribe(silence(1, 16_000), language="en")
        assert state_of(hass, HEALTH) == "healthy"
        assert issues(hass) == []
        assert state_of(hass, INCIDENT) == "unknown"

    async def test_it_is_kept_warm(
        self, hass: HomeAssistant, parakeet: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Parakeet, "is_asleep", _is_asleep)
        await load(hass, watched_entry(parakeet.url, keep_warm=True))
        await until(hass, HEALTH, "healthy")
        assert len(parakeet.posts(HEAR[1])) >= 1


async def _is_asleep(_: Parakeet) -> bool:
    return True
