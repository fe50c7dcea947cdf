"""How one server is, in one piece: what a host shows of it, whoever watches over it."""

from dataclasses import dataclass

from .budget import in_window
from .health import State
from .magpie import Magpie
from .parakeet import Parakeet
from .services import Member
from .watchdog import CanaryResult, Transition

SAME_MOMENT = 1.0
"""Seconds: the two clocks drift, and a moment that was told once shall not wander."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceStatus:
    """One server of a service. Moments are seconds since 1970, None where there was none."""

    name: str
    """`parakeet`, `parakeet-2`, ..., `magpie`."""
    url: str
    watched: bool = False
    """Whether anybody watches over it; if not, its state stays unknown."""
    state: State = State.UNKNOWN
    since: float | None = None
    evidence: str = ""
    last_canary: CanaryResult | None = None
    last_success: float | None = None
    automatic: bool = False
    """Whether its watcher restarts it without being asked."""
    restart_target: str | None = None
    """The kind of its restart target."""
    restarts: tuple[float, ...] = ()
    """Those that count, oldest first."""
    restarts_left: int | None = None
    history: tuple[Transition, ...] = ()


def status_of(member: Member[Parakeet] | Member[Magpie], before: ServiceStatus | None = None) -> ServiceStatus:
    """The status of a server that is watched here. `before` keeps moments steady from one call to the next."""
    watchdog = member.watchdog
    if watchdog is None:
        return ServiceStatus(name=member.name, url=member.url)
    health, clock = watchdog.health, watchdog.clock
    now, monotonic = clock.time(), clock.monotonic()
    success = None if health.last_success is None else now - (monotonic - health.last_success)
    since = watchdog.history[-1].at if watchdog.history else now - (monotonic - health.since)
    return ServiceStatus(
        name=member.name,
        url=member.url,
        watched=True,
        state=health.state,
        since=_steady(before.since if before else None, since),
        evidence=health.evidence,
        last_canary=watchdog.last_canary,
        last_success=_steady(before.last_success if before else None, success),
        automatic=watchdog.settings.automatic,
        restart_target=watchdog.target.kind if watchdog.target else None,
        restarts=tuple(in_window(watchdog.attempts, now, watchdog.settings.budget)),
        restarts_left=watchdog.restarts_left,
        history=tuple(watchdog.history),
    )


def _steady(before: float | None, now: float | None) -> float | None:
    if before is not None and now is not None and abs(now - before) < SAME_MOMENT:
        return before
    return now
