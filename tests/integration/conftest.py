"""Home Assistant with Spark Audio in it, and the servers it talks to."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

# Before Home Assistant looks for custom integrations: it finds them through this package's path.
import custom_components.spark_audio
from custom_components.spark_audio.spark_engine.spark import Spark
from tests.fakes import magpie as fake_magpie
from tests.fakes import parakeet as fake_parakeet
from tests.fakes.server import FakeServer, running

INTEGRATION = Path(custom_components.spark_audio.__file__).parent


@pytest.fixture(autouse=True)
def integration_found(enable_custom_integrations: None) -> None:
    """Let Home Assistant find custom integrations."""


@pytest.fixture(autouse=True)
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """No canaries: one among the requests would hide what a test is about. Tests of watching put their own here."""

    async def look_away(_: Spark) -> None:
        pass

    monkeypatch.setattr(Spark, "watch", look_away)


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """A folder of its own for each test: speech cached by one must not be found by the next."""
    return hass_tmp_config_dir


@pytest.fixture
async def parakeet(socket_enabled: None) -> AsyncGenerator[FakeServer]:
    """A Parakeet in good health."""
    async with running(fake_parakeet.openai()) as server:
        yield server


@pytest.fixture
async def magpie(socket_enabled: None) -> AsyncGenerator[FakeServer]:
    """A Magpie in good health."""
    async with running(fake_magpie.nim()) as server:
        yield server


@pytest.fixture
async def assist(hass: HomeAssistant) -> None:
    """Everything a pipeline needs but the engines."""
    for component in ("homeassistant", "http", "media_source", "stt", "tts", "conversation", "assist_pipeline"):
        assert await async_setup_component(hass, component, {})


def entry_for(parakeet_url: str | None = None, magpie_url: str | None = None) -> MockConfigEntry:
    """A config entry as the flow stores it."""
    return MockConfigEntry(
        domain="spark_audio", title="127.0.0.1", data={"parakeet_url": parakeet_url, "magpie_url": magpie_url}
    )


async def set_up(hass: HomeAssistant, entry: MockConfigEntry) -> bool:
    """Load the entry; whether it could be loaded."""
    entry.add_to_hass(hass)
    loaded = await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return loaded


def state_of(hass: HomeAssistant, entity_id: str) -> str:
    """The state of an entity that exists."""
    state = hass.states.get(entity_id)
    assert state is not None
    return state.state


@pytest.fixture
async def entry(hass: HomeAssistant, assist: None, parakeet: FakeServer, magpie: FakeServer) -> MockConfigEntry:
    """A Spark with both services, loaded."""
    entry = entry_for(parakeet.url, magpie.url)
    assert await set_up(hass, entry)
    return entry
