"""The audio that a client has sent and not committed, and the turn that is spoken in it."""

from dataclasses import dataclass, field

from spark_engine.models import SAMPLE_RATE, SAMPLE_WIDTH, Audio
from spark_engine.speech.turn_end import TurnRule, is_over
from spark_engine.speech.voice_activity import FRAME, FRAMES_PER_SECOND, VoiceActivity

from .settings import EAGERNESS, TurnDetection

LATE = 200
"""Frames of a sound before the detector is sure that it is speech; they are kept for that, beside the padding."""


@dataclass
class InputBuffer:
    """16 kHz s16le mono PCM, looked at in frames of 10 ms."""

    activity: VoiceActivity
    newest: bytes = b""
    """The frame that was heard last."""
    began: bool = False
    """Whether a turn has begun in it, by the voice; never where the client ends its turns."""
    _audio: bytearray = field(default_factory=bytearray)
    _rest: bytes = b""
    _floor: int = 0
    """Frames up to the end of the last turn: speech before that is no new one."""

    @property
    def frames(self) -> int:
        """Return frames that were heard since the session began."""
        return self.activity.frames

    @property
    def start(self) -> int:
        """Return the frames heard before the buffer's first one."""
        return self.frames - len(self._audio) // FRAME

    @property
    def size(self) -> int:
        """Return the bytes that are in it."""
        return len(self._audio) + len(self._rest)

    @property
    def seconds(self) -> float:
        """Return the length of what is in it."""
        return self.size / SAMPLE_WIDTH / SAMPLE_RATE

    @property
    def audio(self) -> Audio:
        """Return all of it."""
        return Audio(bytes(self._audio) + self._rest, SAMPLE_RATE)

    def frames_of(self, pcm: bytes) -> list[bytes]:
        """Return the whole frames that these samples complete; the rest waits for more."""
        pcm = self._rest + pcm
        whole = len(pcm) // FRAME * FRAME
        self._rest = pcm[whole:]
        return [pcm[at : at + FRAME] for at in range(0, whole, FRAME)]

    def hear(self, frame: bytes) -> None:
        """Take one frame."""
        self.newest = frame
        self._audio += frame
        self.activity.hear(frame)

    def find_speech(self, detection: TurnDetection) -> bool:
        """Return whether a turn begins with this frame. What came long before speech is let go."""
        padding = detection.prefix_padding_ms * FRAMES_PER_SECOND // 1000
        if self.activity.speech_end <= self._floor:
            self._drop_before(self.frames - padding - LATE)
            return False
        self._drop_before(max(self.activity.sound_start, self._floor) - 1 - padding)
        self.began = True
        return True

    def take(self) -> Audio:
        """Return all of it, and begin anew."""
        audio = self.audio
        self._audio.clear()
        self._rest = b""
        self._floor = self.frames
        self.began = False
        return audio

    def _drop_before(self, frame: int) -> None:
        if (surplus := frame - self.start) > 0:
            del self._audio[: surplus * FRAME]


def ends_turn(
    detection: TurnDetection, activity: VoiceActivity, text: str | None, language: str | None, *, has_ended: bool
) -> bool:
    """Return whether the turn is over; `text` is what was understood of all speech so far, None where not known.

    `has_ended` tells whether a server that transcribes live has heard the speaker end after it.
    """
    silence = activity.silence
    if silence <= 0:
        return False
    if detection.kind == "semantic_vad":
        return is_over(_rule(detection), silence, text, language, has_ended=has_ended)
    return silence * 1000 >= detection.silence_duration_ms


def _rule(detection: TurnDetection) -> TurnRule:
    return EAGERNESS[detection.eagerness]
