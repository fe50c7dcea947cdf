"""What a measurement found, as text for people and as JSON for programs. Pure."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tools.stack.tables import Spread, Table, lay_out

from .machine import Machine


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
class Findings:
    """What was measured."""

    tables: tuple[Table, ...]
    aims: tuple[Aim, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The answer to one question, and the seconds that the measurement took."""

    question: str
    machine: Machine
    seconds: float
    findings: Findings


def as_text(report: Report) -> str:
    """Return the whole report, its tables in Markdown."""
    machine = report.machine
    where = (
        f"{machine.cores} cores, {machine.cpu}, {machine.system}, Python {machine.python}, aiohttp {machine.aiohttp}"
    )
    parts = [
        report.question,
        f"{where}; load average before the run {machine.load:.2f}; {report.seconds:.0f} s",
        *(f"{table.title}\n\n{lay_out(table.columns, table.rows)}" for table in report.findings.tables),
    ]
    if report.findings.aims:
        parts.append(_aims(report.findings.aims))
    return "\n\n".join(parts)


def _aims(aims: Sequence[Aim]) -> str:
    """Return their table; limits from below have a column where there are any."""
    has_least = any(aim.at_least is not None for aim in aims)
    least = [(aim.at_least,) if has_least else () for aim in aims]
    rows = [
        (aim.claim, aim.at_most, *more, aim.measured, "yes" if aim.held else "no")
        for aim, more in zip(aims, least, strict=True)
    ]
    return lay_out(("aim", "at most", *(("at least",) if has_least else ()), "measured", "held"), rows)


def as_json(report: Report) -> str:
    """Return the whole report, figures unrounded."""
    document = {
        "question": report.question,
        "machine": dataclasses.asdict(report.machine),
        "seconds": report.seconds,
        "tables": [{"title": table.title, "rows": _records(table)} for table in report.findings.tables],
        "aims": [dataclasses.asdict(aim) | {"held": aim.held} for aim in report.findings.aims],
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
