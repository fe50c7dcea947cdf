"""A whole voice turn: what Spark Audio takes of it, beside what else puts such a speech server into Home Assistant.

Four processes: Home Assistant, wyoming-openai, the speech server with fixed times, and this one, which is the
satellite. Ways take turns within a round, so that a machine that slows down slows all of them.
"""

import itertools
import os
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from embedded_spark.engines import Delivery, load_synthesizer
from spark_engine import __version__
from spark_engine.models import SAMPLE_RATE

from tools.stack.configuration import SPARK_AUDIO, lay_out
from tools.stack.fetched import Package
from tools.stack.folders import REPOSITORY, free_port
from tools.stack.home import DOMAIN, PLACE, Engines, Home, new_account, start_home
from tools.stack.http import Json, ask, new_session
from tools.stack.processes import Processes, Server, started, temporary_processes
from tools.stack.satellite import Turn, hold_turn, say
from tools.stack.spoken import Command, in_a_quiet_room

from . import turn_peers
from .health_under_load import read_counts
from .proxy import UPSTREAM
from .report import Findings
from .turn_report import EARLY, OURS, TOOL, WAV, Answer, Hearing, Speaking, findings
from .upstream import PACE_PATH

QUESTION = "How long does a voice turn take, from the end of speech to the first sound of the answer?"

MORE = "ten sentences in every format, too"

AGENT = REPOSITORY / "tools/bench/home_assistant/bench_agent"
AGENT_CONFIGURATION = "\nbench_agent:\nlogger:\n  default: error\n"
WRITER = "conversation.writer"
"""The agent, which writes at a steady pace."""

LOAD = "load average of the machine, after each round"
"""The measurement takes long, and needs a fifth of a core: what is beyond that is another program's."""

NEVER = 86_400.0
"""Seconds between canaries: none among the requests that are measured."""

SERVER_TIMES = ("--recognition", "0.3", "--piece", "0.1")
PACE, SLOW = 12.0, 3.0
"""How many times faster than it sounds the speech server makes speech."""

COMMANDS = (
    "Turn on the kitchen light.",
    "What is the weather going to be like tomorrow?",
    "Set a timer for ten minutes.",
    "Is the front door locked?",
    "Play some music in the living room.",
)

TOOL_CALL = "[tool]"
"""What the agent takes for a tool that it has to call, for 4 s."""

ANSWERS = {
    "40 characters": "The kitchen light is now set to {} lux.",
    "three sentences": (
        "The kitchen light is on at {} lumens now, and the front door is locked. It is warm outside and the sky "
        "is clear. The heating in the living room will start at six in the morning, and the washing machine will "
        "be done by half past ten."
    ),
    "ten sentences": (
        "The kitchen light is on at {} lumens now, and the front door is locked. It is warm outside and the sky "
        "is clear. The heating in the living room will start at six in the morning. The washing machine will be "
        "done by half past ten, and the dryer is free. Your first appointment tomorrow is at the dentist, at a "
        "quarter past eight. The bus from the corner leaves ten minutes before that, as on every other day. There "
        "is some milk left, but no bread and no butter. I have put both of them on the shopping list for you. The "
        "windows in the bedroom are open, and it may rain a little after midnight. Shall I remind you to close "
        "them before you go to bed, or is it fine to leave them open tonight?"
    ),
}
ANSWERS[TOOL] = f"One moment.{TOOL_CALL}{ANSWERS['three sentences']}"
"""With a place for a number: what Home Assistant has said once it says again without asking the server."""


def _output(audio_format: str, rate: int) -> Mapping[str, Json]:
    return {
        "preferred_format": audio_format,
        "preferred_sample_rate": rate,
        "preferred_sample_channels": 1,
        "preferred_sample_bytes": 2,
    }


FLAC = "FLAC 48 kHz"
FORMATS: Mapping[str, Mapping[str, Json]] = {
    "MP3": {"preferred_format": "mp3"},
    WAV: _output("wav", 16_000),
    FLAC: _output("flac", 48_000),
}
"""As satellites ask for them: Home Assistant's own choice, a small satellite's, and a media player's."""

