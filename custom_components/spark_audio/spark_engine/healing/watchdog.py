"""The loop that keeps one server alive: observe, judge, restart, verify."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..errors import SparkError
from ..models import ServerName
from ..servers.deadlines import Deadlines
from .budget import AttemptStore, Budget, in_window, restarts_left, wait_before_restart
from .canary import Canary, CanaryResult
from .clock import Clock, SystemClock
from .health import (
    Health,
    Observation,
    Outcome,
    Policy,
    State,
    Transition,
    canary_due,
    gave_up,
    observe,
    observed,
    restart_sent,
)
from .restart import RestartReply, RestartTarget

LOGGER = logging.getLogger(__name__)

TRANSITIONS_KEPT = 50
"""For people to read."""

CANARIES_KEPT = 120
"""Ten hours at the usual pace."""

YOUNG = 30.0
"""Seconds for which a request of ours that is under way speaks for the service: busy is not wedged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchdogSettings:
    """How one server is watched. `automatic` is off where restarts are left to another watcher, or to people."""

    policy: Policy = field(default_factory=Policy)
    budget: Budget = field(default_factory=Budget)
    automatic: bool = True


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """A request of real traffic has ended: after how many seconds, and with which error."""

    seconds: float
    error: SparkError | None


type WatchdogEvent = Transition | CanaryResult | RequestOutcome

type Listener = Callable[[ServerName, WatchdogEvent], None]


class RestartUnderWay(Exception):
    """A restart was asked for while one is under way."""


class NoRestartTarget(Exception):
    """A restart was asked for, and nothing is set up that could do it."""


