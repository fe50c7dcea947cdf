"""What the proxy adds: the same requests straight to the upstream and through the proxy, in turn, in one run.

Three processes: the upstream, the proxy, and this one, which is the load.
"""

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory

from .errors import BenchError
from .figures import Spread, added, percentile, spread
from .load import Block, Exchange, run_block
from .machine import MIB, this_machine, used_cpu, used_memory
from .processes import Child, started
from .report import Aim, Cell, Report, Table
from .requests import BYTES_PER_SECOND, Pair, recording, speech, transcription
from .upstream import FIRST_AUDIO, PACE, RECOGNITION

QUESTION = "What does the proxy add to a request, and how much memory does it take?"

TEXTS = {
    "one sentence": "The kitchen light is on and it is warm outside while the front door stays shut.",
    "three sentences": "The kitchen light is on now. It is warm outside. The front door is still locked.",
}
"""About 6 s of speech each."""

RECORDING_SECONDS = 5.0

ROOMY = ("--concurrency", "64", "--queue", "1000")
"""So that no request waits for another: what is measured is the proxy and not its queue."""

MEMORY_LIMITS = {
    "as shipped, 512 MiB of uploads": (),
    "1 GiB of uploads": ("--bytes-in-flight", "1GiB"),
}
"""Settings under which memory is measured: with some uploads sent away, and with all let in."""

