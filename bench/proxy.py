"""What the proxy adds, beside other ways to put something between callers and a Spark, all in one run.

The upstream, what stands in front of it, and this process, which is the load. All ways take turns within a round, and
who begins changes, so that a machine that slows down slows all of them.
"""

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from spark_engine import __version__

from .environments import NotInstalled, Package
from .errors import BenchError
from .load import Request, run_block
from .machine import this_machine, used_cpu, used_memory
from .processes import Child, started
from .proxy_health import Health, many_files, probe_under_load
from .proxy_peers import NGINX, ORIGINAL, ROOMY, Peer, nginx, original, ours
from .proxy_report import DIRECT, LINE_SECONDS, RECORDING_SECONDS, Case, Memory, aims, charts, tables
from .report import Report
from .requests import BYTES_PER_SECOND, Pair, recording, speech, transcription

QUESTION = "What does the proxy add to a request, and how much memory does it take, beside others?"

TEXTS = {
    "one sentence": "The kitchen light is on and it is warm outside while the front door stays shut.",
    "three sentences": "The kitchen light is on now. It is warm outside. The front door is still locked.",
}
"""About 6 s of speech each."""

LINES = {"20 Mbit/s": 2.5e6, "100 Mbit/s": 12.5e6}
"""Bytes a second to what stands in between, and on from there: Wi-Fi at the end of the garden, and an old switch."""

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
    """How requests get to the upstream: directly (`peer` is None) or through something that runs."""

    name: str
    child: Child
    peer: Peer | None = None


async def answer(*, quick: bool = False) -> Report:
    """Measure, in less than five minutes; `quick`, in less than one and more coarsely. Raises BenchError."""
    return await measure(QUICK if quick else FULL)


async def measure(plan: Plan) -> Report:
    """Measure by this plan. Raises BenchError."""
    machine, begun = this_machine(), time.monotonic()
    wav_on_line = recording(LINE_SECONDS)
    wav = transcription(recording(RECORDING_SECONDS))
    heard = [Case("transcription", wav, callers, each) for callers, each in plan.transcriptions]
    spoken = [Case(name, speech(text), *load) for name, text in TEXTS.items() for load in plan.speeches]
    lines = [Case(name, transcription(wav_on_line, line), 1, plan.lines) for name, line in LINES.items()]
    peers, packages = await _peers()
    with many_files():
        async with started("bench.upstream") as upstream:
            await _measure_in_turn([*heard, *spoken], plan.rounds, upstream, [*peers, ours(*ROOMY)])
            memory = await _measure_memories(plan, peers, upstream)
        for case in lines:
            async with started("bench.upstream", "--line", str(LINES[case.name])) as upstream:
                await _measure_in_turn([case], plan.rounds, upstream, [*peers, ours(*ROOMY)])
        health = [await _measure_health(plan, peer) for peer in (*peers, ours(*ROOMY)) if peer.name != NGINX]
    seconds = time.monotonic() - begun
    return Report(
        QUESTION,
        machine,
        seconds,
        tables(packages, heard, lines, spoken, memory, health),
        aims(heard, spoken, memory, health),
        charts(heard, lines, spoken, memory, machine),
    )


async def _peers() -> tuple[list[Peer], list[Package]]:
    """Those that can be had here, and what they are; the report says which cannot."""
    peers, packages = [], [Package("Spark Audio proxy", __version__)]
    for name, install in ((NGINX, nginx), (ORIGINAL, original)):
        try:
            peer = await install()
        except NotInstalled as err:
            packages.append(Package(name, f"not measured, it cannot be had here: {err}"))
            continue
        peers.append(peer)
        packages.extend(
            package if package.name == name else Package(f"{name}: {package.name}", package.version)
            for package in peer.packages
        )
    return peers, packages


async def _measure_in_turn(cases: Sequence[Case], rounds: int, upstream: Child, peers: Sequence[Peer]) -> None:
    """Every way of every case, one after the other in each round."""
    async with AsyncExitStack() as stack:
        between = [Way(peer.name, await stack.enter_async_context(peer.start(upstream)), peer) for peer in peers]
        # Beforehand, for them to open their connections to the upstream.
        for case in cases:
            for way in between:
                await run_block(way.child.url, _request(case.pair, way), case.callers, each=1)
        ways = (Way(DIRECT, upstream), *between)
        for number in range(rounds):
            for case in cases:
                first = number % len(ways)
                for way in (*ways[first:], *ways[:first]):
                    await measure_round(case, way)


def _request(pair: Pair, way: Way) -> Request:
    return pair.proxied if way.peer is not None and way.peer.translates else pair.direct


async def measure_round(case: Case, way: Way) -> None:
    """Add a block. Raises BenchError where one request failed: what a refusal costs says nothing."""
    before = used_cpu(way.child.pid)
    block = await run_block(way.child.url, _request(case.pair, way), case.callers, case.each)
    case.add(way.name, block, used_cpu(way.child.pid) - before)
    if failed := [exchange.status for exchange in block.exchanges if exchange.status != OK]:
        raise BenchError(f"{case.name}, {way.name}: {len(failed)} requests failed, the first with status {failed[0]}.")


async def _measure_memories(plan: Plan, peers: Sequence[Peer], upstream: Child) -> list[Memory]:
    """Of each peer, and of the proxy with each of the limits."""
    request = transcription(recording(plan.upload_bytes / BYTES_PER_SECOND)).proxied
    variants = {limits: ours(*settings) for limits, settings in MEMORY_LIMITS.items()}
    return [
        *[await _measure_memory(plan.uploads, peer, "", request, upstream) for peer in peers],
        *[await _measure_memory(plan.uploads, peer, limits, request, upstream) for limits, peer in variants.items()],
    ]


async def _measure_memory(uploads: int, peer: Peer, limits: str, request: Request, upstream: Child) -> Memory:
    async with peer.start(upstream) as child:
        idle = used_memory(child.pid, "VmRSS")
        block = await run_block(child.url, request, uploads, each=1)
        peak = used_memory(child.pid, "VmHWM")
    statuses = [exchange.status for exchange in block.exchanges]
    if unexpected := set(statuses) - {OK, BUSY}:
        raise BenchError(f"{uploads} uploads at once, {peer.name}: one failed with status {min(unexpected)}.")
    return Memory(peer.name, limits, uploads, len(request.body), statuses.count(BUSY), idle, peak)


async def _measure_health(plan: Plan, peer: Peer) -> Health:
    """With a fresh upstream, whose counts begin at 0, and short recordings: it is the waiting that counts."""
    request = transcription(recording(1.0)).proxied
    async with started("bench.upstream", "--recognition", str(SLOW)) as upstream, peer.start(upstream) as child:
        return await probe_under_load(peer.name, child, upstream, request, plan.held, plan.probes)
