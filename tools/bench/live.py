"""Words while they are spoken: how soon, and how many sessions one core can hold.

One speaker at a time against servers with fixed times and against the embedded Spark, which hears whole recordings
only; then many sessions at once, of which the CPU time of the proxy's process is counted.
"""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from aiohttp import ClientSession, FormData, TCPConnector
from spark_engine.models import SAMPLE_RATE, SAMPLE_WIDTH, Audio
from spark_engine.speech.audio import write_wav

from tools.stack.fetched import NotInstalled, Package
from tools.stack.http import ask, new_session
from tools.stack.processes import PROXY, Server, started, temporary_processes
from tools.stack.services import proxy, start_spark
from tools.stack.spoken import Command
from tools.stack.tables import Cell, Table, percentile, spread

from . import live_wyoming, turn_peers
from .live_client import Crowd, Detection, Spoken, crowd, messages, opened, quiet_room, speak
from .machine import MIB, used_cpu, used_memory
from .proxy import UPSTREAM
from .report import Aim, Findings
from .turn import record_commands
from .upstream import TRANSCRIPTIONS

QUESTION = "How soon do words come while they are spoken, and how many sessions does one core hold?"

WHOLE, LIVE, EMBEDDED = "whole recordings, after 300 ms", "live, a word for each 0.25 s", "embedded Spark"
UPSTREAMS = {WHOLE: ("--recognition", "0.3"), LIVE: ("--recognition", "0.3", "--word", "0.25")}

SERVER_VAD: Detection = {"type": "server_vad", "silence_duration_ms": 500}
SEMANTIC_VAD = "semantic_vad"
DETECTIONS: dict[str, Detection] = {
    "server_vad, 500 ms": SERVER_VAD,
    SEMANTIC_VAD: {"type": "semantic_vad"},
    "the client commits": None,
}
UPLOAD = "the client uploads the recording"
WYOMING = {"wyoming-openai, realtime": live_wyoming.REALTIME, "wyoming-openai, upload": live_wyoming.UPLOAD}

ROOM = ("--concurrency", "64", "--watch", "off")
"""No queue of the proxy's own, and no canary."""

PIECE = 0.05
"""Seconds of audio in one message of a crowd, as voice agents send it."""

PAUSE = 1.0
"""Seconds between the commands of a crowd."""

IDLE, SPEAKING = 200, 50
"""Aim: sessions on one core."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Sessions at once: what they do, on which upstream, how their turns end, and the seconds that are measured."""

    name: str
    upstream: str
    sessions: int
    detection: Detection
    speaks: bool = True
    hears: bool = True


