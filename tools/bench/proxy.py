"""What the proxy adds, beside a plain reverse proxy between callers and a Spark, all in one run.

The upstream, what stands in front of it, and this process, which is the load. All ways take turns within a round, and
the first one changes, so that a machine that slows down slows all of them.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass
from functools import partial

from spark_engine import __version__

from tools.stack.errors import ToolError
from tools.stack.fetched import NotInstalled
from tools.stack.processes import Server, started
from tools.stack.services import proxy
from tools.stack.tables import Cell, Table

from .health_under_load import many_files, probe_under_load, read_counts
from .load import Request, run_block
from .machine import MIB, used_cpu, used_memory
from .nginx import find_nginx, start_nginx
from .proxy_report import (
    DIRECT,
    LINE_SECONDS,
    NGINX,
    OURS,
    RECORDING_SECONDS,
    Case,
    aims,
    comparisons,
    health_table,
    memory_table,
)
from .report import Findings
from .requests import BYTES_PER_SECOND, make_wav, speech, transcription

QUESTION = "What does the proxy add to a request, and how much memory does it take, beside others?"

UPSTREAM = "tools.bench.upstream"

TEXTS = {
    "one sentence": "The kitchen light is on and it is warm outside while the front door stays shut.",
    "three sentences": "The kitchen light is on now. It is warm outside. The front door is still locked.",
}
"""About 6 s of speech each."""

LINES = {"20 Mbit/s": 2.5e6, "100 Mbit/s": 12.5e6}
"""Bytes a second to what stands in between, and on from there: Wi-Fi at the end of the garden, and an old switch."""

ROOMY = ("--concurrency", "1000", "--queue", "1000")
"""So that no request waits for another: what is measured is the proxy and not its queue."""

MEMORY_LIMITS = {
    "as shipped, 128 MiB of uploads": (),
    "48 MiB of uploads": ("--bytes-in-flight", "48MiB", "--max-upload", "48MiB"),
}
"""Settings under which the proxy's memory is measured: as shipped, and with room for hardly more than one upload."""

SLOW = 5.0
"""Seconds that the upstream takes where health is measured."""