OK, BUSY = 200, 429


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is asked: for numbers of callers, the requests that each of them sends in a round."""

    rounds: int
    transcriptions: tuple[tuple[int, int], ...]
    speeches: tuple[tuple[int, int], ...]
    uploads: int
    upload_bytes: int


FULL = Plan(5, ((1, 80), (32, 20)), ((1, 4), (32, 1)), 32, 20_000_000)
QUICK = Plan(2, ((1, 30), (32, 6)), ((1, 1), (32, 1)), 32, 5_000_000)


@dataclass(slots=True)
class Case:
    """One kind of request at one number of callers, and what came of it: a block of each way per round.

    `cpu` are the CPU seconds of the proxy during its blocks.
    """

    name: str
    pair: Pair
    callers: int
    each: int
    direct: list[Block] = field(default_factory=list)
    proxied: list[Block] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Memory:
    """What a fresh proxy took for many uploads at once, in bytes of resident memory."""

    limits: str
    refused: int
    idle: int
    peak: int


async def answer(*, quick: bool = False) -> Report:
    """Measure, in under three minutes; `quick`, in half a minute and more coarsely. Raises BenchError."""
    return await measure(QUICK if quick else FULL)


async def measure(plan: Plan) -> Report:
    """Measure by this plan. Raises BenchError."""
    machine, begun = this_machine(), time.monotonic()
    wav = transcription(recording(RECORDING_SECONDS))
    heard = [Case("transcription", wav, callers, each) for callers, each in plan.transcriptions]
    spoken = [Case(name, speech(text), *load) for name, text in TEXTS.items() for load in plan.speeches]
    async with started("bench.upstream") as upstream:
        async with _proxy(upstream, *ROOMY) as proxy:
            await _measure_in_turn([*heard, *spoken], plan.rounds, upstream, proxy)
        memory = [await _measure_memory(plan, limits, upstream) for limits in MEMORY_LIMITS]
    tables = (_transcription_table(heard), _speech_table(spoken), _memory_table(plan, memory))
    return Report(QUESTION, machine, time.monotonic() - begun, tables, _aims(heard, spoken, memory[0]))


@asynccontextmanager
async def _proxy(upstream: Child, *settings: str) -> AsyncGenerator[Child]:
    """A fresh proxy on a free port, with a state folder of its own."""
    urls = ("--parakeet-url", upstream.url, "--magpie-url", upstream.url)
    with TemporaryDirectory() as state:
        async with started("spark_audio_proxy", "--port", "0", "--state-dir", state, *urls, *settings) as proxy:
            yield proxy


async def _measure_in_turn(cases: Sequence[Case], rounds: int, upstream: Child, proxy: Child) -> None:
    """Both ways of every case, one after the other in each round."""
    # Beforehand, for the proxy to open its connections to the upstream.
    for case in cases:
        await run_block(proxy.url, case.pair.proxied, case.callers, each=1)
    for _ in range(rounds):
        for case in cases:
            await measure_round(case, upstream, proxy)


async def measure_round(case: Case, upstream: Child, proxy: Child) -> None:
    """Add a block of each way. Raises BenchError where one request failed: what a refusal costs says nothing."""
    case.direct.append(await run_block(upstream.url, case.pair.direct, case.callers, case.each))
    before = used_cpu(proxy.pid)
    case.proxied.append(await run_block(proxy.url, case.pair.proxied, case.callers, case.each))
    case.cpu.append(used_cpu(proxy.pid) - before)
    for block in (case.direct[-1], case.proxied[-1]):
        if failed := [exchange.status for exchange in block.exchanges if exchange.status != OK]:
            raise BenchError(f"{case.name}: {len(failed)} requests failed, the first with status {failed[0]}.")


async def _measure_memory(plan: Plan, limits: str, upstream: Child) -> Memory:
    async with _proxy(upstream, *MEMORY_LIMITS[limits]) as proxy:
        request = transcription(recording(plan.upload_bytes / BYTES_PER_SECOND)).proxied
        idle = used_memory(proxy.pid, "VmRSS")
        block = await run_block(proxy.url, request, plan.uploads, each=1)
        peak = used_memory(proxy.pid, "VmHWM")
    statuses = [exchange.status for exchange in block.exchanges]
    if unexpected := set(statuses) - {OK, BUSY}:
        raise BenchError(f"{plan.uploads} uploads at once: one failed with status {min(unexpected)}.")
    return Memory(limits, statuses.count(BUSY), idle, peak)


def _transcription_table(cases: Sequence[Case]) -> Table:
    def row(case: Case, way: str, blocks: Sequence[Block]) -> tuple[Cell, ...]:
        rate = spread([len(block.exchanges) / block.seconds for block in blocks])
        return case.callers, way, _median(blocks, _whole), _p95(blocks, _whole), rate

    rows: list[tuple[Cell, ...]] = []
    for case in cases:
        cpu = spread([1000 * used / len(block.exchanges) for used, block in zip(case.cpu, case.proxied, strict=True)])
        rows.append((*row(case, "direct", case.direct), None, None))
        rows.append((*row(case, "proxy", case.proxied), _added(case, _whole), cpu))
    return Table(
        f"Transcription of a {RECORDING_SECONDS:.0f} s WAV; the upstream answers {1000 * RECOGNITION:.0f} ms after its "
        "last byte",
        ("callers", "way", "p50 ms", "p95 ms", "requests/s", "added p50 ms", "CPU ms/request"),
        tuple(rows),
    )


def _speech_table(cases: Sequence[Case]) -> Table:
    def row(case: Case, way: str, blocks: Sequence[Block]) -> tuple[Cell, ...]:
        return case.name, case.callers, way, _median(blocks, _first), _p95(blocks, _first), _median(blocks, _whole)

    rows: list[tuple[Cell, ...]] = []
    for case in cases:
        rows.append((*row(case, "direct", case.direct), None))
        rows.append((*row(case, "proxy", case.proxied), _added(case, _first)))
    return Table(
        f"Speech, about 6 s as WAV; the upstream's first audio comes after {1000 * FIRST_AUDIO:.0f} ms, the rest at "
        f"{PACE:.0f} times real time",
        (
            "text",
            "callers",
            "way",
            "first audio p50 ms",
            "first audio p95 ms",
            "whole p50 ms",
            "added to first audio ms",
        ),
        tuple(rows),
    )


def _memory_table(plan: Plan, measured: Sequence[Memory]) -> Table:
    return Table(
        f"Memory of a fresh proxy, {plan.uploads} WAV uploads of {plan.upload_bytes / 1e6:.0f} MB at once",
        ("limits", "let in", "sent away (429)", "idle MiB", "peak MiB"),
        tuple(
            (memory.limits, plan.uploads - memory.refused, memory.refused, memory.idle / MIB, memory.peak / MIB)
            for memory in measured
        ),
    )


def _aims(heard: Sequence[Case], spoken: Sequence[Case], memory: Memory) -> tuple[Aim, ...]:
    """What is printed as held or not. Memory may reach twice the uploads that are let in as shipped."""
    return (
        *(
            Aim("transcription, one caller: added at the median, ms", 3.0, _added(case, _whole).median)
            for case in heard
            if case.callers == 1
        ),
        *(
            Aim(
                f"speech, {case.name}, one caller: first audio after the upstream's, ms",
                5.0,
                _added(case, _first).median,
            )
            for case in spoken
            if case.callers == 1
        ),
        Aim("memory as shipped, at its peak, MiB", 2 * 512.0, memory.peak / MIB),
    )


def _whole(exchange: Exchange) -> float:
    return 1000 * exchange.whole


def _first(exchange: Exchange) -> float:
    return 1000 * exchange.first


def _medians(blocks: Sequence[Block], measure: Callable[[Exchange], float]) -> list[float]:
    return [percentile(map(measure, block.exchanges), 50) for block in blocks]


def _median(blocks: Sequence[Block], measure: Callable[[Exchange], float]) -> Spread:
    return spread(_medians(blocks, measure))


def _p95(blocks: Sequence[Block], measure: Callable[[Exchange], float]) -> float:
    """Over all rounds together: a single one is too short for it."""
    return percentile([measure(exchange) for block in blocks for exchange in block.exchanges], 95)


def _added(case: Case, measure: Callable[[Exchange], float]) -> Spread:
    return added(_medians(case.direct, measure), _medians(case.proxied, measure))
