"""Who is cut off, and how long do all others wait? Each way of ending a turn, on one set of spoken turns.

The embedded Spark speaks the commands and is the recogniser; the clock stands still while it thinks, so that only the
rules are compared and a slow machine measures the same.
"""

import asyncio
import json
import subprocess
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from embedded_spark import EmbeddedSpark
from embedded_spark.engines import load_synthesizer
from embedded_spark.speakers import DEFAULT_VOICE, VOICES
from spark_engine.models import SAMPLE_RATE

from tools.stack.errors import ToolError
from tools.stack.folders import HOME_ASSISTANT, REPOSITORY
from tools.stack.tables import Cell, Table, percentile

from .report import Findings
from .spoken_turns import FRAME, SpokenTurn, phrases, turns

QUESTION = "How often is a speaker cut off, and how long does it take to notice the end of a turn?"

WAYS = {"home_assistant": "Home Assistant", "balanced": "balanced", "fast": "fast"}

READINGS = ("beckett", "two_cities")
"""Recordings of people, in the recogniser's package; each is read by one person."""

ENDS_COMMAND = (HOME_ASSISTANT / "bin/python", "-m", "tools.bench.home_assistant.turn_ends")

EARLY = 5
"""Frames by which an end may come before the last sound: its echo is no word."""

type Ends = Mapping[str, int]
"""For each way the frame at which it ends a turn; of a reading, how often it cuts the reader off."""


async def measure(*, quick: bool) -> Findings:
    """Compare on the whole set, in about three minutes, or on a tenth of it. Raises ToolError."""
    voice = load_synthesizer()
    said = {text: b"".join(voice.speak(text, VOICES[DEFAULT_VOICE], SAMPLE_RATE)) for text in phrases()}
    spoken = list(turns(said))[:: 10 if quick else 1]
    sounds = {f"turn-{number:03}": turn.pcm for number, turn in enumerate(spoken)}
    readings = {f"reading-{name}": decoded(name) for name in (() if quick else READINGS)}
    with TemporaryDirectory() as folder:
        async with EmbeddedSpark() as spark:
            ends = await asyncio.to_thread(_ends, Path(folder), sounds | readings, spark.parakeet_url)
    found = [(turn, ends[name]) for turn, name in zip(spoken, sounds, strict=True)]
    return Findings((summary(found, [ends[name] for name in readings]), by_kind(found)))


def decoded(name: str) -> bytes:
    """Return a recording as 16 kHz s16le mono, whole frames."""
    wav = Path(import_module("moonshine_voice").get_assets_path(), f"{name}.wav")
    pcm = _run("ffmpeg", "-loglevel", "error", "-i", wav, "-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "s16le", "-")
    return pcm[: len(pcm) // FRAME * FRAME]


def _ends(folder: Path, sounds: Mapping[str, bytes], parakeet_url: str) -> Mapping[str, Ends]:
    """Where each way ends each turn, asked in Home Assistant's environment. Raises ToolError."""
    for name, pcm in sounds.items():
        (folder / f"{name}.pcm").write_bytes(pcm)
    ends: Mapping[str, Ends] = json.loads(_run(*ENDS_COMMAND, folder, parakeet_url))
    return ends


def _run(*command: str | Path) -> bytes:
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        raise ToolError(f"{command[0]} failed: {done.stderr.decode().strip().rpartition('\n')[2]}")
    return done.stdout


def summary(found: Sequence[tuple[SpokenTurn, Ends]], cuts: Sequence[Ends]) -> Table:
    """Return one row for each way, over everything."""
    rows: list[tuple[Cell, ...]] = []
    for way, label in WAYS.items():
        gaps = _gaps(found, way)
        figures = (percentile(gaps, 50), percentile(gaps, 95)) if gaps else (None, None)
        rows.append((label, len(found) - len(gaps), sum(ends[way] for ends in cuts), *figures))
    return Table(
        f"{len(found)} commands and {len(cuts)} readings by people; seconds from the last sound to the end of the turn,"
        " of those that were not cut off; a recogniser that answers after 0.3 s",
        ("who ends the turn", "commands cut off", "readings cut off", "gap p50 s", "gap p95 s"),
        tuple(rows),
    )


def by_kind(found: Sequence[tuple[SpokenTurn, Ends]]) -> Table:
    """Return how many are cut off, by the pause that they have."""
    rows: list[tuple[Cell, ...]] = []
    for kind in dict.fromkeys(turn.kind for turn, _ in found):
        of_kind = [(turn, ends) for turn, ends in found if turn.kind == kind]
        rows.append((kind, len(of_kind), *(len(of_kind) - len(_gaps(of_kind, way)) for way in WAYS)))
    return Table("Commands cut off, by what they are", ("commands", "of", *WAYS.values()), tuple(rows))


def _gaps(found: Sequence[tuple[SpokenTurn, Ends]], way: str) -> list[float]:
    """Seconds from the last sound to the end, of the turns that were not cut off."""
    frames = (ends[way] - turn.end for turn, ends in found)
    return [max(0, gap) / 100 for gap in frames if gap >= -EARLY]
