"""What happened to a server, for people to read."""

from dataclasses import dataclass

from .health import Observation, State


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state; `at` in wall clock seconds."""

    at: float
    before: State
    after: State
    evidence: str


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """The last canary: when (wall clock), how long it took in seconds, what it showed."""

    at: float
    latency: float
    observation: Observation
