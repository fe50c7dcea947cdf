"""What state follows an observation? Pure: (health, observation, now) -> health.

    unknown ──> starting ──> healthy <──> suspect ──> wedged ──> restarting ──> healthy
       │                       │ asleep      └─ out_of_memory     └──> gave_up (budget spent; a person must act)
       └── unreachable, wrong_server

Rules, and where they come from (docs/self-healing.md):
- A canary's failure is cleared by a canary alone, unless no canary ever passed here.
- Within the start grace after a server is first seen, or seen again, faults without a signature do not count.
- Only requests that began after a restart say anything about it.
- Where canaries give no evidence, real traffic decides, and no state holds callers for ever.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from .health import BLIND, FAULTS, Health, Observation, Outcome, Policy, State

FAILED_CANARIES = 2
"""Canaries that must fail without a signature. One may be bad luck."""

TIMEOUTS = 3
"""Time-outs, beside `Policy.timeout_floor`: a busy server must not be shot."""

POSTPONED = 4
"""Intervals by which real traffic may postpone the canary: a wedged GPU can answer 200 with garbage."""

UNFIT = 2
"""Requests in a row that fail while canaries do not: one alone may be a long recording."""

SIGNED_FAILURES = 2
FAILURES = 3
"""Failed requests of real traffic that make a wedge where canaries give no evidence, with and without a signature."""

_FAILURES = (*FAULTS, Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY)
"""Outcomes of a request that the server did not answer as it has to."""

_SILENT = (Outcome.UNREACHABLE, Outcome.KILLED, Outcome.TIMED_OUT, Outcome.ABANDONED, Outcome.QUEUED)
"""Outcomes that do not show that a process is there."""

_NEVER_EXCUSED = (Outcome.SIGNED_FAULT, Outcome.WRONG_ANSWER)
"""Failures that no load of a model explains."""

AT_REST = (State.UNKNOWN, State.HEALTHY, State.ASLEEP, State.STARTING, State.UNREACHABLE, State.WRONG_SERVER)
"""States in which a server may say that it is asleep, and is not woken: a suspicion, or a restart, is looked into."""


def holds(health: Health, now: float, policy: Policy) -> bool:
    """Return whether callers fail fast. While suspect, requests go through: one bad recording must lock no one out."""
    match health.state:
        case State.STARTING:
            return now - health.since < policy.start_grace
        case State.WEDGED | State.GAVE_UP | State.OUT_OF_MEMORY if health.blind:
            # No canary will ever tell: a caller's request has to, every now and then.
            last = max(health.since, health.last_failed_request or health.since)
            return now - last < policy.gave_up_interval
    return health.state in (State.WEDGED, State.RESTARTING, State.GAVE_UP, State.OUT_OF_MEMORY, State.WRONG_SERVER)


def observe(health: Health, seen: Observation, now: float, policy: Policy) -> Health:
    """Return the health after one more observation."""
    if seen.started is not None and health.restarted_at is not None and seen.started < health.restarted_at:
        return health
    if seen.canary:
        health = replace(health, last_canary=now, doubted=False, blind=seen.outcome in BLIND)
    elif seen.outcome in _FAILURES:
        before = health.failed_requests if _is_recent(health.last_failed_request, now, policy.requests_fade) else 0
        health = replace(health, failed_requests=before + 1, last_failed_request=now)
    if seen.outcome not in (Outcome.UNREACHABLE, Outcome.ABANDONED, Outcome.QUEUED) and health.seen_since is None:
        health = replace(health, seen_since=now)
    if seen.outcome not in _SILENT:
        health = replace(health, killed_at=None)
    return _RULES.get(seen.outcome, _failed)(health, seen, now, policy)


def restart_sent(health: Health, now: float, detail: str) -> Health:
    """Return the health once a restart was asked for; old evidence is about a process that is going away."""
    # What was broken is asked again at once; what was well would still answer for its old self.
    last_canary = None if health.state in (State.WEDGED, State.GAVE_UP, State.OUT_OF_MEMORY) else now
    return Health(
        state=State.RESTARTING,
        since=now,
        evidence=detail,
        last_canary=last_canary,
        last_success=health.last_success,
        canary_answered=health.canary_answered,
        canary_passed=health.canary_passed,
        ever_well=health.ever_well,
        memory_since=health.memory_since,
        last_memory=health.last_memory,
        memory_restarted=health.memory_restarted or health.memory_since is not None,
        restarted_at=now,
        restarts_in_vain=health.restarts_in_vain + 1,
    )


def restart_refused(health: Health, before: Health, now: float) -> Health:
    """Return the health where the restart target said no: no restart was made, and all is as it was."""
    if health.state is not State.RESTARTING:
        return health
    return replace(before, since=now, last_canary=now)


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
            due = min(max(health.last_success or 0.0, health.last_canary) + policy.interval, latest)
        case State.ASLEEP:
            due = health.last_canary + policy.interval
        case State.WEDGED | State.UNREACHABLE:
            due = health.last_canary + policy.down_interval
        case State.WRONG_SERVER if health.ever_well:
            # A gateway's page, perhaps, which goes as it came.
            due = health.last_canary + policy.down_interval
        case State.GAVE_UP | State.WRONG_SERVER:
            due = health.last_canary + policy.gave_up_interval
        case State.SUSPECT if health.last_canary < health.since:
            due = now
        case State.UNKNOWN | State.SUSPECT if health.blind:
            due = health.last_canary + policy.gave_up_interval
        case _:
            due = health.last_canary + policy.suspect_interval
    if health.doubted:
        due = min(due, health.last_canary + policy.suspect_interval)
    return max(0.0, due - now)


def _answered(health: Health, seen: Observation, now: float, policy: Policy) -> Health:
    """It answers, and that is all: the request's own fault, or a key that is refused."""
    health = replace(health, timeouts=0)
    waited = now - health.since
    is_served = _is_recent(health.last_success, now, policy.interval)
    match health.state:
        case State.UNREACHABLE | State.STARTING | State.WRONG_SERVER:
            return _to(replace(health, seen_since=now), State.UNKNOWN, now, seen.detail)
        case State.RESTARTING if waited >= policy.still_wedged_after:
            return _to(health, State.UNKNOWN, now, seen.detail)
        case State.HEALTHY if health.blind and health.canary_answered and not is_served:
            # Canaries were answered before: what is said of a canary may be said of every request.
            return _to(health, State.UNKNOWN, now, seen.detail)
    return health


