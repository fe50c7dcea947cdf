"""`scripts/bench`: measure, print what came of it. Nothing is asserted: times belong to the machine they came from."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Protocol

from . import heal, pauses, proxy, scale, soak, turn
from .errors import BenchError
from .plot import as_svg
from .report import Report, as_json, as_text

INTERRUPTED = 130


class Measurement(Protocol):
    """What answers a question."""

    def __call__(self, *, quick: bool) -> Awaitable[Report]:
        """Measure. Raises BenchError."""


@dataclass(frozen=True, slots=True)
class Question:
    """Something that can be measured, and what takes longer and is left out unless it is asked for.

    `draws` where its report has charts; `answer_for` so many minutes, where it can take as long as one likes.
    """

    asks: str
    answer: Measurement
    more: str | None = None
    answer_all: Measurement | None = None
    draws: bool = False
    answer_for: Callable[[float], Awaitable[Report]] | None = None


QUESTIONS: Mapping[str, Question] = {
    "proxy": Question(proxy.QUESTION, proxy.answer, draws=True),
    "scale": Question(scale.QUESTION, scale.answer, draws=True),
    "heal": Question(heal.QUESTION, heal.answer, heal.MORE, heal.answer_all),
    "soak": Question(soak.QUESTION, soak.answer, draws=True, answer_for=soak.answer_for),
    "turn": Question(turn.QUESTION, turn.answer, turn.MORE, turn.answer_all, draws=True),
    "pauses": Question(pauses.QUESTION, pauses.answer, draws=True),
}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure side by side, and print a table.")
    questions = parser.add_subparsers(dest="question", metavar="QUESTION")
    for name, question in QUESTIONS.items():
        command = questions.add_parser(name, help=question.asks, description=question.asks)
        command.add_argument("--quick", action="store_true", help="coarser, in a fraction of the time")
        if question.more:
            command.add_argument("--all", action="store_true", help=question.more)
        command.add_argument("--json", metavar="FILE", type=Path, help="write all figures there as well")
        if question.answer_for:
            command.add_argument("--minutes", metavar="N", type=_minutes, help="take so long")
        if question.draws:
            command.add_argument("--plot", metavar="FOLDER", type=Path, help="draw them there, as SVG")
    options = parser.parse_args(arguments)
    if options.question and options.json and not options.json.parent.is_dir():
        parser.error(f"--json: there is no folder {options.json.parent}")
    if options.question and QUESTIONS[options.question].draws and options.plot and not options.plot.is_dir():
        parser.error(f"--plot: there is no folder {options.plot}")
    return options


def _minutes(value: str) -> float:
    minutes = float(value)
    if not 0 < minutes < inf:
        raise argparse.ArgumentTypeError(f"{value} is not a number of minutes")
    return minutes


def listed() -> str:
    """All questions."""
    width = max(map(len, QUESTIONS))
    lines = (f"  scripts/bench {name.ljust(width)}   {question.asks}" for name, question in QUESTIONS.items())
    return "\n".join(
        [
            "Which question?",
            "",
            *lines,
            "",
            "--quick is coarser and takes a fraction of the time; --json FILE keeps all figures.",
        ]
    )


def _measure(question: Question, options: argparse.Namespace) -> Awaitable[Report]:
    if question.answer_for and options.minutes:
        return question.answer_for(options.minutes)
    measure = question.answer_all if question.answer_all and options.all else question.answer
    return measure(quick=options.quick)


async def run(options: argparse.Namespace) -> int:
    """Answer one question; gives the exit status. Children are stopped however it ends."""
    question = QUESTIONS[options.question]
    measuring = asyncio.ensure_future(_measure(question, options))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Only once: a second Ctrl-C must not cut short the stopping of children.
        asyncio.get_running_loop().add_signal_handler(number, lambda: measuring.cancelling() or measuring.cancel())
    try:
        report = await measuring
        print(as_text(report))  # noqa: T201 - what a command is there for
        if options.json:
            options.json.write_text(as_json(report))
        if question.draws and options.plot:
            for chart in report.charts:
                (options.plot / f"{chart.name}.svg").write_text(as_svg(chart))
    except asyncio.CancelledError:
        return INTERRUPTED
    except BenchError as err:
        sys.stderr.write(f"scripts/bench: {err}\n")
        return 1
    except OSError as err:
        sys.stderr.write(f"scripts/bench: {err.filename or 'a file'}: {err.strerror}\n")
        return 1
    return 0


def main() -> int:
    """Entry point."""
    options = parse(sys.argv[1:])
    if options.question is None:
        print(listed())  # noqa: T201 - what a command is there for
        return 0
    return asyncio.run(run(options))


if __name__ == "__main__":
    sys.exit(main())
