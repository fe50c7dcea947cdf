"""What is asked when, and what breaks when: the same for the same seed. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from embedded_spark.wedge import Mode

from tools.stack.wedge import MAGPIE, PARAKEET

from .soak_calls import HALF_OPEN, KINDS, Ask

RATE = 3.0
"""Requests per second on average, however long they take."""

WARM_UP = 1 / 3
"""Of the whole time: what is loaded once and kept has been by then."""

SEED = 1

WEDGES = (Mode.CUBLAS, Mode.CUDA422, Mode.OPAQUE500)
"""Wedges that show in the answers' status. What wrong words do is for `scripts/bench heal`."""

FIRST_WEDGE, WEDGE_EVERY = 8.0, 35.0
"""Seconds. Each service has a wedge every 70 s: the proxy leaves a minute between two restarts of one."""

FIRST_UNLOAD, FIRST_SHORTAGE = 2.0, 14.0
"""Seconds. They come as often as wedges, to the service that is not wedged then."""

FIRST_RESET, RESET_EVERY = 3.0, 7.0

SILENCE = 40.0
"""Seconds that a caller who has gone silent stays: longer than the proxy waits for an upload."""

HEALING = 12.0
"""Seconds at the end in which nothing new breaks."""


class Passing(StrEnum):
    """What breaks and needs no restart."""

    CUT = "an answer is cut in the middle"
    SHORT = "the GPU's memory is full"
    UNLOADED = "the model is unloaded"


@dataclass(frozen=True, slots=True)
class Break:
    """A fault at `at` seconds: a wedge, or one that passes."""

    at: float
    service: str
    what: Mode | Passing


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the run, in seconds from its own start."""

    seconds: float
    asks: tuple[Ask, ...]
    breaks: tuple[Break, ...]


def make_phases(seconds: float) -> tuple[Phase, Phase]:
    """Return the warm-up, and what is compared with it."""
    warm_up = make_phase(seconds * WARM_UP, SEED)
    wedges = sum(isinstance(fault.what, Mode) for fault in warm_up.breaks)
    return warm_up, make_phase(seconds - warm_up.seconds, SEED + 1, wedges)


def make_phase(seconds: float, seed: int, wedges_before: int = 0) -> Phase:
    """Return mixed traffic with faults in it; services and wedges go on where the last phase stopped."""
    chance = random.Random(seed)  # noqa: S311 - a choice that must be the same each time
    asks = []
    at = chance.expovariate(RATE)
    while at < seconds:
        (kind,) = chance.choices(KINDS, [kind.weight for kind in KINDS])
        stays = min(SILENCE, seconds - at) if kind is HALF_OPEN else 0.0
        asks.append(Ask(at, kind, chance.random(), stays))
        at += chance.expovariate(RATE)
    return Phase(seconds, tuple(asks), _breaks(seconds - HEALING, wedges_before))


def _breaks(last: float, wedges_before: int) -> tuple[Break, ...]:
    services = (PARAKEET, MAGPIE)
    wedges = [
        Break(at, services[number % 2], WEDGES[number % len(WEDGES)])
        for number, at in enumerate(_every(FIRST_WEDGE, WEDGE_EVERY, last), wedges_before)
    ]
    others = [
        Break(at, services[(number + 1) % 2], what)
        for what, first in ((Passing.UNLOADED, FIRST_UNLOAD), (Passing.SHORT, FIRST_SHORTAGE))
        for number, at in enumerate(_every(first, WEDGE_EVERY, last), wedges_before)
    ]
    resets = [
        Break(at, services[number % 2], Passing.CUT) for number, at in enumerate(_every(FIRST_RESET, RESET_EVERY, last))
    ]
    return tuple(sorted([*wedges, *others, *resets], key=lambda each: each.at))


def _every(first: float, step: float, last: float) -> Sequence[float]:
    return [first + step * number for number in range(max(0, int((last - first) // step) + 1))]
