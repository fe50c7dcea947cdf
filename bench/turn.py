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

from aiohttp import ClientSession
from spark_engine import __version__

from demo.answers import Json, items, pick

from .environments import NotInstalled, Package
from .errors import BenchError
from .machine import this_machine
from .processes import started
from .report import Report
from .turn_home import House, house
from .turn_peers import home_assistant_version, install_integration, install_wyoming_openai
from .turn_report import OURS, Answer, Hearing, Speaking, aims, charts, tables
from .turn_voice import Command, Turn, ask, record_commands, say

QUESTION = "How long does a voice turn take, from the end of speech to the first sound of the answer?"

MORE = "ten sentences in every format, too"

LOAD = "load average of the machine, after each round"
"""The measurement takes long, and needs a fifth of a core: what is beyond that is somebody else's."""

PACE, SLOW = 12.0, 3.0
"""How many times faster than it sounds the speech server makes speech."""

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
"""With a place for a number: what Home Assistant has said once it says again without asking anybody."""

FORMATS: Mapping[str, Mapping[str, Json]] = {
    "MP3": {"preferred_format": "mp3"},
    "WAV 16 kHz": {
        "preferred_format": "wav",
        "preferred_sample_rate": 16_000,
        "preferred_sample_channels": 1,
        "preferred_sample_bytes": 2,
    },
    "FLAC 48 kHz": {
        "preferred_format": "flac",
        "preferred_sample_rate": 48_000,
        "preferred_sample_channels": 1,
        "preferred_sample_bytes": 2,
    },
}
"""As satellites ask for them: Home Assistant's own choice, a small satellite's, and a media player's."""

EARLY = "Home Assistant ends the turn"

VARIANTS: Mapping[str, Mapping[str, Json]] = {
    "nothing early": {"turn_end": "home_assistant", "early_transcription": False},
    EARLY: {"turn_end": "home_assistant", "early_transcription": True},
    "balanced": {"turn_end": "balanced", "early_transcription": True},
    "fast": {"turn_end": "fast", "early_transcription": True},
}
"""The options under which Spark Audio's hearing is measured."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: answers as (text, format, pace of the speech server)."""

    rounds: int
    variants: tuple[str, ...]
    answers: tuple[tuple[str, str, float], ...]


_USUAL = (
    *(("40 characters", audio_format, PACE) for audio_format in FORMATS),
    *(("three sentences", audio_format, PACE) for audio_format in FORMATS),
    ("ten sentences", "WAV 16 kHz", PACE),
    ("three sentences", "WAV 16 kHz", SLOW),
)
FULL = Plan(10, tuple(VARIANTS), _USUAL)
ALL = Plan(10, tuple(VARIANTS), (*_USUAL, *(("ten sentences", other, PACE) for other in ("MP3", "FLAC 48 kHz"))))
QUICK = Plan(2, tuple(VARIANTS), (("40 characters", "WAV 16 kHz", PACE), ("three sentences", "WAV 16 kHz", PACE)))


@dataclass(slots=True)
class Ways:
    """The pipelines to be compared, by name, and the packages that they are made of."""

    hearing: dict[str, str] = field(default_factory=dict)
    speaking: dict[str, str] = field(default_factory=dict)
    packages: list[Package] = field(default_factory=list)


async def answer(*, quick: bool = False) -> Report:
    """Measure, in about twenty minutes; `quick`, in two and more coarsely. Raises BenchError."""
    return await measure(QUICK if quick else FULL)


async def answer_all(*, quick: bool = False) -> Report:
    """Ten sentences in every format, too; `quick` as without. Raises BenchError."""
    return await measure(QUICK if quick else ALL)


async def measure(plan: Plan) -> Report:
    """Measure by this plan. Raises BenchError."""
    machine, begun = this_machine(), time.monotonic()
    commands = record_commands()
    loads: list[float] = []
    async with started("bench.turn_backend") as backend, house(backend.url) as home:
        ways = await set_up(home, plan)
        bench = _Bench(home, backend.url, ways)
        await bench.warm_up(commands[0])
        for number in range(plan.rounds):
            sys.stderr.write(f"round {number + 1} of {plan.rounds}\n")
            await bench.measure_round(number, commands[number % len(commands)], plan)
            loads.append(os.getloadavg()[0])
    seconds = time.monotonic() - begun
    heard, spoken = tuple(bench.heard.values()), tuple(bench.spoken.values())
    return Report(
        QUESTION,
        machine,
        seconds,
        tables(heard, spoken, [*ways.packages, Package(LOAD, f"{min(loads):.2f} to {max(loads):.2f}")]),
        aims(heard, spoken),
        charts(heard, spoken, machine),
    )


