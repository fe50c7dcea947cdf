"""Real traffic to one server: what each request shows, and what of it may still keep the server busy.

A server that works on one request after the other goes on with those that were given up, and everything that is sent
meanwhile waits behind them: it must not be taken for one that hangs. Times are monotonic seconds.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ..errors import SparkError
from .clock import Clock
from .health import Observation, Outcome, Policy, observed

REMEMBERED = 8
"""Served requests whose length tells how long an unfinished one may take."""

YOUNG = 30.0
"""Seconds for which a request that is under way speaks for the server: busy is not wedged."""


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """A request of real traffic has ended: after how many seconds, and with which error."""

    seconds: float
    error: SparkError | None


@dataclass(frozen=True, slots=True)
class OwnLoad:
    """What this process has asked of a server that it may still be working on."""

    finished_at: float = 0.0
    lengths: tuple[float, ...] = ()
    """Seconds that the last served requests took."""
    given_up: int = 0
    """Requests without an answer since the last one that was served."""

    def finished(self, now: float, seconds: float) -> OwnLoad:
        """Return the load after a request was served: the server has worked through what was sent before."""
        return OwnLoad(now, (*self.lengths, seconds)[-REMEMBERED:], 0)

    def left(self) -> OwnLoad:
        """Return the load after a request was given up."""
        return replace(self, given_up=self.given_up + 1)

    def busy_until(self, under_way: int, patience: float) -> float:
        """Return until when these, and those under way, may keep the server busy; at most `patience` seconds."""
        longest = max(self.lengths, default=0.0)
        return self.finished_at + min(patience, (self.given_up + under_way) * longest)


class Request:
    """One request of real traffic that is under way."""

    def __init__(self, started: float) -> None:
        """Without an answer so far."""
        self.started = started
        self.has_begun = False

    def begun(self) -> None:
        """Note that the server has begun to answer."""
        self.has_begun = True


class Traffic:
    """All real traffic to one server."""

    def __init__(
        self,
        clock: Clock,
        policy: Policy,
        observe: Callable[[Observation], None],
        ended: Callable[[RequestOutcome], None],
    ) -> None:
        """`observe` gets what requests show, `ended` how they ended."""
        self.language: str | None = None
        """The language (BCP-47) of the request that was served last."""
        self.under_way: set[Request] = set()
        self._clock = clock
        self._policy = policy
        self._observe = observe
        self._ended = ended
        self._load = OwnLoad()

    @contextmanager
    def watching(self, language: str | None = None) -> Generator[Request]:
        """Count what happens inside as one request, in that language (BCP-47)."""
        request = Request(self._clock.monotonic())
        self.under_way.add(request)
        try:
            yield request
        except SparkError as err:
            self._end(request, err)
            raise
        except BaseException:
            # A caller that leaves is cancelled, or closes its generator.
            self._abandon(request)
            raise
        else:
            self.language = language or self.language
            self._end(request, None)
        finally:
            self.under_way.discard(request)

    @property
    def speaks_for_the_server(self) -> bool:
        """Return whether a young request is under way that will tell."""
        now = self._clock.monotonic()
        return any(now - request.started < YOUNG for request in self.under_way)

    def is_queued(self, started: float) -> bool:
        """Return whether requests from before may have kept the server busy all the time since `started`."""
        before = sum(request.started < started for request in self.under_way)
        return self._clock.monotonic() <= self._load.busy_until(before, self._policy.busy_patience)

    def _end(self, request: Request, error: SparkError | None) -> None:
        seconds = self._clock.monotonic() - request.started
        seen = observed(error, canary=False, started=request.started)
        if seen.outcome is Outcome.TIMED_OUT:
            if self.is_queued(request.started):
                seen = replace(seen, outcome=Outcome.QUEUED)
            self._load = self._load.left()
        elif error is None:
            self._load = self._load.finished(self._clock.monotonic(), seconds)
        self._observe(seen)
        self._ended(RequestOutcome(seconds, error))

    def _abandon(self, request: Request) -> None:
        """The caller has gone: after seconds without a byte, that is weak evidence."""
        if request.has_begun or self._clock.monotonic() - request.started < self._policy.abandoned_after:
            return
        self._load = self._load.left()
        self._observe(Observation(Outcome.ABANDONED, canary=False, started=request.started))
