"""Who is cut off, and how long do all others wait? Each way of ending a turn, on one set of spoken turns.

The embedded Spark speaks the commands and is the recogniser; the clock stands still while it thinks, so that only the
rules are compared and a slow machine measures the same.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from embedded_spark import EmbeddedSpark
from embedded_spark.engines import load_synthesizer
from embedded_spark.speakers import DEFAULT_VOICE, VOICES

from tools.stack.errors import ToolError
from tools.stack.fetched import NotInstalled, said
from tools.stack.folders import HOME_ASSISTANT, REPOSITORY
from tools.stack.tables import Cell, Table, percentile

from .report import Findings
from .spoken_turns import FRAME, SAMPLE_RATE, SpokenTurn, phrases, turns

QUESTION = "How often is a speaker cut off, and how long does it take to notice that nobody goes on?"

WAYS = {"home_assistant": "Home Assistant", "balanced": "balanced", "fast": "fast"}

READINGS = ("beckett", "two_cities")
"""Recordings of people, in the recogniser's package; each is read by one person."""

EARLY = 5
"""Frames by which an end may come before the last sound: its echo is no word."""

type Ends = Mapping[str, int]
"""For each way the frame at which it ends a turn; of a reading, how often it cuts the reader off."""


async def measure(*, quick: bool) -> Findings:
    """Compare on the whole set, in about three minutes, or on a tenth of it. Raises ToolError."""
    spoken = _spoken()[:: 10 if quick else 1]
    sounds = {f"turn-{number:03}": turn.pcm for number, turn in enumerate(spoken)}
    with tempfile.TemporaryDirectory() as folder:
        for name, pcm in sounds.items():
            Path(folder, f"{name}.pcm").write_bytes(pcm)
        for name in () if quick else READINGS:
            await _decode(name, Path(folder, f"reading-{name}.pcm"))
        async with EmbeddedSpark() as spark:
            ends = await _ends(folder, spark.parakeet_url)
    found = [(turn, ends[name]) for turn, name in zip(spoken, sounds, strict=True)]
    cuts = [each for name, each in ends.items() if name not in sounds]
    return Findings((summary(found, cuts), by_kind(found)))


def _spoken() -> list[SpokenTurn]:
    voice, delivery = load_synthesizer(), VOICES[DEFAULT_VOICE]
    return list(turns({text: b"".join(voice.speak(text, delivery, SAMPLE_RATE)) for text in phrases()}))


async def _decode(name: str, file: Path) -> None:
    """Write a recording as 16 kHz s16le mono, whole frames."""
    wav = Path(import_module("moonshine_voice").get_assets_path(), f"{name}.wav")
    try:
        output = ("-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "s16le", str(file))
        await said("ffmpeg", "-loglevel", "error", "-i", str(wav), *output)
    except NotInstalled as err:
        raise ToolError(f"The recording {name} cannot be decoded: {err}") from err
    pcm = file.read_bytes()
    file.write_bytes(pcm[: len(pcm) // FRAME * FRAME])


async def _ends(folder: str, parakeet_url: str) -> Mapping[str, Ends]:
    """Where each way ends each turn, asked in Home Assistant's environment. Raises ToolError."""
    python, module = HOME_ASSISTANT / "bin/python", "tools.bench.home_assistant.turn_ends"
    try:
        output = await said(str(python), "-m", module, folder, parakeet_url, folder=str(REPOSITORY))
    except NotInstalled as err:
        raise ToolError(f"{module} failed: {err}") from err
    ends: Mapping[str, Ends] = json.loads(output)
    return ends


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
