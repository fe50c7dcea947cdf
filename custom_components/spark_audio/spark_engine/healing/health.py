"""What state is a service in? Pure: (health, observation, now) -> health.

    unknown ──> starting ──> healthy <──> suspect ──> wedged ──> restarting ──> healthy
                   └──── unreachable ────┘              └──> gave_up (budget spent; a person must act)

Evidence is real traffic and canaries (tiny real inferences with a known answer). Health endpoints are none: a wedged
process answers them with 200. Times are monotonic seconds.
"""

from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto

from ..errors import Busy, ServerFault, SparkError, TimedOut, Unauthorized, Unreachable

FAILED_CANARIES = 2
"""Canaries that must fail without a signature. One may be bad luck."""

TIMEOUTS = 3
"""Time-outs, beside `Policy.timeout_floor`: a busy server must not be shot."""

POSTPONED = 4
"""Intervals by which real traffic may postpone the canary: a wedged GPU can answer 200 with garbage."""


class State(StrEnum):
    """The states of a service."""

    UNKNOWN = "unknown"
    STARTING = "starting"
    HEALTHY = "healthy"
    SUSPECT = "suspect"
    WEDGED = "wedged"
    RESTARTING = "restarting"
    UNREACHABLE = "unreachable"
    GAVE_UP = "gave_up"


class Outcome(Enum):
    """What one request to the service showed."""

    SUCCESS = auto()
    SIGNED_FAULT = auto()
    FAULT = auto()
    WRONG_ANSWER = auto()
    TIMED_OUT = auto()
    UNREACHABLE = auto()
    LOADING = auto()
    UNAUTHORIZED = auto()
    NO_EVIDENCE = auto()


FAULTS = (Outcome.SIGNED_FAULT, Outcome.FAULT, Outcome.WRONG_ANSWER)


@dataclass(frozen=True, slots=True)
class Observation:
    """One outcome, of a canary or of real traffic; `detail` is one sentence for people."""

    outcome: Outcome
    canary: bool
    detail: str = ""


def observed(error: SparkError | None, *, canary: bool) -> Observation:
    """Return what a request that ended with this error, or with none, shows about the service."""
    if error is None:
        return Observation(Outcome.SUCCESS, canary, "A request was served.")
    match error:
        case ServerFault(signature=str()):
            outcome = Outcome.SIGNED_FAULT
        case ServerFault():
            outcome = Outcome.FAULT
        case TimedOut():
            outcome = Outcome.TIMED_OUT
        case Unreachable():
            outcome = Outcome.UNREACHABLE
        case Busy(status=503):
            outcome = Outcome.LOADING
        case Unauthorized():
            outcome = Outcome.UNAUTHORIZED
        case _:
            outcome = Outcome.NO_EVIDENCE
    return Observation(outcome, canary, error.message)


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state; `at` in wall clock seconds. `by_hand` tells of a restart whether a person asked for it."""

    at: float
    before: State
    after: State
    evidence: str
    by_hand: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """Settings, in seconds."""

    interval: float = 300.0
    """Between canaries of a healthy service."""
    suspect_interval: float = 5.0
    """Between canaries while something is wrong or about to be right: the whole point is to know soon."""
    down_interval: float = 15.0
    """Between canaries while wedged or unreachable: nothing we do makes it faster."""
    gave_up_interval: float = 60.0
    """Between canaries after giving up: a person may mend it at any time."""
    start_grace: float = 180.0
    """For which a service may take to start."""
    timeout_floor: float = 90.0
    """Without a success, before time-outs count as a wedge."""
    still_wedged_after: float = 60.0
    """After a restart from which a fault shows that it did not help: before, the old process may answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """All that is remembered of a service."""

    state: State = State.UNKNOWN
    since: float
    evidence: str = ""
    last_success: float | None = None
    last_canary: float | None = None
    canary_passed: bool = False
    """Whether a canary has ever been answered right: an English clip on a German model is no wedge."""
    was_healthy: bool = False
    signed: bool = False
    """A fault with a signature was seen; one failing canary confirms it."""
    wrong: bool = False
    """A canary was answered wrong; only a canary clears that."""
    failed_canaries: int = 0
    timeouts: int = 0
    loading_since: float | None = None


HOLDING = (State.STARTING, State.WEDGED, State.RESTARTING, State.GAVE_UP)
"""States in which callers fail fast. While suspect, requests go through: one bad recording must lock no one out."""


def observe(health: Health, seen: Observation, now: float, policy: Policy) -> Health:
    """Return the health after one more observation."""
    if seen.canary:
        health = replace(health, last_canary=now)
    match seen.outcome:
        case Outcome.UNAUTHORIZED | Outcome.NO_EVIDENCE:
            return health
        case Outcome.SUCCESS:
            return _succeeded(health, seen, now)
        case Outcome.UNREACHABLE:
            return _unreachable(health, seen, now, policy)
        case Outcome.LOADING:
            return _loading(health, seen, now, policy)
        case Outcome.WRONG_ANSWER if not health.canary_passed:
            # An English clip on a German model: an answer, if not the one that was hoped for.
            return replace(_succeeded(health, seen, now), canary_passed=False)
    return _failed(health, seen, now, policy)


