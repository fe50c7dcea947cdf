"""Real satellites over the loopback: what each does on which event of a turn, however the turn is ended."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from homeassistant.components import bluetooth
from homeassistant.components.assist_pipeline.pipeline import KEY_ASSIST_PIPELINE
from homeassistant.components.conversation.const import DATA_COMPONENT
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator

from custom_components.spark_audio import tts
from custom_components.spark_audio.replayed_text import ReplayedText
from custom_components.spark_audio.spark_engine.healing.canary import canary_clip
from custom_components.spark_audio.spark_engine.speech.audio import silence
from tests.helpers.integration import esphome_device, voip_phone, wyoming_satellite
from tests.helpers.integration.esphome_device import IDLE, LISTENING, PLAYER, REPLYING, SPEAKER, THINKING, Device
from tests.helpers.integration.microphone import listen_by_its_clock
from tests.helpers.integration.option_forms import submit
from tests.helpers.integration.pipeline import create_pipeline
from tests.helpers.integration.player import inspect
from tests.helpers.integration.set_up import state_of
from tests.helpers.integration.slow_agent import BriefAgent, SlowAgent, ThinkingAgent
from tests.helpers.integration.speaking import cached

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("assist", "socket_enabled", "pipeline")]

SPOKEN = canary_clip().pcm
LIGHTS = (
    "streaming-started",
    "voice-started",
    "voice-stopped",
    "transcript",
    "streaming-stopped",
    "synthesize",
    "audio-start",
    "audio-stop",
)
"""What a Wyoming satellite's lights go by."""

SETTINGS = ("home_assistant", "balanced", "fast")

type Fetch = Callable[[str], Awaitable[bytes]]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes that the entity has taken, frame by frame: they are its clock."""
    taken: list[int] = []
    listen_by_its_clock(monkeypatch, taken)
    return taken


@pytest.fixture
def agent(request: pytest.FixtureRequest) -> SlowAgent:
    """Thinks until it is let speak, unless a test wants another."""
    chosen: type[SlowAgent] = getattr(request, "param", ThinkingAgent)
    return chosen()


@pytest.fixture
async def satellites(hass: HomeAssistant, assist: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The integrations of satellites. ESPHome devices may be a way to Bluetooth, which this machine has not."""
    hass.config.components.add("bluetooth")
    monkeypatch.setattr(bluetooth, "async_remove_scanner", lambda *_: None)
    for integration in ("media_player", "esphome", "wyoming", "voip"):
        assert await async_setup_component(hass, integration, {})


@pytest.fixture
async def pipeline(
    hass: HomeAssistant,
    satellites: None,
    entry: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
    agent: SlowAgent,
) -> None:
    """The preferred one hears and speaks with Spark Audio."""
    await hass.data[DATA_COMPONENT].async_add_entities([agent])
    ws = await hass_ws_client()
    preferred = await create_pipeline(ws, conversation_engine=agent.entity_id)
    await ws.send_json_auto_id({"type": "assist_pipeline/pipeline/set_preferred", "pipeline_id": preferred})
    assert (await ws.receive_json())["success"]


@pytest.fixture
async def fetch(hass: HomeAssistant, hass_client_no_auth: ClientSessionGenerator) -> Fetch:
    """What a media player does with an address of Home Assistant's."""
    client = await hass_client_no_auth()
    hass.config.internal_url = str(client.make_url("")).rstrip("/")

    async def fetch(path: str) -> bytes:
        response = await client.get(path)
        assert response.status == 200
        return await response.read()

    return fetch


@asynccontextmanager
async def added(hass: HomeAssistant, domain: str, **data: object) -> AsyncGenerator[MockConfigEntry]:
    """A satellite's integration, set up for this one."""
    satellite = MockConfigEntry(domain=domain, data={"host": "127.0.0.1", **data}, unique_id=domain)
    satellite.add_to_hass(hass)
    assert await hass.config_entries.async_setup(satellite.entry_id)
    yield satellite
    assert await hass.config_entries.async_unload(satellite.entry_id)


