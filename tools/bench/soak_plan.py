"""What is asked when, and what breaks when: the same for the same seed. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from embedded_spark.wedge import Mode

from tools.stack.wedge import MAGPIE, PARAKEET

RATE = 3.0
"""Requests per second on average, however long they take."""


class Kind(StrEnum):
    """A kind of traffic."""

    SPEECH_MP3 = "speech, mp3"
    SPEECH_WAV = "speech, wav"
    SPEECH_EVENTS = "speech, events"
    SHORT = "transcription, short wav"
    LONG = "transcription, long wav"
    COMPRESSED = "transcription, mp3"
    EVENTS = "transcription, events"
    MODELS = "models"
    VOICES = "voices"
    STATUS = "status page's events"
    HEALTH = "healthz"
    LEAVES_UPLOAD = "leaves within its upload"
    LEAVES_DOWNLOAD = "leaves within the speech"
    HALF_OPEN = "says half of it and no more"


_WEIGHTS = {
    Kind.SPEECH_MP3: 4,
    Kind.SPEECH_WAV: 4,
    Kind.SPEECH_EVENTS: 2,
    Kind.SHORT: 6,
    Kind.LONG: 2,
    Kind.COMPRESSED: 2,
    Kind.EVENTS: 2,
    Kind.MODELS: 1,
    Kind.VOICES: 1,
    Kind.STATUS: 1,
    Kind.HEALTH: 4,
    Kind.LEAVES_UPLOAD: 1,
    Kind.LEAVES_DOWNLOAD: 1,
    Kind.HALF_OPEN: 1,
}

HEARING = (Kind.SHORT, Kind.LONG, Kind.COMPRESSED, Kind.EVENTS)
SPEAKING = (Kind.SPEECH_MP3, Kind.SPEECH_WAV, Kind.SPEECH_EVENTS, Kind.LEAVES_DOWNLOAD)

WEDGES = (Mode.CUBLAS, Mode.CUDA422, Mode.OPAQUE500)
"""Wedges that show in the answers' status. What wrong words do is for `scripts/bench heal`."""

FIRST_WEDGE, WEDGE_EVERY = 8.0, 35.0
"""Seconds. Each service has a wedge every 70 s: the proxy leaves a minute between two restarts of one."""

FIRST_RESET, RESET_EVERY = 3.0, 7.0

SILENCE = 40.0
"""Seconds that a caller who has gone silent stays: longer than the proxy waits for an upload."""

HEALING = 12.0
"""Seconds at the end in which nothing new breaks."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request at `at` seconds. `size` from 0 to 1: how long its text or recording is, of what its kind allows.

    A caller who says half of it stays for so many seconds.
    """

    at: float
    kind: Kind
    size: float
    stays: float = 0.0


@dataclass(frozen=True, slots=True)
class Break:
    """A fault at `at` seconds: a wedge, or (None) an answer of the service that is cut in the middle."""

    at: float
    service: str
    wedge: Mode | None


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the run, in seconds from its own start."""

    seconds: float
    asks: tuple[Ask, ...]
    breaks: tuple[Break, ...]


def make_phase(seconds: float, seed: int, wedges_before: int = 0) -> Phase:
    """Return mixed traffic with faults in it; services and wedges go on where the last phase stopped."""
    chance = random.Random(seed)  # noqa: S311 - a choice that must be the same each time
    asks = []
    at = chance.expovariate(RATE)
    while at < seconds:
        (kind,) = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
        stays = min(SILENCE, seconds - at) if kind is Kind.HALF_OPEN else 0.0
        asks.append(Ask(at, kind, chance.random(), stays))
        at += chance.expovariate(RATE)
    return Phase(seconds, tuple(asks), _breaks(seconds - HEALING, wedges_before))


def one_of_each() -> tuple[Ask, ...]:
    """Return what has to be served once all is over."""
    return tuple(Ask(0.0, kind, 0.5) for kind in Kind if kind is not Kind.HALF_OPEN)


def _breaks(last: float, wedges_before: int) -> tuple[Break, ...]:
    services = (PARAKEET, MAGPIE)
    wedges = [
        Break(at, services[number % 2], WEDGES[number % len(WEDGES)])
        for number, at in enumerate(_every(FIRST_WEDGE, WEDGE_EVERY, last), wedges_before)
    ]
    resets = [Break(at, services[number % 2], None) for number, at in enumerate(_every(FIRST_RESET, RESET_EVERY, last))]
    return tuple(sorted([*wedges, *resets], key=lambda each: each.at))


def _every(first: float, step: float, last: float) -> Sequence[float]:
    return [first + step * number for number in range(max(0, int((last - first) // step) + 1))]
