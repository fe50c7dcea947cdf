"""What must hold of a demo, and whose logs tell why it does not."""

from collections.abc import Sequence
from dataclasses import dataclass

from tools.stack.command import line
from tools.stack.processes import Processes


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold; `faults` names the processes whose logs tell why it does not."""

    claim: str
    held: bool
    seen: str
    faults: tuple[str, ...]


def pronounce(checks: Sequence[Check], processes: Processes) -> bool:
    """Print one line per check, and the logs of those at fault; return whether all held."""
    line("\n".join(f"  {'ok  ' if check.held else 'FAIL'}  {check.claim}: {check.seen}" for check in checks))
    if faults := {fault for check in checks if not check.held for fault in check.faults}:
        line(processes.last_lines(faults))
    return all(check.held for check in checks)
