"""What many voice turns come to: samples, tables and aims, in milliseconds. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tools.stack.errors import ToolError
from tools.stack.fetched import Package
from tools.stack.satellite import Turn
from tools.stack.tables import Cell, Spread, Table, spread

from .report import Aim, Findings

OURS = "Spark Audio"
WAV_BYTES_PER_SECOND = 32_000
"""Of WAV at 16 kHz, the only format here whose bytes tell how long it is."""

WAV = "WAV 16 kHz"
TOOL = "a tool of 4 s"
"""The answer that an agent interrupts, to call a tool."""
EARLY = "Home Assistant ends the turn"
HEARD_EARLY = f"{OURS}, {EARLY}"
BALANCED = f"{OURS}, balanced"


@dataclass(slots=True)
class Hearing:
    """One way to hear: milliseconds of each round.

    `asked_after` and `after_noticed` only where the pipeline says that the turn has ended.
    """

    way: str
    asked_after: list[float] = field(default_factory=list)
    after_noticed: list[float] = field(default_factory=list)
    transcript: list[float] = field(default_factory=list)
    sound: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)

    def add(self, turn: Turn, asked: Sequence[float]) -> None:
        """Take in a turn; `asked` are the moments at which the recogniser was asked. Raises ToolError."""
        transcript, reply = turn.at("stt-end"), turn.whole().reply
        if turn.spoke_until is None or reply is None or not asked:
            raise ToolError(f"{self.way}: a transcript came without a request for one.")
        if noticed := turn.find("stt-vad-end"):
            self.asked_after.append(1000 * (asked[-1] - noticed.at))
            self.after_noticed.append(1000 * (transcript - noticed.at))
        self.transcript.append(1000 * (transcript - turn.spoke_until))
        self.sound.append(1000 * (reply.first - turn.spoke_until))
        self.requests.append(len(asked))


@dataclass(frozen=True, slots=True)
class Answer:
    """What is spoken, in which format, and how many times faster than it sounds the server makes it."""

    words: str
    audio_format: str
    pace: float


LIMITS = {
    Answer("40 characters", WAV, 12.0): 520.0,
    Answer("three sentences", WAV, 12.0): 720.0,
    Answer("three sentences", WAV, 3.0): 760.0,
}
"""Milliseconds to the first sound."""


@dataclass(slots=True)
class Speaking:
    """One way to speak one kind of answer: milliseconds of each round."""

    answer: Answer
    way: str
    first: list[float] = field(default_factory=list)
    stall: list[float] = field(default_factory=list)
    silence: list[float] = field(default_factory=list)
    """The longest between two sounds, where the agent calls a tool."""

    def add(self, turn: Turn) -> None:
        """Take in a turn. Raises ToolError."""
        if reply := turn.whole().reply:
            self.first.append(1000 * (reply.first - turn.first_token))
            if self.answer.audio_format == WAV:
                self.stall.append(1000 * reply.stall(WAV_BYTES_PER_SECOND))
            if self.answer.words == TOOL:
                self.silence.append(1000 * reply.longest_silence())


def findings(heard: Sequence[Hearing], spoken: Sequence[Speaking], packages: Sequence[Package]) -> Findings:
    """Return what was compared, hearing and speaking as tables, and the aims. `packages` may tell more of the run."""
    compared = Table(
        "What was compared, and under which load", ("what", ""), tuple((each.name, each.version) for each in packages)
    )
    hearing = Table(
        "Hearing, ms: a command in real time, then a quiet room; the recogniser answers 300 ms after the last byte",
        (
            *("way", "request sent after the end was noticed", "noticed to transcript"),
            *("end of speech to transcript", "end of speech to first sound, short answer", "requests"),
        ),
        tuple(map(_heard_row, heard)),
    )
    speaking = Table(
        "Speaking, ms from the agent's first token, of 20 a second; the speech server's first audio comes after "
        "80 ms, the rest at so many times real time",
        ("answer", "format", "server", "way", "first sound", "silence in the middle"),
        tuple(_spoken_row(each) for each in spoken if not each.silence),
    )
    tool = Table(
        'A tool, ms from the agent\'s first token: "One moment.", 4 s for the tool, then three sentences; WAV 16 kHz',
        ("way", "first sound", "longest silence between two sounds"),
        tuple((each.way, _spread(each.first), _spread(each.silence)) for each in spoken if each.silence),
    )
    return Findings((compared, hearing, speaking, tool), aims(heard, spoken))


def _heard_row(each: Hearing) -> tuple[Cell, ...]:
    fewest, most = min(each.requests), max(each.requests)
    figures = map(_spread, (each.asked_after, each.after_noticed, each.transcript, each.sound))
    return each.way, *figures, str(most) if fewest == most else f"{fewest} to {most}"


def _spoken_row(each: Speaking) -> tuple[Cell, ...]:
    answer = each.answer
    what = (answer.words, answer.audio_format, f"{answer.pace:g} x", each.way)
    return *what, _spread(each.first), _spread(each.stall)


def _spread(rounds: Sequence[float]) -> Spread | None:
    return spread(rounds) if rounds else None


def aims(heard: Sequence[Hearing], spoken: Sequence[Speaking]) -> tuple[Aim, ...]:
    """Return what is printed as held or not; only of what was measured."""

    def hearing(way: str, claim: str, at_most: float, measure: Callable[[Hearing], Sequence[float]]) -> list[Aim]:
        return [Aim(claim, at_most, spread(measure(each)).median) for each in heard if each.way == way]

    return (
        *hearing(HEARD_EARLY, "end noticed by Home Assistant to transcript, ms", 30.0, lambda each: each.after_noticed),
        *hearing(BALANCED, "end of speech to transcript, balanced, ms", 700.0, lambda each: each.transcript),
        *(
            Aim(
                f"first token to first sound, {answer.words}, {answer.pace:g} x real time, ms",
                limit,
                spread(each.first).median,
            )
            for answer, limit in LIMITS.items()
            for each in spoken
            if each.way == OURS and each.answer == answer
        ),
    )
