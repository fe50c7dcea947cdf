"""What many voice turns come to: samples, tables, aims and charts. Pure.

Times are in milliseconds here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .environments import Package
from .errors import BenchError
from .figures import Spread, spread
from .machine import Machine
from .plot import Bar, Chart, Group
from .report import Aim, Cell, Table
from .turn_voice import Turn

OURS = "Spark Audio"
WAV_BYTES_PER_SECOND = 32_000
"""Of WAV at 16 kHz, the only format here whose bytes tell how long it is."""

WAV = "WAV 16 kHz"
HEARD_EARLY = f"{OURS}, Home Assistant ends the turn"
BALANCED = f"{OURS}, balanced"


@dataclass(slots=True)
class Hearing:
    """One way to hear: milliseconds of each round.

    `asked_after` and `after_noticed` only where Home Assistant's own detector ends the turn.
    """

    way: str
    asked_after: list[float] = field(default_factory=list)
    after_noticed: list[float] = field(default_factory=list)
    transcript: list[float] = field(default_factory=list)
    sound: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)

    def add(self, turn: Turn, asked: Sequence[float]) -> None:
        """Take in a turn; `asked` are the moments at which the recogniser was asked. Raises BenchError."""
        if turn.spoke_until is None or not asked:
            raise BenchError(f"{self.way}: a transcript came without a request for one.")
        transcript = turn.at("stt-end")
        if noticed := turn.find("stt-vad-end"):
            self.asked_after.append(1000 * (asked[-1] - noticed.at))
            self.after_noticed.append(1000 * (transcript - noticed.at))
        self.transcript.append(1000 * (transcript - turn.spoke_until))
        self.sound.append(1000 * (turn.sound.first - turn.spoke_until))
        self.requests.append(len(asked))


@dataclass(frozen=True, slots=True)
class Answer:
    """What is spoken, in which format, and how many times faster than it sounds the server makes it."""

    words: str
    audio_format: str
    pace: float


@dataclass(slots=True)
class Speaking:
    """One way to speak one kind of answer: milliseconds of each round."""

    answer: Answer
    way: str
    first: list[float] = field(default_factory=list)
    stall: list[float] = field(default_factory=list)

    def add(self, turn: Turn) -> None:
        """Take in a turn. Raises BenchError."""
        self.first.append(1000 * (turn.sound.first - turn.first_token))
        if self.answer.audio_format == WAV:
            self.stall.append(1000 * turn.sound.stall(WAV_BYTES_PER_SECOND))


def tables(heard: Sequence[Hearing], spoken: Sequence[Speaking], packages: Sequence[Package]) -> tuple[Table, ...]:
    """What was compared, hearing, speaking. `packages` may tell more of the run."""
    return (
        Table(
            "What was compared, and under which load",
            ("what", ""),
            tuple((each.name, each.version) for each in packages),
        ),
        Table(
            "Hearing, ms: a command in real time, then a quiet room; the recogniser answers 300 ms after the last byte",
            (
                *("way", "request sent after the end was noticed", "noticed to transcript"),
                *("end of speech to transcript", "end of speech to first sound, short answer", "requests"),
            ),
            tuple(_heard_row(each) for each in heard),
        ),
        Table(
            "Speaking, ms from the agent's first token, of 20 a second; the speech server's first audio comes after "
            "80 ms, the rest at so many times real time",
            ("answer", "format", "server", "way", "first sound", "silence in the middle"),
            tuple(_spoken_row(each) for each in spoken),
        ),
    )


def _heard_row(each: Hearing) -> tuple[Cell, ...]:
    return (
        each.way,
        _spread(each.asked_after),
        _spread(each.after_noticed),
        _spread(each.transcript),
        _spread(each.sound),
        _count(each.requests),
    )


def _spoken_row(each: Speaking) -> tuple[Cell, ...]:
    answer = each.answer
    return (
        *(answer.words, answer.audio_format, f"{answer.pace:g} x", each.way),
        _spread(each.first),
        _spread(each.stall),
    )


def _count(rounds: Sequence[int]) -> str:
    fewest, most = min(rounds), max(rounds)
    return str(most) if fewest == most else f"{fewest} to {most}"


def _spread(rounds: Sequence[float]) -> Spread | None:
    return spread(rounds) if rounds else None


def aims(heard: Sequence[Hearing], spoken: Sequence[Speaking]) -> tuple[Aim, ...]:
    """What is printed as held or not; only of what was measured."""

    def hearing(way: str, claim: str, at_most: float, measure: Callable[[Hearing], Sequence[float]]) -> list[Aim]:
        return [Aim(claim, at_most, spread(measure(each)).median) for each in heard if each.way == way]

    return (
        *hearing(HEARD_EARLY, "end noticed by Home Assistant to transcript, ms", 30.0, lambda each: each.after_noticed),
        *hearing(BALANCED, "end of speech to transcript, balanced, ms", 700.0, lambda each: each.transcript),
        *(
            Aim(f"first token to first sound, {answer.words}, {answer.pace:g} x real time, ms", limit, _median(each))
            for answer, limit in LIMITS.items()
            for each in spoken
            if each.way == OURS and each.answer == answer
        ),
    )


LIMITS = {
    Answer("40 characters", WAV, 12.0): 520.0,
    Answer("three sentences", WAV, 12.0): 720.0,
    Answer("three sentences", WAV, 3.0): 760.0,
}
"""Milliseconds to the first sound."""


CUT = 2000.0
"""Milliseconds at which the picture of speaking ends: who waits for the whole answer needs several times as long."""


def _median(each: Speaking) -> float:
    return spread(each.first).median


def charts(heard: Sequence[Hearing], spoken: Sequence[Speaking], machine: Machine) -> tuple[Chart, ...]:
    """One of hearing, one of speaking."""
    rounds = len(heard[0].transcript)
    note = (
        f"Medians of {rounds} rounds, the line from the lowest to the highest. {machine.cores} cores, {machine.cpu}; "
        f"load average before the run {machine.load:.2f}."
    )
    spoken_groups = []
    for answer in dict.fromkeys(each.answer for each in spoken if each.answer.audio_format == WAV):
        bars = tuple(
            Bar(
                each.way,
                spread(each.first),
                ours=each.way == OURS,
                aim=LIMITS.get(answer) if each.way == OURS else None,
            )
            for each in spoken
            if each.answer == answer
        )
        spoken_groups.append(Group(f"{answer.words}, speech made at {answer.pace:g} times real time", bars))
    return (
        Chart(
            "bench-hearing",
            "From the end of speech to its transcript",
            "ms",
            (Group("the recogniser itself takes 300 ms", tuple(_bar(each) for each in heard)),),
            note,
        ),
        Chart(
            "bench-speaking",
            "From the agent's first word to the first sound",
            "ms",
            tuple(spoken_groups),
            f"{note} {WAV}, 20 tokens a second.",
            cut=CUT,
        ),
    )


def _bar(each: Hearing) -> Bar:
    aim = 700.0 if each.way == BALANCED else None
    return Bar(each.way, spread(each.transcript), ours=each.way.startswith(OURS), aim=aim)
