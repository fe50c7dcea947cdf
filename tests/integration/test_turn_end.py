"""Early transcription and the end of a turn inside real Assist pipelines, with a real voice detector and a real clip.

The clock is the microphone's: each frame that Home Assistant hands over is 10 ms later.
"""

import asyncio

import pytest
from aiohttp import web
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.spark_audio import stt
from custom_components.spark_audio.spark_engine.healing.canary import canary_clip
from custom_components.spark_audio.spark_engine.healing.health import State
from custom_components.spark_audio.spark_engine.servers.deadlines import Deadlines
from custom_components.spark_audio.spark_engine.speech.audio import read_wav, silence
from custom_components.spark_audio.spark_engine.speech.listening import PADDING as HUSHED_SAMPLES
from custom_components.spark_audio.spark_engine.speech.voice_activity import FRAME
from tests.fakes import server as fake
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer
from tests.helpers.integration.deadlines import shorten
from tests.helpers.integration.microphone import listen_by_its_clock, tell
from tests.helpers.integration.option_forms import submit
from tests.helpers.integration.pipeline import create_pipeline, run_pipeline

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled", "microphone")

POST = ("POST", TRANSCRIPTIONS)
SPOKEN = canary_clip().pcm
HUSHED = len(HUSHED_SAMPLES) // FRAME
PADDING = silence(4.0, 16_000).pcm


@pytest.fixture
def frames() -> list[int]:
    """Bytes that the entity has taken, frame by frame."""
    return []


@pytest.fixture
def microphone(monkeypatch: pytest.MonkeyPatch, frames: list[int]) -> None:
    listen_by_its_clock(monkeypatch, frames)


def heard_frames(parakeet: FakeServer) -> list[int]:
    """How many frames each request held, the silence put behind an early one included."""
    return [len(read_wav(asked.file).pcm) // FRAME for asked in parakeet.posts(TRANSCRIPTIONS) if asked.file]


@pytest.mark.parametrize(("setting", "least", "most"), [("balanced", 90, 110), ("fast", 50, 70)])
async def test_a_complete_command_ends_the_turn(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    entry: MockConfigEntry,
    parakeet: FakeServer,
    frames: list[int],
    setting: str,
    least: int,
    most: int,
) -> None:
    """Transcribed once, in the pause; Home Assistant's own detector would have taken 1.27 s."""
    await submit(hass, entry, listening={"turn_end": setting})
    tell(entry, State.HEALTHY)
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws), SPOKEN + PADDING, vad=True)
    assert run.heard == "Turn on the kitchen light."
    assert run.names == ["run-start", "stt-start", "stt-vad-start", "stt-vad-end", "stt-end", "run-end"]
    [asked] = heard_frames(parakeet)
    said = _last_sound(SPOKEN)
    assert asked == said + 20 + HUSHED
    assert said + least <= len(frames) <= said + most


async def test_an_unfinished_command_is_waited_for(
    hass_ws_client: WebSocketGenerator, entry: MockConfigEntry, parakeet: FakeServer, frames: list[int]
) -> None:
    tell(entry, State.HEALTHY)
    parakeet.answers[POST] = fake.json({"text": "Turn on the."})
    pause = PADDING[: 50 * FRAME]
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws), SPOKEN + pause + SPOKEN + PADDING, vad=True)
    assert run.heard == "Turn on the."
    first, second = heard_frames(parakeet)
    assert first < len(SPOKEN + pause) // FRAME < second
    assert len(frames) == second - HUSHED - 20 + 125


async def test_home_assistant_ends_the_turn(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    entry: MockConfigEntry,
    parakeet: FakeServer,
    frames: list[int],
) -> None:
    """The transcript is there before its detector is done."""
    await submit(hass, entry, listening={"turn_end": "home_assistant"})
    tell(entry, State.HEALTHY)
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws), SPOKEN + PADDING, vad=True)
    assert run.heard == "Turn on the kitchen light."
    assert "stt-vad-end" in run.names
    [asked] = heard_frames(parakeet)
    assert asked - HUSHED == _last_sound(SPOKEN) + 20 < len(frames)


@pytest.mark.parametrize("state", [State.UNKNOWN, State.SUSPECT, State.UNREACHABLE])
async def test_nothing_is_guessed_of_a_service_that_is_not_well(
    hass_ws_client: WebSocketGenerator, entry: MockConfigEntry, parakeet: FakeServer, frames: list[int], state: State
) -> None:
    """One request, when the turn is over."""
    tell(entry, state)
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws), SPOKEN + PADDING, vad=True)
    assert run.heard == "Turn on the kitchen light."
    assert heard_frames(parakeet) == [len(frames)] == [_last_sound(SPOKEN) + 125]


async def test_early_transcription_can_be_switched_off(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    entry: MockConfigEntry,
    parakeet: FakeServer,
    frames: list[int],
) -> None:
    """Then the request is made when Home Assistant has ended the turn."""
    await submit(hass, entry, listening={"turn_end": "home_assistant", "early_transcription": False})
    tell(entry, State.HEALTHY)
    ws = await hass_ws_client()
    await run_pipeline(ws, await create_pipeline(ws), SPOKEN + PADDING, vad=True)
    assert heard_frames(parakeet) == [len(frames)]


async def test_without_a_detector_home_assistant_ends_the_turn(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stt, "new_detector", lambda: None)
    assert await hass.config_entries.async_reload(entry.entry_id)
    tell(entry, State.HEALTHY)
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws), SPOKEN + PADDING, vad=True)
    assert run.data("stt-start")["audio_processing"]["requires_external_vad"] is True
    assert run.heard == "Turn on the kitchen light."


async def test_a_hanging_recogniser_is_not_asked_twice(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, entry: MockConfigEntry, parakeet: FakeServer
) -> None:
    """The person has waited one deadline already."""
    await submit(hass, entry, listening={"turn_deadline": 1})
    tell(entry, State.HEALTHY)
    answered = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await answered.wait()
        return web.json_response({"text": "too late"})

    parakeet.answers[POST] = hang
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws), SPOKEN + PADDING, vad=True)
    answered.set()
    assert run.error == "stt-stream-failed"
    assert len(parakeet.posts(TRANSCRIPTIONS)) == 1


async def test_connections_are_open_before_they_are_needed(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    entry: MockConfigEntry,
    parakeet: FakeServer,
    magpie: FakeServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Parakeet's when the user begins to speak, Magpie's when the words are there."""
    shorten(monkeypatch, Deadlines(connection_kept=0.0))
    assert await hass.config_entries.async_reload(entry.entry_id)
    parakeet.asked.clear()
    magpie.asked.clear()
    ws = await hass_ws_client()
    await run_pipeline(ws, await create_pipeline(ws), SPOKEN)
    await hass.async_block_till_done(wait_background_tasks=True)
    methods = [asked.method for asked in parakeet.asked]
    assert (methods[0], methods[-1]) == ("HEAD", "POST")
    assert [asked.method for asked in magpie.asked] == ["HEAD"]


def _last_sound(pcm: bytes) -> int:
    """The frame after which there is only quiet, as the level tells."""
    levels = [max(map(abs, memoryview(pcm[at : at + FRAME]).cast("h"))) for at in range(0, len(pcm) - FRAME + 1, FRAME)]
    return max(frame for frame, level in enumerate(levels, 1) if level > max(levels) * 0.1)
