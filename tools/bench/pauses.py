"""Who is cut off, and how long do all others wait? Each way of ending a turn, on one set of spoken turns.

English is spoken by the embedded Spark and heard by its recogniser, German, Spanish, French and Italian by voices and a
recogniser out of packages. The clock stands still while they think, so that only the rules are compared and a slow
machine measures the same.
"""

import asyncio
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from spark_engine.models import SAMPLE_RATE
from spark_engine.speech.listening import PADDING

from tools.stack.errors import ToolError
from tools.stack.folders import HOME_ASSISTANT, REPOSITORY
from tools.stack.tables import Cell, Table, percentile

from .kept_transcripts import digest
from .report import Aim, Findings
from .spoken_turns import (
    ALOUD,
    APART,
    FRAME,
    HOME,
    OTHER,
    PAUSED,
    PAUSES,
    PURPOSES,
    READING,
    SHORT,
    TELEVISION,
    Pause,
    SpokenTurn,
    TurnSet,
    read_sets,
    readings,
    turns,
)
from .turn_speech import ENGLISH, KEPT, heard, spoken

QUESTION = "How often is a speaker cut off, and how long does it take to notice the end of a turn?"

MORE = "German, Spanish, French and Italian as well"

LANGUAGES = (ENGLISH, "de", "es", "fr", "it")

QUICK_EVERY = 6

WAYS = {
    "home_assistant": "Home Assistant",
    "balanced 100": "Balanced",
    "fast 100": "Fast",
    "balanced 300": "Balanced, answers after 0.3 s",
    "fast 300": "Fast, answers after 0.3 s",
    "balanced said": "Balanced, words as said",
    "fast said": "Fast, words as said",
}
"""The recogniser answers after 0.1 s, and makes its errors, where nothing else is said."""

JUDGED_BY = ("home_assistant", "balanced 100", "fast 100", "balanced said", "fast said")

NATURAL = (PAUSED, ALOUD)
"""Kinds whose pauses count in the share that is cut."""

AT_ONCE = (HOME, OTHER, SHORT)
"""Kinds whose ends count in the delays, beside those of the natural ones."""

READINGS = ("beckett", "two_cities")
"""Recordings of people, in the recogniser's package; each is read by one person."""

COMMAND = (HOME_ASSISTANT / "bin/python", "-m", "tools.bench.home_assistant.turn_ends")

EARLY = 5
"""Frames by which an end may come before the last sound: its echo is no word."""

type Ends = Mapping[str, int | None]
"""For each way the frame at which it ends a turn; None where it goes on."""


@dataclass(frozen=True, slots=True)
class Found:
    """A turn, and where each way ends it."""

    turn: SpokenTurn
    ends: Ends

    def delay(self, way: str) -> float | None:
        """Return the seconds from the last sound to the end; None where the speaker was cut off, or it goes on."""
        end = self.ends[way]
        return None if end is None or end < self.turn.end - EARLY else max(0, end - self.turn.end) / 100

    def is_cut(self, way: str) -> bool:
        """Return whether the turn ends before its last sound."""
        end = self.ends[way]
        return end is not None and end < self.turn.end - EARLY

    def pauses(self, way: str) -> Sequence[tuple[Pause, bool]]:
        """Return each pause that was reached, and whether the turn was ended in it."""
        end = self.ends[way]
        reached = [pause for pause in self.turn.pauses if end is None or pause.start - EARLY <= end]
        return [(pause, self.is_cut(way) and pause is reached[-1]) for pause in reached]


