"""Figures, tables, aims: the bench counts right and prints what it found."""

import json
from dataclasses import replace

import pytest

from tools.bench.machine import this_machine
from tools.bench.report import Aim, Findings, Report, as_json, as_text
from tools.stack.tables import Cell, Spread, Table, lay_out, percentile, spread


@pytest.mark.parametrize(("percent", "expected"), [(50, 3.0), (95, 5.0), (100, 5.0), (20, 1.0), (21, 2.0), (0.1, 1.0)])
def test_a_percentile_is_one_of_the_samples(percent: float, expected: float) -> None:
    """The nearest rank; nothing between samples is made up."""
    assert percentile([5.0, 1.0, 4.0, 2.0, 3.0], percent) == expected


def test_rounds_become_a_spread() -> None:
    """Nothing measured is a mistake, not a zero."""
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    for count in (lambda: percentile([], 50), lambda: spread([])):
        with pytest.raises(ValueError, match="no "):
            count()


def test_a_table_is_markdown() -> None:
    """Words to the left, figures to the right and with about three digits, a missing one empty."""
    rows: list[tuple[Cell, ...]] = [("direct", 1, 20.123, None), ("proxy", 32, Spread(123.4, 99.96, 1234.5), -0.5)]
    assert lay_out(("way", "callers", "p50 ms", "added ms"), rows).splitlines() == [
        "| way    | callers |              p50 ms | added ms |",
        "|--------|--------:|--------------------:|---------:|",
        "| direct |       1 |                20.1 |          |",
        "| proxy  |      32 | 123 (100.0 to 1234) |    -0.50 |",
    ]


REPORT = Report("How?", this_machine(), 1.0, Findings((), (Aim("added", 3.0, 3.0),)))


def test_limits_from_below_are_printed_where_there_are_any() -> None:
    """In a column of their own; up to its limit an aim is held."""
    assert as_text(REPORT).endswith("| added |    3.00 |     3.00 | yes  |")
    aims = (Aim("added", 3.0, 3.01), Aim("passed", None, 0.75, 0.75), Aim("passed", None, 0.74, 0.75))
    assert as_text(replace(REPORT, findings=Findings((), aims))).splitlines()[-5:] == [
        "| aim    | at most | at least | measured | held |",
        "|--------|--------:|---------:|---------:|------|",
        "| added  |    3.00 |          |     3.01 | no   |",
        "| passed |         |     0.75 |     0.75 | yes  |",
        "| passed |         |     0.75 |     0.74 | no   |",
    ]


def test_json_has_the_figures_unrounded() -> None:
    """By the names of the columns."""
    table = Table("Waits", ("way", "ms"), (("proxy", Spread(1.2345, 1.0, 2.0)),))
    document = json.loads(as_json(replace(REPORT, findings=Findings((table,), REPORT.findings.aims))))
    rows = [{"way": "proxy", "ms": {"median": 1.2345, "low": 1.0, "high": 2.0}}]
    assert document["tables"] == [{"title": "Waits", "rows": rows}]
    assert [(aim["claim"], aim["held"]) for aim in document["aims"]] == [("added", True)]
    assert document["machine"]["cores"] >= 1
