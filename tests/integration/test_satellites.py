"""Real satellites' protocols over the loopback: what each does on which event of a turn that this engine ends."""

import pytest
from homeassistant.components import bluetooth
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.spark_audio.spark_engine.healing.canary import canary_clip
from tests.helpers.integration import esphome_device, wyoming_satellite
from tests.helpers.integration.microphone import listen_by_its_clock
from tests.helpers.integration.option_forms import submit
from tests.helpers.integration.pipeline import create_pipeline

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled", "entry", "microphone")

SPOKEN = canary_clip().pcm


@pytest.fixture
def microphone(monkeypatch: pytest.MonkeyPatch) -> None:
    listen_by_its_clock(monkeypatch, [])


@pytest.fixture
async def pipeline(
    hass: HomeAssistant, entry: MockConfigEntry, hass_ws_client: WebSocketGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preferred one hears and speaks with Spark Audio. There is no Bluetooth here."""
    hass.config.components.add("bluetooth")
    monkeypatch.setattr(bluetooth, "async_remove_scanner", lambda *_: None)
    for satellites in ("esphome", "wyoming", "voip"):
        assert await async_setup_component(hass, satellites, {})
    ws = await hass_ws_client()
    preferred = await create_pipeline(ws)
    await ws.send_json_auto_id({"type": "assist_pipeline/pipeline/set_preferred", "pipeline_id": preferred})
    assert (await ws.receive_json())["success"]


@pytest.mark.usefixtures("pipeline")
@pytest.mark.parametrize("setting", ["home_assistant", "balanced", "fast"])
async def test_esphome(hass: HomeAssistant, entry: MockConfigEntry, setting: str) -> None:
    """`STT_VAD_END` stops the microphone, before there are words."""
    await submit(hass, entry, listening={"turn_end": setting})
    async with esphome_device.running() as (device, port):
        data = {"host": "127.0.0.1", "port": port, "password": "", "noise_psk": "", "device_name": "kitchen"}
        added = MockConfigEntry(domain="esphome", data=data, unique_id=esphome_device.MAC)
        added.add_to_hass(hass)
        assert await hass.config_entries.async_setup(added.entry_id)
        await device.is_subscribed.wait()
        await hass.async_block_till_done()
        await device.say(SPOKEN)
        assert device.events[:5] == [
            ("RUN_START", True),
            ("STT_START", True),
            ("STT_VAD_START", True),
            ("STT_VAD_END", True),
            ("STT_END", False),
        ]
        assert await hass.config_entries.async_unload(added.entry_id)


@pytest.mark.usefixtures("pipeline")
@pytest.mark.parametrize("setting", ["home_assistant", "balanced", "fast"])
async def test_wyoming(hass: HomeAssistant, entry: MockConfigEntry, setting: str) -> None:
    """`voice-stopped` comes at the turn's end; the transcript stops the microphone."""
    await submit(hass, entry, listening={"turn_end": setting})
    async with wyoming_satellite.running() as (satellite, port):
        added = MockConfigEntry(domain="wyoming", data={"host": "127.0.0.1", "port": port})
        added.add_to_hass(hass)
        assert await hass.config_entries.async_setup(added.entry_id)
        await satellite.is_ready.wait()
        await satellite.say(SPOKEN)
        assert satellite.events[:5] == [
            ("transcribe", True),
            ("voice-started", True),
            ("voice-stopped", True),
            ("transcript", True),
            ("synthesize", False),
        ]
        assert await hass.config_entries.async_unload(added.entry_id)
