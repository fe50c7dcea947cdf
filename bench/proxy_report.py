"""What the measurements of the proxy and its peers come to: samples, tables, aims and charts. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .environments import Package
from .figures import Spread, added, percentile, spread
from .load import Block, Exchange
from .machine import MIB, Machine
from .plot import Bar, Chart, Group
from .proxy_health import DEADLINE, Health
from .proxy_peers import NGINX, OURS
from .report import Aim, Cell, Table
from .requests import Pair
from .upstream import FIRST_AUDIO, PACE, RECOGNITION

DIRECT = "direct"

RECORDING_SECONDS = 5.0
LINE_SECONDS = 10.0
"""Seconds of a recording, and of one that goes over slow lines."""

MANY = 32
"""Callers at which throughput is compared."""

ADDED, CPU, THROUGHPUT, MEMORY = 2.0, 1.0, 0.75, 250.0
"""Aims: ms at the median, ms of CPU per request, times nginx's requests/s, MB at the peak."""

CUT = 10.0
"""Milliseconds at which the picture of what is added ends: who buffers speech adds hundreds."""


@dataclass(slots=True)
class Case:
    """One kind of request at one number of callers, and what came of it: for each way, a block per round.

    `cpu` are the CPU seconds of the process that stood in between, during its blocks.
    """

    name: str
    pair: Pair
    callers: int
    each: int
    blocks: dict[str, list[Block]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)

    def add(self, way: str, block: Block, cpu: float) -> None:
        """Take in a round of one way."""
        self.blocks.setdefault(way, []).append(block)
        self.cpu.setdefault(way, []).append(cpu)

    def medians(self, way: str, measure: Callable[[Exchange], float]) -> list[float]:
        """Of each round."""
        return [percentile(map(measure, block.exchanges), 50) for block in self.blocks[way]]

    def p95(self, way: str, measure: Callable[[Exchange], float]) -> float:
        """Over all rounds together: a single one is too short for it."""
        return percentile([measure(exchange) for block in self.blocks[way] for exchange in block.exchanges], 95)

    def added(self, way: str, measure: Callable[[Exchange], float]) -> Spread:
        """What came on top of the way without anything in between."""
        return added(self.medians(DIRECT, measure), self.medians(way, measure))

    def rates(self, way: str) -> list[float]:
        """Requests per second of each round."""
        return [len(block.exchanges) / block.seconds for block in self.blocks[way]]

    def cpu_each(self, way: str) -> Spread:
        """Milliseconds of CPU for a request."""
        rounds = zip(self.cpu[way], self.blocks[way], strict=True)
        return spread([1000 * used / len(block.exchanges) for used, block in rounds])

    def times(self, way: str, other: str) -> Spread:
        """The throughput of one way, in that of another, round by round."""
        return spread([ours / theirs for ours, theirs in zip(self.rates(way), self.rates(other), strict=True)])


@dataclass(frozen=True, slots=True)
class Memory:
    """What a fresh process took for many uploads at once, in bytes of resident memory."""

    way: str
    limits: str
    uploads: int
    upload_bytes: int
    refused: int
    idle: int
    peak: int


def tables(
    packages: Sequence[Package],
    heard: Sequence[Case],
    lines: Sequence[Case],
    spoken: Sequence[Case],
    memory: Sequence[Memory],
    health: Sequence[Health],
) -> tuple[Table, ...]:
    """What was compared, transcription, the same over slow lines, speech, memory, health."""
    compared = Table("What was compared", ("what", ""), tuple((each.name, each.version) for each in packages))
    return compared, _transcriptions(heard), _lines(lines), _speeches(spoken), _memory(memory), _health(health)


def _transcriptions(cases: Sequence[Case]) -> Table:
    def row(case: Case, way: str) -> tuple[Cell, ...]:
        is_direct = way == DIRECT
        return (
            *(case.callers, way, spread(case.medians(way, _whole)), case.p95(way, _whole), spread(case.rates(way))),
            None if is_direct else case.added(way, _whole),
            None if is_direct else case.cpu_each(way),
            None if is_direct or NGINX not in case.blocks else case.times(way, NGINX),
        )

    return Table(
        f"Transcription of a {RECORDING_SECONDS:.0f} s WAV; the upstream answers {1000 * RECOGNITION:.0f} ms after its "
        "last byte",
        ("callers", "way", "p50 ms", "p95 ms", "requests/s", "added p50 ms", "CPU ms/request", "requests/s x nginx's"),
        tuple(row(case, way) for case in cases for way in case.blocks),
    )


def _lines(cases: Sequence[Case]) -> Table:
    return Table(
        f"Transcription of a {LINE_SECONDS:.0f} s WAV, one caller, over one slow line to what stands in between and "
        f"another on from there; the upstream answers {1000 * RECOGNITION:.0f} ms after its last byte",
        ("line", "way", "p50 ms", "added p50 ms"),
        tuple(
            (
                *(case.name, way, spread(case.medians(way, _whole))),
                None if way == DIRECT else case.added(way, _whole),
            )
            for case in cases
            for way in case.blocks
        ),
    )


def _speeches(cases: Sequence[Case]) -> Table:
    def row(case: Case, way: str) -> tuple[Cell, ...]:
        return (
            *(case.name, case.callers, way, spread(case.medians(way, _first)), case.p95(way, _first)),
            spread(case.medians(way, _whole)),
            None if way == DIRECT else case.added(way, _first),
        )

    return Table(
        f"Speech, about 6 s as WAV; the upstream's first audio comes after {1000 * FIRST_AUDIO:.0f} ms, the rest at "
        f"{PACE:.0f} times real time",
        (
            *("text", "callers", "way", "first audio p50 ms", "first audio p95 ms", "whole p50 ms"),
            "added to first audio ms",
        ),
        tuple(row(case, way) for case in cases for way in case.blocks),
    )


