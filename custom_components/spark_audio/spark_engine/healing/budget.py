"""May we restart now? Pure: attempts and the time go in, an answer comes out. Hosts keep the attempts."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """How many automatic restarts a window (in seconds) allows. Manual ones count, but are never refused by it."""

    limit: int = 3
    window: float = 1800.0
    spacing: float = 60.0
    """Seconds between two restarts: Docker may need 10 to stop a container, and a model more to begin loading."""


class AttemptStore(Protocol):
    """Where restarts are written down before they are sent, so that a crash cannot forget them."""

    async def load(self) -> tuple[float, ...]:
        """Return the attempts, wall clock seconds. Raises ValueError for a damaged record, OSError where unreadable."""

    async def save(self, attempts: tuple[float, ...]) -> None:
        """Keep the attempts, on the disk when this returns. Raises OSError."""


def in_window(attempts: Iterable[float], now: float, budget: Budget) -> list[float]:
    """Return the attempts (wall clock, seconds) that still count, oldest first; one in the future counts as made now.

    Clocks are stepped; an attempt must not be forgotten for that.
    """
    return sorted(min(at, now) for at in attempts if now - at < budget.window)


def restarts_left(attempts: Iterable[float], now: float, budget: Budget) -> int:
    """Return how many automatic restarts the window still allows."""
    return max(0, budget.limit - len(in_window(attempts, now, budget)))


def wait_before_restart(attempts: Iterable[float], now: float, budget: Budget) -> float | None:
    """Return seconds until an automatic restart is allowed, 0 for at once; None where the budget is spent."""
    counted = in_window(attempts, now, budget)
    if len(counted) >= budget.limit:
        return None
    return max(0.0, counted[-1] + budget.spacing - now) if counted else 0.0
