"""Tell a satellite when speech begins and when the turn ends, where this engine decides that; tell runs apart.

Home Assistant emits `stt-vad-start` and `stt-vad-end` from its own voice detector alone, which an engine that ends the
turn itself switches off (home-assistant/core#178614, open; core PR 178616 would mend it). ESPHome satellites stop their
microphone at `stt-vad-end` only, and show "listening" while the agent thinks.

There is no public way to emit the two events. So this module, and no other, looks inside Home Assistant, and changes
nothing there. In 2026.9 to 2026.11:

- `hass.data["assist_pipeline"]` has the runs under way, by pipeline and id (`pipeline_runs`), and the events of the
  last ten runs of each pipeline (`pipeline_debug`).
- `PipelineRun.process_event` emits an event.
- A run reads the engine's `audio_processing`, emits `stt-start`, reads `audio_processing` again and calls the engine,
  without a pause in between. So the run that calls is the one whose latest event is `stt-start` and that has not called
  yet, however many satellites talk to this engine at once.
- A run asks for speech without a pause behind `tts-start`, or where the answer is still being written behind the
  `intent-progress` that says `tts_start_streaming`. `tts-end` follows once there is something to play.
- A run has a task of its own, which ends with it.

That is checked whenever `audio_processing` is read. Where it is otherwise, Home Assistant's detector ends the turn, and
its silence is not measured.
"""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeassistant.core import HomeAssistant
from homeassistant.util.dt import parse_datetime, utcnow

if TYPE_CHECKING:
    from homeassistant.components.assist_pipeline import PipelineEvent
    from homeassistant.components.assist_pipeline.pipeline import PipelineRun

SPEECH_BEGAN = "stt-vad-start"
TURN_ENDED = "stt-vad-end"
CALLING = "stt-start"
ANSWER_BEGINS = "intent-progress"
ANSWERING = "tts-start"
ANSWERED = "tts-end"

ABOUT_TO_CALL = ("run-start", "wake_word-end", CALLING)
"""The latest event of a run that reads `audio_processing`."""

DETECTOR = "_speech_to_text_stream"
"""The method that emits both events for Home Assistant's detector: the only one that does, before core PR 178616."""


@dataclass(frozen=True, slots=True)
class RunEvents:
    """The events of one pipeline run. Times are seconds since the first sample that the engine got."""

    run: PipelineRun
    log: list[PipelineEvent]
    """What was emitted so far."""

    @property
    def id(self) -> str:
        """Return the id of the run."""
        return self.run.id

    def speech_began(self, at: float) -> None:
        """Emit `stt-vad-start`."""
        self._emit(SPEECH_BEGAN, at)

    def turn_ended(self, at: float) -> None:
        """Emit `stt-vad-end`."""
        self._emit(TURN_ENDED, at)

    def when_over(self, callback: Callable[[], None]) -> None:
        """Call back once the run has ended. Must be called within its task."""
        if task := asyncio.current_task():
            task.add_done_callback(lambda _: callback())

    def ready_for(self, engine: str | None) -> float | None:
        """Return for how many seconds an answer of this text-to-speech engine could be played; None without one."""
        if self.run.pipeline.tts_engine != engine:
            return None
        ready = next((event.timestamp for event in self.log if event.type == ANSWERED), None)
        return (utcnow() - parse_datetime(ready, raise_on_error=True)).total_seconds() if ready else None

    def _emit(self, kind: str, at: float) -> None:
        """Emit an event that the run has not emitted yet, unless Home Assistant emits it itself.

        Its time stamp is in milliseconds since the beginning of the run's audio (core PR 98603).
        """
        if not _emits_by_itself(self.run) and all(event.type != kind for event in self.log):
            self.run.process_event(_event(kind, self._before_the_engine() + round(at * 1000)))

    def _before_the_engine(self) -> int:
        """Return milliseconds of audio that went to the wake word."""
        outputs = (event.data["wake_word_output"] for event in self.log if event.type == "wake_word-end" and event.data)
        return sum(int(output.get("timestamp", 0)) for output in outputs)


