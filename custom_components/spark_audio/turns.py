"""The silence of a voice turn: from the last sound of a command to the first sound of its answer.

Speech-to-text and text-to-speech tell what they know of a pipeline run, by its id. A turn counts once all of it is
known; one that fails, is cancelled, or that another engine hears or answers is never told.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """The parts of one silence, in seconds and in the order in which they pass."""

    end_of_speech: float
    """From the last sound of the command to the end of the turn."""
    speech_to_text: float
    """From there to the transcript."""
    agent: float
    """From there to the first text that is to be spoken."""
    text_to_speech: float
    """From there to the first audio; none where Home Assistant plays a recording."""


@dataclass(frozen=True, slots=True)
class _Command:
    """A command that was transcribed. Moments are monotonic seconds."""

    end_of_speech: float
    speech_to_text: float
    transcribed_at: float
    is_surely_unasked: bool = True
    """Whether no request for speech can have been this run's."""

    def silence(self, first_text_at: float, first_sound_at: float) -> Silence:
        return Silence(
            end_of_speech=self.end_of_speech,
            speech_to_text=self.speech_to_text,
            agent=max(0.0, first_text_at - self.transcribed_at),
            text_to_speech=max(0.0, first_sound_at - first_text_at),
        )


class Turns:
    """The turns of one Spark: which commands wait for their answer, and the silence of the last one that got it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """No turn is known. `clock` tells monotonic seconds."""
        self.silence: Silence | None = None
        self.speaker: str | None = None
        """The entity id of the Spark's text-to-speech."""
        self._clock = clock
        self._waiting: dict[str, _Command] = {}
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after each turn. Return what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def transcribed(self, run_id: str, end_of_speech: float, speech_to_text: float) -> None:
        """The transcript of a run's command is there, just now."""
        self._waiting[run_id] = _Command(end_of_speech, speech_to_text, self._clock())

    def answered_by(self, run_ids: Iterable[str]) -> Callable[[], None]:
        """Text is to be spoken, just now, for one of these runs or for none. Return what to call at its first audio."""
        asking = [run_id for run_id in run_ids if run_id in self._waiting]
        if len(asking) != 1:
            # An announcement most likely; what is not known is not told.
            self._waiting = {name: replace(each, is_surely_unasked=False) for name, each in self._waiting.items()}
            return _do_nothing
        command, first_text_at = self._waiting.pop(asking[0]), self._clock()
        return lambda: self._tell(command.silence(first_text_at, self._clock()))

    def over(self, run_id: str, ready_for: float | None) -> None:
        """A run has ended. Its answer has been ready to play for `ready_for` seconds; None where it has none.

        One that still waits did without a request: Home Assistant had the speech in its cache, or plays a sound
        instead of it.
        """
        command = self._waiting.pop(run_id, None)
        if command is not None and command.is_surely_unasked and ready_for is not None:
            ready_at = self._clock() - ready_for
            self._tell(command.silence(ready_at, ready_at))

    def _tell(self, silence: Silence) -> None:
        self.silence = silence
        for listener in self._listeners:
            listener()


def _do_nothing() -> None:
    pass
