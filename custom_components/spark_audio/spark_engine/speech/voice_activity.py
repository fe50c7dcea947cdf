"""Frames of a microphone in, seconds of silence out.

A voice detector alone tells the end of speech late: microVAD stays above its threshold for about 0.56 s after the last
sound. The level of the sound tells it at once, but takes a slamming door for speech. So the detector decides whether
it was speech, and the level when it ended.
"""

from typing import Protocol

from ..models import SAMPLE_RATE, SAMPLE_WIDTH

FRAMES_PER_SECOND = 100
FRAME = SAMPLE_RATE // FRAMES_PER_SECOND * SAMPLE_WIDTH
"""Bytes of 10 ms: what voice detectors look at."""

SPEECH = 0.5
"""Probability above which a frame is speech: Home Assistant's own threshold."""

NO_SPEECH = 0.1
"""Probability that no frame of speech stays below: the least of any short, quiet or whispered command was 0.21, and the
most of steady noise 0.09 (docs/performance.md)."""

ABOVE_ROOM = 2.0
"""How many times louder than the room a sound must be to be speech (6 dB)."""

BELOW_VOICE = 0.06
"""Share of the voice's level (-24 dB) below which there is only its echo."""

LEAST_LEVEL = 4.0
"""Mean of the samples' magnitudes: what is below is the noise of a converter."""

LIKELY_ROOM = 200.0
"""The room's level until something quieter was heard: speech may begin with the first frame."""

ROOM_RISE = 1.003
VOICE_FALL = 0.999
"""Per frame: the room's level follows a fan within seconds, the voice's level outlasts a pause."""

ONSET = 55
"""Frames within which the detector tells whether a new sound is speech; until then it may be.

microVAD needs up to half a second for a word that begins softly behind a pause ("David Bowie").
"""

GAP = 10
"""Frames of quiet within one sound: the stops in `cooker` are shorter."""

LAG = 80
"""Frames of quiet after which a detector need not listen: by then it has told all that it had to say of a sound."""


class VoiceDetector(Protocol):
    """Tells speech from anything else."""

    def __call__(self, frame: bytes, /) -> float:
        """Return the probability that this frame (10 ms, 16 kHz s16le mono) is speech; below 0 while it warms up."""


class VoiceActivity:
    """What one microphone has heard."""

    def __init__(self, detector: VoiceDetector, threshold: float = SPEECH, *, skips_silence: bool = False) -> None:
        """Nothing was heard yet. The detector is stateful, and this stream's own; above `threshold` it hears speech.

        With `skips_silence` it is not shown long silence, which costs most of its time in a stream without an end, and
        speech that is hardly louder than the room is missed then.
        """
        self.frames = 0
        """Frames heard."""
        self.speech_end = 0
        """Frames heard up to the last one with speech; 0 where there was none."""
        self.sound_end = 0
        """Frames heard up to the last one with any sound; 0 where there was none."""
        self.sound_start = 0
        """The first frame of the latest sound, counted from 1; 0 where there was none."""
        self._likeliest = -1.0
        """The highest probability so far; below 0 while the detector has told none."""
        self.detector = detector
        self.threshold = threshold
        self._skips_silence = skips_silence
        self._room = LIKELY_ROOM
        self._voice = 0.0

    @property
    def silence(self) -> float:
        """Return seconds since the last speech; 0 before the first, and while a sound is not told from speech yet."""
        is_undecided = self.sound_end > self.speech_end and self.frames - self.sound_start < ONSET
        if is_undecided or not self.speech_end:
            return 0.0
        return (self.frames - self.speech_end) / FRAMES_PER_SECOND

    @property
    def is_without_speech(self) -> bool:
        """Return whether nothing that was heard could be speech; False where the detector cannot tell yet."""
        return 0 <= self._likeliest <= NO_SPEECH

    def hear(self, frame: bytes) -> None:
        """Take in 10 ms of 16 kHz s16le mono samples."""
        self.frames += 1
        is_speech = self._detects(frame)
        if self._is_loud(frame, is_speech=is_speech):
            if self.frames - self.sound_end > GAP:
                self.sound_start = self.frames
            self.sound_end = self.frames
        if is_speech:
            self.speech_end = self.sound_end

    def _detects(self, frame: bytes) -> bool:
        """Return whether the detector hears speech."""
        if self._skips_silence and self._likeliest >= 0 and self.frames - self.sound_end > LAG:
            return False
        probability = self.detector(frame)
        self._likeliest = max(self._likeliest, probability)
        return probability > self.threshold

    def _is_loud(self, frame: bytes, *, is_speech: bool) -> bool:
        level = sum(map(abs, memoryview(frame).cast("h"))) / (len(frame) // SAMPLE_WIDTH)
        # Speech without a break must not become the room's level.
        self._room = max(min(level, self._room * (1.0 if is_speech else ROOM_RISE)), LEAST_LEVEL)
        self._voice = max(level, self._voice * VOICE_FALL)
        return level > max(self._room * ABOVE_ROOM, self._voice * BELOW_VOICE)