def _succeeded(health: Health, seen: Observation, now: float, policy: Policy) -> Health:
    health = replace(health, last_success=now, timeouts=0, failures=0, signed_failures=0, failing_since=None)
    if not seen.canary:
        health = replace(health, failed_requests=0)
        if health.failed_canaries and _canary_counts(health) and not health.blind:
            return health
        if health.state in (State.WEDGED, State.GAVE_UP, State.OUT_OF_MEMORY) and not health.blind:
            return health
    is_recent = _is_recent(health.last_failed_request, now, policy.requests_fade)
    cleared = replace(
        health,
        seen_since=now if health.seen_since is None else health.seen_since,
        well_since_seen=True,
        ever_well=True,
        canary_answered=health.canary_answered or seen.canary,
        canary_passed=health.canary_passed or seen.canary,
        signed=False,
        failed_canaries=0,
        loading_since=None,
        memory_since=None,
        memory_restarted=False,
        restarted_at=None,
        restarts_in_vain=0,
    )
    if health.state is State.SUSPECT and health.failed_requests >= UNFIT and is_recent:
        # A canary is short: that it succeeds says nothing about requests that do not.
        return cleared
    return _to(cleared, State.HEALTHY, now, seen.detail)


def _unreachable(health: Health, seen: Observation, now: float, policy: Policy) -> Health:
    if health.state is State.GAVE_UP or _is_young_restart(health, now, policy):
        return health
    if health.killed_at is not None and now - health.killed_at >= policy.killed_patience:
        died = replace(health, killed_at=None)
        return _to(died, State.WEDGED, now, "The process ended on a request and was not started again.")
    away = replace(health, seen_since=None, well_since_seen=False, blind=False, timeouts=0, memory_since=None)
    return _to(away, State.UNREACHABLE, now, seen.detail)


