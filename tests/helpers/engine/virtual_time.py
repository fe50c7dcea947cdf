"""An event loop whose clock jumps to the next timer: hours of watching take milliseconds, in the order of events."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import override

EPOCH = 1_700_000_000.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """Waits for nothing. For code without sockets and threads."""

    def __init__(self) -> None:
        """Begin at 0."""
        self.now = 0.0
        super().__init__(_Jumping(self))

    @override
    def time(self) -> float:
        return self.now


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everything waits for something that never comes"
        # A timer that is due by less than the clock's resolution fires, too.
        self._loop.now += max(0.0, timeout)
        # The system is not asked: it takes a sixth of the time, and there are no sockets.
        return []


class VirtualClock:
    """The running loop's time, as a `Clock`; `step` is what the wall clock has been set forward by."""

    step = 0.0

    def monotonic(self) -> float:
        """The loop's."""
        return asyncio.get_running_loop().time()

    def time(self) -> float:
        """The wall clock's."""
        return EPOCH + self.monotonic() + self.step


def run[T](main: Coroutine[object, object, T]) -> T:
    """Run it in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
