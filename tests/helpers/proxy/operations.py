"""How much work something is, counted in what the interpreter executes: the same on every machine."""

import sys
from collections.abc import Callable
from types import FrameType

type Trace = Callable[[FrameType, str, object], Trace | None]


def operations(work: Callable[[], object]) -> int:
    """Return the bytecode instructions that `work` takes. What C functions do within one is not seen."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Trace:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count
