"""A Spark behind the proxy: what it sees is shown, and what is asked of it is passed on."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity import Entity
from homeassistant.util.dt import parse_datetime
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.spark_audio.coordinator import POLL
from custom_components.spark_audio.proxy_coordinator import FAST_POLL
from custom_components.spark_audio.spark_engine.healing.health import Outcome
from custom_components.spark_audio.spark_engine.speech.audio import silence
from tests.fakes import server as fake
from tests.fakes.server import FakeServer, running
from tests.helpers.integration.docker_api import healing
from tests.helpers.integration.hearing import warnings
from tests.helpers.integration.pipeline import STT, TTS
from tests.helpers.integration.set_up import set_up, state_of
from tests.helpers.integration.watched import (
    BROKEN,
    CHECK,
    HEALTH,
    HEAR,
    KEY,
    MAGPIE,
    MOMENT,
    PARAKEET,
    RESTART,
    STATUS,
    fake_proxy,
    incidents,
    load,
    press,
    proxy_entry,
    real_proxy,
    service,
    status,
    until,
)

pytestmark = pytest.mark.usefixtures("assist")


@pytest.fixture
async def proxy(socket_enabled: None) -> AsyncGenerator[FakeServer]:
    """A proxy whose two services are well."""
    async with fake_proxy() as server:
        yield server


async def poll(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """The next look at the proxy."""
    await entry.runtime_data.async_refresh()
    await hass.async_block_till_done(wait_background_tasks=True)


class TestThroughTheProxy:
    """Home Assistant shows what the proxy sees."""

    async def test_what_the_proxy_sees(self, hass: HomeAssistant, proxy: FakeServer) -> None:
        """The same entities as in direct mode, the key in every request."""
        await load(hass, proxy_entry(proxy.url))
        assert state_of(hass, HEALTH) == "healthy"
        assert set(hass.states.async_entity_ids(["stt", "tts"])) == {STT, TTS}
        assert state_of(hass, "sensor.parakeet_restarts_left") == "3"
        assert {asked.headers.get("Authorization") for asked in proxy.asked} == {f"Bearer {KEY}"}

    async def test_it_looks_more_often_while_something_is_wrong(
        self, hass: HomeAssistant, proxy: FakeServer, freezer: FrozenDateTimeFactory
    ) -> None:
        """30 s while all is well, 5 s while not, and back."""
        entry = await load(hass, proxy_entry(proxy.url))
        coordinator = entry.runtime_data
        assert coordinator.update_interval == POLL == timedelta(seconds=30)
        proxy.answers[STATUS] = status(service("parakeet", "suspect"), service("magpie"))
        freezer.tick(POLL + timedelta(seconds=1))
        async_fire_time_changed(hass)
        await until(hass, HEALTH, "suspect")
        assert coordinator.update_interval == FAST_POLL == timedelta(seconds=5)
        proxy.answers[STATUS] = status(service("parakeet"), service("magpie"))
        freezer.tick(FAST_POLL + timedelta(seconds=1))
        async_fire_time_changed(hass)
        await until(hass, HEALTH, "healthy")
        assert coordinator.update_interval == POLL

    async def test_an_unwatched_service(self, hass: HomeAssistant, proxy: FakeServer) -> None:
        """`SPARK_AUDIO_WATCH=off`: no state, no button, and the usual polling interval."""
        bare: dict[str, object] = {"name": "parakeet", "url": "http://192.0.2.1", "server": None}
        proxy.answers[STATUS] = status(bare)
        entry = await load(hass, proxy_entry(proxy.url))
        assert state_of(hass, HEALTH) == "unknown"
        assert hass.states.async_entity_ids("button") == []
        assert hass.states.async_entity_ids("tts") == []
        assert entry.runtime_data.update_interval == POLL

    async def test_several_servers_of_one_service(self, hass: HomeAssistant, proxy: FakeServer) -> None:
        """Each has a device of its own; one that this version does not know is left out."""
        unknown = service("cockatoo")
        proxy.answers[STATUS] = status(service("parakeet"), service("parakeet-2", "wedged"), unknown)
        await load(hass, proxy_entry(proxy.url))
        assert state_of(hass, "sensor.parakeet_2_health") == "wedged"
        assert hass.states.async_entity_ids("stt") == [STT]
        assert not [entity_id for entity_id in hass.states.async_entity_ids("sensor") if "cockatoo" in entity_id]

    async def test_other_settings_of_the_proxy(self, hass: HomeAssistant, proxy: FakeServer) -> None:
        """A server that is new, and one that can be restarted no more: entities follow."""
        entry = await load(hass, proxy_entry(proxy.url))
        proxy.answers[STATUS] = status(
            service("parakeet", restart_target=None), service("parakeet-2"), service("magpie")
        )
        await poll(hass, entry)
        assert state_of(hass, "sensor.parakeet_2_health") == "healthy"
        assert hass.states.get(RESTART) is None
        proxy.answers[STATUS] = status(service("parakeet"))
        await poll(hass, entry)
        assert hass.states.get("sensor.parakeet_2_health") is None
        assert hass.states.get(TTS) is None
        assert state_of(hass, RESTART) == "unknown"

    async def test_events_of_the_proxy(self, hass: HomeAssistant, proxy: FakeServer) -> None:
        """What happened between two looks is told in its order; what happened before the first is history."""
        change = {"from": "healthy", "evidence": "CUDA error"}
        old = {"at": "2026-11-22T11:00:00.000+00:00", **change, "to": "wedged"}
        proxy.answers[STATUS] = status(service("parakeet", history=[old]))
        entry = await load(hass, proxy_entry(proxy.url))
        told = incidents(hass)
        states = ("wedged", "restarting", "starting", "healthy")
        new = [
            {"at": f"2026-11-22T12:00:0{second}.000+00:00", **change, "to": state}
            for second, state in enumerate(states)
        ]
        proxy.answers[STATUS] = status(service("parakeet", history=[old, *new]))
        await poll(hass, entry)
        assert told == ["wedged", "restart_requested", "recovered"]
        # A proxy that was restarted has forgotten the past, and given up since.
        proxy.answers[STATUS] = status(service("parakeet", history=[{**old, "to": "gave_up"}]))
        await poll(hass, entry)
        assert told[3:] == ["gave_up"]

    async def test_the_last_success(self, hass: HomeAssistant, proxy: FakeServer) -> None:
        """The proxy tells it, whatever the last canary showed."""
        entry = await load(hass, proxy_entry(proxy.url))
        failed = {"at": "2026-11-22T12:05:00+00:00", "latency": 1.0, "outcome": "unauthorized", "detail": "no"}
        success = "2026-11-22T12:03:00.500+00:00"
        proxy.answers[STATUS] = status(
            service("parakeet", "suspect", last_canary=failed, last_success=success),
            service("magpie", last_success=None),
        )
        await poll(hass, entry)
        now = entry.runtime_data.data
        assert now[PARAKEET].last_success == datetime.fromisoformat(success).timestamp()
        assert now[PARAKEET].last_canary.observation.outcome is Outcome.UNAUTHORIZED
        assert now[MAGPIE].last_success is None

    async def test_the_id_is_learned(self, hass: HomeAssistant, proxy: FakeServer) -> None:
        """From a proxy that told none when it was added; the first one stays."""
        entry = await load(hass, proxy_entry(proxy.url))
        assert entry.unique_id is None
        for told in ("1234", "5678"):
            proxy.answers[STATUS] = status(service("parakeet"), proxy_id=told)
            assert await hass.config_entries.async_reload(entry.entry_id)
            assert entry.unique_id == "1234"

    async def test_an_id_that_another_entry_has(self, hass: HomeAssistant, proxy: FakeServer) -> None:
        """Two entries for one proxy, from before it told its id: both go on working."""
        MockConfigEntry(domain="spark_audio", unique_id="1234").add_to_hass(hass)
        proxy.answers[STATUS] = status(service("parakeet"), proxy_id="1234")
        entry = await load(hass, proxy_entry(proxy.url))
        assert entry.unique_id is None

    async def test_the_proxy_goes_and_comes_back(
        self, hass: HomeAssistant, proxy: FakeServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Health says so; the rest is unknown; one line in the log for each."""
        entry = await load(hass, proxy_entry(proxy.url))
        caplog.clear()
        proxy.answers[STATUS] = fake.text("Bad Gateway", status=502)
        for _ in range(3):
            await poll(hass, entry)
        state = hass.states.get(HEALTH)
        assert state
        assert (state.state, state.attributes["evidence"]) == ("unreachable", "The server failed (502): Bad Gateway")
        assert state_of(hass, "sensor.parakeet_restarts_left") == STATE_UNAVAILABLE
        assert state_of(hass, RESTART) == STATE_UNAVAILABLE
        [line] = warnings(caplog)
        assert "The proxy does not answer as expected (Bad Gateway)" in line.getMessage()
        proxy.answers[STATUS] = status(service("parakeet"), service("magpie"))
        await poll(hass, entry)
        assert state_of(hass, HEALTH) == "healthy"
        assert state_of(hass, "sensor.parakeet_restarts_left") == "3"

    @pytest.mark.parametrize(
        ("answer", "key"),
        [
            (fake.text("Bad Gateway", status=502), "proxy_away"),
            (fake.json({"services": []}), "proxy_away"),
            (status(), "proxy_serves_nothing"),
        ],
        ids=["502", "another document", "no service"],
    )
    async def test_a_proxy_that_never_answered(
        self, hass: HomeAssistant, proxy: FakeServer, answer: fake.Handler, key: str
    ) -> None:
        proxy.answers[STATUS] = answer
        entry = proxy_entry(proxy.url)
        assert not await set_up(hass, entry)
        assert entry.state is ConfigEntryState.SETUP_RETRY
        assert entry.error_reason_translation_key == key

    async def test_a_proxy_that_answered_once(self, hass: HomeAssistant, proxy: FakeServer) -> None:
        """Pipelines keep their engines while it is away; health shows why nothing works."""
        entry = await load(hass, proxy_entry(proxy.url))
        well = dict(proxy.answers)
        proxy.answers.clear()
        assert await hass.config_entries.async_reload(entry.entry_id)
        await hass.async_block_till_done()
        assert set(hass.states.async_entity_ids(["stt", "tts"])) == {STT, TTS}
        assert state_of(hass, HEALTH) == "unreachable"
        assert hass.states.get(RESTART) is not None
        proxy.answers.update(well)
        await poll(hass, entry)
        assert state_of(hass, HEALTH) == "healthy"

    async def test_the_key_is_refused_at_set_up(self, hass: HomeAssistant, proxy: FakeServer) -> None:
        proxy.answers[STATUS] = fake.json({"error": {"message": "Incorrect API key provided."}}, status=401)
        entry = proxy_entry(proxy.url)
        assert not await set_up(hass, entry)
        assert entry.state is ConfigEntryState.SETUP_ERROR
        assert entry.error_reason_translation_key == "proxy_unauthorized"
        assert len(list(entry.async_get_active_flows(hass, {"reauth"}))) == 1

    async def test_the_key_is_refused_later(self, hass: HomeAssistant, proxy: FakeServer) -> None:
        entry = await load(hass, proxy_entry(proxy.url))
        proxy.answers[STATUS] = fake.json({"error": {"message": "Incorrect API key provided."}}, status=401)
        await poll(hass, entry)
        assert state_of(hass, HEALTH) == "unknown"
        assert len(list(entry.async_get_active_flows(hass, {"reauth"}))) == 1

    @pytest.mark.parametrize(
        "change",
        [
            {"state": 7},
            {"since": "yesterday"},
            {"since": 5},
            {"restarts": None},
            {"restarts_left": True},
            {"last_canary": {"at": MOMENT}},
            {"last_success": 5},
            {"history": ["wedged"]},
        ],
        ids=str,
    )
    async def test_a_status_that_makes_no_sense(
        self, hass: HomeAssistant, proxy: FakeServer, change: dict[str, object]
    ) -> None:
        """Another program's, or a version from far away: said in words, no traceback."""
        proxy.answers[STATUS] = status(service("parakeet") | change)
        entry = proxy_entry(proxy.url)
        assert not await set_up(hass, entry)
        assert entry.reason is not None
        assert "is this a Spark Audio proxy?" in entry.reason


