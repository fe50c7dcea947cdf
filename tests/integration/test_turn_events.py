"""What satellites are told about a turn that this engine ends, in Home Assistant's real pipelines."""

import asyncio
import inspect
import textwrap
from collections.abc import Callable
from functools import partialmethod
from importlib import import_module
from types import SimpleNamespace

import pytest
from homeassistant.components.assist_pipeline import PipelineEvent
from homeassistant.components.assist_pipeline.pipeline import KEY_ASSIST_PIPELINE, PipelineRun
from homeassistant.core import HomeAssistant
from homeassistant.util.limited_size_dict import LimitedSizeDict
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.spark_audio.spark_engine.healing.canary import canary_clip
from custom_components.spark_audio.spark_engine.speech.audio import silence
from tests.helpers.integration.microphone import listen_by_its_clock
from tests.helpers.integration.option_forms import submit
from tests.helpers.integration.pipeline import create_pipeline
from tests.helpers.integration.satellite import Satellite

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled", "entry", "microphone")

SPOKEN = canary_clip().pcm
TOLD = ["run-start", "stt-start", "stt-vad-start", "stt-vad-end", "stt-end", "run-end"]
type Change = Callable[[HomeAssistant, str, pytest.MonkeyPatch], None]


@pytest.fixture
def microphone(monkeypatch: pytest.MonkeyPatch) -> None:
    listen_by_its_clock(monkeypatch, [])


@pytest.fixture
async def pipeline(hass_ws_client: WebSocketGenerator) -> str:
    return await create_pipeline(await hass_ws_client())


@pytest.mark.parametrize("setting", ["balanced", "fast"])
async def test_the_microphone_stops_where_the_turn_ends(
    hass: HomeAssistant, entry: MockConfigEntry, pipeline: str, setting: str
) -> None:
    """Before there is a transcript. The time stamps are Home Assistant's: the beginning of a frame of 10 ms."""
    await submit(hass, entry, listening={"turn_end": setting})
    satellite = Satellite(hass, "kitchen")
    sent: dict[str, int] = {}
    await satellite.say(SPOKEN, pipeline, lambda name: sent.update({name: satellite.frames}))
    assert satellite.names == TOLD
    assert satellite.data("stt-start")["audio_processing"]["requires_external_vad"] is False
    assert satellite.data("stt-vad-start") == {"timestamp": (sent["stt-vad-start"] - 1) * 10}
    assert satellite.data("stt-vad-end") == {"timestamp": (sent["stt-vad-end"] - 1) * 10}
    assert 0 < sent["stt-vad-start"] < len(SPOKEN) // 320 < sent["stt-vad-end"] == sent["stt-end"]


async def test_each_satellite_is_told_of_its_own_turn(hass: HomeAssistant, pipeline: str) -> None:
    """Three speak to one pipeline at once, the later ones after a second and two of silence."""
    satellites = [Satellite(hass, name) for name in ("kitchen", "bedroom", "hall")]
    words = [silence(late, 16_000).pcm + SPOKEN for late in (0.0, 1.0, 2.0)]
    await asyncio.gather(*(satellite.say(said, pipeline) for satellite, said in zip(satellites, words, strict=True)))
    assert [satellite.names for satellite in satellites] == [TOLD] * 3
    first, *others = (satellite.data("stt-vad-start")["timestamp"] for satellite in satellites)
    # A detector that warms up tells the first word late.
    assert [other - first for other in others] == pytest.approx([1000, 2000], abs=300)
    ends = [satellite.data("stt-vad-end")["timestamp"] for satellite in satellites]
    assert ends == [(satellite.frames - 1) * 10 for satellite in satellites]
    assert len(set(ends)) == 3


def stages() -> type:
    """Return the class that has the stages of a run."""
    try:
        module = import_module("homeassistant.components.assist_pipeline.default_pipeline")
    except ImportError:
        return PipelineRun
    found: type = vars(module)["_DefaultPipelineProcessor"]
    return found


