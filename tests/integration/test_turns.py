"""The silence of the last voice turn: what is measured, in Home Assistant's real pipelines, and what is not."""

import asyncio
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.assist_pipeline.pipeline import KEY_ASSIST_PIPELINE, PipelineStage
from homeassistant.components.conversation.const import DATA_COMPONENT
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_track_state_change_event
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_mock_service
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.spark_audio import coordinator
from custom_components.spark_audio.spark_engine.healing.canary import canary_clip
from custom_components.spark_audio.turns import Silence, Turns
from tests.fakes.magpie import SYNTHESIZE_ONLINE, stream_pcm
from tests.fakes.server import FakeServer
from tests.helpers.integration.microphone import listen_by_its_clock
from tests.helpers.integration.option_forms import submit
from tests.helpers.integration.other_engines import CUDA, EARS, HEAR, MOUTH, OtherEars, OtherMouth, add_ears, add_mouth
from tests.helpers.integration.pipeline import create_pipeline, run_text
from tests.helpers.integration.satellite import Satellite
from tests.helpers.integration.set_up import entry_for, set_up, state_of
from tests.helpers.integration.slow_agent import BriefAgent, SlowAgent, ThinkingAgent
from tests.helpers.integration.speaking import POST, stream

SENSOR = "sensor.magpie_silence_before_answer"
SPOKEN = canary_clip().pcm
PARTS = ["end_of_speech", "speech_to_text", "agent", "text_to_speech"]


class Hands:
    """A clock that goes where a test moves it. Seconds."""

    def __init__(self) -> None:
        """Point at nothing in particular."""
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def told(turns: Turns) -> list[Silence | None]:
    """What is told of them from now on."""
    heard: list[Silence | None] = []
    turns.listen(lambda: heard.append(turns.silence))
    return heard


def test_parts() -> None:
    clock = Hands()
    turns = Turns(clock)
    silences = told(turns)
    turns.transcribed("kitchen", 0.5, 0.1)
    clock.now += 3
    sounds = turns.answered_by(["kitchen"])
    clock.now += 0.25
    assert silences == []
    sounds()
    assert silences == [Silence(end_of_speech=0.5, speech_to_text=0.1, agent=3.0, text_to_speech=0.25)]


def test_turns_at_once() -> None:
    """Each has its own command, and is answered once: a second request of the run is none of the answer."""
    clock = Hands()
    turns = Turns(clock)
    silences = told(turns)
    for late, name in enumerate(("kitchen", "bedroom", "hall")):
        turns.transcribed(name, late, 0.0)
        clock.now += 1
    turns.answered_by(["bedroom"])()
    turns.answered_by(["bedroom", "hall"])()
    turns.answered_by(["bedroom"])()
    turns.answered_by(["kitchen"])()
    assert [(silence.end_of_speech, silence.agent) for silence in silences if silence] == [(1, 2), (2, 1), (0, 3)]


def test_no_request() -> None:
    """Home Assistant had the speech; a run without an answer has no silence that could be measured."""
    clock = Hands()
    turns = Turns(clock)
    silences = told(turns)
    turns.transcribed("kitchen", 0.5, 0.1)
    turns.transcribed("bedroom", 0.5, 0.1)
    clock.now += 3
    turns.over("hall", 0.0)
    turns.over("bedroom", None)
    turns.over("kitchen", 1.0)
    assert silences == [Silence(end_of_speech=0.5, speech_to_text=0.1, agent=2.0, text_to_speech=0.0)]


def test_a_request_that_could_be_of_any_run() -> None:
    """Then none of them is known to have done without one. A request that is known still counts."""
    turns = Turns(Hands())
    silences = told(turns)
    turns.transcribed("kitchen", 0.5, 0.1)
    turns.transcribed("bedroom", 0.5, 0.1)
    turns.answered_by([])()
    turns.answered_by(["kitchen", "bedroom"])()
    turns.over("kitchen", 0.0)
    assert silences == []
    turns.answered_by(["bedroom"])()
    assert len(silences) == 1


def test_listening_ends() -> None:
    turns = Turns(Hands())
    heard: list[None] = []
    unsubscribe = turns.listen(lambda: heard.append(None))
    unsubscribe()
    turns.transcribed("kitchen", 0.5, 0.1)
    turns.answered_by(["kitchen"])()
    assert heard == []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Hands:
    """What turns are measured by; the end of a command by the audio of its own microphone."""
    clock = Hands()
    monkeypatch.setattr(coordinator, "Turns", partial(Turns, clock))
    listen_by_its_clock(monkeypatch, [])
    return clock