def restart_sent(health: Health, now: float, detail: str) -> Health:
    """Return the health once a restart was asked for; old evidence is about a process that is going away."""
    cleared = replace(health, signed=False, wrong=False, failed_canaries=0, timeouts=0, loading_since=None)
    # What was broken is asked again at once; what was well would still answer for its old self.
    last_canary = None if health.state in (State.WEDGED, State.GAVE_UP) else now
    return replace(cleared, last_canary=last_canary, state=State.RESTARTING, since=now, evidence=detail)


def gave_up(health: Health, now: float, detail: str) -> Health:
    """Return the health once the budget is spent."""
    return _to(health, State.GAVE_UP, now, detail)


def canary_due(health: Health, now: float, policy: Policy) -> float:
    """Return seconds until the next canary, 0 for at once."""
    if health.last_canary is None:
        return 0.0
    match health.state:
        case State.HEALTHY:
            latest = health.last_canary + POSTPONED * policy.interval
            success = health.last_success or health.last_canary
            due = min(success + policy.interval, latest)
        case State.WEDGED | State.UNREACHABLE:
            due = health.last_canary + policy.down_interval
        case State.GAVE_UP:
            due = health.last_canary + policy.gave_up_interval
        case State.SUSPECT if health.last_canary < health.since:
            due = now
        case _:
            due = health.last_canary + policy.suspect_interval
    return max(0.0, due - now)


def _succeeded(health: Health, seen: Observation, now: float) -> Health:
    if health.wrong and not seen.canary:
        return replace(health, last_success=now)
    cleared = replace(
        health,
        last_success=now,
        canary_passed=health.canary_passed or seen.canary,
        was_healthy=True,
        signed=False,
        wrong=False,
        failed_canaries=0,
        timeouts=0,
        loading_since=None,
    )
    return _to(cleared, State.HEALTHY, now, seen.detail)


def _unreachable(health: Health, seen: Observation, now: float, policy: Policy) -> Health:
    if health.state is State.GAVE_UP or _is_young_restart(health, now, policy):
        return health
    return _to(health, State.UNREACHABLE, now, seen.detail)


def _loading(health: Health, seen: Observation, now: float, policy: Policy) -> Health:
    """Return the health after a 503: the server is loading, or says so for ever."""
    since = now if health.loading_since is None else health.loading_since
    health = replace(health, loading_since=since)
    if health.state is State.GAVE_UP or _is_young_restart(health, now, policy):
        return health
    if health.was_healthy and now - since >= policy.start_grace:
        return _failed(health, replace(seen, outcome=Outcome.FAULT), now, policy)
    if health.state is State.HEALTHY and not seen.canary:
        # An overloaded server says 503, too: the canary tells.
        return health
    return _to(health, State.STARTING, now, seen.detail)


def _failed(health: Health, seen: Observation, now: float, policy: Policy) -> Health:
    if health.state in (State.WEDGED, State.GAVE_UP) or _is_young_start(health, now, policy):
        return health
    if health.state is State.UNREACHABLE:
        # It is back, and a model that loads fails in many ways.
        return _to(health, State.STARTING, now, seen.detail)
    if health.state is State.RESTARTING:
        since = now - health.since
        helpless = seen.outcome in FAULTS and since >= policy.still_wedged_after
        return _to(health, State.WEDGED, now, seen.detail) if helpless or since >= policy.start_grace else health
    failed = _counted(health, seen)
    if _is_wedged(health, failed, seen, now, policy):
        return _to(failed, State.WEDGED, now, seen.detail)
    return _to(failed, State.SUSPECT, now, seen.detail)


def _counted(health: Health, seen: Observation) -> Health:
    return replace(
        health,
        signed=health.signed or seen.outcome is Outcome.SIGNED_FAULT,
        wrong=health.wrong or seen.outcome is Outcome.WRONG_ANSWER,
        timeouts=health.timeouts + (seen.outcome is Outcome.TIMED_OUT),
        failed_canaries=health.failed_canaries + (seen.canary and seen.outcome in FAULTS),
    )


def _is_wedged(before: Health, after: Health, seen: Observation, now: float, policy: Policy) -> bool:
    if not seen.canary:
        return False
    if before.signed or after.failed_canaries >= FAILED_CANARIES:
        return True
    quiet_since = after.since if after.last_success is None else after.last_success
    return after.timeouts >= TIMEOUTS and now - quiet_since >= policy.timeout_floor


def _is_young_restart(health: Health, now: float, policy: Policy) -> bool:
    return health.state is State.RESTARTING and now - health.since < policy.start_grace


def _is_young_start(health: Health, now: float, policy: Policy) -> bool:
    return health.state is State.STARTING and now - health.since < policy.start_grace


def _to(health: Health, state: State, now: float, evidence: str) -> Health:
    if health.state is state:
        return health
    return replace(health, state=state, since=now, evidence=evidence)