def other_registry(hass: HomeAssistant, pipeline: str, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = hass.data[KEY_ASSIST_PIPELINE].pipeline_runs
    monkeypatch.setattr(
        hass.data[KEY_ASSIST_PIPELINE],
        "pipeline_runs",
        SimpleNamespace(add_run=runs.add_run, remove_run=runs.remove_run),
    )


def no_record_of_events(hass: HomeAssistant, pipeline: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a run during which ten others began."""
    hass.data[KEY_ASSIST_PIPELINE].pipeline_debug[pipeline] = LimitedSizeDict(size_limit=0)


def other_detector(hass: HomeAssistant, pipeline: str, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = vars(stages())["_speech_to_text_stream"]
    monkeypatch.setattr(stages(), "_speech_to_text_stream", partialmethod(detector))


def other_way_to_emit(hass: HomeAssistant, pipeline: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as can be seen, `process_event` wants to be told more."""
    emit = PipelineRun.process_event

    def process_event(run: PipelineRun, event: PipelineEvent) -> None:
        emit(run, event)

    wanted = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("run", "event", "stage")]
    monkeypatch.setattr(process_event, "__signature__", inspect.Signature(wanted), raising=False)
    monkeypatch.setattr(PipelineRun, "process_event", process_event)


@pytest.mark.parametrize("change", [other_registry, no_record_of_events, other_detector, other_way_to_emit])
async def test_an_unknown_home_assistant_ends_the_turn_itself(
    hass: HomeAssistant, pipeline: str, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    change(hass, pipeline, monkeypatch)
    satellite = Satellite(hass, "kitchen")
    await satellite.say(SPOKEN, pipeline)
    assert satellite.data("stt-start")["audio_processing"]["requires_external_vad"] is True
    assert satellite.names == TOLD
    assert satellite.data("stt-end")["stt_output"]["text"] == "Turn on the kitchen light."


def rewrite(monkeypatch: pytest.MonkeyPatch, method: str, before: str, line: str) -> None:
    """Put a line into a method of the installed Home Assistant, before the statement that has the last `before`."""
    code = vars(stages())[method]
    source = textwrap.dedent(inspect.getsource(code))
    at = source.rindex("\n", 0, source.rindex(before)) + 1
    indent = source[at : len(source) - len(source[at:].lstrip())]
    scope = dict(code.__globals__)
    exec(f"{source[:at]}{indent}{line}\n{source[at:]}", scope)
    monkeypatch.setattr(stages(), method, scope[method])


EMIT = 'getattr(self, "host", self).process_event(PipelineEvent(PipelineEventType.{}, {{"timestamp": -1}}))'


async def test_a_home_assistant_that_tells_by_itself_is_not_repeated(
    hass: HomeAssistant, pipeline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As core PR 178616 does, between the transcript and `stt-end`."""
    both = "; ".join(EMIT.format(event) for event in ("STT_VAD_START", "STT_VAD_END"))
    statement = "process_event(\n        PipelineEvent(\n            PipelineEventType.STT_END"
    rewrite(monkeypatch, "speech_to_text", statement, both)
    satellite = Satellite(hass, "kitchen")
    await satellite.say(SPOKEN, pipeline)
    assert satellite.names == TOLD
    assert satellite.data("stt-vad-start") == satellite.data("stt-vad-end") == {"timestamp": -1}
    assert satellite.data("stt-start")["audio_processing"]["requires_external_vad"] is False


async def test_an_event_that_was_emitted_is_not_repeated(
    hass: HomeAssistant, pipeline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite(monkeypatch, "_speech_to_text_stream", "async for chunk", EMIT.format("STT_VAD_START"))
    satellite = Satellite(hass, "kitchen")
    await satellite.say(SPOKEN, pipeline)
    assert satellite.names == TOLD
    assert satellite.data("stt-vad-start") == {"timestamp": -1}


async def test_time_stamps_count_from_the_beginning_of_the_wake_word(
    hass: HomeAssistant, pipeline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a run that waits for the wake word itself, for half a second."""
    event = 'PipelineEvent(PipelineEventType.WAKE_WORD_END, {"wake_word_output": {"timestamp": 500}})'
    statement = "process_event(\n        PipelineEvent(\n            PipelineEventType.STT_START"
    rewrite(monkeypatch, "speech_to_text", statement, f'getattr(self, "host", self).process_event({event})')
    satellite = Satellite(hass, "kitchen")
    await satellite.say(SPOKEN, pipeline)
    assert satellite.data("stt-vad-end") == {"timestamp": 500 + (satellite.frames - 1) * 10}