SCENES = (
    Scene("silent: nothing is sent", WHOLE, IDLE, SERVER_VAD, speaks=False, hears=False),
    Scene("an open microphone in a quiet room", WHOLE, SPEAKING, SERVER_VAD, speaks=False),
    Scene("speaking, server_vad", WHOLE, SPEAKING, SERVER_VAD),
    Scene("speaking, server_vad", LIVE, SPEAKING, SERVER_VAD),
    Scene("speaking, the client commits", WHOLE, SPEAKING, None),
    Scene("speaking, the client commits", LIVE, SPEAKING, None),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How many commands each way gets, on which servers; and the sessions at once, with the seconds they speak."""

    commands: int
    seconds: float
    servers: tuple[str, ...] = (*UPSTREAMS, EMBEDDED)
    scenes: tuple[Scene, ...] = SCENES


FULL, QUICK = Plan(5, 20.0), Plan(1, 4.0)

type Row = tuple[Cell, ...]


async def measure(plan: Plan) -> Findings:
    """Measure by this plan, the full one in about eight minutes. Raises ToolError."""
    commands = (await asyncio.to_thread(record_commands))[: plan.commands]
    packages, missing = await _install()
    loads = [os.getloadavg()[0]]
    spoken: list[Row] = []
    for name in plan.servers:
        async with _upstream(name) as settings, proxy(*settings, "--watch", "off") as server:
            spoken += await _measure_speaker(name, server, commands, has_wyoming=not missing)
        loads.append(os.getloadavg()[0])
    crowds = []
    for scene in plan.scenes:
        async with _upstream(scene.upstream) as settings, proxy(*settings, *ROOM) as server:
            crowds.append(await _measure_crowd(scene, server, commands, plan.seconds))
        loads.append(os.getloadavg()[0])
    return findings(spoken, crowds, _compared(packages, missing, loads))


async def _install() -> tuple[Sequence[Package], str]:
    """Return what wyoming-openai is made of, and why it is not there if so."""
    try:
        return await turn_peers.install_wyoming_openai(), ""
    except NotInstalled as err:
        return (), f"not measured, it cannot be installed here: {err}"


def _compared(packages: Sequence[Package], missing: str, loads: Sequence[float]) -> Table:
    """Return what was measured beside the proxy, and under which load."""
    rows = [(package.name, package.version) for package in packages] or [("wyoming-openai", missing)]
    load = ("load average of the machine, after each part", f"{min(loads):.2f} to {max(loads):.2f}")
    return Table("What was compared, and under which load", ("what", ""), (*rows, load))


@asynccontextmanager
async def _upstream(name: str) -> AsyncGenerator[tuple[str, ...]]:
    """Run one; yield the settings of a proxy in front of it. Raises ToolError."""
    if name != EMBEDDED:
        async with started(UPSTREAM, *UPSTREAMS[name]) as upstream:
            yield "--parakeet-url", upstream.url
        return
    async with temporary_processes() as processes:
        yield "--parakeet-url", (await start_spark(processes)).parakeet_url


async def _measure_speaker(
    upstream: str, server: Server, commands: Sequence[Command], *, has_wyoming: bool
) -> list[Row]:
    """Speak each command in each way, one after the other; nothing of the first command's first time is counted."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(new_session())
        ways = {name: partial(speak, session, server.url, detection=way) for name, way in DETECTIONS.items()}
        if upstream == LIVE:
            # It says the same words whatever is spoken: where they make a sentence tells nothing.
            del ways[SEMANTIC_VAD]
        ways[UPLOAD] = partial(_upload, session, server.url)
        if has_wyoming:
            processes = await stack.enter_async_context(temporary_processes())
            port = await live_wyoming.start(processes, server.url)
            ways |= {name: partial(live_wyoming.speak, port, model=model) for name, model in WYOMING.items()}
        for way in ways.values():
            await way(command=commands[0])
        turns = [{name: await way(command=command) for name, way in ways.items()} for command in commands]
    return [(upstream, name, *_figures([turn[name] for turn in turns])) for name in ways]


def _figures(turns: Sequence[Spoken]) -> Row:
    """Return milliseconds: to the first words, to the end as it was noticed, and to the transcript."""
    first = [1000 * (turn.first_words - turn.begin) for turn in turns if turn.first_words is not None]
    return (
        spread(first) if first else None,
        spread([1000 * (turn.ended - turn.end) for turn in turns]),
        spread([1000 * (turn.completed - turn.end) for turn in turns]),
    )


async def _upload(session: ClientSession, url: str, command: Command) -> Spoken:
    """Upload a recording that has just ended."""
    end = time.monotonic()
    pcm = command.pcm[: round(command.end * SAMPLE_RATE) * SAMPLE_WIDTH]
    form = FormData({"model": "whisper-1", "language": "en"})
    form.add_field("file", write_wav(Audio(pcm, SAMPLE_RATE)), filename="command.wav", content_type="audio/wav")
    await ask(session, "POST", url + TRANSCRIPTIONS, PROXY, form)
    return Spoken(end - command.end + command.begin, end, None, end, time.monotonic())


async def _measure_crowd(scene: Scene, server: Server, commands: Sequence[Command], seconds: float) -> Row:
    """Return the row of one scene. Raises ToolError."""
    sound = _sound(commands) if scene.speaks else messages(quiet_room(10.0), PIECE) if scene.hears else []
    before = used_memory(server.pid, "VmRSS")
    async with ClientSession(connector=TCPConnector(limit=0)) as session, AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(opened(session, server.url, scene.detection)) for _ in range(scene.sessions)
        ]
        cpu = used_cpu(server.pid)
        seen = await crowd(sockets, sound, PIECE, seconds)
        # Of all audio that was sent: what a proxy could not do in time it has done by now.
        cost = (used_cpu(server.pid) - cpu) / seconds / scene.sessions
        memory = (used_memory(server.pid, "VmRSS") - before) / scene.sessions
    holds = round(1 / cost) if sound and cost else None
    return (
        *(scene.name, scene.upstream, scene.sessions, 100 * cost * scene.sessions, 1000 * cost, holds),
        *(memory / MIB, *_waits(seen)),
    )


def _sound(commands: Sequence[Command]) -> list[str]:
    """Return commands one after the other, as messages."""
    pause = quiet_room(PAUSE)
    parts = (command.pcm[_at(command.begin) : _at(command.end)] + pause for command in commands)
    return messages(b"".join(parts), PIECE)


def _at(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE) * SAMPLE_WIDTH


def _waits(seen: Crowd) -> Row:
    if not seen.waits:
        return None, None, None
    return len(seen.waits), 1000 * percentile(seen.late, 95), 1000 * percentile(seen.waits, 95)


def findings(spoken: Sequence[Row], crowds: Sequence[Row], compared: Table) -> Findings:
    """Return the tables, and the sessions that one core is to hold as aims."""
    tables = (
        compared,
        Table(
            "One speaker, ms: a command in real time, in pieces of 20 ms",
            (
                *("server", "way", "first sound to first words"),
                *("end of speech to its notice", "end of speech to transcript"),
            ),
            tuple(spoken),
        ),
        Table(
            "Sessions at once, 24 kHz in pieces of 50 ms; CPU of the proxy alone",
            (
                *(
                    "sessions",
                    "server",
                    "number",
                    "% of one core",
                    "CPU ms for a second of a session",
                    "one core holds",
                ),
                *("MiB each", "turns", "end noticed late by, p95 ms", "end to transcript p95 ms"),
            ),
            tuple(crowds),
        ),
    )
    aims = [Aim(f"{row[2]} sessions, {row[0]} ({row[1]}), % of one core", 100.0, float(str(row[3]))) for row in crowds]
    return Findings(tables, tuple(aims))
