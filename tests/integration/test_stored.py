"""The ledger of restarts on the disk: never lost by a crash in the wrong moment, never taken for fresh."""

import json
import time
from pathlib import Path

import pytest
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spark_audio.spark_engine.healing.budget import Ledger
from custom_components.spark_audio.stored import StoredLedger
from tests.fakes.server import FakeServer
from tests.helpers.documents import items
from tests.helpers.integration.docker_api import docker, restarts
from tests.helpers.integration.issues import issues, said
from tests.helpers.integration.watched import (
    BROKEN,
    HEALTH,
    HEAR,
    PARAKEET,
    load,
    until,
    watched_entry,
)

pytestmark = pytest.mark.usefixtures("assist", "watched", "disk")


URL = "http://192.0.2.1:9001"


def write(path: Path, document: dict[str, object]) -> None:
    """Put the document there, as Home Assistant's storage does."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"version": 1, "minor_version": 1, "key": path.name, "data": document}))


class TestLedger:
    """The file in Home Assistant's storage."""

    def store(self, hass: HomeAssistant, url: str = URL) -> StoredLedger:
        """Return the ledger of the Parakeet with that URL."""
        return StoredLedger(hass, "entry", PARAKEET, url)

    def path(self, hass: HomeAssistant) -> Path:
        """Return where it lies."""
        return Path(hass.config.path(".storage", "spark_audio.entry.parakeet"))

    async def test_it_is_what_was_saved(self, hass: HomeAssistant) -> None:
        """For the next Home Assistant as well."""
        assert await self.store(hass).load() == Ledger()
        ledger = Ledger((1.5, 2.25), (30.0,))
        await self.store(hass).save(ledger)
        assert await self.store(hass).load() == ledger
        assert self.path(hass).stat().st_mode & 0o077 == 0

    async def test_restarts_of_another_server_do_not_count(self, hass: HomeAssistant) -> None:
        """The URL was changed: what was restarted before is another machine."""
        await self.store(hass).save(Ledger((1.0, 2.0, 3.0), (30.0,)))
        assert await self.store(hass, "http://192.0.2.2:9001").load() == Ledger()
        assert await self.store(hass).load() == Ledger((1.0, 2.0, 3.0), (30.0,))

    async def test_one_of_an_older_version(self, hass: HomeAssistant) -> None:
        """It has no URL and no recoveries."""
        write(self.path(hass), {"restarts": [1, 2.5]})
        assert await self.store(hass).load() == Ledger((1.0, 2.5))

    @pytest.mark.parametrize("content", ["", "{", "null", "[]", "\0" * 40], ids=repr)
    async def test_a_damaged_file_is_said_to_be(self, hass: HomeAssistant, content: str) -> None:
        """The watchdog takes it for a spent budget, never for a fresh one."""
        self.path(hass).parent.mkdir(exist_ok=True)
        self.path(hass).write_text(content)
        with pytest.raises(ValueError, match=r"spark_audio\.entry\.parakeet"):
            await self.store(hass).load()

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"restarts": ["soon"]},
            {"restarts": [True]},
            {"restarts": 3},
            {"url": URL, "restarts": [1.0], "recoveries": ["30 s"]},
        ],
        ids=str,
    )
    async def test_a_damaged_ledger_is_said_to_be(self, hass: HomeAssistant, document: dict[str, object]) -> None:
        """JSON of another kind is no ledger."""
        write(self.path(hass), document)
        with pytest.raises(ValueError, match=r"spark_audio\.entry\.parakeet"):
            await self.store(hass).load()

    async def test_one_that_cannot_be_read_is_said_to_be(self, hass: HomeAssistant) -> None:
        """Then nothing can be written either."""
        self.path(hass).mkdir(parents=True)
        with pytest.raises(OSError, match=r"spark_audio\.entry\.parakeet cannot be read"):
            await self.store(hass).load()

    async def test_one_that_cannot_be_written_stops_restarts(self, hass: HomeAssistant) -> None:
        """Home Assistant's storage swallows the error; reading back does not."""
        store = self.store(hass)
        await store.load()
        self.path(hass).unlink()
        self.path(hass).mkdir()
        with pytest.raises(OSError, match="cannot be"):
            await store.save(Ledger((1.0,)))

    async def test_nothing_is_restarted_while_home_assistant_stops(self, hass: HomeAssistant) -> None:
        """It writes only later then, and later may be never."""
        store = self.store(hass)
        await store.load()
        hass.set_state(CoreState.stopping)
        with pytest.raises(OSError, match="cannot be written"):
            await store.save(Ledger((1.0,)))
        hass.set_state(CoreState.running)

    async def test_it_goes_with_the_entry(self, hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer) -> None:
        """Nothing is left in Home Assistant's storage."""
        entry = await load(hass, watched_entry(parakeet.url, magpie.url))
        await until(hass, HEALTH, "healthy")
        folder = Path(hass.config.path(".storage"))
        assert sorted(path.name.rpartition(".")[2] for path in folder.glob("spark_audio.*")) == [
            *("known", "magpie", "parakeet")
        ]
        await hass.config_entries.async_remove(entry.entry_id)
        await hass.async_block_till_done()
        assert list(folder.glob("spark_audio.*")) == []