async def set_up(home: House, plan: Plan) -> Ways:
    """Every way that can be had here; the report says which cannot."""
    ways = Ways(packages=[Package("Home Assistant", home_assistant_version()), Package(OURS, __version__)])
    spoken_by = None
    for number, variant in enumerate(plan.variants):
        engines = await home.add_spark_audio(f"spark{number}", VARIANTS[variant], magpie=number == 0)
        spoken_by = spoken_by or engines.tts
        ways.hearing[f"{OURS}, {variant}"] = await _pipeline(home, variant, engines.stt, spoken_by)
    ways.speaking[OURS] = next(iter(ways.hearing.values()))
    for name, install, add in (
        ("core's OpenAI integration", _openai, home.add_openai),
        ("Wyoming with wyoming-openai", _wyoming, home.add_wyoming),
    ):
        try:
            ways.packages.extend(Package(f"{name}: {package.name}", package.version) for package in await install())
        except NotInstalled as err:
            ways.packages.append(Package(name, f"not measured, it cannot be installed here: {err}"))
            continue
        engines = await add()
        ways.hearing[name] = ways.speaking[name] = await _pipeline(home, name, engines.stt, engines.tts)
    return ways


async def _openai() -> Sequence[Package]:
    return await install_integration("openai_conversation")


async def _wyoming() -> Sequence[Package]:
    return (*await install_integration("wyoming"), *await install_wyoming_openai())


async def _pipeline(home: House, name: str, stt: str | None, tts: str | None) -> str:
    if stt is None or tts is None:
        raise BenchError(f"{name} brought no {'tts' if stt else 'stt'} entity.")
    return await home.add_pipeline(name, stt, tts)


class _Bench:
    """What is asked, and what came of it."""

    def __init__(self, home: House, backend: str, ways: Ways) -> None:
        self.heard = {name: Hearing(name) for name in ways.hearing}
        self.spoken: dict[tuple[Answer, str], Speaking] = {}
        self._home = home.home_assistant
        self._backend = backend
        self._ways = ways
        self._numbers = itertools.count(100)

    async def warm_up(self, command: Command) -> None:
        """Once each way, which opens connections and files; nothing of it is counted."""
        for pipeline in self._ways.hearing.values():
            await say(self._home, pipeline, command)
        for pipeline in self._ways.speaking.values():
            for audio_format in FORMATS:
                await self._ask(pipeline, Answer("40 characters", audio_format, PACE))

    async def measure_round(self, number: int, command: Command, plan: Plan) -> None:
        """Everything once. Who begins changes from round to round."""
        async with self._pace(PACE):
            for name in _rotated(list(self.heard), number):
                await self._requests()
                turn = await say(self._home, self._ways.hearing[name], command)
                asked = [at for kind, at in await self._requests() if kind == "transcription"]
                self.heard[name].add(turn, asked)
        for words, audio_format, pace in plan.answers:
            wanted = Answer(words, audio_format, pace)
            async with self._pace(pace):
                for way in _rotated(list(self._ways.speaking), number):
                    turn = await self._ask(self._ways.speaking[way], wanted)
                    self.spoken.setdefault((wanted, way), Speaking(wanted, way)).add(turn)

    async def _ask(self, pipeline: str, wanted: Answer) -> Turn:
        words = ANSWERS[wanted.words].format(next(self._numbers))
        return await ask(self._home, pipeline, words, FORMATS[wanted.audio_format])

    @asynccontextmanager
    async def _pace(self, pace: float) -> AsyncGenerator[None]:
        async with ClientSession() as session, session.post(f"{self._backend}/bench/pace", json={"pace": pace}):
            yield

    async def _requests(self) -> list[tuple[str, float]]:
        """What the speech server was asked since the last look, and when."""
        async with ClientSession() as session, session.get(f"{self._backend}/bench/requests") as response:
            told: Json = await response.json()
        return [(str(pick(each, "kind")), float(str(pick(each, "at")))) for each in items(told)]


def _rotated(names: list[str], by: int) -> list[str]:
    by %= len(names)
    return names[by:] + names[:by]
