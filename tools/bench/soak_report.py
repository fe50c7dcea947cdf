"""What a soak comes to: which failures were to be expected, and whether anything grew. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tools.stack.tables import Cell, Table, percentile, spread
from tools.stack.wedge import MAGPIE, PARAKEET

from .machine import MIB, Vitals
from .report import Aim, Findings
from .soak_calls import HEALTH, KINDS, Call, Outcome

GRACE = 1.0
"""Seconds for which an answer that was cut still shows: the server is asked anew what it is."""

MEMORY_GROWTH, FILES_GROWTH, THREADS_GROWTH = 16.0, 8.0, 16.0
"""Aims: MiB, open files and threads more at the end than after the warm-up.

A codec has threads of its own, which end when Python collects it: some come and go, and a leak has hundreds.
"""

_TOLD = (Outcome.HELD, Outcome.BUSY, Outcome.BROKEN_OFF)


@dataclass(frozen=True, slots=True)
class Fault:
    """A time in which a service may fail; moments in monotonic seconds. `what` names it.

    Where it `excuses` nothing, requests have to be served all the same.
    """

    what: str
    service: str
    begun: float
    over: float
    excuses: bool = True


@dataclass(frozen=True, slots=True)
class Soaked:
    """All that was seen: `idle` are the vitals at the start, after the warm-up and at the end, `sampled` meanwhile."""

    calls: tuple[Call, ...]
    faults: tuple[Fault, ...]
    idle: tuple[Vitals, Vitals, Vitals]
    sampled: tuple[Vitals, ...]
    refused_again: int = 0
    """Callers who came back when Retry-After said, and were refused for the same lack of memory."""

    @property
    def unexpected(self) -> Sequence[Call]:
        """The calls that ended as they must not."""
        return [call for call in self.calls if not is_expected(call, self.faults)]


def is_expected(call: Call, faults: Sequence[Fault]) -> bool:
    """Return whether it ended well, or while its service was failing with an answer that says so."""
    if call.outcome in (Outcome.WHOLE, Outcome.LEFT):
        return True
    services = (call.kind.service,) if call.kind.service else (PARAKEET, MAGPIE)
    return call.outcome in _TOLD and any(
        fault.excuses and fault.service in services and call.sent <= fault.over + GRACE and call.ended >= fault.begun
        for fault in faults
    )


def findings(soaked: Soaked) -> Findings:
    """Return requests, what was unexpected, faults, vitals and latency as tables, and the aims."""
    tables = (
        _requests(soaked),
        *([_unexpected(soaked.unexpected)] if soaked.unexpected else []),
        *([_faults(soaked)] if soaked.faults else []),
        _vitals(soaked),
        _latency(soaked.calls),
    )
    return Findings(tables, _aims(soaked))


def _requests(soaked: Soaked) -> Table:
    def row(name: str, calls: Sequence[Call]) -> tuple[Cell, ...]:
        counts = [sum(call.outcome is outcome for call in calls) for outcome in Outcome]
        return name, len(calls), *counts, sum(not is_expected(call, soaked.faults) for call in calls)

    of_kind = ((kind.name, [call for call in soaked.calls if call.kind is kind]) for kind in KINDS)
    return Table(
        "Requests, and how they ended; unexpected is whatever failed without a fault, or without saying so",
        ("kind", "requests", *Outcome, "unexpected"),
        (*(row(name, calls) for name, calls in of_kind if calls), row("all", soaked.calls)),
    )


def _unexpected(calls: Sequence[Call]) -> Table:
    first = calls[0].sent
    return Table(
        "What was unexpected",
        ("kind", "ended as", "s after the first of them", "what was wrong"),
        tuple((call.kind.name, call.outcome, call.sent - first, call.detail[:160]) for call in calls[:20]),
    )


def _faults(soaked: Soaked) -> Table:
    lasted: dict[tuple[str, str], list[float]] = {}
    for fault in soaked.faults:
        lasted.setdefault((fault.what, fault.service), []).append(fault.over - fault.begun)
    return Table(
        "Faults, and seconds until the service was well again",
        ("fault", "service", "times", "s"),
        tuple((*what, len(seconds), spread(seconds)) for what, seconds in lasted.items()),
    )


def _vitals(soaked: Soaked) -> Table:
    names = ("at the start", "after the warm-up", "at the end")
    highest = Vitals(
        max(each.memory for each in soaked.sampled),
        max(each.open_files for each in soaked.sampled),
        max(each.threads for each in soaked.sampled),
    )
    rows = (*zip(names, soaked.idle, strict=True), ("highest under way", highest))
    return Table(
        "The proxy's process, idle, and at its highest while it was not",
        ("when", "memory MiB", "open files", "threads"),
        tuple((name, each.memory / MIB, each.open_files, each.threads) for name, each in rows),
    )


def _latency(calls: Sequence[Call]) -> Table:
    """The event loop's lag, as a caller feels it."""
    waits = [1000 * (call.ended - call.sent) for call in calls if call.kind is HEALTH]
    figures = (percentile(waits, 50), percentile(waits, 95), max(waits)) if waits else (None, None, None)
    return Table("/healthz among all this", ("probes", "p50 ms", "p95 ms", "max ms"), ((len(waits), *figures),))


def _aims(soaked: Soaked) -> tuple[Aim, ...]:
    """Nothing lost, nothing unexpected, nothing that grows."""
    _, warm, end = soaked.idle
    lost = sum(call.outcome is Outcome.LOST for call in soaked.calls)
    return (
        Aim("answers lost or truncated", 0.0, lost),
        Aim("failures that are not a fault's, or do not say so", 0.0, len(soaked.unexpected)),
        Aim("callers refused again after the wait that Retry-After names", 0.0, soaked.refused_again),
        Aim("memory at the end, more than after the warm-up, MiB", MEMORY_GROWTH, (end.memory - warm.memory) / MIB),
        Aim("open files at the end, more than after the warm-up", FILES_GROWTH, end.open_files - warm.open_files),
        Aim("threads at the end, more than after the warm-up", THREADS_GROWTH, end.threads - warm.threads),
    )
