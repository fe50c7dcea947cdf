"""Does any input break a reader? Each reader of bytes that others write, against bytes that are almost right.

The first cases are those of `scripts/test`; with another seed others come. A case that breaks a reader is shown in
base64, so that it can become a test.
"""

import asyncio
import base64
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.fuzz.mutation import mutations
from tests.fuzz.targets import TARGETS, Target
from tools.stack.errors import ToolError
from tools.stack.tables import Table

from .report import Aim, Findings

QUESTION = "Does any input break a reader of bytes that others write?"

MINUTES, QUICK_MINUTES = 5.0, 0.5

AT_ONCE = 200
"""Cases between two looks at the clock."""

_SHOWN = 1_000
"""Characters of a case, in base64, that are shown."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a target did: cases, seconds, and the first case that broke it, with what was raised."""

    name: str
    cases: int
    seconds: float
    broken_by: bytes | None = None
    raised: str = ""


async def measure(
    minutes: float,
    name: str | None,
    *,
    seed: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> Findings:
    """Give each target its share of the time, or all of it to the one that is named. Raises ToolError."""
    if name is not None and name not in TARGETS:
        raise ToolError(f"There is no target {name}. Targets: {', '.join(TARGETS)}.")
    chosen = {name: TARGETS[name]} if name else TARGETS
    each = minutes * 60 / len(chosen)
    return findings([await asyncio.to_thread(fuzz, one, chosen[one], each, seed, clock) for one in chosen])


def fuzz(name: str, target: Target, seconds: float, seed: int, clock: Callable[[], float]) -> Outcome:
    """Read cases for so long, or until one breaks the target."""
    begun, cases = clock(), 0
    source: Iterator[bytes] = mutations(target.seeds, seed)
    while (spent := clock() - begun) < seconds:
        for _ in range(AT_ONCE):
            case = next(source)
            cases += 1
            try:
                target.read(case)
            except Exception as err:  # noqa: BLE001 - whatever it is, it is what is looked for
                return Outcome(name, cases, clock() - begun, case, f"{type(err).__name__}: {err}")
    return Outcome(name, cases, spent)


def findings(outcomes: Sequence[Outcome]) -> Findings:
    """Return the tables: how many cases each target read, and the cases that broke one."""
    rows = tuple(
        (each.name, each.cases, round(each.cases / each.seconds) if each.seconds else None, each.raised or "none")
        for each in outcomes
    )
    broken = tuple(
        (each.name, base64.b64encode(each.broken_by).decode()[:_SHOWN])
        for each in outcomes
        if each.broken_by is not None
    )
    tables = [Table("Readers", ("target", "cases", "cases a second", "broken by"), rows)]
    if broken:
        tables.append(Table("Cases that break a reader", ("target", "case in base64"), broken))
    return Findings(tuple(tables), (Aim("readers that break", 0, len(broken)),))
