"""How a server is: its state, and what is remembered of it. What state follows is in state_machine.py.

Evidence is real traffic and canaries (tiny real inferences with a known answer). Health endpoints are none: a wedged
process answers them with 200. Times are monotonic seconds, except in `Transition`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from ..errors import (
    Busy,
    OutOfMemory,
    ServerFault,
    SparkError,
    TimedOut,
    Unauthorized,
    Unreachable,
    WrongServer,
)


class State(StrEnum):
    """The states of a server. Each has an end by evidence or by time (docs/self-healing.md)."""

    UNKNOWN = "unknown"
    STARTING = "starting"
    HEALTHY = "healthy"
    ASLEEP = "asleep"
    SUSPECT = "suspect"
    OUT_OF_MEMORY = "out_of_memory"
    WEDGED = "wedged"
    RESTARTING = "restarting"
    UNREACHABLE = "unreachable"
    WRONG_SERVER = "wrong_server"
    GAVE_UP = "gave_up"


class Outcome(Enum):
    """What one request to the server showed."""

    SUCCESS = auto()
    SIGNED_FAULT = auto()
    """A fault with the text of a broken CUDA context."""
    AMBIGUOUS_FAULT = auto()
    """A fault whose text comes with a broken context and with a lack of memory (cuDNN, cuFFT)."""
    FAULT = auto()
    KILLED = auto()
    """The connection was cut after the request was sent: the process may have died of it."""
    WRONG_ANSWER = auto()
    TIMED_OUT = auto()
    OUT_OF_MEMORY = auto()
    UNREACHABLE = auto()
    LOADING = auto()
    """503, or a gateway that finds nothing behind it."""
    ASLEEP = auto()
    """The server says that it has unloaded its model. It was not woken."""
    WRONG_SERVER = auto()
    UNAUTHORIZED = auto()
    ABANDONED = auto()
    """The caller gave up after seconds without a byte."""
    QUEUED = auto()
    """No answer, but our own requests from before may have kept the server busy."""
    NO_EVIDENCE = auto()


FAULTS = (
    Outcome.SIGNED_FAULT,
    Outcome.AMBIGUOUS_FAULT,
    Outcome.FAULT,
    Outcome.KILLED,
    Outcome.WRONG_ANSWER,
)

BLIND = (Outcome.UNAUTHORIZED, Outcome.NO_EVIDENCE)
"""Outcomes of a canary that show that the server answers, and nothing else."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One outcome, of a canary or of real traffic; `detail` is one sentence for people.

    `started` is when the request began, None where that does not matter.
    """

    outcome: Outcome
    canary: bool
    detail: str = ""
    started: float | None = None


def observed(error: SparkError | None, *, canary: bool, started: float | None = None) -> Observation:
    """Return what a request that ended with this error, or with none, shows about the server."""
    if error is None:
        return Observation(Outcome.SUCCESS, canary, "A request was served.", started)
    outcome = _fault(error) if isinstance(error, ServerFault) else _OUTCOMES.get(type(error), Outcome.NO_EVIDENCE)
    if isinstance(error, Busy) and error.status != 503:
        outcome = Outcome.NO_EVIDENCE
    return Observation(outcome, canary, error.message, started)


_OUTCOMES: Mapping[type[SparkError], Outcome] = {
    TimedOut: Outcome.TIMED_OUT,
    OutOfMemory: Outcome.OUT_OF_MEMORY,
    Unreachable: Outcome.UNREACHABLE,
    Busy: Outcome.LOADING,
    WrongServer: Outcome.WRONG_SERVER,
    Unauthorized: Outcome.UNAUTHORIZED,
}


_GATEWAY: Mapping[int | None, Outcome] = {
    502: Outcome.LOADING,
    504: Outcome.TIMED_OUT,
    521: Outcome.LOADING,
    522: Outcome.LOADING,
    523: Outcome.LOADING,
    524: Outcome.TIMED_OUT,
}
"""What a gateway (nginx, Traefik, Cloudflare) says of the server behind it: nothing listens, as while it is started, or
it does not answer."""


def _fault(error: ServerFault) -> Outcome:
    if error.signature is not None:
        return Outcome.SIGNED_FAULT
    if error.ambiguous:
        return Outcome.AMBIGUOUS_FAULT
    return Outcome.KILLED if error.killed else _GATEWAY.get(error.status, Outcome.FAULT)


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state; `at` in wall clock seconds.

    `by_hand` tells of a restart whether a person asked for it, `refused` that it was taken back: the target said no.
    """

    at: float
    before: State
    after: State
    evidence: str
    by_hand: bool = False
    refused: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """Settings, in seconds."""

    interval: float = 300.0
    """Between canaries of a healthy server."""
    suspect_interval: float = 5.0
    """Between canaries while something is wrong or about to be right: the whole point is to know soon."""
    down_interval: float = 15.0
    """Between canaries while wedged or unreachable: they do not make it faster."""
    gave_up_interval: float = 60.0
    """Between canaries after giving up, of a wrong server, and where canaries give no evidence."""
    life_interval: float = 0.5
    """Between looks at the port and the health page while restarting, starting or unreachable."""
    start_grace: float = 180.0
    """For which a server may take to start, or to load a model that it had unloaded."""
    timeout_floor: float = 90.0
    """Without a success, before time-outs count as a wedge."""
    still_wedged_after: float = 60.0
    """After a restart from which a fault shows that it did not help: before, the old process may answer."""
    abandoned_after: float = 2.0
    """Without a byte, from which on a request that its caller gave up is weak evidence."""
    busy_patience: float = 600.0
    """For which our own unfinished requests may excuse a server that does not answer."""
    failing_for: float = 30.0
    """For which unsigned failures of real traffic must last, where canaries give no evidence."""
    killed_patience: float = 15.0
    """For which a server may be away that died of a request, before it is restarted: a supervisor may be faster."""
    requests_fade: float = 45.0
    """After the last failed request of real traffic from which on a canary that succeeds is believed again."""
    memory_fades: float = 45.0
    """After the last lack of memory from which it is over where nothing speaks of it any more."""
    memory_recent: float = 300.0
    """After a lack of memory within which an ambiguous fault is taken for another one."""
    memory_patience: float = 900.0
    """Of a lack of memory, before a restart is tried as the last resort."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """All that is remembered of a server."""

    state: State = State.UNKNOWN
    since: float
    evidence: str = ""
    seen_since: float | None = None
    """When it was first seen, or seen again after it was away or restarted: then the start grace begins."""
    well_since_seen: bool = False
    ever_well: bool = False
    last_success: float | None = None
    last_canary: float | None = None
    canary_answered: bool = False
    """Whether a canary was ever answered: where none was and requests are served, its failure is its own."""
    canary_passed: bool = False
    """Whether a canary was ever answered right: an English clip on a German model is no wedge."""
    blind: bool = False
    """Whether the last canary showed nothing: then real traffic decides."""
    doubted: bool = False
    """Whether there is weak evidence, which brings a canary."""
    signed: bool = False
    """A fault with a signature was seen; one failing canary confirms it."""
    failed_canaries: int = 0
    """Cleared by a canary alone."""
    timeouts: int = 0
    failures: int = 0
    """Failed requests of real traffic in a row."""
    signed_failures: int = 0
    failing_since: float | None = None
    loading_since: float | None = None
    memory_since: float | None = None
    last_memory: float | None = None
    memory_restarted: bool = False
    failed_requests: int = 0
    """Requests of real traffic in a row that failed, whatever canaries show."""
    last_failed_request: float | None = None
    killed_at: float | None = None
    restarted_at: float | None = None
    restarts_in_vain: int = 0
    """Restarts since the server was last well."""
