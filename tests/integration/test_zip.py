"""What HACS downloads: unpacked into a configuration, Home Assistant runs it as it is."""

import sys
from collections.abc import Generator
from pathlib import Path
from zipfile import ZipFile

import pytest
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant

import custom_components
from release.integration_zip import pack
from tests.fakes.server import FakeServer
from tests.helpers.integration.pipeline import STT, TTS
from tests.helpers.integration.set_up import INTEGRATION, entry_for, set_up

pytestmark = pytest.mark.slow

PACKAGE = "custom_components.spark_audio"


def imported() -> list[str]:
    """The integration's modules that Python has."""
    return [name for name in sys.modules if name == PACKAGE or name.startswith(f"{PACKAGE}.")]


@pytest.fixture
def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """The zip, unpacked as HACS does, in place of the checkout: nothing of that is imported yet, or found any more."""
    folder = tmp_path / "custom_components/spark_audio"
    pack(INTEGRATION.parents[1], tmp_path / "spark_audio.zip")
    ZipFile(tmp_path / "spark_audio.zip").extractall(folder)
    for name in imported():
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(custom_components, "spark_audio")
    monkeypatch.setattr(custom_components, "__path__", [str(folder.parent)])
    yield folder
    for name in imported():
        del sys.modules[name]


@pytest.mark.usefixtures("assist")
async def test_it_is_complete(hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer, unpacked: Path) -> None:
    """Every module that is needed for both engines comes out of the zip, and the entry loads."""
    entry = entry_for(parakeet.url, magpie.url)
    assert await set_up(hass, entry)
    assert entry.state is ConfigEntryState.LOADED
    assert hass.states.get(STT)
    assert hass.states.get(TTS)
    assert len(imported()) > 20
    for name in imported():
        file = sys.modules[name].__file__
        assert file, name
        assert Path(file).is_relative_to(unpacked), name
    assert await hass.config_entries.async_unload(entry.entry_id)