@pytest.fixture
async def values(hass: HomeAssistant, clock: Hands, entry: MockConfigEntry) -> list[dict[str, Any]]:
    """What the sensor shows from now on: its attributes, with the state as a number."""
    shown: list[dict[str, Any]] = []

    @callback
    def show(event: Event[EventStateChangedData]) -> None:
        state = event.data["new_state"]
        if state and state.state not in ("unavailable", "unknown"):
            shown.append({**state.attributes, "state": float(state.state)})

    async_track_state_change_event(hass, SENSOR, show)
    assert state_of(hass, SENSOR) == "unknown"
    return shown


@pytest.fixture
async def pipeline(hass: HomeAssistant, values: object, hass_ws_client: WebSocketGenerator) -> Callable[..., Any]:
    """What creates a pipeline with an agent that answers once it is let."""
    ws = await hass_ws_client()

    async def create(agent: SlowAgent, **changes: str) -> str:
        await hass.data[DATA_COMPONENT].async_add_entities([agent])
        return await create_pipeline(ws, **{"conversation_engine": agent.entity_id, "name": agent.entity_id, **changes})

    return create


class Turn:
    """One command to a satellite, whose answer an agent gives once it is let."""

    def __init__(self, hass: HomeAssistant, pipeline: str, name: str = "kitchen") -> None:
        """Say it."""
        self._transcribed = asyncio.Event()
        self.satellite = Satellite(hass, name)
        said = self.satellite.say(SPOKEN, pipeline, self._watch, end_stage=PipelineStage.TTS)
        self.over = hass.async_create_task(said)

    def _watch(self, event: str) -> None:
        if event in ("intent-start", "run-end"):
            self._transcribed.set()

    async def transcribed(self) -> None:
        """Return once the agent thinks about it, or the run is over."""
        await self._transcribed.wait()


async def settled(hass: HomeAssistant) -> None:
    """All that is under way has ended, speech too."""
    await hass.async_block_till_done(wait_background_tasks=True)


async def run(hass: HomeAssistant, pipeline: str, agent: SlowAgent) -> Turn:
    """A whole turn."""
    agent.heard.set()
    turn = Turn(hass, pipeline)
    await turn.over
    await settled(hass)
    return turn


@pytest.mark.parametrize("kind", [ThinkingAgent, BriefAgent], ids=["while it is written", "at once"])
@pytest.mark.parametrize("setting", ["home_assistant", "balanced", "fast"])
async def test_a_turn(
    hass: HomeAssistant,
    clock: Hands,
    entry: MockConfigEntry,
    magpie: FakeServer,
    values: list[dict[str, Any]],
    pipeline: Callable[..., Any],
    setting: str,
    kind: type[SlowAgent],
) -> None:
    """Whatever ends it, and however the answer comes: the agent takes 3 s, and Magpie 2 s."""
    await submit(hass, entry, listening={"turn_end": setting})
    agent = kind()
    asked, goes_on = asyncio.Event(), asyncio.Event()

    async def speak(request: web.Request) -> web.StreamResponse:
        asked.set()
        await goes_on.wait()
        return await stream_pcm(request)

    magpie.answers[POST] = speak
    turn = Turn(hass, await pipeline(agent))
    await turn.transcribed()
    clock.now += 3
    agent.heard.set()
    await asked.wait()
    clock.now += 2
    goes_on.set()
    await turn.over
    await settled(hass)
    [value] = values
    assert [value[part] for part in PARTS[1:]] == [0.0, 3.0, 2.0]
    assert 0.2 < value["end_of_speech"] < 1.5
    assert value["state"] == pytest.approx(sum(value[part] for part in PARTS))
    assert value["device_class"] == "duration"
    assert value["unit_of_measurement"] == "s"
    assert value["state_class"] == "measurement"
    # Nothing of what was said.
    assert set(value) - set(PARTS) == {"state", "device_class", "unit_of_measurement", "state_class", "friendly_name"}