def _memory(measured: Sequence[Memory]) -> Table:
    first = measured[0]
    return Table(
        f"Memory of a fresh process, {first.uploads} WAV uploads of {first.upload_bytes / 1e6:.0f} MB at once",
        ("way", "limits", "let in", "sent away (429)", "idle MiB", "peak MiB"),
        tuple(
            (each.way, each.limits, each.uploads - each.refused, each.refused, each.idle / MIB, each.peak / MIB)
            for each in measured
        ),
    )


def _health(measured: Sequence[Health]) -> Table:
    return Table(
        f"/healthz under simultaneous slow requests, a probe every 50 ms, each waiting {DEADLINE:.0f} s",
        ("way", "requests at the upstream at once", "probes", "answered", "p50 ms", "max ms"),
        tuple(
            (
                *(each.way, each.held, each.probes, len(each.latencies)),
                1000 * percentile(each.latencies, 50) if each.latencies else None,
                1000 * max(each.latencies) if each.latencies else None,
            )
            for each in measured
        ),
    )


def aims(
    heard: Sequence[Case], spoken: Sequence[Case], memory: Sequence[Memory], health: Sequence[Health]
) -> tuple[Aim, ...]:
    """What is printed as held or not; only of what was measured."""
    alone = [case for case in heard if case.callers == 1]
    many = [case for case in heard if case.callers == MANY and NGINX in case.blocks]
    peaks = [each.peak for each in memory if each.way == OURS]
    return (
        *(
            Aim("transcription, one caller: added at the median, ms", ADDED, case.added(OURS, _whole).median)
            for case in alone
        ),
        *(
            Aim(f"transcription, {_callers(case)}: CPU of a request, ms", CPU, case.cpu_each(OURS).median)
            for case in heard
        ),
        *(
            Aim(
                f"transcription, {_callers(case)}: requests/s, times nginx's",
                None,
                case.times(OURS, NGINX).median,
                THROUGHPUT,
            )
            for case in many
        ),
        *(
            Aim(
                f"speech, {case.name}, one caller: first audio after the upstream's, ms",
                ADDED,
                case.added(OURS, _first).median,
            )
            for case in spoken
            if case.callers == 1
        ),
        Aim(f"memory, {memory[0].uploads} uploads at once, at its peak, MB", MEMORY, max(peaks) / 1e6),
        *(
            Aim("probes of /healthz answered under load", None, len(each.latencies), each.probes)
            for each in health
            if each.way == OURS
        ),
    )


def charts(
    heard: Sequence[Case],
    lines: Sequence[Case],
    spoken: Sequence[Case],
    memory: Sequence[Memory],
    machine: Machine,
) -> tuple[Chart, ...]:
    """What is added to a request, how many of them pass, and the memory that they take."""
    note = (
        f"Medians of the rounds, the line from the lowest to the highest. {machine.cores} cores, {machine.cpu}; "
        f"load average before the run {machine.load:.2f}."
    )
    alone = [case for case in heard if case.callers == 1]
    spoken_alone = [case for case in spoken if case.callers == 1]
    costs = (
        *(_group(case, "added to a transcription, one caller", _added_whole, ADDED) for case in alone),
        *(_group(case, "CPU of a transcription, one caller", Case.cpu_each, CPU) for case in alone),
        *(
            _group(case, f"added to one of {LINE_SECONDS:.0f} s, over lines of {case.name}", _added_whole)
            for case in lines
        ),
        *(_group(case, f"added to the first audio, {case.name}", _added_first, ADDED) for case in spoken_alone),
    )
    passed = tuple(
        Group(
            f"transcriptions of a 5 s WAV, {_callers(case)}",
            tuple(Bar(way, spread(case.rates(way)), ours=way == OURS) for way in case.blocks),
        )
        for case in heard
        if case.callers > 1
    )
    ours = max((each for each in memory if each.way == OURS), key=lambda each: (-each.refused, each.peak))
    peaks = (
        *(Bar(each.way, each.peak / 1e6) for each in memory if each.way != OURS),
        Bar(OURS, ours.peak / 1e6, ours=True, aim=MEMORY),
    )
    uploads = f"{memory[0].uploads} uploads of {memory[0].upload_bytes / 1e6:.0f} MB at once"
    return (
        Chart("bench-proxy-added", "What is added to a request", "ms", costs, note, cut=CUT),
        Chart("bench-proxy-throughput", "How many requests pass", "requests/s", passed, note),
        Chart("bench-proxy-memory", "Memory at its peak", "MB", (Group(uploads, peaks),), note),
    )


def _group(case: Case, title: str, figure: Callable[[Case, str], Spread], aim: float | None = None) -> Group:
    bars = (
        Bar(way, _from_zero(figure(case, way)), ours=way == OURS, aim=aim if way == OURS else None)
        for way in case.blocks
        if way != DIRECT
    )
    return Group(title, tuple(bars))


def _from_zero(figure: Spread) -> Spread:
    """A difference may be below 0 where there is none; a bar cannot."""
    return Spread(max(figure.median, 0.0), max(figure.low, 0.0), max(figure.high, 0.0))


def _added_whole(case: Case, way: str) -> Spread:
    return case.added(way, _whole)


def _added_first(case: Case, way: str) -> Spread:
    return case.added(way, _first)


def _callers(case: Case) -> str:
    return "one caller" if case.callers == 1 else f"{case.callers} callers"


def _whole(exchange: Exchange) -> float:
    return 1000 * exchange.whole


def _first(exchange: Exchange) -> float:
    return 1000 * exchange.first
