"""Spoken commands as a microphone hears them, and how long encoded speech is. Pure; samples are 16 kHz s16le mono."""

import math
import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import av
from av.error import FFmpegError
from spark_engine.models import SAMPLE_RATE

from .errors import ToolError

BEFORE, AFTER = 0.5, 5.0
"""Seconds of a quiet room before and after a command."""

ROOM = 60.0
"""Decibels by which a quiet room is below the loudest 10 ms of a command: no microphone gives digital silence."""

FAINTEST = 40.0
"""Decibels below the loudest 10 ms at which speech has ended."""

FRAME_SECONDS = 0.01
"""Of what has one level."""

COMMAND = "Turn on the kitchen light."


def names_the_light(words: str) -> bool:
    """Return whether a transcript is about the kitchen light, however it is spelled."""
    return "kitchenlight" in "".join(letter for letter in words.lower() if letter.isalpha())


@dataclass(frozen=True, slots=True)
class Command:
    """A spoken command in a quiet room. `begin` and `end` are those of its sound, in seconds from the start."""

    pcm: bytes
    begin: float
    end: float


def in_a_quiet_room(pcm: bytes, before: float = BEFORE) -> Command:
    """Return speech with the room's noise under it, `before` seconds of it in front and AFTER behind."""
    samples = array("h", pcm)
    amplitude = 10 ** ((max(levels(samples)) - ROOM) / 20)
    front, behind = round(before * SAMPLE_RATE), round(AFTER * SAMPLE_RATE)
    noise = random.Random(0)  # noqa: S311 - samples, no secret
    room = array("h", (round(noise.gauss(0, amplitude)) for _ in range(front + len(samples) + behind)))
    for at, sample in enumerate(samples, front):
        room[at] = max(-32_768, min(32_767, room[at] + sample))
    return Command(room.tobytes(), before + speech_begin(samples), before + speech_end(samples))


def levels(samples: Sequence[int]) -> Sequence[float]:
    """Return the level of each 10 ms in decibels."""
    size = SAMPLE_RATE // 100
    frames = (samples[at : at + size] for at in range(0, len(samples) - size + 1, size))
    return [10 * math.log10(sum(sample * sample for sample in frame) / size + 1e-9) for frame in frames]


def speech_begin(samples: Sequence[int]) -> float:
    """Return the seconds before the first 10 ms that are less than FAINTEST below the loudest."""
    heard = levels(samples)
    return min(at for at, level in enumerate(heard) if level > max(heard) - FAINTEST) / 100


def speech_end(samples: Sequence[int]) -> float:
    """Return the seconds until the last 10 ms that are less than FAINTEST below the loudest."""
    heard = levels(samples)
    return (1 + max(at for at, level in enumerate(heard) if level > max(heard) - FAINTEST)) / 100


def decoded_seconds(audio: bytes, audio_format: str | None = None) -> float:
    """Return how long encoded audio sounds, by decoding all of it. Raises ToolError for what cannot be decoded."""
    try:
        with av.open(BytesIO(audio), "r", format=audio_format) as media:
            return sum(frame.samples / frame.sample_rate for frame in media.decode(media.streams.audio[0]))
    except (FFmpegError, IndexError) as err:
        raise ToolError(f"{len(audio)} bytes of speech cannot be decoded ({type(err).__name__}).") from err