VARIANTS: Mapping[str, Mapping[str, Json]] = {
    "nothing early": {"turn_end": "home_assistant", "early_transcription": False},
    EARLY: {"turn_end": "home_assistant", "early_transcription": True},
    "balanced": {"turn_end": "balanced", "early_transcription": True},
    "fast": {"turn_end": "fast", "early_transcription": True},
}
"""The options under which Spark Audio's hearing is measured."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    variants: tuple[str, ...]
    answers: tuple[Answer, ...]


def plan(*, quick: bool, every: bool) -> Plan:
    """Return the usual plan of about twenty minutes, a quick one of two, or one with longer answers."""
    short, medium, long, tool = ANSWERS
    if quick:
        return Plan(2, tuple(VARIANTS), tuple(Answer(words, WAV, PACE) for words in (short, medium, tool)))
    usual = (
        *(Answer(words, audio_format, PACE) for words in (short, medium) for audio_format in FORMATS),
        *(Answer(long, WAV, PACE), Answer(medium, WAV, SLOW), Answer(tool, WAV, PACE)),
    )
    longer = (Answer(long, "MP3", PACE), Answer(long, FLAC, PACE)) if every else ()
    return Plan(10, tuple(VARIANTS), (*usual, *longer))


@dataclass(slots=True)
class Ways:
    """The pipelines to be compared, by name, and the packages that they are made of."""

    hearing: dict[str, str] = field(default_factory=dict)
    speaking: dict[str, str] = field(default_factory=dict)
    packages: list[Package] = field(default_factory=list)


async def measure(wanted: Plan) -> Findings:
    """Measure by this plan. Raises ToolError."""
    commands = record_commands()
    loads: list[float] = []
    peers = await turn_peers.install_peers()
    async with started(UPSTREAM, *SERVER_TIMES) as upstream, _home(upstream) as (home, processes):
        ways = await set_up(home, processes, upstream, peers, wanted)
        bench = _Bench(home, upstream, ways)
        await bench.warm_up(commands[0], wanted)
        for number in range(wanted.rounds):
            sys.stderr.write(f"round {number + 1} of {wanted.rounds}\n")
            await bench.measure_round(number, commands[number % len(commands)], wanted)
            loads.append(os.getloadavg()[0])
    packages = [*ways.packages, Package(LOAD, f"{min(loads):.2f} to {max(loads):.2f}")]
    return findings(tuple(bench.heard.values()), tuple(bench.spoken.values()), packages)


def record_commands() -> Sequence[Command]:
    """Return COMMANDS, spoken by the embedded voice. Blocks for seconds."""
    voice = load_synthesizer()
    said = (b"".join(voice.speak(words, Delivery(1.0, 1.0, 1.0), SAMPLE_RATE)) for words in COMMANDS)
    return [in_a_quiet_room(pcm) for pcm in said]


@asynccontextmanager
async def _home(upstream: Server) -> AsyncGenerator[tuple[Home, Processes]]:
    """A new Home Assistant with the agent, which ends with its use."""
    async with temporary_processes() as processes, new_session() as session:
        folder, port = processes.logs / "home", free_port()
        folder.mkdir()
        lay_out(folder, port, more=AGENT_CONFIGURATION, integrations=(SPARK_AUDIO, AGENT))
        environment = turn_peers.home_environment(upstream.url)
        home = await start_home(processes, session, folder, port, new_account("bench"), environment=environment)
        await home.client.call("config/core/update", **PLACE)
        yield home, processes


async def set_up(home: Home, processes: Processes, upstream: Server, peers: turn_peers.Peers, wanted: Plan) -> Ways:
    """Set up every way that can be had here. Raises ToolError."""
    ways = Ways(packages=[Package("Home Assistant", turn_peers.home_assistant_version()), Package(OURS, __version__)])
    spoken_by = None
    for number, variant in enumerate(wanted.variants):
        # An entry of its own for each set of options, so that none is loaded anew between two turns.
        engines = await _add_spark_audio(home, f"{upstream.url}/spark{number}", variant, has_magpie=number == 0)
        spoken_by = spoken_by or engines.tts
        pipeline = await home.add_pipeline(variant, Engines(engines.stt, spoken_by), WRITER)
        ways.hearing[f"{OURS}, {variant}"] = pipeline
        ways.speaking.setdefault(OURS, pipeline)
    for name in turn_peers.PEERS:
        if why := peers.missing.get(name):
            ways.packages.append(Package(name, why))
            continue
        ways.packages += [Package(f"{name}: {package.name}", package.version) for package in peers.packages[name]]
        engines = await turn_peers.add_peer(name, home, processes, upstream.url)
        ways.hearing[name] = ways.speaking[name] = await home.add_pipeline(name, engines, WRITER)
    return ways


async def _add_spark_audio(home: Home, url: str, variant: str, *, has_magpie: bool) -> Engines:
    entry = await home.add(DOMAIN, {"parakeet_url": url} | ({"magpie_url": url} if has_magpie else {}))
    await home.engines(entry)
    await home.choose(entry, {**VARIANTS[variant], "canary_interval": NEVER})
    return await home.engines(entry)


class _Bench:
    """What is asked, and what came of it."""

    def __init__(self, home: Home, upstream: Server, ways: Ways) -> None:
        self.heard = {name: Hearing(name) for name in ways.hearing}
        self.spoken: dict[tuple[Answer, str], Speaking] = {}
        self._home = home.client
        self._upstream = upstream
        self._ways = ways
        self._numbers = itertools.count(100)

    async def warm_up(self, command: Command, wanted: Plan) -> None:
        """Once each way, which opens connections and files; nothing of it is counted."""
        for pipeline in self._ways.hearing.values():
            (await say(self._home, pipeline, command)).whole()
        for pipeline in self._ways.speaking.values():
            for audio_format in dict.fromkeys(answer.audio_format for answer in wanted.answers):
                (await self._ask(pipeline, Answer("40 characters", audio_format, PACE))).whole()

    async def measure_round(self, number: int, command: Command, wanted: Plan) -> None:
        """Everything once. The first way changes from round to round."""
        await self._set_pace(PACE)
        for name in _rotated(list(self.heard), number):
            since = time.monotonic()
            turn = await say(self._home, self._ways.hearing[name], command)
            asked = (await read_counts(self._upstream)).transcriptions
            self.heard[name].add(turn, [at for at in asked if at >= since])
        for answer in wanted.answers:
            await self._set_pace(answer.pace)
            for way in _rotated(list(self._ways.speaking), number):
                turn = await self._ask(self._ways.speaking[way], answer)
                self.spoken.setdefault((answer, way), Speaking(answer, way)).add(turn)

    async def _ask(self, pipeline: str, answer: Answer) -> Turn:
        """Have the agent write an answer, which is spoken in a satellite's format."""
        words = ANSWERS[answer.words].format(next(self._numbers))
        fields: Mapping[str, Json] = {"pipeline": pipeline, "text": words, "output": FORMATS[answer.audio_format]}
        return await hold_turn(self._home, "bench_agent/answer", fields)

    async def _set_pace(self, pace: float) -> None:
        async with new_session() as session:
            await ask(session, "POST", self._upstream.url + PACE_PATH, "The upstream", {"pace": pace})


def _rotated(names: list[str], by: int) -> list[str]:
    by %= len(names)
    return names[by:] + names[:by]
