"""May a server be restarted now? Pure: the ledger and the time go in, an answer comes out. Hosts keep the ledger."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import median
from typing import Protocol

RECOVERIES_KEPT = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """How many automatic restarts a window (in seconds) allows. Manual ones count, but are never refused by it."""

    limit: int = 3
    window: float = 1800.0
    spacing: float = 60.0
    """Seconds between two restarts: Docker may need 10 to stop a container, and a model more to begin loading."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The restarts of one server, wall clock seconds, and how many seconds the last recoveries took."""

    restarts: tuple[float, ...] = ()
    recoveries: tuple[float, ...] = ()

    @property
    def expected_recovery(self) -> float | None:
        """Return the seconds that a recovery usually takes, None before the first one."""
        return median(self.recoveries) if self.recoveries else None

    def with_restart(self, at: float, budget: Budget) -> Ledger:
        """Return the ledger with one more restart, and without those that do not count any more."""
        return replace(self, restarts=(*in_window(self.restarts, at, budget), at))

    def without_restart(self, at: float) -> Ledger:
        """Return the ledger without a restart that was not made."""
        return replace(self, restarts=tuple(each for each in self.restarts if each != at))

    def with_recovery(self, seconds: float) -> Ledger:
        """Return the ledger with one more recovery."""
        return replace(self, recoveries=(*self.recoveries, seconds)[-RECOVERIES_KEPT:])

    def at(self, now: float) -> Ledger:
        """Return the ledger with restarts in the future as made now: clocks are stepped, and none must be forgotten."""
        return replace(self, restarts=tuple(min(each, now) for each in self.restarts))


class LedgerStore(Protocol):
    """Where restarts are written down before they are sent, so that a crash cannot forget them."""

    async def load(self) -> Ledger:
        """Return the ledger. Raises ValueError where it is damaged, OSError where it cannot be read or kept."""

    async def save(self, ledger: Ledger) -> None:
        """Keep the ledger, on the disk when this returns. Raises OSError."""


def in_window(restarts: Iterable[float], now: float, budget: Budget) -> list[float]:
    """Return the restarts (wall clock, seconds) that still count, oldest first; a future one counts as made now."""
    return sorted(min(at, now) for at in restarts if now - at < budget.window)


def restarts_left(restarts: Iterable[float], now: float, budget: Budget) -> int:
    """Return how many automatic restarts the window still allows."""
    return max(0, budget.limit - len(in_window(restarts, now, budget)))


def wait_before_restart(restarts: Iterable[float], now: float, budget: Budget) -> float | None:
    """Return seconds until an automatic restart is allowed, 0 for at once; None where the budget is spent."""
    counted = in_window(restarts, now, budget)
    if len(counted) >= budget.limit:
        return None
    return max(0.0, counted[-1] + budget.spacing - now) if counted else 0.0
