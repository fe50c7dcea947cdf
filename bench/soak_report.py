"""What a soak comes to: which failures were to be expected, and whether anything grew. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from .figures import percentile, spread
from .machine import MIB, Machine, Vitals
from .plot import Bar, Chart, Group
from .report import Aim, Cell, Table
from .soak_calls import Call, Outcome
from .soak_plan import MAGPIE, PARAKEET, Kind, service_of

GRACE = 1.0
"""Seconds for which an answer that was cut still shows: the server is asked anew what it is."""

MEMORY_GROWTH, FILES_GROWTH, THREADS_GROWTH = 16.0, 8.0, 16.0
"""Aims: MiB, open files and threads more at the end than after the warm-up.

A codec has threads of its own, which end when Python collects it: some come and go, and a leak has hundreds.
"""

BARS = 10
"""How many moments of the run the picture shows."""

_TOLD = (Outcome.HELD, Outcome.BUSY, Outcome.BROKEN_OFF)


@dataclass(frozen=True, slots=True)
class Fault:
    """A time in which a service is expected to fail; moments in monotonic seconds. `what` names it."""

    what: str
    service: str
    begun: float
    over: float


@dataclass(frozen=True, slots=True)
class Soaked:
    """All that was seen: `idle` are the vitals at the start, after the warm-up and at the end, `sampled` meanwhile."""

    calls: tuple[Call, ...]
    faults: tuple[Fault, ...]
    idle: tuple[Vitals, Vitals, Vitals]
    sampled: tuple[Vitals, ...]


def is_expected(call: Call, faults: Sequence[Fault]) -> bool:
    """Whether it ended as it may: well, or while its service was failing with an answer that says so."""
    if call.outcome in (Outcome.WHOLE, Outcome.LEFT):
        return True
    service = service_of(call.kind)
    # What needs no service of its own lists what both know.
    concerned = (service,) if service else (PARAKEET, MAGPIE)
    return call.outcome in _TOLD and any(
        fault.service in concerned and call.sent <= fault.over + GRACE and call.ended >= fault.begun for fault in faults
    )


def tables(soaked: Soaked) -> tuple[Table, ...]:
    """Requests, what was unexpected, faults, vitals, latency."""
    unexpected = [call for call in soaked.calls if not is_expected(call, soaked.faults)]
    return (
        _requests(soaked),
        *([_unexpected(unexpected)] if unexpected else []),
        *([_faults(soaked)] if soaked.faults else []),
        _vitals(soaked),
        _latency(soaked.calls),
    )


def _requests(soaked: Soaked) -> Table:
    def row(name: str, calls: Sequence[Call]) -> tuple[Cell, ...]:
        counts = [sum(call.outcome is outcome for call in calls) for outcome in Outcome]
        return name, len(calls), *counts, sum(not is_expected(call, soaked.faults) for call in calls)

    of_kind = ((kind, [call for call in soaked.calls if call.kind is kind]) for kind in Kind)
    return Table(
        "Requests, and how they ended; unexpected is whatever failed without a fault, or without saying so",
        ("kind", "requests", *Outcome, "unexpected"),
        (*(row(kind, calls) for kind, calls in of_kind if calls), row("all", soaked.calls)),
    )


def _unexpected(calls: Sequence[Call]) -> Table:
    first = calls[0].sent
    return Table(
        "What was unexpected",
        ("kind", "ended as", "s after the first of them", "what was wrong"),
        tuple((call.kind, call.outcome, call.sent - first, call.detail[:160]) for call in calls[:20]),
    )


def _faults(soaked: Soaked) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for what, service in dict.fromkeys((fault.what, fault.service) for fault in soaked.faults):
        lasted = [fault.over - fault.begun for fault in soaked.faults if (fault.what, fault.service) == (what, service)]
        rows.append((what, service, len(lasted), spread(lasted)))
    return Table(
        "Faults, and seconds until the service was well again", ("fault", "service", "times", "s"), tuple(rows)
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
    """The event loop's lag, as somebody outside feels it."""
    waits = [1000 * (call.ended - call.sent) for call in calls if call.kind is Kind.HEALTH]
    figures = (percentile(waits, 50), percentile(waits, 95), max(waits)) if waits else (None, None, None)
    return Table("/healthz among all this", ("probes", "p50 ms", "p95 ms", "max ms"), ((len(waits), *figures),))


def aims(soaked: Soaked) -> tuple[Aim, ...]:
    """Nothing lost, nothing unexpected, nothing that grows."""
    _, warm, end = soaked.idle
    lost = sum(call.outcome is Outcome.LOST for call in soaked.calls)
    unexpected = sum(not is_expected(call, soaked.faults) for call in soaked.calls)
    return (
        Aim("answers lost or truncated", 0.0, lost),
        Aim("failures that are not a fault's, or do not say so", 0.0, unexpected),
        Aim("memory at the end, more than after the warm-up, MiB", MEMORY_GROWTH, (end.memory - warm.memory) / MIB),
        Aim("open files at the end, more than after the warm-up", FILES_GROWTH, end.open_files - warm.open_files),
        Aim("threads at the end, more than after the warm-up", THREADS_GROWTH, end.threads - warm.threads),
    )


def charts(soaked: Soaked, seconds: float, machine: Machine) -> tuple[Chart, ...]:
    """Memory over the run."""
    samples = soaked.sampled
    shown = [samples[(len(samples) - 1) * number // (BARS - 1)] for number in range(BARS)]
    bars = tuple(
        Bar(f"{100 * number // (BARS - 1)} %", each.memory / MIB, ours=True) for number, each in enumerate(shown)
    )
    return (
        Chart(
            "bench-soak",
            "Memory of the proxy over a soak",
            "MiB",
            (Group(f"{seconds / 60:.0f} min of mixed traffic, {len(soaked.faults)} faults", bars),),
            f"{machine.cores} cores, {machine.cpu}; load average before the run {machine.load:.2f}.",
        ),
    )
