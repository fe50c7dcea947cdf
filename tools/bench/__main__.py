"""`scripts/bench`: measure, print what came of it. Nothing is asserted: times belong to the machine they came from."""

import argparse
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from tools.stack.command import line
from tools.stack.command import run as run_command

from . import fuzz, heal, hear, live, loudness, pauses, proxy, scale, soak, turn, written
from .machine import this_machine
from .report import Findings, Report, as_json, as_text


@dataclass(frozen=True, slots=True)
class Question:
    """Something that can be measured.

    `more` is what takes longer and is left out unless it is asked for; `has_length` where it can take as long as one
    likes, `has_parakeet` where the user's own can be measured.
    """

    asks: str
    answer: Callable[[argparse.Namespace], Awaitable[Findings]]
    more: str | None = None
    has_length: bool = False
    has_parakeet: bool = False
    has_targets: bool = False
    """Whether it is asked of several things, one of which can be named."""


QUESTIONS: Mapping[str, Question] = {
    "proxy": Question(proxy.QUESTION, lambda options: proxy.measure(proxy.QUICK if options.quick else proxy.FULL)),
    "scale": Question(scale.QUESTION, lambda options: scale.measure(scale.QUICK if options.quick else scale.FULL)),
    "heal": Question(
        heal.QUESTION,
        lambda options: heal.measure(
            heal.modes(quick=options.quick, every=options.all), heal.cases(quick=options.quick)
        ),
        heal.MORE,
    ),
    "soak": Question(
        soak.QUESTION,
        lambda options: soak.measure(options.minutes or (soak.QUICK_MINUTES if options.quick else soak.MINUTES)),
        has_length=True,
    ),
    "turn": Question(
        turn.QUESTION, lambda options: turn.measure(turn.plan(quick=options.quick, every=options.all)), turn.MORE
    ),
    "live": Question(live.QUESTION, lambda options: live.measure(live.QUICK if options.quick else live.FULL)),
    "written": Question(
        written.QUESTION, lambda options: written.measure(written.QUICK if options.quick else written.FULL)
    ),
    "hear": Question(
        hear.QUESTION,
        lambda options: hear.measure(quick=options.quick, parakeet_url=options.parakeet_url),
        has_parakeet=True,
    ),
    "fuzz": Question(
        fuzz.QUESTION,
        lambda options: fuzz.measure(
            options.minutes or (fuzz.QUICK_MINUTES if options.quick else fuzz.MINUTES), options.target
        ),
        has_length=True,
        has_targets=True,
    ),
    "loudness": Question(loudness.QUESTION, lambda options: loudness.measure(quick=options.quick)),
    "pauses": Question(
        pauses.QUESTION,
        lambda options: pauses.measure(quick=options.quick, every_language=options.all),
        pauses.MORE,
    ),
}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure side by side, and print a table.")
    questions = parser.add_subparsers(dest="question", metavar="QUESTION")
    for name, question in QUESTIONS.items():
        command = questions.add_parser(name, help=question.asks, description=question.asks)
        command.add_argument("--quick", action="store_true", help="coarser, in a fraction of the time")
        if question.more:
            command.add_argument("--all", action="store_true", help=question.more)
        command.add_argument("--json", metavar="FILE", type=Path, help="write all figures there as well")
        if question.has_length:
            command.add_argument("--minutes", metavar="N", type=_minutes, help="take so long")
        if question.has_parakeet:
            command.add_argument("--parakeet-url", metavar="URL", help="hear with your own Parakeet")
        if question.has_targets:
            command.add_argument("--target", metavar="NAME", help="ask of this one alone")
    options = parser.parse_args(arguments)
    if options.question and options.json and not options.json.parent.is_dir():
        parser.error(f"--json: there is no folder {options.json.parent}")
    return options


def _minutes(value: str) -> float:
    minutes = float(value)
    if not 0 < minutes < inf:
        raise argparse.ArgumentTypeError(f"{value} is not a number of minutes")
    return minutes


def listed() -> str:
    """Return all questions as text."""
    width = max(map(len, QUESTIONS))
    lines = (f"  scripts/bench {name.ljust(width)}   {question.asks}" for name, question in QUESTIONS.items())
    how = "--quick is coarser and takes a fraction of the time; --json FILE keeps all figures."
    return "\n".join(["Which question?", "", *lines, "", how])


async def bench(options: argparse.Namespace) -> bool:
    """Answer one question. Raises ToolError."""
    question = QUESTIONS[options.question]
    machine, begun = this_machine(), time.monotonic()
    findings = await question.answer(options)
    report = Report(question.asks, machine, time.monotonic() - begun, findings)
    line(as_text(report))
    if options.json:
        options.json.write_text(as_json(report))
    return True


def main(arguments: Sequence[str]) -> int:
    """Answer the question, or list them; return the exit status."""
    options = parse(arguments)
    if options.question is None:
        line(listed())
        return 0
    return run_command(bench(options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