OK, BUSY = 200, 429


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is asked: for numbers of callers, the requests that each of them sends in a round.

    `lines` are the requests over each slow line, `held` the slow ones under which `probes` ask for health.
    """

    rounds: int
    transcriptions: tuple[tuple[int, int], ...]
    speeches: tuple[tuple[int, int], ...]
    lines: int
    uploads: int
    upload_bytes: int
    held: int
    probes: int


FULL = Plan(5, ((1, 60), (32, 20)), ((1, 3), (32, 1)), 4, 32, 20_000_000, 1000, 120)
QUICK = Plan(2, ((1, 30), (32, 6)), ((1, 1), (32, 1)), 1, 32, 5_000_000, 200, 40)


@dataclass(frozen=True, slots=True)
class Way:
    """How requests get to an upstream. `start` starts what stands in between, and yields where to send them.

    `translates` where that takes OpenAI's requests for speech; else it takes the upstream's own.
    """

    name: str
    start: Callable[[Server], AbstractAsyncContextManager[Server]]
    translates: bool = False

    def request(self, case: Case) -> Request:
        """Return what is sent on this way."""
        return case.pair.proxied if self.translates else case.pair.direct


def ours(*settings: str) -> Way:
    """Return the way through the proxy of this project, with these settings."""

    def start(upstream: Server) -> AbstractAsyncContextManager[Server]:
        return proxy("--parakeet-url", upstream.url, "--magpie-url", upstream.url, *settings)

    return Way(OURS, start, translates=True)


async def measure(plan: Plan) -> Findings:
    """Measure by this plan, the full one in less than five minutes. Raises ToolError."""
    wav_on_line = make_wav(LINE_SECONDS)
    wav = transcription(make_wav(RECORDING_SECONDS))
    heard = [Case("transcription", wav, callers, each) for callers, each in plan.transcriptions]
    spoken = [Case(name, speech(text), *load) for name, text in TEXTS.items() for load in plan.speeches]
    lines = [Case(name, transcription(wav_on_line, line), 1, plan.lines) for name, line in LINES.items()]
    others, version = await _others()
    ways = [Way(DIRECT, nullcontext), *others, ours(*ROOMY)]
    with many_files():
        async with started(UPSTREAM) as upstream:
            await _measure_in_turn([*heard, *spoken], plan.rounds, upstream, ways)
            memory = await _measure_memories(plan, others, upstream)
        for case in lines:
            async with started(UPSTREAM, "--line", str(LINES[case.name])) as upstream:
                await _measure_in_turn([case], plan.rounds, upstream, ways)
        health = await _measure_health(plan)
    compared = Table("What was compared", ("what", ""), (("Spark Audio proxy", __version__), (NGINX, version)))
    tables = (compared, *comparisons(heard, lines, spoken), memory, health)
    return Findings(tables, tuple(aims(heard, spoken, memory, health)))


async def _others() -> tuple[list[Way], str]:
    """The way through nginx and its version, or why it cannot be had."""
    try:
        program, version = await find_nginx()
    except NotInstalled as err:
        return [], f"not measured, it cannot be had here: {err}"
    return [Way(NGINX, partial(start_nginx, program))], version


async def _measure_in_turn(cases: Sequence[Case], rounds: int, upstream: Server, ways: Sequence[Way]) -> None:
    """Every way of every case, one after the other in each round."""
    async with AsyncExitStack() as stack:
        running = [(way, await stack.enter_async_context(way.start(upstream))) for way in ways]
        # Beforehand, for them to open their connections to the upstream.
        for case in cases:
            for way, server in running:
                await run_block(server.url, way.request(case), case.callers, each=1)
        for number in range(rounds):
            for case in cases:
                first = number % len(running)
                for way, server in (*running[first:], *running[:first]):
                    await measure_round(case, way, server)


async def measure_round(case: Case, way: Way, server: Server) -> None:
    """Add a block. Raises ToolError where one request failed: what a refusal costs says nothing."""
    before = used_cpu(server.pid)
    block = await run_block(server.url, way.request(case), case.callers, case.each)
    case.add(way.name, block, used_cpu(server.pid) - before)
    if failed := [exchange.status for exchange in block.exchanges if exchange.status != OK]:
        raise ToolError(f"{case.name}, {way.name}: {len(failed)} requests failed, the first with status {failed[0]}.")


async def _measure_memories(plan: Plan, others: Sequence[Way], upstream: Server) -> Table:
    """Of each other way, and of the proxy with each of the limits."""
    request = transcription(make_wav(plan.upload_bytes / BYTES_PER_SECOND)).proxied
    variants = [("", way) for way in others]
    variants += [(limits, ours(*settings)) for limits, settings in MEMORY_LIMITS.items()]
    rows = [await _measure_memory(plan.uploads, way, limits, request, upstream) for limits, way in variants]
    return memory_table(plan.uploads, plan.upload_bytes, rows)


async def _measure_memory(uploads: int, way: Way, limits: str, request: Request, upstream: Server) -> tuple[Cell, ...]:
    async with way.start(upstream) as server:
        idle = used_memory(server.pid, "VmRSS") / MIB
        block = await run_block(server.url, request, uploads, each=1)
        peak = used_memory(server.pid, "VmHWM") / MIB
    statuses = [exchange.status for exchange in block.exchanges]
    if unexpected := set(statuses) - {OK, BUSY}:
        raise ToolError(f"{uploads} uploads at once, {way.name}: one failed with status {min(unexpected)}.")
    return way.name, limits, statuses.count(OK), statuses.count(BUSY), idle, peak


async def _measure_health(plan: Plan) -> Table:
    """With a fresh upstream, whose counts begin at 0, and short recordings: it is the waiting that counts."""
    request = transcription(make_wav(1.0)).proxied
    async with started(UPSTREAM, "--recognition", str(SLOW)) as upstream, ours(*ROOMY).start(upstream) as server:
        latencies = await probe_under_load(server, request, plan.held, plan.probes)
        return health_table((await read_counts(upstream)).most_at_once, plan.probes, latencies)
