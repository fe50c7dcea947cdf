"""Are the names of the home heard? Commands with real-life names, before and after their correction.

Spoken close to the microphone and in a living room, heard by small recognisers or by your own Parakeet, corrected by
the integration's own code, and judged by Home Assistant's own agent in an environment of its own.
"""

import asyncio
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from tools.stack.errors import ToolError
from tools.stack.folders import HOME_ASSISTANT, REPOSITORY
from tools.stack.tables import Cell, Table, percentile

from .hear_recordings import Heard, hear
from .hear_set import HearSet, read_set
from .report import Aim, Findings

QUESTION = "How often are the names of a home right, and what is changed that should not be?"

QUICK_EVERY = 6

JUDGE = (HOME_ASSISTANT / "bin/python", "-m", "tools.bench.home_assistant.hear_judge")

PURPOSES = ("tuning", "judging")

LIMIT = 0.05
"""Seconds after which the product leaves a transcript as it is."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one transcript, as `hear_judge` tells it."""

    way: str
    """Voice, recogniser and place; empty for an ordinary sentence, which is text."""
    home: str
    said: str
    heard: str
    corrected: str
    seconds: float
    is_ordinary: bool
    name_before: bool
    name_after: bool
    done_before: bool
    done_after: bool

    @property
    def is_changed(self) -> bool:
        """Whether the correction touched it."""
        return self.corrected != self.heard


async def measure(*, quick: bool, parakeet_url: str | None = None) -> Findings:
    """Measure on the whole set, or on a sixth of it. Raises ToolError."""
    wanted = read_set(every=QUICK_EVERY if quick else 1)
    heard = await hear(wanted, parakeet_url)
    return findings(wanted, heard, await asyncio.to_thread(judged, wanted, heard))


def judged(wanted: HearSet, heard: Mapping[str, Heard]) -> Sequence[Verdict]:
    """Return the verdicts on all transcripts, and on the ordinary sentences as text. Raises ToolError."""
    document = {
        "homes": [asdict(home) for home in wanted.homes],
        "commands": [
            {"way": way, "home": command.home, "name": command.name, "text": command.text, "heard": text}
            for way, transcripts in heard.items()
            for command, text in transcripts
        ],
        "ordinary": wanted.ordinary,
    }
    done = subprocess.run(  # noqa: S603 - our own words
        JUDGE, cwd=REPOSITORY, input=json.dumps(document).encode(), capture_output=True, check=False
    )
    if done.returncode:
        raise ToolError(f"Home Assistant cannot judge: {done.stderr.decode().strip().rpartition('\n')[2]}")
    return [Verdict(**verdict) for verdict in json.loads(done.stdout)]


def findings(wanted: HearSet, heard: Mapping[str, Heard], verdicts: Sequence[Verdict]) -> Findings:
    """Return the tables, and how the judging homes do against what we aim at."""
    homes = {home.name: home for home in wanted.homes}
    by_name, by_sentence = [], []
    for language in wanted.ordinary:
        for purpose in PURPOSES:
            own = [
                each
                for each in verdicts
                if (homes[each.home].language, homes[each.home].purpose) == (language, purpose)
            ]
            by_name += [
                (way, language, purpose, *row) for way in heard if (row := _row([e for e in own if e.way == way]))
            ]
            if ordinary := [each for each in own if each.is_ordinary]:
                by_sentence.append((language, purpose, len(ordinary), sum(each.is_changed for each in ordinary)))
    errors = [(way, len(transcripts), round(_error_rate(transcripts))) for way, transcripts in heard.items()]
    judging = [each for each in verdicts if homes[each.home].purpose == "judging"]
    commands = [each for each in judging if not each.is_ordinary]
    ordinary = [each for each in judging if each.is_ordinary]
    before = _percent([each.done_before for each in commands])
    after = _percent([each.done_after for each in commands])
    aims = (
        Aim("names right on the judging homes, %", None, _percent([each.name_after for each in commands]), 95.0),
        Aim("commands carried out right there, points more", None, round(after - before, 1), 20.0),
        Aim("ordinary sentences changed, of 500", 1.0, 5 * _percent([each.is_changed for each in ordinary])),
    )
    tables = (
        Table("What was heard", ("voice, recogniser, place", "commands", "word error rate %"), tuple(errors)),
        Table("Commands with a name", COLUMNS, tuple(by_name)),
        Table("Sentences that name nothing", ("language", "homes", "sentences", "changed"), tuple(by_sentence)),
        _times(verdicts),
    )
    return Findings(tables, aims)


COLUMNS = (
    *("voice, recogniser, place", "language", "homes", "commands", "names right before %", "after %"),
    *("carried out right before %", "now %", "wrong name put in"),
)


def _row(commands: Sequence[Verdict]) -> tuple[Cell, ...]:
    """Return the figures of the commands of one way, language and purpose; nothing where there are none."""
    if not commands:
        return ()
    return (
        len(commands),
        _percent([each.name_before for each in commands]),
        _percent([each.name_after for each in commands]),
        _percent([each.done_before for each in commands]),
        _percent([each.done_after for each in commands]),
        sum(each.is_changed and not each.name_after for each in commands),
    )


def _times(verdicts: Sequence[Verdict]) -> Table:
    seconds = [each.seconds for each in verdicts]
    return Table(
        f"What a correction takes; one that takes longer than {LIMIT * 1000:.0f} ms is given up",
        ("transcripts", "p50 ms", "p95 ms", "given up %"),
        (
            (
                len(seconds),
                round(1000 * percentile(seconds, 50), 1),
                round(1000 * percentile(seconds, 95), 1),
                _percent([each > LIMIT for each in seconds]),
            ),
        ),
    )


def _percent(which: Sequence[bool]) -> float:
    return round(100 * sum(which) / len(which), 1) if which else 0.0


def _error_rate(heard: Heard) -> float:
    """Return the share of words that differ, in percent: edits of the transcript by words of what was said."""
    pairs = [(_words(command.text), _words(text)) for command, text in heard]
    edits = sum(_edits(said, got) for said, got in pairs)
    return 100 * edits / max(1, sum(len(said) for said, _ in pairs))


def _words(text: str) -> Sequence[str]:
    return "".join(letter if letter.isalnum() else " " for letter in text.casefold()).split()


def _edits(one: Sequence[str], other: Sequence[str]) -> int:
    row = list(range(len(other) + 1))
    for at, word in enumerate(one, 1):
        before, row[0] = row[0], at
        for to, heard in enumerate(other, 1):
            before, row[to] = row[to], min(row[to] + 1, row[to - 1] + 1, before + (word != heard))
    return row[-1]
