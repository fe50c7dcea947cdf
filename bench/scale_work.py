"""The work that grows: recordings of any length in several formats, and texts of any length."""

import itertools
import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from spark_engine.models import SAMPLE_RATE

from .errors import BenchError
from .requests import recording

SENTENCES = (
    "The kitchen light is on and it is warm outside.",
    "The front door stays shut until somebody rings.",
    "In the garden the apples are ripe, and the wasps have noticed.",
    "Tomorrow it will rain in the morning.",
    "The train is late again, so dinner has to wait.",
    "Somebody has left the window in the hall open all night.",
)

PACE = 200.0
"""Times real time at which the upstream speaks: the longest text sounds for more than half an hour."""

_PIECE = 60.0
"""Seconds that are encoded; what is longer is made of copies, as mp3 and ADTS allow."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A kind of file; `make` gives one of so many seconds. Blocking; raises BenchError."""

    name: str
    content_type: str
    make: Callable[[float], bytes]


def make_mp3(seconds: float) -> bytes:
    """44.1 kHz mono at 64 kbit/s, as phones record, of noise: up to a minute, or whole minutes.

    Raises BenchError where ffmpeg cannot make it, ValueError for a length between.
    """
    if seconds > _PIECE and seconds % _PIECE:
        raise ValueError(f"{seconds} s are no whole minutes")
    return _encode(min(seconds, _PIECE)) * max(1, int(seconds / _PIECE))


def _encode(seconds: float) -> bytes:
    noise = random.Random(0).randbytes(round(seconds * SAMPLE_RATE) * 2)  # noqa: S311 - samples, no secret
    source = ("-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", "pipe:0")
    codec = ("-c:a", "libmp3lame", "-b:a", "64k", "-ar", "44100", "-write_xing", "0", "-id3v2_version", "0")
    command = ("ffmpeg", "-v", "error", *source, *codec, "-f", "mp3", "pipe:1")
    try:
        return subprocess.run(command, input=noise, capture_output=True, check=True).stdout  # noqa: S603 - our own words
    except (OSError, subprocess.CalledProcessError) as err:
        raise BenchError(f"ffmpeg made no mp3: {err}.") from err


AUDIO_FORMATS = (AudioFormat("wav", "audio/wav", recording), AudioFormat("mp3", "audio/mpeg", make_mp3))


def make_text(characters: int) -> str:
    """So many characters of sentences, the last one cut where it must be. Pure."""
    text = ""
    for sentence in itertools.cycle(SENTENCES):
        text += f" {sentence}" if text else sentence
        if len(text) >= characters:
            return f"{text[: characters - 1].rstrip()}.".ljust(characters, ".")
    raise AssertionError
