"""The fuzzer: what it counts, what it shows of a case that breaks a reader, and that it ends."""

import base64
from collections.abc import Iterator
from itertools import count

import pytest

from tests.fuzz.targets import TARGETS, Target
from tools.bench import fuzz
from tools.bench.__main__ import parse
from tools.stack.errors import ToolError


def ticking(step: float) -> Iterator[float]:
    """A clock that goes on with each look at it."""
    return (step * number for number in count())


def hold(_: bytes) -> None:
    """A reader that takes anything."""


def decode(data: bytes) -> None:
    """A reader that some bytes break."""
    data.decode()


def test_a_reader_that_holds_is_read_until_the_time_is_over() -> None:
    clock = ticking(1.0)
    outcome = fuzz.fuzz("any", Target(hold, (b"abc",)), 3.0, 1, lambda: next(clock))
    assert (outcome.cases, outcome.broken_by) == (2 * fuzz.AT_ONCE, None)


def test_the_case_that_breaks_a_reader_is_shown() -> None:
    """So that it can be given to the reader again."""
    clock = ticking(1.0)
    outcome = fuzz.fuzz("utf-8", Target(decode, (b"abc",)), 1e9, 1, lambda: next(clock))
    assert outcome.broken_by is not None
    with pytest.raises(UnicodeDecodeError):
        decode(outcome.broken_by)
    found = fuzz.findings([outcome, fuzz.Outcome("other", 5, 1.0)])
    assert found.tables[0].rows[1] == ("other", 5, 5, "none")
    assert str(found.tables[0].rows[0][3]).startswith("UnicodeDecodeError")
    assert base64.b64decode(str(found.tables[1].rows[0][1])) == outcome.broken_by
    assert [aim.held for aim in found.aims] == [False]


async def test_every_target_gets_its_share() -> None:
    clock = ticking(1.0)
    found = await fuzz.measure(len(TARGETS) / 60, None, clock=lambda: next(clock))
    assert [row[0] for row in found.tables[0].rows] == list(TARGETS)
    assert [aim.held for aim in found.aims] == [True]


async def test_one_target_alone() -> None:
    clock = ticking(1.0)
    found = await fuzz.measure(1 / 60, "languages", clock=lambda: next(clock))
    assert [row[0] for row in found.tables[0].rows] == ["languages"]
    with pytest.raises(ToolError, match="There is no target nothing"):
        await fuzz.measure(1, "nothing")


def test_the_command_line() -> None:
    options = parse(["fuzz", "--minutes", "0.5", "--target", "forms"])
    assert (options.question, options.minutes, options.target) == ("fuzz", 0.5, "forms")
