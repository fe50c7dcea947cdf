"""How much of the last day each server could be used, by half hours: what the page draws as a strip.

Kept in memory: a proxy that is started again has nothing to tell of the time before.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from spark_engine.healing.health import State, Transition
from spark_engine.models import Json, ServerName

from .journal import Event, ServerEvent

BUCKET = 1800.0
"""Seconds of wall clock time that one mark of the strip stands for."""

BUCKETS = 48

_USABLE = (State.HEALTHY, State.SUSPECT, State.ASLEEP)
"""States in which requests are sent and expected to succeed. `unknown` counts as neither."""


@dataclass(slots=True)
class _Day:
    """The last day of one server: seconds (usable, all) by the number of the half hour since 1970."""

    since: float
    began: float
    state: State = State.UNKNOWN
    buckets: dict[int, tuple[float, float]] = field(default_factory=dict)

    def advance(self, now: float) -> None:
        """Count the time up to `now` for the state of that time. A clock that was set back costs that time."""
        at = max(self.since, now - BUCKET * BUCKETS)
        self.since = now
        while at < now:
            number = int(at // BUCKET)
            end = min(now, (number + 1) * BUCKET)
            if self.state is not State.UNKNOWN:
                usable, known = self.buckets.get(number, (0.0, 0.0))
                self.buckets[number] = usable + (end - at) * (self.state in _USABLE), known + end - at
            at = end
        oldest = int(now // BUCKET) - BUCKETS
        self.buckets = {number: seconds for number, seconds in self.buckets.items() if number > oldest}


class Availability:
    """The last day of each server, from what its watchdog tells."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Know nothing yet; `clock` returns wall clock seconds."""
        self._clock = clock
        self._days: dict[ServerName, _Day] = defaultdict(lambda: _Day(clock(), clock()))

    def tell(self, event: Event) -> None:
        """Take in an event of the journal."""
        if isinstance(event, ServerEvent) and isinstance(event.event, Transition):
            day = self._days[event.server]
            day.advance(self._clock())
            day.state = event.event.after

    def of(self, server: ServerName) -> dict[str, Json]:
        """Return the usable part of the whole day and of each half hour, oldest first; None where nothing is known.

        `since` is when the watch began, in seconds since 1970.
        """
        now, day = self._clock(), self._days[server]
        day.advance(now)
        last = int(now // BUCKET)
        parts = [day.buckets.get(number, (0.0, 0.0)) for number in range(last - BUCKETS + 1, last + 1)]
        usable, known = (sum(seconds) for seconds in zip(*parts, strict=True))
        return {
            "since": int(day.began),
            "bucket": BUCKET,
            "ratio": _part(usable, known),
            "buckets": [_part(*part) for part in parts],
        }


def _part(usable: float, known: float) -> float | None:
    return round(usable / known, 4) if known else None
