"""What time it is. Injected, so that tests need not wait."""

import time
from typing import Protocol, override


class Clock(Protocol):
    """Two clocks: intervals must not jump, records must survive a restart."""

    def monotonic(self) -> float:
        """Return seconds that only ever go on."""

    def time(self) -> float:
        """Return seconds since 1970."""


class SystemClock(Clock):
    """The machine's own."""

    @override
    def monotonic(self) -> float:
        return time.monotonic()

    @override
    def time(self) -> float:
        return time.time()
