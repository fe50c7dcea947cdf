"""The record of restarts on the disk: never lost by a crash in the wrong moment, never taken for fresh."""

from pathlib import Path

import pytest
from homeassistant.core import CoreState, HomeAssistant

from custom_components.spark_audio.stored import StoredAttempts
from tests.fakes.server import FakeServer
from tests.helpers.integration.watched import (
    HEALTH,
    load,
    until,
    watched_entry,
)

pytestmark = pytest.mark.usefixtures("assist", "watched", "disk")


class TestRecord:
    def store(self, hass: HomeAssistant) -> StoredAttempts:
        """A record."""
        return StoredAttempts(hass, "entry", "parakeet")

    def path(self, hass: HomeAssistant) -> Path:
        """Where it lies."""
        return Path(hass.config.path(".storage", "spark_audio.entry.parakeet"))

    async def test_it_is_what_was_saved(self, hass: HomeAssistant) -> None:
        """For the next Home Assistant as well."""
        assert await self.store(hass).load() == ()
        await self.store(hass).save((1.5, 2.25))
        assert await self.store(hass).load() == (1.5, 2.25)
        assert self.path(hass).stat().st_mode & 0o077 == 0

    @pytest.mark.parametrize(
        "content", ["", "{", "null", '{"version": 1, "key": "k", "data": {"restarts": ["soon"]}}'], ids=repr
    )
    async def test_a_damaged_one_is_said_to_be(self, hass: HomeAssistant, content: str) -> None:
        """The watchdog takes it for a spent budget, never for a fresh one."""
        self.path(hass).parent.mkdir(exist_ok=True)
        self.path(hass).write_text(content)
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
            await store.save((1.0,))

    async def test_nothing_is_restarted_while_home_assistant_stops(self, hass: HomeAssistant) -> None:
        """It writes only later then, and later may be never."""
        store = self.store(hass)
        await store.load()
        hass.set_state(CoreState.stopping)
        with pytest.raises(OSError, match="cannot be written"):
            await store.save((1.0,))
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