def moment_of(state: str) -> float:
    """The moment that a sensor shows, in seconds since 1970."""
    moment = parse_datetime(state)
    assert moment is not None
    return moment.timestamp()


@pytest.mark.slow
class TestTheRealProxy:
    """Against the proxy itself, in a process of its own."""

    async def test_when_it_last_worked(self, hass: HomeAssistant, parakeet: FakeServer, tmp_path: Path) -> None:
        """A canary counts, and so does any request to the proxy; a failure changes nothing."""
        async with real_proxy(tmp_path, parakeet_url=parakeet.url, canary_interval="1000") as url:
            with patch.object(Entity, "entity_registry_enabled_default", True):
                entry = await load(hass, proxy_entry(url))
            coordinator, sensor = entry.runtime_data, "sensor.parakeet_last_success"
            await press(hass, CHECK)
            by_canary = coordinator.data[PARAKEET].last_success
            assert moment_of(state_of(hass, sensor)) == int(by_canary)
            await entry.runtime_data.spark.parakeet.transcribe(silence(1, 16_000), language="en")
            await poll(hass, entry)
            by_request = coordinator.data[PARAKEET].last_success
            assert by_request > by_canary
            parakeet.answers[HEAR] = BROKEN
            await press(hass, CHECK)
            now = coordinator.data[PARAKEET]
            assert (now.state, now.last_success) == ("suspect", by_request)
            assert now.last_canary.at > by_request
            assert moment_of(state_of(hass, sensor)) == int(by_request)
            assert await hass.config_entries.async_unload(entry.entry_id)

    async def test_a_wedge_from_beginning_to_end(
        self, hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer, tmp_path: Path
    ) -> None:
        """It notices, restarts and recovers; Home Assistant shows each step and can ask for any."""
        async with AsyncExitStack() as stack:
            hook = await stack.enter_async_context(running(healing(parakeet)))
            url = await stack.enter_async_context(
                real_proxy(
                    tmp_path,
                    parakeet_url=parakeet.url,
                    magpie_url=magpie.url,
                    parakeet_restart_url=f"{hook.url}/restart",
                )
            )
            entry = await load(hass, proxy_entry(url))
            told = incidents(hass)
            await press(hass, CHECK)
            assert state_of(hass, HEALTH) == "healthy"
            assert hass.states.get("button.magpie_restart") is None

            parakeet.answers[HEAR] = BROKEN
            await press(hass, CHECK)
            assert state_of(hass, HEALTH) == "suspect"
            await press(hass, CHECK)
            assert state_of(hass, HEALTH) in ("wedged", "restarting")
            while parakeet.answers[HEAR] is BROKEN:
                await press(hass, CHECK)
            await press(hass, CHECK)
            assert state_of(hass, HEALTH) == "healthy"
            assert told == ["wedged", "restart_requested", "recovered"]
            assert state_of(hass, "sensor.parakeet_restarts_left") == "2"
            assert len(hook.asked) == 1

            await press(hass, RESTART)
            await press(hass, CHECK)
            assert told[3:] == ["restart_requested", "recovered"]
            assert len(hook.asked) == 2
            assert await hass.config_entries.async_unload(entry.entry_id)