@asynccontextmanager
async def esphome(hass: HomeAssistant, features: int, fetch: Fetch) -> AsyncGenerator[Device]:
    """A device with these features that Home Assistant has found."""
    async with (
        esphome_device.running(features, fetch) as (device, port),
        added(hass, "esphome", port=port, password="", noise_psk="", device_name="kitchen"),
    ):
        await device.is_subscribed.wait()
        await hass.async_block_till_done()
        yield device


@pytest.mark.parametrize("setting", SETTINGS)
async def test_esphome(
    hass: HomeAssistant, entry: MockConfigEntry, taken: list[int], agent: SlowAgent, fetch: Fetch, setting: str
) -> None:
    """`STT_VAD_END` stops the microphone while there are no words yet, and the device shows that the agent thinks."""
    await submit(hass, entry, listening={"turn_end": setting})
    async with esphome(hass, PLAYER, fetch) as device:
        await device.say(SPOKEN, taken)
        assert device.events == ["RUN_START", "STT_START", "STT_VAD_START", "STT_VAD_END"]
        assert device.states[-1] == THINKING
        agent.heard.set()
        await device.reached(IDLE)
    assert device.events[4:] == [
        *("STT_END", "INTENT_START", "INTENT_PROGRESS", "INTENT_END", "TTS_START", "TTS_END", "RUN_END"),
    ]
    assert device.states == [IDLE, LISTENING, THINKING, REPLYING, IDLE]
    assert await inspect(device.heard) == ("flac", "48000")


async def test_esphome_of_an_unknown_home_assistant(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, taken: list[int], agent: SlowAgent, fetch: Fetch
) -> None:
    """Its own detector ends the turn: the device notices nothing of it."""
    runs = hass.data[KEY_ASSIST_PIPELINE].pipeline_runs
    other = SimpleNamespace(add_run=runs.add_run, remove_run=runs.remove_run)
    monkeypatch.setattr(hass.data[KEY_ASSIST_PIPELINE], "pipeline_runs", other)
    agent.heard.set()
    async with esphome(hass, PLAYER, fetch) as device:
        await device.say(SPOKEN, taken)
        await device.reached(IDLE)
    assert device.states == [IDLE, LISTENING, THINKING, REPLYING, IDLE]


@pytest.mark.parametrize("agent", [BriefAgent], indirect=True)
async def test_esphome_with_a_speaker(hass: HomeAssistant, taken: list[int], agent: SlowAgent, fetch: Fetch) -> None:
    """It is sent the samples, in real time, once the answer is complete."""
    async with esphome(hass, SPEAKER, fetch) as device:
        await device.say(SPOKEN, taken)
        assert device.states[-1] == THINKING
        agent.heard.set()
        await device.reached(REPLYING)
        await device.reached(IDLE)
    assert device.states == [IDLE, LISTENING, THINKING, REPLYING, IDLE]
    assert any(device.heard)


@asynccontextmanager
async def wyoming(hass: HomeAssistant, taken: list[int]) -> AsyncGenerator[wyoming_satellite.Satellite]:
    """A satellite that waits for its wake word."""
    async with wyoming_satellite.running(taken) as (satellite, port), added(hass, "wyoming", port=port):
        await satellite.told("streaming-stopped")
        satellite.events.clear()
        yield satellite


@pytest.mark.parametrize("setting", SETTINGS)
async def test_wyoming(
    hass: HomeAssistant, entry: MockConfigEntry, taken: list[int], agent: SlowAgent, setting: str
) -> None:
    """`voice-stopped` comes at the turn's end; the transcript stops the microphone."""
    await submit(hass, entry, listening={"turn_end": setting})
    async with wyoming(hass, taken) as satellite:
        satellite.say(SPOKEN)
        await satellite.told("streaming-stopped")
        agent.heard.set()
        await satellite.told("audio-stop")
    assert [event for event in satellite.events if event in LIGHTS] == list(LIGHTS)
    assert satellite.heard[0] == "audio-start"
    assert satellite.heard[-1] == "audio-stop"


