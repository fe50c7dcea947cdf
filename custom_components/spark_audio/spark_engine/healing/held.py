"""Why a request is not sent at all: a sentence for the caller, and when to come back."""

from math import isfinite

from ..errors import Held, OutOfMemory, SparkError, WrongServer
from .health import State
from .watchdog import Watchdog

RECOVERY = 60.0
"""Seconds after which to come back while it is unknown how long a recovery takes."""

GAVE_UP_RETRY = 600.0


def held(watchdog: Watchdog) -> SparkError:
    """Return the error for a server that is not asked in its state."""
    service, health = watchdog.name.service.display_name, watchdog.health
    match health.state:
        case State.WRONG_SERVER:
            return WrongServer(health.evidence)
        case State.OUT_OF_MEMORY:
            return OutOfMemory(f"The GPU's memory is full: another program has taken it, and {service} cannot work.")
    sentence = _sentence(watchdog, service)
    return Held(sentence, retry_after=_seconds(watchdog), state=health.state)


def expected_recovery(watchdog: Watchdog) -> float:
    """Return the seconds from now to the end of a recovery that begins with the next restart."""
    usual = watchdog.restarter.ledger.expected_recovery
    wait = watchdog.restarter.wait() if watchdog.restarts_automatically else None
    return (RECOVERY if usual is None else usual) + (wait if wait is not None and isfinite(wait) else 0.0)


def retry_after(error: SparkError) -> float:
    """Return the seconds after which to come back, infinity where that does not help."""
    return error.retry_after if isinstance(error, Held | OutOfMemory) else float("inf")


def _sentence(watchdog: Watchdog, service: str) -> str:
    match watchdog.health.state:
        case State.STARTING:
            return f"{service} is starting; its model is being loaded."
        case State.RESTARTING:
            return f"{service} is being restarted."
        case State.WEDGED if watchdog.restarts_automatically:
            return f"{service} has stopped working and is about to be restarted."
        case State.GAVE_UP:
            return f"{service} does not recover by restarting: operator action required."
    return f"{service} has stopped working: operator action required."


def _seconds(watchdog: Watchdog) -> float:
    """Return the seconds to the expected end: the next restart may have to wait, and a recovery takes its time."""
    match watchdog.health.state:
        case State.GAVE_UP:
            return GAVE_UP_RETRY
        case State.WEDGED:
            return expected_recovery(watchdog)
    usual = watchdog.restarter.ledger.expected_recovery
    return RECOVERY if usual is None else max(1.0, usual - (watchdog.clock.monotonic() - watchdog.health.since))