def _loading(health: Health, seen: Observation, now: float, policy: Policy) -> Health:
    """Return the health after a 503: the server is loading, or says so for ever."""
    since = now if health.loading_since is None else health.loading_since
    health = replace(health, loading_since=since)
    if health.state is State.GAVE_UP or _is_young_restart(health, now, policy):
        return health
    if health.well_since_seen and now - since >= policy.start_grace:
        return _failed(health, replace(seen, outcome=Outcome.FAULT), now, policy)
    if health.state is State.HEALTHY and not seen.canary:
        # An overloaded server says 503, too: the canary tells.
        return replace(health, doubted=True)
    return _to(health, State.STARTING, now, seen.detail)


def _asleep(health: Health, seen: Observation, now: float, _: Policy) -> Health:
    return _to(health, State.ASLEEP, now, seen.detail) if health.state in AT_REST else health


def _abandoned(health: Health, _seen: Observation, _now: float, _: Policy) -> Health:
    return replace(health, doubted=True)


def _queued(health: Health, _seen: Observation, _now: float, _: Policy) -> Health:
    return health


def _wrong_server(health: Health, seen: Observation, now: float, policy: Policy) -> Health:
    is_young = _is_young_restart(health, now, policy)
    return health if is_young else _to(replace(health, timeouts=0), State.WRONG_SERVER, now, seen.detail)


def _wrong_answer(health: Health, seen: Observation, now: float, policy: Policy) -> Health:
    """An English clip on a German model is an answer, if not the one that was hoped for."""
    if health.canary_passed:
        return _failed(health, seen, now, policy)
    return replace(_succeeded(health, seen, now, policy), canary_passed=False)


def _ambiguous(health: Health, seen: Observation, now: float, policy: Policy) -> Health:
    is_memory = _is_recent(health.last_memory, now, policy.memory_recent)
    return (_out_of_memory if is_memory else _failed)(health, seen, now, policy)


def _out_of_memory(health: Health, seen: Observation, now: float, policy: Policy) -> Health:
    """Memory passes, and a restart makes it worse: the model may not load again."""
    since = now if health.memory_since is None else health.memory_since
    health = replace(
        health,
        memory_since=since,
        last_memory=now,
        failures=health.failures + (not seen.canary),
    )
    if not seen.canary and not (health.blind and health.failures >= SIGNED_FAILURES):
        if health.state is State.HEALTHY and health.failed_requests < UNFIT:
            # One large request may not fit where all others do: the canary tells.
            return replace(health, doubted=True)
        return _to(health, State.SUSPECT, now, seen.detail) if health.state in AT_REST else health
    if health.state is State.RESTARTING and now - health.since < policy.still_wedged_after:
        return health
    if now - since >= policy.memory_patience and not health.memory_restarted:
        return _to(replace(health, memory_restarted=True), State.WEDGED, now, seen.detail)
    return _to(health, State.OUT_OF_MEMORY, now, seen.detail)


def _failed(health: Health, seen: Observation, now: float, policy: Policy) -> Health:
    """A fault or a time-out: where the state itself explains it, it does not count."""
    if health.state in (State.WEDGED, State.GAVE_UP):
        return health
    if seen.outcome is Outcome.KILLED and health.state is not State.RESTARTING:
        health = replace(health, killed_at=now)
    is_signed, excusable = seen.outcome is Outcome.SIGNED_FAULT, seen.outcome not in _NEVER_EXCUSED
    waited = now - health.since
    match health.state:
        case State.STARTING if waited < policy.start_grace and excusable:
            return health
        case State.UNREACHABLE if excusable:
            # It is back, and a model that loads fails in many ways.
            return _to(replace(health, seen_since=now), State.STARTING, now, seen.detail)
        case State.RESTARTING:
            is_in_vain = not excusable and waited >= policy.still_wedged_after
            return _wedged(health, seen, now) if is_in_vain or waited >= policy.start_grace else health
        case State.OUT_OF_MEMORY if not is_signed and _is_recent(health.last_memory, now, policy.memory_fades):
            return health
        case State.ASLEEP:
            # It loads its model now, which takes as long as a start.
            health = replace(health, seen_since=now, well_since_seen=False)
    return _suspected(health, seen, now, policy)