class TurnEvents:
    """The events of all runs that call one speech-to-text entity."""

    def __init__(self) -> None:
        """No run has called yet."""
        self._have_called: set[str] = set()

    def is_possible(self, hass: HomeAssistant, entity_id: str) -> bool:
        """Return whether a run that reads `audio_processing`, or calls, can be told when its turn ends."""
        return bool(self._about_to_call(hass, entity_id))

    def of_this_call(self, hass: HomeAssistant, entity_id: str) -> RunEvents | None:
        """Return the events of the run that calls; None where no run does.

        Must be called once for each call of the entity, before it awaits anything.
        """
        calling = [found for found in self._about_to_call(hass, entity_id) if found.log[-1].type == CALLING]
        self._have_called.update(found.run.id for found in calling)
        return calling[0] if len(calling) == 1 else None

    def _about_to_call(self, hass: HomeAssistant, entity_id: str) -> list[RunEvents]:
        """Return the runs that are about to call the entity; none where the inside is not as described above."""
        try:
            runs = {found.run.id: found for found in _runs_with_events(hass)}
            self._have_called &= runs.keys()
            return [
                found
                for run_id, found in runs.items()
                if run_id not in self._have_called
                and found.run.pipeline.stt_engine == entity_id
                and found.log[-1].type in ABOUT_TO_CALL
                and _is_as_described(found.run)
            ]
        except AttributeError, LookupError, TypeError, ValueError:
            return []


def runs_that_speak(hass: HomeAssistant, entity_id: str) -> list[str]:
    """Return the ids of the runs that ask this text-to-speech engine, or began to; none where the inside is different.

    Must be called before the engine awaits anything.
    """
    try:
        return [
            found.id
            for found in _runs_with_events(hass)
            if found.run.pipeline.tts_engine == entity_id and _asks_for_speech(found.log[-1])
        ]
    except AttributeError, LookupError, TypeError, ValueError:
        return []


def _asks_for_speech(latest: PipelineEvent) -> bool:
    if latest.type == ANSWER_BEGINS:
        return bool(latest.data and latest.data.get("tts_start_streaming"))
    return latest.type == ANSWERING


def _runs_with_events(hass: HomeAssistant) -> Iterator[RunEvents]:
    """Yield the runs under way whose events are still kept."""
    from homeassistant.components.assist_pipeline.pipeline import KEY_ASSIST_PIPELINE  # noqa: PLC0415 - optional

    data = hass.data[KEY_ASSIST_PIPELINE]
    for pipeline_id, runs in data.pipeline_runs._pipeline_runs.items():  # noqa: SLF001 - see above
        for run_id, run in runs.items():
            debug = data.pipeline_debug[pipeline_id].get(run_id)
            if debug is not None and debug.events:
                yield RunEvents(run, debug.events)


def _event(kind: str, milliseconds: int) -> PipelineEvent:
    from homeassistant.components.assist_pipeline import PipelineEvent, PipelineEventType  # noqa: PLC0415 - optional

    return PipelineEvent(PipelineEventType(kind), {"timestamp": milliseconds})


def _is_as_described(run: PipelineRun) -> bool:
    """Return whether the run takes our events. Raises TypeError or ValueError where it does not, as well."""
    inspect.signature(run.process_event).bind(_event(TURN_ENDED, 0))
    return not inspect.iscoroutinefunction(run.process_event) and DETECTOR in _emitters(run)


def _emits_by_itself(run: PipelineRun) -> bool:
    """Return whether Home Assistant emits the events for engines that end the turn themselves, too (core PR 178616)."""
    return _emitters(run) != {DETECTOR}


def _emitters(run: PipelineRun) -> set[str]:
    """Return the methods that emit `stt-vad-end`: those of the run, or of its processor from 2026.10 on."""
    stages = vars(type(getattr(run, "_processor", run)))
    return {
        name
        for name, method in stages.items()
        if inspect.isfunction(method) and "STT_VAD_END" in method.__code__.co_names
    }