@pytest.mark.parametrize("agent", [BriefAgent], indirect=True)
async def test_voip(hass: HomeAssistant, taken: list[int], agent: SlowAgent) -> None:
    """A telephone goes by `stt-end`: it beeps while the agent thinks, and the answer follows. In real time."""
    port, sip = voip_phone.free_port(), voip_phone.free_port()
    states: list[str] = []
    added_to = MockConfigEntry(domain="voip", data={}, options={"sip_port": sip})
    added_to.add_to_hass(hass)
    dr.async_get(hass).async_get_or_create(
        config_entry_id=added_to.entry_id, identifiers={("voip", voip_phone.address(port))}
    )
    assert await hass.config_entries.async_setup(added_to.entry_id)
    await hass.async_block_till_done()
    [switch] = hass.states.async_entity_ids("switch")
    [satellite] = hass.states.async_entity_ids("assist_satellite")
    await hass.services.async_call("switch", "turn_on", {"entity_id": switch}, blocking=True)
    async_track_state_change_event(hass, satellite, lambda _: states.append(state_of(hass, satellite)))
    async with voip_phone.calling(port, sip) as phone:
        phone.say(SPOKEN + silence(4.0, 16_000).pcm)
        await phone.sound()
        while states[-1:] != ["processing"]:
            await phone.sound()
        await phone.sound()
        agent.heard.set()
        while states[-1:] != ["responding"]:
            await phone.sound()
        await phone.sound()
    assert [state for state in states if state != "idle"][:3] == ["listening", "processing", "responding"]
    assert await hass.config_entries.async_unload(added_to.entry_id)


@pytest.fixture
async def before(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, pipeline: None, fetch: Fetch) -> set[object]:
    """The tasks before a turn, whose text is over where it does not go on for a tenth of a second."""
    monkeypatch.setattr(tts, "ReplayedText", partial(ReplayedText, longest_pause=0.1))
    await hass.async_block_till_done()
    return set(asyncio.all_tasks())


async def assert_nothing_is_left(hass: HomeAssistant, before: set[object]) -> None:
    """No task, no program and no file."""
    await hass.async_block_till_done(wait_background_tasks=True)
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert [str(task.get_coro()) for task in left] == []
    assert "".join(each.read_text() for each in Path("/proc/self/task").glob("*/children")) == ""
    assert cached(hass) == []


@pytest.mark.parametrize("agent", [SlowAgent], indirect=True)
async def test_an_answer_that_is_interrupted_leaves_nothing_behind(
    hass: HomeAssistant, hass_client_no_auth: ClientSessionGenerator, taken: list[int], before: set[object]
) -> None:
    """By a wake word in its middle, while the agent is about to say more."""
    client, is_heard = await hass_client_no_auth(), asyncio.Event()

    async def play(path: str) -> bytes:
        async with client.get(path) as response:
            await response.content.readany()
            is_heard.set()
            return await response.read()

    async with esphome(hass, PLAYER, play) as device:
        await device.say(SPOKEN, taken)
        await is_heard.wait()
        device.stop()
        await device.told("RUN_END")
    await assert_nothing_is_left(hass, before)


@pytest.mark.parametrize("agent", [SlowAgent], indirect=True)
async def test_a_satellite_that_goes_leaves_nothing_behind(
    hass: HomeAssistant, taken: list[int], before: set[object]
) -> None:
    """In the middle of an answer, while the agent is about to say more."""
    async with wyoming(hass, taken) as satellite:
        satellite.say(SPOKEN)
        await satellite.told("audio-start")
        satellite.unplug()
    await assert_nothing_is_left(hass, before)