class Watchdog:
    """Keeps one server alive."""

    def __init__(
        self,
        name: ServerName,
        canary: Canary,
        store: AttemptStore,
        *,
        target: RestartTarget | None = None,
        settings: WatchdogSettings | None = None,
        deadlines: Deadlines | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Nothing happens before `run` or `tick`."""
        self.name = name
        self.target = target
        self.settings = settings or WatchdogSettings()
        self.clock = clock or SystemClock()
        self.health = Health(since=self.clock.monotonic())
        self.history: deque[Transition] = deque(maxlen=TRANSITIONS_KEPT)
        self.canaries: deque[CanaryResult] = deque(maxlen=CANARIES_KEPT)
        self.last_success: float | None = None
        """When a canary or a request last ended well, in wall clock seconds."""
        self.recovery_seconds: float | None = None
        self.attempts: tuple[float, ...] = ()
        self._canary = canary
        self._canary_deadline = (deadlines or Deadlines()).canary
        self._store = store
        self._born = self.clock.time()
        self._loaded = False
        self._writable = True
        self._wake = asyncio.Event()
        self._checking = asyncio.Lock()
        self._restarting: asyncio.Task[None] | None = None
        self._sending = False
        self._by_hand = False
        self._under_way: dict[object, float] = {}
        self._listeners: list[Listener] = []
        self._stopping = False

    @property
    def last_canary(self) -> CanaryResult | None:
        """Return the canary that came back last."""
        return self.canaries[-1] if self.canaries else None

    @property
    def requests_under_way(self) -> int:
        """Return how many requests of real traffic have begun and not ended."""
        return len(self._under_way)

    @property
    def since(self) -> float:
        """Return when the state became what it is, in wall clock seconds."""
        return self.history[-1].at if self.history else self._born

    @property
    def restarts_left(self) -> int:
        """Return how many automatic restarts the window still allows."""
        return restarts_left(self.attempts, self.clock.time(), self.settings.budget)

    @property
    def restart_under_way(self) -> bool:
        """Return whether a restart request is on its way, or its effect is still awaited."""
        return self._sending or self._restarting is not None or self.health.state is State.RESTARTING

    @property
    def restarts_by_itself(self) -> bool:
        """Return whether a wedge will be followed by a restart, as long as the budget lasts."""
        allowed = self.settings.automatic and self.settings.budget.limit > 0
        return self.target is not None and allowed and self._writable and not self._stopping

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every event, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @contextmanager
    def watching(self) -> Generator[None]:
        """Count what happens inside as real traffic. A request that was called off has no outcome."""
        token, started = object(), self.clock.monotonic()
        self._under_way[token] = started
        try:
            yield
        except SparkError as err:
            self._ended(started, err)
            raise
        else:
            self._ended(started, None)
        finally:
            del self._under_way[token]

    def _ended(self, started: float, error: SparkError | None) -> None:
        self.report(error)
        self._tell(RequestOutcome(self.clock.monotonic() - started, error))

    def report(self, error: SparkError | None) -> None:
        """Take one outcome of real traffic, and look closer at once where it is bad."""
        self._observe(observed(error, canary=False))

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                try:
                    delay = await self.tick()
                except Exception:
                    # A bug in one round must not leave a service unwatched for ever.
                    LOGGER.exception("%s: a round of the watchdog failed", self.name)
                    delay = self.settings.policy.suspect_interval
                try:
                    async with asyncio.timeout(delay):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Send no restart any more; one that was sent stays sent."""
        self._stopping = True
        if self._restarting is not None:
            self._restarting.cancel()
            await asyncio.gather(self._restarting, return_exceptions=True)

    async def tick(self) -> float:
        """Do what is due now; the seconds until something may be due again."""
        self._wake.clear()
        await self._load()
        if canary_due(self.health, self.clock.monotonic(), self.settings.policy) <= 0 and not self._speaks_for_itself():
            await self.check()
        await self._restart_if_wedged()
        return max(0.05, canary_due(self.health, self.clock.monotonic(), self.settings.policy))

    async def check(self) -> CanaryResult:
        """Send a canary now, or wait for the one that is under way."""
        before = self.last_canary
        async with self._checking:
            if self.last_canary is not None and self.last_canary is not before:
                return self.last_canary
            started = self.clock.monotonic()
            try:
                async with asyncio.timeout(self._canary_deadline):
                    seen = await self._canary()
            except TimeoutError:
                seen = Observation(Outcome.TIMED_OUT, canary=True, detail="The canary was not answered in time.")
            result = CanaryResult(self.clock.time(), self.clock.monotonic() - started, seen)
            self.canaries.append(result)
            self._observe(seen)
            self._tell(result)
            return result

    async def restart(self) -> None:
        """Restart because a person asks for it; counts, and is refused only while a restart is under way.

        Raises RestartUnderWay, NoRestartTarget, OSError where the attempt cannot be written down.
        """
        if self.target is None:
            raise NoRestartTarget
        await self._load()
        if self.restart_under_way:
            raise RestartUnderWay
        self._by_hand = True
        try:
            await self._send_restart(self.target, "by hand")
        finally:
            self._by_hand = False

    async def _load(self) -> None:
        if self._loaded:
            return
        try:
            self.attempts = await self._store.load()
        except ValueError as err:
            LOGGER.error("%s: the record of restarts is damaged (%s); taken for a spent budget", self.name, err)
            self.attempts = (self.clock.time(),) * self.settings.budget.limit
        except OSError as err:
            self._refuse_restarts(err)
        self._loaded = True

    def _refuse_restarts(self, err: OSError) -> None:
        self._writable = False
        LOGGER.error("%s: no automatic restarts, their record cannot be kept: %s", self.name, err.strerror or err)

    def _speaks_for_itself(self) -> bool:
        """Return whether a request of ours is under way that will tell; a suspicion is looked into all the same."""
        now = self.clock.monotonic()
        if self.health.state is not State.HEALTHY:
            return False
        return any(now - started < YOUNG for started in self._under_way.values())

    async def _restart_if_wedged(self) -> None:
        if self.health.state is not State.WEDGED or self.target is None or self.restart_under_way:
            return
        if not self.restarts_by_itself:
            return
        wait = wait_before_restart(self.attempts, self.clock.time(), self.settings.budget)
        if wait is None:
            limit, minutes = self.settings.budget.limit, self.settings.budget.window / 60
            self._enter(
                gave_up(self.health, self.clock.monotonic(), f"{limit} restarts in {minutes:.0f} min did not help")
            )
        elif wait <= 0:
            try:
                await self._send_restart(self.target, self.health.evidence)
            except OSError as err:
                self._refuse_restarts(err)

    async def _send_restart(self, target: RestartTarget, reason: str) -> None:
        """Write the attempt down, then send it in the background: canaries go on meanwhile, and decide."""
        now = self.clock.time()
        attempts = (*in_window(self.attempts, now, self.settings.budget), now)
        # Writing takes a moment, in which no other one may be sent.
        self._sending = True
        try:
            await self._store.save(attempts)
        finally:
            self._sending = False
        self.attempts = attempts
        limit, minutes = self.settings.budget.limit, self.settings.budget.window / 60
        LOGGER.warning("%s: restart %d of %d in %.0f min (%s)", self.name, len(attempts), limit, minutes, reason)
        self._enter(restart_sent(self.health, self.clock.monotonic(), f"restart requested: {reason}"))
        self._restarting = asyncio.create_task(self._await_reply(target))

    async def _await_reply(self, target: RestartTarget) -> None:
        try:
            reply: RestartReply = await target.restart()
            log = LOGGER.info if reply.accepted else LOGGER.warning
            log("%s: restart %s. %s", self.name, "accepted" if reply.accepted else "unconfirmed", reply.detail)
        finally:
            self._restarting = None

    def _observe(self, seen: Observation) -> None:
        before = self.health
        after = observe(before, seen, self.clock.monotonic(), self.settings.policy)
        if after.last_success != before.last_success:
            self.last_success = self.clock.time()
        self._enter(after)
        if before.state is State.RESTARTING and self.health.state is State.HEALTHY:
            self.recovery_seconds = self.health.since - before.since

    def _enter(self, health: Health) -> None:
        before, self.health = self.health, health
        if before.state is health.state:
            return
        # The rhythm is another one now.
        self._wake.set()
        by_hand = self._by_hand and health.state is State.RESTARTING
        change = Transition(self.clock.time(), before.state, health.state, health.evidence, by_hand)
        self.history.append(change)
        LOGGER.info("%s: %s -> %s: %s", self.name, change.before, change.after, change.evidence)
        self._tell(change)

    def _tell(self, event: WatchdogEvent) -> None:
        for listener in tuple(self._listeners):
            listener(self.name, event)