class TestAcrossRestarts:
    """What is on the disk when Home Assistant starts."""

    def path(self, hass: HomeAssistant, entry: MockConfigEntry) -> Path:
        """Return where the ledger of its Parakeet lies."""
        return Path(hass.config.path(".storage", f"spark_audio.{entry.entry_id}.parakeet"))

    def restarts(self, hass: HomeAssistant, entry: MockConfigEntry) -> list[float]:
        """Return the restarts that are on the disk."""
        found = items(json.loads(self.path(hass, entry).read_text()), "data", "restarts")
        return [at for at in found if isinstance(at, float)]

    async def test_a_damaged_ledger_is_a_spent_budget(
        self, hass: HomeAssistant, parakeet: FakeServer, api: FakeServer
    ) -> None:
        """No storm after a power cut; it is written anew, so that the next start is not surprised again."""
        entry = watched_entry(parakeet.url, **docker(api))
        self.path(hass, entry).parent.mkdir(exist_ok=True)
        self.path(hass, entry).write_text("{")
        parakeet.answers[HEAR] = BROKEN
        await load(hass, entry)
        await until(hass, HEALTH, "gave_up")
        assert restarts(api) == []
        assert len(self.restarts(hass, entry)) == 3

    async def test_restarts_in_the_future_were_made_now(
        self, hass: HomeAssistant, parakeet: FakeServer, api: FakeServer
    ) -> None:
        """A clock that was ahead: they count for half an hour, and not until that day comes."""
        entry = watched_entry(parakeet.url, **docker(api))
        future = time.time() + 86_400
        await StoredLedger(hass, entry.entry_id, PARAKEET, parakeet.url).save(Ledger((future, future, future)))
        parakeet.answers[HEAR] = BROKEN
        await load(hass, entry)
        await until(hass, HEALTH, "gave_up")
        assert restarts(api) == []
        assert [at <= time.time() for at in self.restarts(hass, entry)] == [True] * 3

    async def test_a_disk_that_fails_for_a_moment(
        self, hass: HomeAssistant, parakeet: FakeServer, api: FakeServer
    ) -> None:
        """No restart while it cannot be written down, which is said; then it is restarted."""
        await async_setup_component(hass, "repairs", {})
        entry = watched_entry(parakeet.url, **docker(api))
        path = self.path(hass, entry)
        path.parent.mkdir(exist_ok=True)
        # A link to itself: it cannot be read, and a file can take its place in one step.
        path.symlink_to(path)
        parakeet.answers[HEAR] = BROKEN
        await load(hass, entry)
        await until(hass, HEALTH, "wedged")
        await entry.runtime_data.async_refresh()
        assert said(hass, "restart_problem")["reason"].startswith(
            "No restarts: the ledger of restarts cannot be written"
        )
        assert restarts(api) == []
        mended = path.with_suffix(".mended")
        write(mended, {"url": parakeet.url, "restarts": [], "recoveries": []})
        mended.replace(path)
        await until(hass, HEALTH, "restarting")
        await until(hass, HEALTH, "healthy")
        await entry.runtime_data.async_refresh()
        assert issues(hass) == []
        assert (len(restarts(api)), len(self.restarts(hass, entry))) == (1, 1)

    async def test_another_server_starts_with_a_full_budget(
        self, hass: HomeAssistant, parakeet: FakeServer, api: FakeServer
    ) -> None:
        """The URL was changed after another one was restarted three times."""
        entry = watched_entry(parakeet.url, **docker(api))
        now = time.time()
        await StoredLedger(hass, entry.entry_id, PARAKEET, URL).save(Ledger((now - 3, now - 2, now - 1)))
        parakeet.answers[HEAR] = BROKEN
        await load(hass, entry)
        await until(hass, HEALTH, "restarting")
        await until(hass, HEALTH, "healthy")
        assert (len(restarts(api)), len(self.restarts(hass, entry))) == (1, 1)
