"""The voice detector of a session: as few looks at the sound as tell the same."""

from collections import deque
from typing import Protocol

from spark_engine.speech.voice_activity import VoiceDetector

SURE = 0.9
"""Probability above which a sound goes on to be speech until the next look."""

REST = 30
"""Frames from one look to the next while it is sure: 0.3 s, within which speech that ended is noticed."""

WINDOW = 77
"""Frames that microVAD 2.1 takes in before it tells anything: what it looks at. Up to the last one they cost little."""


class WindowedDetector(Protocol):
    """A detector that looks at a window of the sound (pymicro_vad.MicroVad)."""

    def process_10ms(self, audio: bytes) -> float:
        """Return the probability of speech in the window that ends with this frame; below 0 while it is not full."""

    def reset(self) -> None:
        """Empty the window."""


def by_level(_: bytes) -> float:
    """Detect speech in every sound: its level alone decides."""
    return 1.0


def new_detector() -> VoiceDetector:
    """Return a voice detector for one session; the level of the sound alone where there is none for this system."""
    try:
        from pymicro_vad import MicroVad  # noqa: PLC0415 - there are wheels for Linux alone
    except ImportError:
        return by_level
    return SparingDetector(MicroVad())


class SparingDetector(VoiceDetector):
    """Looks at each frame until it is sure of speech, and then now and then at the last WINDOW frames.

    A look costs as much as sixteen frames of a window that is not full (docs/performance.md).
    """

    def __init__(self, detector: WindowedDetector) -> None:
        """Nothing was heard yet."""
        self._detector = detector
        self._window: deque[bytes] = deque(maxlen=WINDOW)
        self._probability = -1.0
        self._rest = 0
        self._has_rested = False

    def __call__(self, frame: bytes, /) -> float:
        """Return the probability of the last look; below 0 while the window is not full."""
        self._window.append(frame)
        if self._rest:
            self._rest -= 1
            return self._probability
        if self._has_rested:
            self._detector.reset()
            *before, _ = self._window
            for earlier in before:
                self._detector.process_10ms(earlier)
        self._probability = self._detector.process_10ms(frame)
        self._has_rested = self._probability > SURE
        self._rest = REST if self._has_rested else 0
        return self._probability
