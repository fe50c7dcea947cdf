"""The loop that keeps one server alive: observe, judge, restart, verify."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace

from ..errors import SparkError
from ..models import ServerName
from ..servers.deadlines import Deadlines
from .budget import Budget, LedgerStore
from .canary import CanaryResult, Life, ServerCheck
from .clock import Clock, SystemClock
from .health import Health, Observation, Outcome, Policy, State, Transition, observed
from .restart import RESTART_DEADLINE, Answer, RestartReply, RestartTarget, TrialResult
from .restarter import Restarter
from .state_machine import AT_REST, POSTPONED, canary_due, gave_up, holds, observe, restart_refused, restart_sent
from .traffic import Request, RequestOutcome, Traffic

LOGGER = logging.getLogger(__name__)

TRANSITIONS_KEPT = 50
"""For people to read."""

CANARIES_KEPT = 120
"""Ten hours at the usual pace."""

LIFE_RELAXED_AFTER = 600.0
LIFE_RELAXED = 5.0
"""Seconds after which, and between which, a box that stays off is looked at less often."""

_REVIVING = (State.RESTARTING, State.STARTING, State.UNREACHABLE)
"""States in which the first sign of life brings the canary at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchdogSettings:
    """How one server is watched. `automatic` is off where restarts are left to another watcher, or to people."""

    policy: Policy = field(default_factory=Policy)
    budget: Budget = field(default_factory=Budget)
    automatic: bool = True
    keep_warm: bool = False
    """Whether canaries are sent to a server that has unloaded its model, so that it loads it again."""
    log_name: str = ""
    """What the log calls the server; its own name where this is empty, which others may have, too."""


@dataclass(frozen=True, slots=True)
class RestartAnswered:
    """The restart target has answered."""

    reply: RestartReply
    by_hand: bool


type WatchdogEvent = Transition | CanaryResult | RequestOutcome | RestartAnswered | TrialResult

type Listener = Callable[[ServerName, WatchdogEvent], None]


class RestartUnderWay(Exception):
    """A restart was asked for while one is under way."""


class NoRestartTarget(Exception):
    """A restart was asked for, and nothing is set up that could do it."""


class RestartRefused(Exception):
    """The restart target refused. The message is its answer, one sentence for people."""


