"""What the measurements of the proxy and its peer come to: samples, tables and aims. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tools.stack.tables import Cell, Spread, Table, percentile, spread

from .health_under_load import DEADLINE
from .load import Block, Exchange
from .machine import MIB
from .report import Aim
from .requests import Pair
from .upstream import FIRST_AUDIO, PACE, RECOGNITION

DIRECT, NGINX, OURS = "direct", "nginx", "proxy"

RECORDING_SECONDS = 5.0
LINE_SECONDS = 10.0
"""Seconds of a recording, and of one that goes over slow lines."""

MANY = 32
"""Callers at which throughput is compared, and uploads whose memory is measured."""

ADDED, CPU, THROUGHPUT, MEMORY = 2.0, 1.0, 0.75, 250.0
"""Aims: ms at the median, ms of CPU per request, times nginx's requests/s, MB at the peak."""

type Measure = Callable[[Exchange], float]


def whole(exchange: Exchange) -> float:
    """Milliseconds to the last byte."""
    return 1000 * exchange.whole


def first(exchange: Exchange) -> float:
    """Milliseconds to the first audio."""
    return 1000 * exchange.first


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

    def medians(self, way: str, measure: Measure) -> list[float]:
        """Return that of each round."""
        return [percentile(map(measure, block.exchanges), 50) for block in self.blocks[way]]

    def p95(self, way: str, measure: Measure) -> float:
        """Return it over all rounds together: a single one is too short for it."""
        return percentile([measure(exchange) for block in self.blocks[way] for exchange in block.exchanges], 95)

    def added(self, way: str, measure: Measure) -> Spread:
        """Return what came on top of the direct way, round by round: a machine that slows down slows both sides."""
        rounds = zip(self.medians(DIRECT, measure), self.medians(way, measure), strict=True)
        return spread([after - before for before, after in rounds])

    def rates(self, way: str) -> list[float]:
        """Return the requests per second of each round."""
        return [len(block.exchanges) / block.seconds for block in self.blocks[way]]

    def cpu_each(self, way: str) -> Spread:
        """Return the milliseconds of CPU for a request."""
        rounds = zip(self.cpu[way], self.blocks[way], strict=True)
        return spread([1000 * used / len(block.exchanges) for used, block in rounds])

    def times(self, way: str, other: str) -> Spread:
        """Return the throughput of one way, in that of another, round by round."""
        return spread([ours / theirs for ours, theirs in zip(self.rates(way), self.rates(other), strict=True)])

    @property
    def who(self) -> str:
        """The callers in words."""
        return "one caller" if self.callers == 1 else f"{self.callers} callers"


def comparisons(heard: Sequence[Case], lines: Sequence[Case], spoken: Sequence[Case]) -> tuple[Table, ...]:
    """Return the tables of transcription, the same over slow lines, and speech."""
    after = f"the upstream answers {1000 * RECOGNITION:.0f} ms after its last byte"
    return (
        Table(
            f"Transcription of a {RECORDING_SECONDS:.0f} s WAV; {after}",
            (
                *("callers", "way", "p50 ms", "p95 ms", "requests/s", "added p50 ms", "CPU ms/request"),
                "requests/s x nginx's",
            ),
            tuple(_transcription(case, way) for case in heard for way in case.blocks),
        ),
        Table(
            f"Transcription of a {LINE_SECONDS:.0f} s WAV, one caller, over one slow line to what stands in between "
            f"and another on from there; {after}",
            ("line", "way", "p50 ms", "added p50 ms"),
            tuple(
                (case.name, way, spread(case.medians(way, whole)), _added(case, way, whole))
                for case in lines
                for way in case.blocks
            ),
        ),
        Table(
            f"Speech, about 6 s as WAV; the upstream's first audio comes after {1000 * FIRST_AUDIO:.0f} ms, the rest "
            f"at {PACE:.0f} times real time",
            (
                *("text", "callers", "way", "first audio p50 ms", "first audio p95 ms", "whole p50 ms"),
                "added to first audio ms",
            ),
            tuple(_speech(case, way) for case in spoken for way in case.blocks),
        ),
    )


def _transcription(case: Case, way: str) -> tuple[Cell, ...]:
    has_process = way != DIRECT
    return (
        *(case.callers, way, spread(case.medians(way, whole)), case.p95(way, whole), spread(case.rates(way))),
        _added(case, way, whole),
        case.cpu_each(way) if has_process else None,
        case.times(way, NGINX) if has_process and NGINX in case.blocks else None,
    )


def _speech(case: Case, way: str) -> tuple[Cell, ...]:
    waits = (spread(case.medians(way, first)), case.p95(way, first), spread(case.medians(way, whole)))
    return case.name, case.callers, way, *waits, _added(case, way, first)


def _added(case: Case, way: str, measure: Measure) -> Spread | None:
    return None if way == DIRECT else case.added(way, measure)


def memory_table(uploads: int, size: int, rows: Sequence[tuple[Cell, ...]]) -> Table:
    """Return that of so many uploads of so many bytes."""
    title = f"Memory of a fresh process, {uploads} WAV uploads of {size / 1e6:.0f} MB at once"
    return Table(title, ("way", "limits", "let in", "sent away (429)", "idle MiB", "peak MiB"), tuple(rows))


def health_table(held: int, probes: int, latencies: Sequence[float]) -> Table:
    """Return that of so many probes; `held` is how many requests the upstream had at once at most."""
    figures = (1000 * percentile(latencies, 50), 1000 * max(latencies)) if latencies else (None, None)
    return Table(
        f"/healthz under simultaneous slow requests, a probe every 50 ms, each waiting {DEADLINE:.0f} s",
        ("way", "requests at the upstream at once", "probes", "answered", "p50 ms", "max ms"),
        ((OURS, held, probes, len(latencies), *figures),),
    )


def aims(heard: Sequence[Case], spoken: Sequence[Case], memory: Table, health: Table) -> Iterator[Aim]:
    """Yield what is printed as held or not; only of what was measured."""
    for case in heard:
        if case.callers == 1:
            yield Aim("transcription, one caller: added at the median, ms", ADDED, case.added(OURS, whole).median)
    for case in heard:
        yield Aim(f"transcription, {case.who}: CPU of a request, ms", CPU, case.cpu_each(OURS).median)
    for case in heard:
        if case.callers == MANY and NGINX in case.blocks:
            claim = f"transcription, {case.who}: requests/s, times nginx's"
            yield Aim(claim, None, case.times(OURS, NGINX).median, THROUGHPUT)
    for case in spoken:
        if case.callers == 1:
            claim = f"speech, {case.name}, one caller: first audio after the upstream's, ms"
            yield Aim(claim, ADDED, case.added(OURS, first).median)
    peak = max(memory.figures("peak MiB", way=OURS))
    yield Aim(f"memory, {MANY} uploads at once, at its peak, MB", MEMORY, peak * MIB / 1e6)
    [probes], [answered] = health.figures("probes"), health.figures("answered")
    yield Aim("probes of /healthz answered under load", None, answered, probes)
