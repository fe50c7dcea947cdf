"""What a measurement found, as text for people and as JSON for programs. Pure."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .figures import Spread
from .machine import Machine
from .plot import Chart

type Cell = str | int | float | Spread | None


@dataclass(frozen=True, slots=True)
class Table:
    """Figures of one kind; the columns' names carry the units."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Aim:
    """What we want a figure to be, within a limit or above one: printed beside it, never asserted."""

    claim: str
    at_most: float | None
    measured: float
    at_least: float | None = None

    @property
    def held(self) -> bool:
        """Whether the figure is what we want."""
        return (self.at_most is None or self.measured <= self.at_most) and (
            self.at_least is None or self.measured >= self.at_least
        )


@dataclass(frozen=True, slots=True)
class Report:
    """The answer to one question."""

    question: str
    machine: Machine
    seconds: float
    """How long the measurement took."""
    tables: tuple[Table, ...]
    aims: tuple[Aim, ...]
    charts: tuple[Chart, ...] = ()
    """What is drawn of it, where that is asked for."""


def as_text(report: Report) -> str:
    """The whole report, its tables in Markdown."""
    machine = report.machine
    where = (
        f"{machine.cores} cores, {machine.cpu}, {machine.system}, Python {machine.python}, aiohttp {machine.aiohttp}"
    )
    parts = [
        report.question,
        f"{where}; load average before the run {machine.load:.2f}; {report.seconds:.0f} s",
        *(f"{table.title}\n\n{lay_out(table.columns, table.rows)}" for table in report.tables),
    ]
    if report.aims:
        parts.append(lay_out(*_aims(report.aims)))
    return "\n\n".join(parts)


def _aims(aims: Sequence[Aim]) -> tuple[Sequence[str], Sequence[Sequence[Cell]]]:
    """Columns and rows; limits from below have a column where there are any."""
    rows = [(aim.claim, aim.at_most, aim.at_least, aim.measured, "yes" if aim.held else "no") for aim in aims]
    columns = ("aim", "at most", "at least", "measured", "held")
    if any(aim.at_least is not None for aim in aims):
        return columns, rows
    return (*columns[:2], *columns[3:]), [(*row[:2], *row[3:]) for row in rows]


def lay_out(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A Markdown table with aligned columns: words to the left, figures to the right."""
    lines = [tuple(columns), *(tuple(map(in_words, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    is_words = [all(isinstance(cell, str) for cell in column) for column in zip(*rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if words else cell.rjust(width)
            for cell, width, words in zip(cells, widths, is_words, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    rule = (
        "-" * (width + 2) if words else "-" * (width + 1) + ":" for width, words in zip(widths, is_words, strict=True)
    )
    return "\n".join([line(lines[0]), f"|{'|'.join(rule)}|", *map(line, lines[1:])])


def in_words(cell: Cell) -> str:
    """A figure with about three digits; of several rounds the median, and in parentheses the lowest and highest."""
    match cell:
        case None:
            return ""
        case str() | int():
            return str(cell)
        case Spread(median, low, high):
            return f"{in_words(median)} ({in_words(low)} to {in_words(high)})"
        case float():
            return f"{cell:.{2 if abs(cell) < 10 else 1 if abs(cell) < 100 else 0}f}"


def as_json(report: Report) -> str:
    """The whole report, figures unrounded."""
    document = {
        "question": report.question,
        "machine": dataclasses.asdict(report.machine),
        "seconds": report.seconds,
        "tables": [{"title": table.title, "rows": _records(table)} for table in report.tables],
        "aims": [dataclasses.asdict(aim) | {"held": aim.held} for aim in report.aims],
    }
    return json.dumps(document, indent=2) + "\n"


def _records(table: Table) -> list[Mapping[str, object]]:
    return [
        {
            name: dataclasses.asdict(cell) if isinstance(cell, Spread) else cell
            for name, cell in zip(table.columns, row, strict=True)
        }
        for row in table.rows
    ]