async def measure(*, quick: bool, every_language: bool = False) -> Findings:
    """Compare on the set, or on a sixth of its sentences. Raises ToolError."""
    wanted = read_sets(LANGUAGES if every_language else (ENGLISH,), every=QUICK_EVERY if quick else 1)
    recordings = {name: decoded(name) for name in READINGS}
    television = np.frombuffer(b"".join(recordings.values()), "<i2").astype(np.float64)
    spoken_turns: list[SpokenTurn] = []
    for language, each in wanted.items():
        speech = await spoken(each.texts(), language)
        others = television if language == ENGLISH else None
        spoken_turns += await asyncio.to_thread(list, turns(each, speech, others))
    if not quick:
        spoken_turns += [turn for name, pcm in recordings.items() for turn in readings(name, pcm)]
    return findings(await _found(wanted, spoken_turns))


def decoded(name: str) -> bytes:
    """Return a recording as 16 kHz s16le mono, whole frames."""
    wav = Path(import_module("moonshine_voice").get_assets_path(), f"{name}.wav")
    pcm = _run("ffmpeg", "-loglevel", "error", "-i", wav, "-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "s16le", "-")
    return pcm[: len(pcm) // FRAME * FRAME]


async def _found(wanted: Mapping[str, TurnSet], spoken_turns: Sequence[SpokenTurn]) -> Sequence[Found]:
    """Return where each way ends each turn, asked in Home Assistant's environment. Raises ToolError.

    What its voice detector says is kept beside the sounds, which are named by what they are.
    """
    sounds = KEPT / "turns"
    sounds.mkdir(parents=True, exist_ok=True)
    named = {digest(turn.pcm): turn for turn in spoken_turns}
    for name, turn in named.items():
        (sounds / f"{name}.pcm").write_bytes(turn.pcm)
    homes = {language: {"entities": each.entities, "areas": each.areas} for language, each in wanted.items()}
    turns_by_name = {name: turn.language for name, turn in named.items()}
    questions: Mapping[str, Sequence[int]] = await _asked("questions", sounds, turns=turns_by_name)
    answers: dict[str, dict[int, str]] = {name: {} for name in named}
    for language in wanted:
        asked = [(name, length) for name in named for length in questions[name] if named[name].language == language]
        texts = await heard([named[name].pcm[: length * FRAME] + PADDING for name, length in asked], language)
        for (name, length), text in zip(asked, texts, strict=True):
            answers[name][length] = text
    said = {
        name: {length: named[name].words_by(length) or text for length, text in texts.items()}
        for name, texts in answers.items()
    }
    ends: Mapping[str, Ends] = await _asked("ends", sounds, turns=turns_by_name, homes=homes, heard=answers, said=said)
    return [Found(turn, ends[digest(turn.pcm)]) for turn in spoken_turns]


async def _asked[AnswerT](what: str, sounds: Path, **documents: object) -> AnswerT:
    """Return what `turn_ends` says of sounds and documents. Raises ToolError."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "documents.json").write_text(json.dumps(documents))
        answer: AnswerT = json.loads(await asyncio.to_thread(_run, *COMMAND, what, sounds, f"{folder}/documents.json"))
    return answer


def _run(*command: str | Path) -> bytes:
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        raise ToolError(f"{command[0]} failed: {done.stderr.decode().strip().rpartition('\n')[2]}")
    return done.stdout


def findings(found: Sequence[Found]) -> Findings:
    """Return the tables of both halves, and how the half that judges does against what we aim at."""
    tables = [table for purpose in PURPOSES[::-1] for table in _tables(purpose, found)]
    return Findings(tuple(tables), _aims([each for each in found if each.turn.purpose == PURPOSES[-1]]))


def _tables(purpose: str, found: Sequence[Found]) -> Sequence[Table]:
    own = [each for each in found if each.turn.purpose == purpose]
    return (by_setting(purpose, own), by_length(purpose, own), by_kind(purpose, own))


def _of(found: Sequence[Found], kinds: Sequence[str], language: str | None = None) -> list[Found]:
    return [each for each in found if each.turn.kind in kinds and language in (None, each.turn.language)]


def _delays(found: Sequence[Found], way: str) -> list[float]:
    return [delay for each in found if (delay := each.delay(way)) is not None]


def _cuts(found: Sequence[Found], way: str) -> list[bool]:
    return [is_cut for each in found for _, is_cut in each.pauses(way)]


def _figures(delays: Sequence[float]) -> tuple[Cell, Cell]:
    return (percentile(delays, 50), percentile(delays, 95)) if delays else (None, None)


def _percent(which: Sequence[bool]) -> float | None:
    return 100 * sum(which) / len(which) if which else None


def by_setting(purpose: str, found: Sequence[Found]) -> Table:
    """Return one row for each language and way: delays at true ends, and pauses that were cut."""
    rows: list[tuple[Cell, ...]] = []
    for language in dict.fromkeys(each.turn.language for each in found):
        of_language = _of(found, (*AT_ONCE, *NATURAL), language)
        for way, label in WAYS.items():
            cuts = _cuts(of_language, way)
            delays = _delays(of_language, way)
            unnoticed = sum(each.ends[way] is None for each in of_language)
            rows.append((language, label, len(delays), *_figures(delays), unnoticed, len(cuts), _percent(cuts)))
    return Table(
        f"The {purpose} half: seconds from the last sound to the end of the turn, and pauses in which it ended",
        ("language", "who ends the turn", "ends", "delay p50 s", "delay p95 s", "never noticed", "pauses", "cut %"),
        tuple(rows),
    )


def by_length(purpose: str, found: Sequence[Found]) -> Table:
    """Return the share of pauses that were cut, by kind and by their length."""
    rows: list[tuple[Cell, ...]] = []
    for language in dict.fromkeys(each.turn.language for each in found):
        for kind in (PAUSED, APART, ALOUD):
            own = _of(found, (kind,), language)
            for seconds in PAUSES:
                shares = {
                    way: [is_cut for each in own for pause, is_cut in each.pauses(way) if pause.seconds == seconds]
                    for way in JUDGED_BY
                }
                cuts = [sum(shares[way]) for way in JUDGED_BY]
                rows.append((language, kind, seconds, max(map(len, shares.values())), *cuts))
    return Table(
        f"The {purpose} half: pauses that were cut, by length",
        ("language", "pauses", "length s", "of", *(WAYS[way] for way in JUDGED_BY)),
        tuple(rows),
    )


def by_kind(purpose: str, found: Sequence[Found]) -> Table:
    """Return how late each kind's end is noticed, and how many were cut off."""
    rows: list[tuple[Cell, ...]] = []
    for language in dict.fromkeys(each.turn.language for each in found):
        for kind in (*AT_ONCE, *NATURAL, APART, TELEVISION, READING):
            if own := _of(found, (kind,), language):
                for way, label in WAYS.items():
                    delays = _delays(own, way)
                    cut = sum(each.is_cut(way) for each in own)
                    rows.append((language, kind, label, len(own), *_figures(delays), cut, len(own) - len(delays) - cut))
    return Table(
        f"The {purpose} half, by what they are",
        ("language", "kind", "who ends the turn", "turns", "delay p50 s", "delay p95 s", "cut off", "never noticed"),
        tuple(rows),
    )


def _aims(found: Sequence[Found]) -> tuple[Aim, ...]:
    aims: list[Aim] = []
    for way, delay, share in (("balanced 100", 0.55, 5.0), ("fast 100", 0.35, 10.0)):
        for language in dict.fromkeys(each.turn.language for each in found):
            own = _of(found, (*AT_ONCE, *NATURAL), language)
            aims += [
                Aim(f"{WAYS[way]}, {language}: delay p50 s", delay, percentile(_delays(own, way), 50)),
                Aim(f"{WAYS[way]}, {language}: pauses cut %", share, _percent(_cuts(own, way)) or 0.0),
                Aim(
                    f"{WAYS[way]}, {language}: commands of the home, delay p50 s",
                    0.3,
                    percentile(_delays(_of(found, (HOME,), language), way), 50),
                ),
            ]
    return tuple(aims)