class Watchdog:
    """Keeps one server alive."""

    def __init__(
        self,
        name: ServerName,
        check: ServerCheck,
        store: LedgerStore,
        *,
        target: RestartTarget | None = None,
        settings: WatchdogSettings | None = None,
        deadlines: Deadlines | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Nothing happens before `run` or `tick`."""
        self.name = name
        self.settings = settings or WatchdogSettings()
        self.clock = clock or SystemClock()
        self.traffic = Traffic(self.clock, self.settings.policy, self._observe, self._tell)
        self._log_name = self.settings.log_name or str(name)
        self.restarter = Restarter(
            self._log_name, target, store, self.settings.budget, self.clock, answered=self._answered, tried=self._tell
        )
        self.health = Health(since=self.clock.monotonic())
        self.history: deque[Transition] = deque(maxlen=TRANSITIONS_KEPT)
        self.canaries: deque[CanaryResult] = deque(maxlen=CANARIES_KEPT)
        self.last_success: float | None = None
        """When a canary or a request last ended well, in wall clock seconds."""
        self._check = check
        self._deadlines = deadlines or Deadlines()
        self._born = self.clock.time()
        self._wake = asyncio.Event()
        self._checking = asyncio.Lock()
        self._before_restart: Health | None = None
        self._restart_began: float | None = None
        self._by_hand = False
        self._life: Life | None = None
        self._listeners: list[Listener] = []

    @property
    def last_canary(self) -> CanaryResult | None:
        """Return the canary that came back last."""
        return self.canaries[-1] if self.canaries else None

    @property
    def holds(self) -> bool:
        """Return whether callers fail fast."""
        return holds(self.health, self.clock.monotonic(), self.settings.policy)

    @property
    def load_seconds(self) -> float:
        """Return the seconds that the next answer may take longer: a server that sleeps has to load its model."""
        return self.settings.policy.start_grace if self.health.state is State.ASLEEP else 0.0

    @property
    def requests_under_way(self) -> int:
        """Return how many requests of real traffic have begun and not ended."""
        return len(self.traffic.under_way)

    @property
    def since(self) -> float:
        """Return when the state became what it is, in wall clock seconds."""
        return self.history[-1].at if self.history else self._born

    @property
    def restart_under_way(self) -> bool:
        """Return whether a restart request is on its way, or its effect is still awaited."""
        return self.restarter.is_under_way or self.health.state is State.RESTARTING

    @property
    def restarts_automatically(self) -> bool:
        """Return whether a wedge will be followed by a restart, as long as the budget lasts."""
        return self.settings.automatic and self.settings.budget.limit > 0 and self.restarter.can_restart

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every event, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def watching(self, language: str | None = None) -> AbstractContextManager[Request]:
        """Count what happens inside as a request of real traffic, in that language (BCP-47)."""
        return self.traffic.watching(language)

    def report(self, error: SparkError | None) -> None:
        """Take one outcome of real traffic that began now, and look closer at once where it is bad."""
        self._observe(observed(error, canary=False, started=self.clock.monotonic()))

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                try:
                    delay = await self.tick()
                except Exception:
                    # A bug in one round must not leave a server unwatched for ever.
                    LOGGER.exception("%s: a round of the watchdog failed", self._log_name)
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
        await self.restarter.stop()

    async def tick(self) -> float:
        """Do what is due now; return the seconds until something may be due again."""
        self._wake.clear()
        await self.restarter.load()
        self.restarter.try_out()
        policy = self.settings.policy
        is_due = canary_due(self.health, self.clock.monotonic(), policy) <= 0 and not self._speaks_for_itself()
        if is_due or await self._shows_life():
            await self.check()
        await self._restart_if_wedged()
        due = canary_due(self.health, self.clock.monotonic(), policy)
        return max(0.05, min(due, self._life_interval()))

    async def check(self) -> CanaryResult:
        """Send a canary now, or wait for the one that is under way."""
        before = self.last_canary
        async with self._checking:
            if self.last_canary is not None and self.last_canary is not before:
                return self.last_canary
            started = self.clock.monotonic()
            seen = replace(await self._canary(started), started=started)
            result = CanaryResult(self.clock.time(), self.clock.monotonic() - started, seen)
            self.canaries.append(result)
            self._observe(seen)
            self._tell(result)
            return result

    async def _canary(self, started: float) -> Observation:
        is_asleep = False
        try:
            async with asyncio.timeout(self._deadlines.canary):
                is_asleep = await self._check.is_asleep()
                if is_asleep and self.health.state in AT_REST and not self.settings.keep_warm:
                    return Observation(Outcome.ASLEEP, True, "The server has unloaded its model.")
                return await self._check.canary(self.traffic.language)
        except TimeoutError:
            if is_asleep:
                return Observation(Outcome.LOADING, True, "The server is loading the model that it had unloaded.")
            if self.traffic.is_queued(started):
                return Observation(Outcome.QUEUED, True, "The canary waited behind our own requests.")
            return Observation(Outcome.TIMED_OUT, True, "The canary was not answered in time.")

    async def restart(self) -> None:
        """Restart because a person asks for it; counts, and is refused only while a restart is under way.

        Raises RestartUnderWay, NoRestartTarget, RestartRefused, OSError where the ledger cannot be written.
        """
        if self.restarter.target is None:
            raise NoRestartTarget
        await self.restarter.load()
        if self.restart_under_way:
            raise RestartUnderWay
        await self._restart("by hand", by_hand=True)
        reply = await self.restarter.replied(self._deadlines.restart_reply)
        if reply is not None and reply.answer is Answer.REFUSED:
            raise RestartRefused(reply.detail)

    def _speaks_for_itself(self) -> bool:
        """Return whether a request of ours is under way that will tell. It may postpone a canary, but not for ever."""
        now, policy = self.clock.monotonic(), self.settings.policy
        if self.health.state is not State.HEALTHY or self.health.doubted or self.health.last_canary is None:
            return False
        if now >= self.health.last_canary + POSTPONED * policy.interval:
            return False
        return self.traffic.speaks_for_the_server

    def _life_interval(self) -> float:
        if self.health.state not in _REVIVING:
            return float("inf")
        waited = self.clock.monotonic() - self.health.since
        return self.settings.policy.life_interval if waited < LIFE_RELAXED_AFTER else LIFE_RELAXED

    async def _shows_life(self) -> bool:
        """Return whether the port or a health page has come up since the last look."""
        if self.health.state not in _REVIVING:
            self._life = None
            return False
        before = self._life
        self._life = await self._check.life(self.settings.policy.life_interval)
        return before is not None and any(
            status is not None and status != earlier for status, earlier in zip(self._life, before, strict=True)
        )

    async def _restart_if_wedged(self) -> None:
        if self.health.state is not State.WEDGED or not self.settings.automatic:
            return
        budget, wait = self.settings.budget, self.restarter.wait()
        if wait is None and budget.limit > 0:
            self._enter(gave_up(self.health, self.clock.monotonic(), self._why_it_gives_up()))
        elif wait is not None and wait <= 0:
            # What cannot be written down is said, and tried again in the next round.
            with suppress(OSError):
                await self._restart(self.health.evidence, by_hand=False)

    def _why_it_gives_up(self) -> str:
        budget, last = self.settings.budget, self.restarter.last_reply
        restarts = "1 restart" if budget.limit == 1 else f"{budget.limit} restarts"
        if self.restarter.was_damaged:
            return f"The record of restarts was damaged, and counts as {restarts}."
        restarts = f"{restarts} in {budget.window / 60:.0f} min"
        if self.health.ever_well and self.health.restarts_in_vain < budget.limit:
            return f"It has broken down again after {restarts}."
        detail = f"{restarts} did not help."
        return detail if last is None or last.answer is Answer.ACCEPTED else f"{detail} {last.detail}"

    async def _restart(self, reason: str, *, by_hand: bool) -> None:
        """Raises OSError where the restart cannot be written down."""
        if not await self.restarter.send(reason):
            return
        now = self.clock.monotonic()
        self._before_restart, self._restart_began, self._by_hand = self.health, now, by_hand
        self._enter(restart_sent(self.health, now, f"restart requested: {reason}"))

    def _answered(self, reply: RestartReply) -> None:
        """Take what the restart target answered: after a refusal all is as it was before."""
        self._tell(RestartAnswered(reply, self._by_hand))
        if reply.answer is Answer.REFUSED and self._before_restart is not None:
            self._restart_began = None
            now = self.clock.monotonic()
            self._enter(restart_refused(self.health, self._before_restart, now), refusal=reply.detail)

    def _observe(self, seen: Observation) -> None:
        before = self.health
        after = observe(before, seen, self.clock.monotonic(), self.settings.policy)
        if after.last_success != before.last_success:
            self.last_success = self.clock.time()
        self._enter(after)
        if after.doubted and not before.doubted:
            self._wake.set()
        if self.health.state is State.HEALTHY and self._restart_began is not None:
            self._note_recovery(self.clock.monotonic() - self._restart_began)
            self._restart_began = None

    def _note_recovery(self, seconds: float) -> None:
        """Remember what a recovery took, unless it was none of the restart's: too early, or too late."""
        is_mended_otherwise = seconds > self.settings.policy.start_grace + RESTART_DEADLINE
        if not self.restarter.is_under_way and not is_mended_otherwise:
            self.restarter.recovered(seconds)

    def _enter(self, health: Health, *, refusal: str | None = None) -> None:
        before, self.health = self.health, health
        if before.state is health.state:
            return
        # The rhythm is another one now.
        self._wake.set()
        self._life = None
        by_hand = self._by_hand and health.state is State.RESTARTING
        change = Transition(
            at=self.clock.time(),
            before=before.state,
            after=health.state,
            evidence=health.evidence if refusal is None else refusal,
            by_hand=by_hand,
            refused=refusal is not None,
        )
        self.history.append(change)
        LOGGER.info("%s: %s -> %s: %s", self._log_name, change.before, change.after, change.evidence)
        self._tell(change)

    def _tell(self, event: WatchdogEvent) -> None:
        for listener in tuple(self._listeners):
            listener(self.name, event)