def _suspected(health: Health, seen: Observation, now: float, policy: Policy) -> Health:
    """Count the failure, unless the server may be starting."""
    if seen.outcome not in _NEVER_EXCUSED:
        if seen.canary and not _canary_counts(health):
            return replace(health, blind=True)
        if _is_in_grace(health, now, policy):
            return _to(health, State.SUSPECT, now, seen.detail)
    counted = _counted(health, seen, now)
    if _is_wedged(health, counted, seen, now, policy):
        return _wedged(counted, seen, now)
    return _to(counted, State.SUSPECT, now, seen.detail)


def _wedged(health: Health, seen: Observation, now: float) -> Health:
    if not health.ever_well and health.restarts_in_vain and seen.outcome is not Outcome.SIGNED_FAULT:
        sentence = "It has never served a request here, and a restart changed nothing: its set-up does not work."
        return _to(health, State.GAVE_UP, now, f"{sentence} {seen.detail}".rstrip())
    return _to(health, State.WEDGED, now, seen.detail)


def _counted(health: Health, seen: Observation, now: float) -> Health:
    is_signed, is_fault = seen.outcome is Outcome.SIGNED_FAULT, seen.outcome in FAULTS
    return replace(
        health,
        signed=health.signed or is_signed,
        timeouts=health.timeouts + (seen.outcome is Outcome.TIMED_OUT),
        failed_canaries=health.failed_canaries + (seen.canary and is_fault),
        failures=health.failures + (not seen.canary),
        signed_failures=health.signed_failures + (is_signed and not seen.canary),
        failing_since=now if health.failing_since is None else health.failing_since,
    )


def _is_wedged(before: Health, after: Health, seen: Observation, now: float, policy: Policy) -> bool:
    quiet_since = after.since if after.last_success is None else after.last_success
    if after.timeouts >= TIMEOUTS and now - quiet_since >= policy.timeout_floor and (seen.canary or after.blind):
        return True
    if seen.canary:
        return before.signed or after.failed_canaries >= FAILED_CANARIES
    if not after.blind:
        return False
    lasting = after.failing_since is not None and now - after.failing_since >= policy.failing_for
    return after.signed_failures >= SIGNED_FAILURES or (after.failures >= FAILURES and lasting)


def _canary_counts(health: Health) -> bool:
    """Return whether an unsigned failure of a canary counts: not where only requests were ever answered."""
    return health.canary_answered or not health.ever_well


def _is_in_grace(health: Health, now: float, policy: Policy) -> bool:
    """Return whether the server may still be starting: it was seen a short while ago, and not well since."""
    return not health.well_since_seen and _is_recent(health.seen_since, now, policy.start_grace)


def _is_young_restart(health: Health, now: float, policy: Policy) -> bool:
    return health.state is State.RESTARTING and now - health.since < policy.start_grace


def _is_recent(at: float | None, now: float, seconds: float) -> bool:
    return at is not None and now - at < seconds


def _to(health: Health, state: State, now: float, evidence: str) -> Health:
    if health.state is state:
        return health
    return replace(health, state=state, since=now, evidence=evidence)


type _Rule = Callable[[Health, Observation, float, Policy], Health]

_RULES: Mapping[Outcome, _Rule] = {
    Outcome.SUCCESS: _succeeded,
    Outcome.WRONG_ANSWER: _wrong_answer,
    Outcome.AMBIGUOUS_FAULT: _ambiguous,
    Outcome.OUT_OF_MEMORY: _out_of_memory,
    Outcome.UNREACHABLE: _unreachable,
    Outcome.LOADING: _loading,
    Outcome.ASLEEP: _asleep,
    Outcome.WRONG_SERVER: _wrong_server,
    Outcome.UNAUTHORIZED: _answered,
    Outcome.NO_EVIDENCE: _answered,
    Outcome.ABANDONED: _abandoned,
    Outcome.QUEUED: _queued,
}
"""By outcome; every other one is a fault."""
