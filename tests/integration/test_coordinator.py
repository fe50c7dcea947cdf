"""What is kept of a Spark that was well once: its voices; and what a refused key leads to."""

import time

import pytest
from aiohttp import ClientSession
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spark_audio import coordinator as module
from custom_components.spark_audio.spark_engine.healing.proxy_client import ProxyClient
from custom_components.spark_audio.spark_engine.servers.transport import Transport
from tests.fakes import server as fake
from tests.fakes.magpie import LIST_VOICES, SYNTHESIZE_ONLINE, nemo_speech
from tests.fakes.server import FakeServer, running
from tests.helpers.integration.pipeline import TTS
from tests.helpers.integration.set_up import set_up, state_of
from tests.helpers.integration.watched import (
    BROKEN,
    CHECK,
    HEALTH,
    HEAR,
    KEY,
    load,
    press,
    watched_entry,
)

pytestmark = pytest.mark.usefixtures("assist")


class InAQuarterOfAnHour:
    """The clock of the coordinator, when the voices are to be listed again."""

    time = staticmethod(time.time)

    @staticmethod
    def monotonic() -> float:
        """Return seconds that only ever go on."""
        return time.monotonic() + module.VOICES_EVERY + 1


class TestVoices:
    """The last good list is kept, and looked at again now and then."""

    async def test_voices_survive_a_restart(self, hass: HomeAssistant, magpie: FakeServer) -> None:
        """Home Assistant starts while the box reboots: the engine is there, with its voices."""
        entry = await load(hass, watched_entry(None, magpie.url))
        before = entry.runtime_data.magpie
        magpie.answers["GET", LIST_VOICES] = fake.json({"detail": "initializing"}, status=503)
        assert await hass.config_entries.async_reload(entry.entry_id)
        await hass.async_block_till_done()
        assert hass.states.async_entity_ids("tts") == [TTS]
        assert entry.runtime_data.magpie == before
        assert before is not None

    async def test_the_server_survives_a_restart(self, hass: HomeAssistant, socket_enabled: None) -> None:
        """Its dialect, its model, and its version."""
        async with running(nemo_speech()) as server:
            entry = await load(hass, watched_entry(None, server.url))
            before = entry.runtime_data.magpie
            assert before.version == "0.1.0"
            server.answers = dict.fromkeys(server.answers, fake.json({"detail": "initializing"}, status=503))
            assert await hass.config_entries.async_reload(entry.entry_id)
            assert entry.runtime_data.magpie == before

    async def test_an_empty_list_changes_nothing(self, hass: HomeAssistant, magpie: FakeServer) -> None:
        """A NIM lists no voices while its model is loading."""
        entry = await load(hass, watched_entry(None, magpie.url))
        before = entry.runtime_data.magpie
        magpie.answers["GET", LIST_VOICES] = fake.json({})
        assert await hass.config_entries.async_reload(entry.entry_id)
        assert entry.runtime_data.magpie == before

    async def test_a_record_of_another_kind_is_none(
        self, hass: HomeAssistant, magpie: FakeServer, hass_storage: dict[str, object]
    ) -> None:
        """A record that cannot be read is asked for again."""
        entry = watched_entry(None, magpie.url)
        key = f"spark_audio.{entry.entry_id}.known"
        hass_storage[key] = {"version": 1, "key": key, "data": {"services": 5}}
        await load(hass, entry)
        assert len(entry.runtime_data.magpie.voices) > 0

    async def test_the_key_is_refused(self, hass: HomeAssistant, magpie: FakeServer) -> None:
        """Direct servers have keys, too."""
        magpie.answers["GET", LIST_VOICES] = fake.json({"detail": "no"}, status=401)
        entry = watched_entry(None, magpie.url)
        assert not await set_up(hass, entry)
        assert entry.state is ConfigEntryState.SETUP_ERROR
        assert len(list(entry.async_get_active_flows(hass, {"reauth"}))) == 1

    async def look(self, hass: HomeAssistant, entry: MockConfigEntry) -> None:
        """A canary, and what the coordinator does about it."""
        await press(hass, "button.magpie_check_now")
        await hass.async_block_till_done(wait_background_tasks=True)

    async def test_new_voices_are_found(
        self, hass: HomeAssistant, magpie: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While Magpie is healthy; the next speech knows them, and so do the listeners."""
        entry = await load(hass, watched_entry(None, magpie.url))
        await self.look(hass, entry)
        magpie.answers["GET", LIST_VOICES] = fake.json({"en-US": {"voices": [NEWCOMER]}})
        asked = len(magpie.asked)
        await entry.runtime_data.async_refresh()
        await hass.async_block_till_done(wait_background_tasks=True)
        assert len(magpie.asked) == asked, "a quarter of an hour has not gone by"

        monkeypatch.setattr(module, "time", InAQuarterOfAnHour)
        told: list[list[str]] = []
        coordinator = entry.runtime_data
        stop = coordinator.async_add_listener(lambda: told.append(names(entry)))
        await coordinator.async_refresh()
        await hass.async_block_till_done(wait_background_tasks=True)
        stop()
        assert told[-1] == [NEWCOMER]
        assert [voice.name for voice in await entry.runtime_data.spark.magpie.voices()] == [NEWCOMER]

    async def test_voices_are_listed_after_a_recovery(self, hass: HomeAssistant, magpie: FakeServer) -> None:
        """Another image may have been started: its voices do not wait for the next quarter of an hour."""
        speak = magpie.answers["POST", SYNTHESIZE_ONLINE]
        entry = await load(hass, watched_entry(None, magpie.url))
        await self.look(hass, entry)
        magpie.answers["POST", SYNTHESIZE_ONLINE] = BROKEN
        await self.look(hass, entry)
        assert state_of(hass, "sensor.magpie_health") == "suspect"
        magpie.answers["POST", SYNTHESIZE_ONLINE] = speak
        magpie.answers["GET", LIST_VOICES] = fake.json({"en-US": {"voices": [NEWCOMER]}})
        await self.look(hass, entry)
        assert state_of(hass, "sensor.magpie_health") == "healthy"
        assert names(entry) == [NEWCOMER]

    @pytest.mark.parametrize(
        ("answer", "reauth"),
        [(fake.json({}), 0), (fake.text("no", status=500), 0), (fake.json({}, status=401), 1)],
        ids=["none", "500", "401"],
    )
    async def test_a_bad_list_changes_nothing(
        self, hass: HomeAssistant, magpie: FakeServer, answer: fake.Handler, reauth: int
    ) -> None:
        """A restarting service cannot empty a list of voices. A refused key is asked for again."""
        entry = await load(hass, watched_entry(None, magpie.url))
        before = entry.runtime_data.magpie
        magpie.answers["GET", LIST_VOICES] = answer
        await self.look(hass, entry)
        assert state_of(hass, "sensor.magpie_health") == "healthy"
        assert entry.runtime_data.magpie is before
        assert len(list(entry.async_get_active_flows(hass, {"reauth"}))) == reauth


NEWCOMER = "Magpie-Multilingual.EN-US.Newcomer"


def names(entry: MockConfigEntry) -> list[str]:
    """The voices that are known."""
    return [voice.name for voice in entry.runtime_data.magpie.voices]


class TestRefusedCanaries:
    """A canary that is refused shows nothing about the service, but something about the key."""

    @pytest.mark.parametrize(("status", "reauth"), [(401, 1), (400, 0), (429, 0)])
    async def test_a_refused_key_is_asked_for(
        self, hass: HomeAssistant, parakeet: FakeServer, status: int, reauth: int
    ) -> None:
        """Even where the lists need no key, and before any speech."""
        parakeet.answers[HEAR] = fake.json({"detail": "no"}, status=status)
        entry = await load(hass, watched_entry(parakeet.url))
        await press(hass, CHECK)
        await hass.async_block_till_done(wait_background_tasks=True)
        assert len(list(entry.async_get_active_flows(hass, {"reauth"}))) == reauth
        assert state_of(hass, HEALTH) == "unknown"

    async def test_a_key_that_magpie_refuses(self, hass: HomeAssistant, magpie: FakeServer) -> None:
        """The same for the other service, once, however often it is looked at; nothing more than the canary is sent."""
        magpie.answers["POST", SYNTHESIZE_ONLINE] = fake.json({"detail": "no"}, status=403)
        entry = await load(hass, watched_entry(None, magpie.url))
        await press(hass, "button.magpie_check_now")
        for _ in range(2):
            await entry.runtime_data.async_refresh()
            await hass.async_block_till_done(wait_background_tasks=True)
        assert len(magpie.posts(SYNTHESIZE_ONLINE)) == 1
        assert len(list(entry.async_get_active_flows(hass, {"reauth"}))) == 1


async def test_a_remote_shows_no_key() -> None:
    async with ClientSession() as session:
        transport = Transport(session, "http://127.0.0.1:1/v1", KEY)
        assert repr(ProxyClient(transport)) == "ProxyClient(http://127.0.0.1:1)"
