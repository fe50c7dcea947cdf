"""Who is cut off, and how long is everybody else waited for? Each way of ending a turn, on one set of spoken turns.

The embedded Spark speaks the commands and is the recogniser; the clock stands still while it thinks, so that only the
rules are compared and a slow machine measures the same.
"""

import asyncio
import json
import random
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from importlib import import_module
from pathlib import Path

from aiohttp import ClientSession
from embedded_spark import EmbeddedSpark
from spark_engine.models import SpeechStyle
from spark_engine.servers.magpie import Magpie
from spark_engine.servers.transport import Transport

from .errors import BenchError
from .figures import percentile
from .machine import this_machine
from .plot import Bar, Chart, Group
from .processes import REPOSITORY
from .report import Cell, Report, Table
from .spoken_turns import AT_ONCE, FRAME, PAUSES, ROOMS, SAMPLE_RATE, WITH_A_PAUSE, SpokenTurn, turn

QUESTION = "How often is a speaker cut off, and how long does it take to notice that nobody goes on?"

WAYS = {"home_assistant": "Home Assistant", "balanced": "balanced", "fast": "fast"}

READINGS = ("beckett", "two_cities")
"""Recordings of people, in the recogniser's package; each is read by one person."""

EARLY = 5
"""Frames by which an end may come before the last sound: its echo is no word."""

HOME_ASSISTANT = REPOSITORY / ".venv-ha/bin/python"

SEED = 7


async def answer(*, quick: bool = False) -> Report:
    """Compare on the whole set, in about three minutes; `quick`, on a tenth of it. Raises BenchError."""
    if not HOME_ASSISTANT.exists():
        raise BenchError(".venv-ha is missing: run scripts/setup first.")
    machine, begun = this_machine(), time.monotonic()
    async with EmbeddedSpark() as spark, ClientSession() as session:
        turns = await _spoken(Magpie(Transport(session, spark.magpie_url)), quick=quick)
        readings = {} if quick else {name: _recording(name) for name in READINGS}
        with tempfile.TemporaryDirectory() as folder:
            _store(Path(folder), {f"turn-{number:03}": spoken.pcm for number, spoken in enumerate(turns)})
            _store(Path(folder), {f"reading-{name}": pcm for name, pcm in readings.items()})
            ends = await _ends(Path(folder), spark.parakeet_url)
    found = [(spoken, ends[f"turn-{number:03}"]) for number, spoken in enumerate(turns)]
    cuts = {name: ends[f"reading-{name}"] for name in readings}
    return Report(
        QUESTION, machine, time.monotonic() - begun, (summary(found, cuts), by_kind(found)), (), (chart(found, cuts),)
    )


def summary(found: Sequence[tuple[SpokenTurn, Mapping[str, int]]], cuts: Mapping[str, Mapping[str, int]]) -> Table:
    """One row for each way, over everything."""
    rows: list[tuple[Cell, ...]] = []
    for way, label in WAYS.items():
        gaps = _gaps(found, way)
        rows.append(
            (
                label,
                len(found) - len(gaps),
                sum(ends[way] for ends in cuts.values()),
                percentile(gaps, 50) if gaps else None,
                percentile(gaps, 95) if gaps else None,
            )
        )
    return Table(
        f"{len(found)} commands and {len(cuts)} readings by people; seconds from the last sound to the end of the turn,"
        " of those that were not cut off; a recogniser that answers after 0.3 s",
        ("who ends the turn", "commands cut off", "readings cut off", "gap p50 s", "gap p95 s"),
        tuple(rows),
    )


def by_kind(found: Sequence[tuple[SpokenTurn, Mapping[str, int]]]) -> Table:
    """How many are cut off, by the pause that they have."""
    rows: list[tuple[Cell, ...]] = []
    for kind in dict.fromkeys(spoken.kind for spoken, _ in found):
        of_kind = [(spoken, ends) for spoken, ends in found if spoken.kind == kind]
        rows.append((kind, len(of_kind), *(len(of_kind) - len(_gaps(of_kind, way)) for way in WAYS)))
    return Table("Commands cut off, by what they are", ("commands", "of", *WAYS.values()), tuple(rows))


def chart(found: Sequence[tuple[SpokenTurn, Mapping[str, int]]], cuts: Mapping[str, Mapping[str, int]]) -> Chart:
    """Both sides of it."""
    lost = {way: len(found) - len(_gaps(found, way)) + sum(ends[way] for ends in cuts.values()) for way in WAYS}
    return Chart(
        "turn-end",
        "The end of a turn: how soon, and how often too soon",
        "",
        (
            Group(
                "seconds from the last sound to the end of the turn, median",
                tuple(
                    Bar(label, percentile(_gaps(found, way), 50), way != "home_assistant")
                    for way, label in WAYS.items()
                ),
            ),
            Group(
                f"cut off, of {len(found)} commands and {len(cuts)} readings",
                tuple(Bar(label, float(lost[way]), way != "home_assistant") for way, label in WAYS.items()),
            ),
        ),
    )


def _gaps(found: Sequence[tuple[SpokenTurn, Mapping[str, int]]], way: str) -> list[float]:
    """Seconds from the last sound to the end, of the turns that were not cut off."""
    frames = (ends[way] - spoken.end for spoken, ends in found)
    return [max(0, gap) / 100 for gap in frames if gap >= -EARLY]


async def _spoken(magpie: Magpie, *, quick: bool) -> list[SpokenTurn]:
    chance = random.Random(SEED)  # noqa: S311 - noise, no secret
    said: dict[str, bytes] = {}
    for text in dict.fromkeys((*AT_ONCE, *(piece for pieces in WITH_A_PAUSE for piece in pieces))):
        said[text] = await _say(magpie, text)
    turns = []
    for room, noise in ROOMS.items():
        turns += [turn(f"{room}, without a pause", [(text, said[text])], 0, noise, chance) for text in AT_ONCE]
        for pause in PAUSES:
            turns += [
                turn(f"{room}, pause of {pause} s", [(text, said[text]) for text in pieces], pause, noise, chance)
                for pieces in WITH_A_PAUSE
            ]
    return turns[::10] if quick else turns


async def _say(magpie: Magpie, text: str) -> bytes:
    async with aclosing(magpie.synthesize(text, SpeechStyle(language="en-US", sample_rate=SAMPLE_RATE))) as pieces:
        return b"".join([audio.pcm async for audio in pieces])


def _recording(name: str) -> bytes:
    """16 kHz s16le mono, whole frames."""
    path = Path(import_module("moonshine_voice").get_assets_path(), f"{name}.wav")
    command = ("ffmpeg", "-loglevel", "error", "-i", path, "-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "s16le", "-")
    pcm = subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603 - our own arguments
    return pcm[: len(pcm) // FRAME * FRAME]


def _store(folder: Path, sounds: Mapping[str, bytes]) -> None:
    for name, pcm in sounds.items():
        (folder / f"{name}.pcm").write_bytes(pcm)


async def _ends(folder: Path, parakeet_url: str) -> Mapping[str, Mapping[str, int]]:
    """Where each way ends each turn, asked in Home Assistant's environment."""
    process = await asyncio.create_subprocess_exec(
        *(HOME_ASSISTANT, "-m", "bench.turn_ends", folder, parakeet_url),
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    if process.returncode:
        raise BenchError(f"bench.turn_ends failed: {err.decode().strip().rpartition('\n')[2]}")
    ends: Mapping[str, Mapping[str, int]] = json.loads(out)
    return ends
