"""What the proxy costs as the work grows: more callers, longer recordings, longer texts.

Against the upstream with fixed times; each measurement has a fresh proxy, so that peaks of memory are its own.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import FormData
from spark_engine.speech.audio import wav_header

from tools.stack.errors import ToolError
from tools.stack.http import ask, new_session, pick
from tools.stack.processes import PROXY, Server, started
from tools.stack.services import proxy
from tools.stack.tables import Cell, Table, percentile

from . import upstream
from .health_under_load import many_files, read_counts
from .load import run_block
from .machine import MIB, used_cpu, used_memory
from .proxy import BUSY, OK, UPSTREAM
from .report import Aim, Findings
from .requests import make_mp3, make_text, make_wav, speech, transcription

QUESTION = "What does the proxy cost as callers, recordings and texts grow?"

SETTINGS = {"as shipped": (), "--concurrency 256": ("--concurrency", "256")}
"""Under which callers are counted: with a queue, as shipped, and without one."""

FORMATS: Mapping[str, Callable[[float], bytes]] = {"wav": make_wav, "mp3": make_mp3}

LONG = ("--max-upload", "1GiB", "--bytes-in-flight", "1GiB")
"""Two hours of WAV are more than is let in as shipped."""

DEADLINE = 300.0
"""Seconds for one recording."""

PACE = 200.0
"""Times real time at which the upstream speaks: the longest text sounds for more than half an hour."""

GROWTH = 16.0
"""Aim: MiB that the longest recording or text may take more than a short one, the file itself left out."""

SEVERAL_PIECES = 600.0
"""Seconds from which on a recording goes to the upstream in several pieces; the memory of shorter ones is their own."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked: callers and the requests of each, seconds of recordings, characters of texts.

    Of short recordings so many are sent that they last `worth` seconds together: CPU time is counted in ticks.
    """

    callers: tuple[tuple[int, int], ...]
    recordings: tuple[float, ...]
    worth: float
    texts: tuple[int, ...]


FULL = Plan(
    ((1, 60), (4, 60), (16, 30), (64, 20), (256, 10)),
    (1.0, 10.0, 60.0, 600.0, 3600.0, 7200.0),
    600.0,
    (10, 100, 1000, 10_000, 30_000),
)
QUICK = Plan(((1, 20), (16, 10), (64, 5)), (1.0, 900.0, 3600.0), 60.0, (10, 1000, 3000))


type Row = tuple[Cell, ...]


async def measure(plan: Plan) -> Findings:
    """Measure by this plan, the full one in about three minutes. Raises ToolError."""
    with many_files():
        callers = [await _measure_callers(way, *load) for way in ("direct", *SETTINGS) for load in plan.callers]
        recordings = [
            await measure_recording(name, seconds, max(1, round(plan.worth / seconds)))
            for name in FORMATS
            for seconds in plan.recordings
        ]
        texts = [await _measure_text(characters) for characters in plan.texts]
    return findings(plan, callers, recordings, texts)


@asynccontextmanager
async def _fresh(*settings: str, pace: float = upstream.PACE) -> AsyncGenerator[tuple[Server, Server]]:
    """An upstream whose counts begin at 0, and a proxy in front of it that is not watching over it."""
    async with started(UPSTREAM, "--pace", str(pace)) as spark:
        # A canary would count as a request.
        urls = ("--parakeet-url", spark.url, "--magpie-url", spark.url, "--watch", "off")
        async with proxy(*urls, *settings) as server:
            yield spark, server


async def _measure_callers(way: str, callers: int, each: int) -> Row:
    """A 5 s WAV from each, one after the other; a caller who is refused asks again at once. Raises ToolError."""
    pair = transcription(make_wav(5.0))
    async with _fresh(*SETTINGS.get(way, ())) as (spark, server):
        asked, request = (server, pair.proxied) if way in SETTINGS else (spark, pair.direct)
        await run_block(asked.url, request, 1, each=1)
        block = await run_block(asked.url, request, callers, each)
        peak = used_memory(server.pid, "VmHWM") / MIB if way in SETTINGS else None
    if unexpected := {exchange.status for exchange in block.exchanges} - {OK, BUSY}:
        raise ToolError(f"{callers} callers, {way}: a request failed with status {min(unexpected)}.")
    served = [1000 * exchange.whole for exchange in block.exchanges if exchange.status == OK]
    refused = len(block.exchanges) - len(served)
    times = (percentile(served, 50), percentile(served, 95), len(served) / block.seconds)
    return way, callers, *times, len(served), refused, peak


async def measure_recording(name: str, seconds: float, times: int) -> Row:
    """Send a recording so many times, one after the other. Raises ToolError where a part of it was not heard."""
    content = await asyncio.to_thread(FORMATS[name], seconds)
    async with _fresh(*LONG) as (spark, server), new_session(DEADLINE) as session:
        idle, before, begun = used_memory(server.pid, "VmRSS"), used_cpu(server.pid), time.monotonic()
        for _ in range(times):
            form = FormData({"model": "whisper-1"})
            form.add_field("file", content, filename=f"recording.{name}", content_type=f"audio/{name}")
            answer = await ask(session, "POST", f"{server.url}{upstream.TRANSCRIPTIONS}", PROXY, form)
        whole = (time.monotonic() - begun) / times
        cpu, peak = (used_cpu(server.pid) - before) / times, used_memory(server.pid, "VmHWM")
        requests = (await read_counts(spark)).requests // times
    heard = pick(answer, "usage", "seconds")
    # What a codec adds at the ends of its pieces is more, never less.
    if not isinstance(heard, int | float) or heard < seconds - 0.1:
        raise ToolError(f"Of {seconds:.0f} s of {name} only {heard} s were heard.", PROXY)
    beyond = max(0.0, (peak - idle - len(content)) / MIB)
    figures = (len(content) / MIB, whole, 60_000 * cpu / seconds, requests, idle / MIB, peak / MIB, beyond)
    return name, length(seconds), *figures


async def _measure_text(characters: int) -> Row:
    """One text as WAV. Raises ToolError where not all that the upstream spoke came out."""
    async with _fresh(pace=PACE) as (spark, server):
        await run_block(server.url, speech("Hello.").proxied, 1, each=1)
        before = await read_counts(spark)
        block = await run_block(server.url, speech(make_text(characters)).proxied, 1, each=1)
        peak, after = used_memory(server.pid, "VmHWM") / MIB, await read_counts(spark)
    (exchange,) = block.exchanges
    spoken = after.spoken - before.spoken
    if exchange.status != OK:
        raise ToolError(f"A text of {characters} characters was refused with status {exchange.status}.")
    if exchange.received != spoken + len(wav_header(upstream.SAMPLE_RATE)):
        raise ToolError(f"A text of {characters} characters: {exchange.received} bytes came of {spoken} spoken.")
    times = (spoken / 2 / upstream.SAMPLE_RATE, 1000 * exchange.first, exchange.whole)
    return characters, *times, after.requests - before.requests, peak


def length(seconds: float) -> str:
    """Return it in the largest unit that leaves no fraction."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def findings(plan: Plan, callers: Sequence[Row], recordings: Sequence[Row], texts: Sequence[Row]) -> Findings:
    """Return the tables, and growth with the length of what is decoded or spoken as aims."""
    tables = (
        Table(
            "Callers at once, each sending a 5 s WAV again and again; the upstream answers after 20 ms",
            ("way", "callers", "p50 ms", "p95 ms", "served/s", "served", "refused with 429", "peak MiB"),
            tuple(callers),
        ),
        Table(
            "Recordings, one at a time, with room for large uploads; the upstream answers each piece after 20 ms",
            (
                *("format", "length", "file MiB", "answer after s", "CPU ms for a minute of audio"),
                *("requests to the upstream", "idle MiB", "peak MiB", "beyond idle and file MiB"),
            ),
            tuple(recordings),
        ),
        Table(
            f"Texts, as WAV; the upstream's first audio comes after 80 ms, the rest at {PACE:.0f} times real time",
            ("characters", "sounds s", "first audio ms", "whole s", "requests to the upstream", "peak MiB"),
            tuple(texts),
        ),
    )
    return Findings(tables, tuple(_aims(plan, *tables[1:])))


def _aims(plan: Plan, recordings: Table, texts: Table) -> Iterator[Aim]:
    in_pieces = [length(seconds) for seconds in plan.recordings if seconds >= SEVERAL_PIECES]
    for name in FORMATS if len(in_pieces) > 1 else ():
        beyond = [
            *recordings.figures("beyond idle and file MiB", format=name, length=in_pieces[0]),
            *recordings.figures("beyond idle and file MiB", format=name, length=in_pieces[-1]),
        ]
        claim = f"{in_pieces[-1]} of {name}: memory beyond the file, more than for {in_pieces[0]}, MiB"
        yield Aim(claim, GROWTH, beyond[1] - beyond[0])
    shortest, short, longest = plan.texts[0], plan.texts[1], plan.texts[-1]
    peaks, waits = texts.figures("peak MiB"), texts.figures("first audio ms")
    yield Aim(f"{longest} characters: memory, more than for {shortest}, MiB", GROWTH, peaks[-1] - peaks[0])
    yield Aim(f"{longest} characters: first audio, times that of {short}", 1.5, waits[-1] / waits[1])
