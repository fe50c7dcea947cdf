"""What the proxy costs as the work grows: more callers, longer recordings, longer texts.

Against the upstream with fixed times; each measurement has a fresh proxy, so that peaks of memory are its own.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, ClientTimeout, FormData
from spark_engine.speech.audio import wav_header

from . import upstream
from .errors import BenchError
from .load import run_block
from .machine import this_machine, used_cpu, used_memory
from .processes import Child, started
from .proxy_health import many_files, read_counts
from .proxy_peers import proxy
from .report import Report
from .requests import recording, speech, transcription
from .scale_report import Callers, Recording, Text, aims, charts, tables
from .scale_work import AUDIO_FORMATS, PACE, AudioFormat, make_text

QUESTION = "What does the proxy cost as callers, recordings and texts grow?"

OK, BUSY = 200, 429

SETTINGS = {"as shipped": (), "--concurrency 256": ("--concurrency", "256")}
"""Under which callers are counted: with the queue as it is, and with nobody in it."""

LONG = ("--max-upload", "1GiB", "--bytes-in-flight", "1GiB")
"""Two hours of WAV are more than is let in as shipped."""

DEADLINE = 300.0
"""Seconds for one recording."""


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


async def answer(*, quick: bool = False) -> Report:
    """Measure, in about three minutes; `quick`, in half a minute and less far. Raises BenchError."""
    return await measure(QUICK if quick else FULL)


async def measure(plan: Plan) -> Report:
    """Measure by this plan. Raises BenchError."""
    machine, begun = this_machine(), time.monotonic()
    with many_files():
        callers = [await _measure_callers(name, *load) for name in ("direct", *SETTINGS) for load in plan.callers]
        recordings = [
            await measure_recording(audio_format, seconds, max(1, round(plan.worth / seconds)))
            for audio_format in AUDIO_FORMATS
            for seconds in plan.recordings
        ]
        texts = [await _measure_text(characters) for characters in plan.texts]
    return Report(
        QUESTION,
        machine,
        time.monotonic() - begun,
        tables(callers, recordings, texts),
        aims(recordings, texts),
        charts(callers, recordings, texts, machine),
    )


@asynccontextmanager
async def _fresh(*settings: str, pace: float = upstream.PACE) -> AsyncGenerator[tuple[Child, Child]]:
    """An upstream whose counts begin at 0, and a proxy in front of it that is not watching over it."""
    async with (
        started("bench.upstream", "--pace", str(pace)) as spark,
        # A canary would count as a request.
        proxy(spark, "--watch", "off", *settings) as child,
    ):
        yield spark, child


async def _measure_callers(way: str, callers: int, each: int) -> Callers:
    """A 5 s WAV from each, one after the other; who is refused asks again at once."""
    pair = transcription(recording(5.0))
    async with _fresh(*SETTINGS.get(way, ())) as (spark, child):
        asked, request = (child, pair.proxied) if way in SETTINGS else (spark, pair.direct)
        await run_block(asked.url, request, 1, each=1)
        block = await run_block(asked.url, request, callers, each)
        peak = used_memory(child.pid, "VmHWM") if way in SETTINGS else None
    statuses = {exchange.status for exchange in block.exchanges}
    if unexpected := statuses - {OK, BUSY}:
        raise BenchError(f"{callers} callers, {way}: a request failed with status {min(unexpected)}.")
    served = tuple(exchange.whole for exchange in block.exchanges if exchange.status == OK)
    return Callers(way, callers, served, len(block.exchanges) - len(served), block.seconds, peak)


async def measure_recording(audio_format: AudioFormat, seconds: float, times: int) -> Recording:
    """The same recording so many times, one after the other. Raises BenchError where a part of it was not heard."""
    content = await asyncio.to_thread(audio_format.make, seconds)
    async with _fresh(*LONG) as (spark, child):
        idle, before, begun = used_memory(child.pid, "VmRSS"), used_cpu(child.pid), time.monotonic()
        async with ClientSession(timeout=ClientTimeout(total=DEADLINE)) as session:
            for _ in range(times):
                heard = await _transcribe(session, child.url, audio_format, content)
        whole = (time.monotonic() - begun) / times
        cpu, peak = used_cpu(child.pid) - before, used_memory(child.pid, "VmHWM")
        requests = (await read_counts(spark)).requests // times
    # What a codec adds at the ends of its pieces is more, never less.
    if heard < seconds - 0.1:
        raise BenchError(f"Of {seconds:.0f} s of {audio_format.name} only {heard:.1f} s were heard.")
    return Recording(audio_format.name, seconds, len(content), whole, cpu / times, idle, peak, requests)


async def _transcribe(session: ClientSession, url: str, audio_format: AudioFormat, content: bytes) -> float:
    """The seconds that the proxy says it heard. Raises BenchError."""
    form = FormData({"model": "whisper-1"})
    form.add_field("file", content, filename=f"recording.{audio_format.name}", content_type=audio_format.content_type)
    try:
        async with session.post(f"{url}{upstream.TRANSCRIPTIONS}", data=form) as response:
            document = await response.json()
    except (TimeoutError, ClientError, ValueError) as err:
        raise BenchError(f"A recording got no answer: {err or type(err).__name__}.") from err
    match document:
        case {"usage": {"seconds": int() | float() as seconds}}:
            return float(seconds)
    raise BenchError(f"A recording was answered with status {response.status}: {document}")


async def _measure_text(characters: int) -> Text:
    """One text as WAV. Raises BenchError where not all that the upstream spoke came out."""
    text = make_text(characters)
    async with _fresh(pace=PACE) as (spark, child):
        request = speech(text).proxied
        await run_block(child.url, speech("Hello.").proxied, 1, each=1)
        before = await read_counts(spark)
        block = await run_block(child.url, request, 1, each=1)
        peak, after = used_memory(child.pid, "VmHWM"), await read_counts(spark)
    (exchange,) = block.exchanges
    spoken = after.spoken - before.spoken
    if exchange.status != OK:
        raise BenchError(f"A text of {characters} characters was refused with status {exchange.status}.")
    if exchange.received != spoken + len(wav_header(upstream.SAMPLE_RATE)):
        raise BenchError(f"A text of {characters} characters: {exchange.received} bytes came of {spoken} spoken.")
    sounding = spoken / 2 / upstream.SAMPLE_RATE
    return Text(characters, sounding, exchange.first, exchange.whole, after.requests - before.requests, peak)
