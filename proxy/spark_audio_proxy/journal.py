"""What happens, told to whoever wants to know: the page, which shows it live, and the metrics, which count it."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, override

from spark_engine.errors import SparkError
from spark_engine.healing.budget import AttemptStore
from spark_engine.healing.canary import Canary
from spark_engine.healing.health import State
from spark_engine.healing.incidents import CanaryResult, Transition
from spark_engine.healing.restart import RestartTarget
from spark_engine.healing.watchdog import Watchdog, WatchdogSettings

REMEMBERED = 120
"""Canaries kept of each server: ten hours at the usual pace."""


type Outcome = Literal["ok", "rejected", "busy", "failed", "cut", "gone"]
"""`rejected` is the request's own fault, `cut` an answer that broke off, `gone` a client that did not wait for it or
stopped taking it."""


@dataclass(frozen=True, slots=True)
class RequestServed:
    """A request was answered; `endpoint` is its route, never its URL."""

    endpoint: str
    outcome: Outcome
    seconds: float


@dataclass(frozen=True, slots=True)
class AudioPassed:
    """Speech was taken in or given out."""

    direction: Literal["heard", "spoken"]
    seconds: float


@dataclass(frozen=True, slots=True)
class UpstreamAsked:
    """A server was asked because somebody wanted something; `error` is what came of it."""

    server: str
    seconds: float
    error: SparkError | None


@dataclass(frozen=True, slots=True)
class CanaryAnswered:
    """A canary came back, or did not."""

    server: str
    result: CanaryResult


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A server's state changed; `by_hand` tells of a restart whether a person asked for it."""

    server: str
    change: Transition
    by_hand: bool


type Event = RequestServed | AudioPassed | UpstreamAsked | CanaryAnswered | StateChanged


class Journal:
    """Passes events on, and remembers what the page draws."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self.canaries: dict[str, deque[CanaryResult]] = {}
        self.under_way: Counter[str] = Counter()
        self.closed = False
        self._listeners: list[Callable[[Event], None]] = []
        self._next = asyncio.Event()

    @property
    def next_news(self) -> asyncio.Event:
        """Set when there is something new about a server. Take it before you look, so that nothing falls between."""
        return self._next

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` on every event from now on."""
        self._listeners.append(listener)

    def tell(self, event: Event) -> None:
        """Something has happened."""
        if isinstance(event, CanaryAnswered):
            self.canaries.setdefault(event.server, deque(maxlen=REMEMBERED)).append(event.result)
        for listener in self._listeners:
            listener(event)
        if isinstance(event, CanaryAnswered | StateChanged):
            self._ring()

    def close(self) -> None:
        """End every stream of news: the proxy stops."""
        self.closed = True
        self._ring()

    def _ring(self) -> None:
        self._next.set()
        self._next = asyncio.Event()


class JournaledWatchdog(Watchdog):
    """A watchdog that writes down what it sees."""

    def __init__(
        self,
        name: str,
        canary: Canary,
        store: AttemptStore,
        journal: Journal,
        *,
        target: RestartTarget | None,
        settings: WatchdogSettings,
    ) -> None:
        """As Watchdog."""
        super().__init__(name, canary, store, target=target, settings=settings)
        self._journal = journal
        self._by_hand = False
        self._told: CanaryResult | None = None
        self.subscribe(self._changed)

    @override
    async def check(self) -> CanaryResult:
        result = await super().check()
        # Whoever waited for a canary that was under way gets the same one.
        if result is not self._told:
            self._told = result
            self._journal.tell(CanaryAnswered(self.name, result))
        return result

    @override
    async def restart(self) -> None:
        self._by_hand = True
        try:
            await super().restart()
        finally:
            self._by_hand = False

    @override
    @contextmanager
    def watching(self) -> Generator[None]:
        started = self.clock.monotonic()
        self._journal.under_way[self.name] += 1
        try:
            with super().watching():
                yield
        except SparkError as err:
            self._journal.tell(UpstreamAsked(self.name, self.clock.monotonic() - started, err))
            raise
        else:
            # One that was called off has no outcome: its caller has gone, or its upload was late.
            self._journal.tell(UpstreamAsked(self.name, self.clock.monotonic() - started, None))
        finally:
            self._journal.under_way[self.name] -= 1

    def _changed(self, change: Transition) -> None:
        self._journal.tell(StateChanged(self.name, change, self._by_hand and change.after is State.RESTARTING))
