"""Why a request is not sent at all: a sentence for the caller, and when to come back."""

from ..errors import Held
from .health import State
from .watchdog import Watchdog

RECOVERY = 60.0
"""Seconds after which to come back while it is unknown how long a recovery takes."""

GAVE_UP_RETRY = 600.0


def held(watchdog: Watchdog) -> Held:
    """Return the error for a server in one of the holding states."""
    service = watchdog.name.service.display_name
    match watchdog.health.state:
        case State.GAVE_UP:
            return Held(
                f"{service} does not recover by restarting: operator action required.", retry_after=GAVE_UP_RETRY
            )
        case State.STARTING:
            return Held(f"{service} is starting; its model is being loaded.", retry_after=_expected(watchdog))
        case State.RESTARTING:
            return Held(f"{service} is being restarted.", retry_after=_expected(watchdog))
    if watchdog.restarts_by_itself:
        return Held(f"{service} has stopped working and is about to be restarted.", retry_after=_expected(watchdog))
    return Held(f"{service} has stopped working: operator action required.", retry_after=RECOVERY)


def _expected(watchdog: Watchdog) -> float:
    """Return the seconds to the expected end, from how long the last recovery took."""
    if watchdog.recovery_seconds is None:
        return RECOVERY
    elapsed = watchdog.clock.monotonic() - watchdog.health.since
    return max(1.0, watchdog.recovery_seconds - elapsed)