async def test_two_satellites(
    hass: HomeAssistant, clock: Hands, values: list[dict[str, Any]], pipeline: Callable[..., Any]
) -> None:
    """Both think at once; the one that was asked later answers first."""
    thinker, brief = ThinkingAgent(), BriefAgent()
    kitchen = Turn(hass, await pipeline(thinker), "kitchen")
    await kitchen.transcribed()
    clock.now += 1
    bedroom = Turn(hass, await pipeline(brief), "bedroom")
    await bedroom.transcribed()
    clock.now += 1
    answered = asyncio.Event()
    async_track_state_change_event(hass, SENSOR, callback(lambda _: answered.set()))
    brief.heard.set()
    await bedroom.over
    await answered.wait()
    clock.now += 5
    thinker.heard.set()
    await kitchen.over
    await settled(hass)
    assert [value["agent"] for value in values] == [1.0, 7.0]


async def test_speech_from_the_cache(
    hass: HomeAssistant,
    clock: Hands,
    freezer: FrozenDateTimeFactory,
    magpie: FakeServer,
    values: list[dict[str, Any]],
    pipeline: Callable[..., Any],
) -> None:
    """The same answer once more: nothing is asked of Magpie, and there is no wait for it."""
    agent = BriefAgent()
    created = await pipeline(agent)
    await run(hass, created, agent)
    agent.heard.clear()
    turn = Turn(hass, created)
    await turn.transcribed()
    clock.now += 4
    agent.heard.set()
    await turn.over
    await settled(hass)
    assert len(magpie.posts(SYNTHESIZE_ONLINE)) == 1
    assert [(value["agent"], value["text_to_speech"]) for value in values] == [(0.0, 0.0), (4.0, 0.0)]


async def test_a_sound_instead_of_speech(
    hass: HomeAssistant,
    area_registry: ar.AreaRegistry,
    entity_registry: er.EntityRegistry,
    freezer: FrozenDateTimeFactory,
    magpie: FakeServer,
    values: list[dict[str, Any]],
    pipeline: Callable[..., Any],
) -> None:
    """Home Assistant confirms a command for the satellite's own room by a sound: the silence ends with it."""
    area = area_registry.async_create("Kitchen").id
    for platform, name in (("assist_satellite", "Kitchen"), ("light", "Kitchen light")):
        registered = entity_registry.async_get_or_create(
            platform, "test", name, suggested_object_id=name, original_name=name
        )
        entity_registry.async_update_entity(registered.entity_id, area_id=area)
    hass.states.async_set("light.kitchen_light", "off", {"friendly_name": "Kitchen light"})
    async_expose_entity(hass, "conversation", "light.kitchen_light", should_expose=True)
    switched = async_mock_service(hass, "light", "turn_on")
    agent = BriefAgent()
    turn = await run(hass, await pipeline(agent, conversation_engine="conversation.home_assistant"), agent)
    assert len(switched) == 1
    assert turn.satellite.data("tts-start")["acknowledge_override"] is True
    assert magpie.posts(SYNTHESIZE_ONLINE) == []
    assert [(value["agent"], value["text_to_speech"]) for value in values] == [(0.0, 0.0)]


async def test_an_announcement_meanwhile(
    hass: HomeAssistant, clock: Hands, values: list[dict[str, Any]], pipeline: Callable[..., Any]
) -> None:
    """What a tool of the agent lets be said is not the answer."""
    agent = ThinkingAgent()
    turn = Turn(hass, await pipeline(agent))
    await turn.transcribed()
    clock.now += 1
    await stream(hass, "The washing machine is done.")
    assert values == []
    clock.now += 1
    agent.heard.set()
    await turn.over
    await settled(hass)
    assert [value["agent"] for value in values] == [2.0]


async def test_an_announcement_and_speech_from_the_cache(
    hass: HomeAssistant, values: list[dict[str, Any]], pipeline: Callable[..., Any]
) -> None:
    """Whose request it was cannot be known for sure: no number rather than a wrong one."""
    agent = BriefAgent()
    created = await pipeline(agent)
    await run(hass, created, agent)
    agent.heard.clear()
    turn = Turn(hass, created)
    await turn.transcribed()
    await stream(hass, "The washing machine is done.")
    agent.heard.set()
    await turn.over
    await settled(hass)
    assert len(values) == 1


async def test_no_turn(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, values: list[dict[str, Any]], pipeline: Callable[..., Any]
) -> None:
    """An announcement, a text that is read out, one that is answered, a command that wants no answer."""
    agent = BriefAgent()
    agent.heard.set()
    created = await pipeline(agent)
    await stream(hass, "The washing machine is done.")
    await run_text(await hass_ws_client(), created, "Hello.")
    await run_text(await hass_ws_client(), created, "Hello?", start_stage="intent")
    await Satellite(hass, "kitchen").say(SPOKEN, created)
    await settled(hass)
    assert values == []


