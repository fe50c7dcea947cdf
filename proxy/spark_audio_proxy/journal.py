"""What happens: for the page, which shows it live, the metrics, which count it, and the list of the last requests."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from spark_engine.healing.traffic import RequestOutcome
from spark_engine.healing.watchdog import WatchdogEvent
from spark_engine.models import ServerName

type Outcome = Literal["ok", "rejected", "busy", "failed", "cut", "gone"]
"""`rejected` is the request's own fault, `cut` an answer that broke off, `gone` a client that did not wait for it or
stopped taking it."""


@dataclass(frozen=True, slots=True)
class RequestServed:
    """A request was answered; `endpoint` is its route, never its URL."""

    endpoint: str
    outcome: Outcome
    seconds: float
    status: int
    """499 where the caller had gone."""
    code: str | None
    """Of the error object that the caller got, in the answer or within a stream."""


@dataclass(frozen=True, slots=True)
class InputTaken:
    """A service is asked for something: to hear so many seconds of audio, or to speak so many characters."""

    seconds: float | None = None
    characters: int | None = None


@dataclass(frozen=True, slots=True)
class AudioPassed:
    """Speech was taken in or given out."""

    direction: Literal["heard", "spoken"]
    seconds: float


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """The watchdog of a server has told something: a transition, a canary, or how a request ended."""

    server: ServerName
    event: WatchdogEvent


type Event = RequestServed | InputTaken | AudioPassed | ServerEvent


class Journal:
    """Passes events on, and wakes those who wait for news: of a server, or of a request."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self.closed = False
        self._listeners: list[Callable[[Event], None]] = []
        self._next = asyncio.Event()

    @property
    def next_news(self) -> asyncio.Event:
        """Return what is set when there is news to show. Take it before you look, so that nothing falls between."""
        return self._next

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` on every event from now on."""
        self._listeners.append(listener)

    def tell(self, event: Event) -> None:
        """Pass an event on."""
        for listener in self._listeners:
            listener(event)
        if isinstance(event, ServerEvent) and not isinstance(event.event, RequestOutcome):
            self.wake()

    def tell_of_server(self, server: ServerName, event: WatchdogEvent) -> None:
        """Pass on what a watchdog tells. A `Listener` of watchdogs."""
        self.tell(ServerEvent(server, event))

    def close(self) -> None:
        """End every stream of news: the proxy stops."""
        self.closed = True
        self.wake()

    def wake(self) -> None:
        """Tell those who wait that there is news."""
        self._next.set()
        self._next = asyncio.Event()
