"""Figures of several rounds, and tables in Markdown. Pure."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure, measured in several rounds: the median round, the lowest and the highest."""

    median: float
    low: float
    high: float


type Cell = str | int | float | Spread | None


@dataclass(frozen=True, slots=True)
class Table:
    """Figures of one kind; the columns' names carry the units."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def figures(self, column: str, **where: Cell) -> list[float]:
        """Return the figures of a column, of the rows whose other columns have these values; empty cells left out."""
        at = {name: number for number, name in enumerate(self.columns)}
        rows = [row for row in self.rows if all(row[at[name]] == value for name, value in where.items())]
        return [cell for row in rows if isinstance(cell := row[at[column]], int | float)]


def percentile(samples: Iterable[float], percent: float) -> float:
    """Return the smallest sample that `percent` (above 0, up to 100) of all samples do not exceed.

    Raises ValueError without samples.
    """
    ordered = sorted(samples)
    if not ordered:
        raise ValueError("no samples")
    return ordered[math.ceil(percent / 100 * len(ordered)) - 1]


def spread(rounds: Sequence[float]) -> Spread:
    """Return the figures of all rounds as one. Raises ValueError without rounds."""
    if not rounds:
        raise ValueError("no rounds")
    return Spread(statistics.median(rounds), min(rounds), max(rounds))


def lay_out(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return a Markdown table with aligned columns: words to the left, figures to the right."""
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
    """Return a figure with about three digits; of several rounds the median, then the lowest and the highest."""
    match cell:
        case None:
            return ""
        case str() | int():
            return str(cell)
        case Spread(median, low, high):
            return f"{in_words(median)} ({in_words(low)} to {in_words(high)})"
        case float():
            return f"{cell:.{2 if abs(cell) < 10 else 1 if abs(cell) < 100 else 0}f}"