async def test_engines_of_others(
    hass: HomeAssistant, values: list[dict[str, Any]], pipeline: Callable[..., Any]
) -> None:
    """What the other one does is not known."""
    await add_ears(hass, OtherEars())
    await add_mouth(hass, OtherMouth(lambda _: ("wav", b"RIFF")))
    mouth, ears = ThinkingAgent(), BriefAgent()
    turn = await run(hass, await pipeline(mouth, tts_engine=MOUTH, tts_language="en"), mouth)
    assert "tts-end" in turn.satellite.names
    turn = await run(hass, await pipeline(ears, stt_engine=EARS, stt_language="en-US"), ears)
    assert "tts-end" in turn.satellite.names
    assert values == []


async def test_turns_that_fail(
    hass: HomeAssistant,
    parakeet: FakeServer,
    magpie: FakeServer,
    values: list[dict[str, Any]],
    pipeline: Callable[..., Any],
) -> None:
    agent = BriefAgent()
    created = await pipeline(agent)
    magpie.answers[POST] = CUDA
    turn = await run(hass, created, agent)
    assert "tts-end" in turn.satellite.names
    parakeet.answers[HEAR] = CUDA
    turn = await run(hass, created, agent)
    assert "error" in turn.satellite.names
    assert values == []


async def test_a_cancelled_turn(
    hass: HomeAssistant, values: list[dict[str, Any]], pipeline: Callable[..., Any]
) -> None:
    """And the next one is measured."""
    agent = ThinkingAgent()
    created = await pipeline(agent)
    turn = Turn(hass, created)
    await turn.transcribed()
    turn.over.cancel()
    await settled(hass)
    assert values == []
    await run(hass, created, agent)
    assert len(values) == 1


async def test_an_unknown_home_assistant(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, values: list[dict[str, Any]], pipeline: Callable[..., Any]
) -> None:
    """Whose runs cannot be told apart."""
    agent = BriefAgent()
    created = await pipeline(agent)
    runs = hass.data[KEY_ASSIST_PIPELINE].pipeline_runs
    other = SimpleNamespace(add_run=runs.add_run, remove_run=runs.remove_run)
    monkeypatch.setattr(hass.data[KEY_ASSIST_PIPELINE], "pipeline_runs", other)
    turn = await run(hass, created, agent)
    assert "tts-end" in turn.satellite.names
    assert values == []


async def test_no_record_of_the_answer(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, values: list[dict[str, Any]], pipeline: Callable[..., Any]
) -> None:
    """Ten other runs of the pipeline have begun since the command."""
    agent = BriefAgent()
    created = await pipeline(agent)
    turn = Turn(hass, created)
    await turn.transcribed()
    hass.data[KEY_ASSIST_PIPELINE].pipeline_debug[created].clear()
    agent.heard.set()
    await turn.over
    await settled(hass)
    assert values == []


async def test_the_fallbacks_count(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    parakeet: FakeServer,
    magpie: FakeServer,
    values: list[dict[str, Any]],
    pipeline: Callable[..., Any],
) -> None:
    """They answer for this Spark: the silence is as long as it is heard."""
    await add_ears(hass, OtherEars())
    await add_mouth(hass, OtherMouth(lambda _: ("mp3", b"sound")))
    await submit(hass, entry, fallback={"fallback_stt": EARS, "fallback_tts": MOUTH})
    parakeet.answers[HEAR] = magpie.answers[POST] = CUDA
    agent = BriefAgent()
    turn = await run(hass, await pipeline(agent), agent)
    assert turn.satellite.data("stt-end")["stt_output"]["text"] == "Heard by another."
    assert len(values) == 1


@pytest.mark.usefixtures("assist", "socket_enabled")
async def test_one_service_alone(
    hass: HomeAssistant, entity_registry: er.EntityRegistry, parakeet: FakeServer, magpie: FakeServer
) -> None:
    """It hears no turn, or answers none. The sensor goes with the other service."""
    entry = entry_for(parakeet.url, magpie.url)
    assert await set_up(hass, entry)
    assert entity_registry.async_get(SENSOR)
    for data in ({"parakeet_url": None, "magpie_url": magpie.url}, {"parakeet_url": parakeet.url, "magpie_url": None}):
        hass.config_entries.async_update_entry(entry, data=data)
        await hass.config_entries.async_reload(entry.entry_id)
        await hass.async_block_till_done()
        assert entity_registry.async_get(SENSOR) is None
