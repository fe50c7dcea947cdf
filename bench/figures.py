"""Many samples, few numbers. Pure."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def percentile(samples: Iterable[float], percent: float) -> float:
    """The smallest sample that `percent` (above 0, up to 100) of all samples do not exceed.

    Raises ValueError without samples.
    """
    ordered = sorted(samples)
    if not ordered:
        raise ValueError("no samples")
    return ordered[math.ceil(percent / 100 * len(ordered)) - 1]


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure, measured in several rounds: the median round, the lowest and the highest."""

    median: float
    low: float
    high: float


def spread(rounds: Sequence[float]) -> Spread:
    """The figures of all rounds as one. Raises ValueError without rounds."""
    if not rounds:
        raise ValueError("no rounds")
    return Spread(statistics.median(rounds), min(rounds), max(rounds))


def added(without: Sequence[float], with_: Sequence[float]) -> Spread:
    """What came on top, compared round by round, so that a machine that grows slower counts on both sides."""
    return spread([after - before for before, after in zip(without, with_, strict=True)])
