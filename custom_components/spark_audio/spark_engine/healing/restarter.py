"""Restarts of one server: written down before they are sent, sent once, taken back where the target refuses."""

import asyncio
import logging
from collections.abc import Callable

from .budget import Budget, Ledger, LedgerStore, in_window, restarts_left, wait_before_restart
from .clock import Clock
from .restart import Answer, RestartReply, RestartTarget, Trial, TrialResult

LOGGER = logging.getLogger(__name__)

REFUSED_PAUSE = 60.0
LONGEST_REFUSED_PAUSE = 600.0
"""Seconds after which a restart target that refused is asked again, twice as many each time; and a trial repeated."""


class Restarter:
    """Restarts one server, automatically or by hand, within its budget."""

    def __init__(
        self,
        name: str,
        target: RestartTarget | None,
        store: LedgerStore,
        budget: Budget,
        clock: Clock,
        *,
        answered: Callable[[RestartReply], None],
        tried: Callable[[TrialResult], None],
    ) -> None:
        """Nothing is sent yet. `name` is for the log.

        `answered` gets what the target answers to each restart, `tried` what a trial shows.
        """
        self.target = target
        self.budget = budget
        self.ledger = Ledger()
        self.trial: TrialResult | None = None
        """What the last dry run of the target, or the last accepted restart, showed."""
        self.last_reply: RestartReply | None = None
        self._obstacle: str | None = None
        self._name = name
        self._store = store
        self._clock = clock
        self._answered = answered
        self._tried = tried
        self._is_loaded = False
        self._is_kept = True
        self._damaged_at: float | None = None
        self._is_stopping = False
        self._is_sending = False
        self._refusals = 0
        """In a row."""
        self._refused_at: float | None = None
        self._tried_at: float | None = None
        self._sent: asyncio.Task[None] | None = None
        self._trying: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str | None:
        """Return why no restart can be made, one sentence: the target's answer, or a ledger that cannot be written."""
        if self._obstacle is None and self.trial is not None and self.trial.trial is Trial.FAILS:
            return self.trial.detail
        return self._obstacle

    @property
    def restarts(self) -> tuple[float, ...]:
        """Return the restarts that count, oldest first, in wall clock seconds."""
        return tuple(in_window(self.ledger.restarts, self._clock.time(), self.budget))

    @property
    def was_damaged(self) -> bool:
        """Return whether restarts that count are none, but stand for a ledger that was damaged."""
        return self._damaged_at in self.restarts

    @property
    def restarts_left(self) -> int:
        """Return how many automatic restarts the window still allows."""
        return restarts_left(self.ledger.restarts, self._clock.time(), self.budget)

    @property
    def is_under_way(self) -> bool:
        """Return whether a restart request is on its way."""
        return self._is_sending or self._sent is not None

    @property
    def can_restart(self) -> bool:
        """Return whether restarts can be made, as long as the budget lasts. A trial that failed may have been early."""
        return self.target is not None and self._obstacle is None and not self._is_stopping

    async def load(self) -> None:
        """Read the ledger, and write what has to be written; what fails is tried again in the next round."""
        try:
            if not self._is_loaded:
                self.ledger = await self._read()
                self._is_loaded = True
            self._count_the_future_as_now()
            if not self._is_kept:
                await self._store.save(self.ledger)
                self._is_kept = True
        except OSError as err:
            self._cannot_keep(err)
        else:
            self._forget_old_problem()

    async def _read(self) -> Ledger:
        """Return the ledger. Raises OSError."""
        try:
            return await self._store.load()
        except ValueError as err:
            LOGGER.error("%s: the ledger of restarts is damaged (%s); taken for a spent budget", self._name, err)
            self._is_kept, self._damaged_at = False, self._clock.time()
            return Ledger((self._damaged_at,) * self.budget.limit)

    def _count_the_future_as_now(self) -> None:
        """Count restarts in the future once, as made now: else they would count until then."""
        if (current := self.ledger.at(self._clock.time())) != self.ledger:
            LOGGER.warning("%s: restarts in the future are counted as made now: the clock was set back", self._name)
            self.ledger, self._is_kept = current, False

    def wait(self) -> float | None:
        """Return seconds until an automatic restart may be sent, 0 for at once; None where the budget is spent."""
        if not self._is_loaded or not self.can_restart or self.is_under_way:
            return float("inf")
        return wait_before_restart(self.ledger.restarts, self._clock.time(), self.budget)

    async def send(self, reason: str) -> bool:
        """Write the restart down, then send it in the background; return False where there is no target.

        Raises OSError where it cannot be written down: then it is not sent.
        """
        if self.target is None:
            return False
        at = self._clock.time()
        ledger = self.ledger.with_restart(at, self.budget)
        # Writing takes a moment, in which no other one may be sent.
        self._is_sending = True
        try:
            await self._store.save(ledger)
        except OSError as err:
            self._cannot_keep(err)
            raise
        finally:
            self._is_sending = False
        self.ledger, self._refused_at, self._obstacle = ledger, None, None
        limit, minutes = self.budget.limit, self.budget.window / 60
        LOGGER.warning("%s: restart %d of %d in %.0f min (%s)", self._name, len(self.restarts), limit, minutes, reason)
        self._sent = asyncio.create_task(self._await_reply(self.target, at))
        return True

    def try_out(self) -> None:
        """Try the target in the background, once, and again every now and then while that fails. Restarts nothing."""
        now, has_worked = self._clock.monotonic(), self.trial is not None and self.trial.trial is not Trial.FAILS
        is_early = self._tried_at is not None and (has_worked or now - self._tried_at < REFUSED_PAUSE)
        if self.target is not None and self._trying is None and not is_early and not self._is_stopping:
            self._tried_at = now
            self._trying = asyncio.create_task(self._try(self.target))

    async def _try(self, target: RestartTarget) -> None:
        try:
            result = await target.try_out()
        finally:
            self._trying = None
        if result == self.trial:
            return
        self.trial = result
        log = LOGGER.warning if result.trial is Trial.FAILS else LOGGER.info
        log("%s: %s", self._name, result.detail)
        self._tried(result)

    async def replied(self, seconds: float) -> RestartReply | None:
        """Return what the target answers to the restart that is on its way, None where it does not for that long."""
        if self._sent is None:
            return None
        done, _ = await asyncio.wait({self._sent}, timeout=seconds)
        return self.last_reply if done else None

    async def stop(self) -> None:
        """Send no restart any more; one that was sent stays sent."""
        self._is_stopping = True
        tasks = [task for task in (self._sent, self._trying) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def recovered(self, seconds: float) -> None:
        """Note how long a recovery took; it is written down in the next round."""
        self.ledger, self._is_kept = self.ledger.with_recovery(seconds), False

    async def _await_reply(self, target: RestartTarget, at: float) -> None:
        try:
            reply = self.last_reply = await target.restart()
            log = LOGGER.info if reply.answer is Answer.ACCEPTED else LOGGER.warning
            log("%s: restart %s. %s", self._name, reply.answer, reply.detail)
            if reply.answer is Answer.REFUSED:
                # Nothing was restarted: it does not count.
                self.ledger, self._is_kept = self.ledger.without_restart(at), False
                self._refused_at, self._obstacle = self._clock.monotonic(), reply.detail
                self._refusals += 1
            else:
                self._refusals = 0
            if reply.answer is Answer.ACCEPTED:
                self.trial = TrialResult(Trial.WORKS, reply.detail)
        finally:
            self._sent = None
        self._answered(reply)

    def _cannot_keep(self, err: OSError) -> None:
        problem = f"No restarts: the ledger of restarts cannot be written ({err.strerror or err})."
        if self._obstacle != problem:
            LOGGER.error("%s: %s", self._name, problem)
        # Each round tries to write it, and forgets the problem once that works.
        self._is_kept, self._refused_at, self._obstacle = False, None, problem

    def _forget_old_problem(self) -> None:
        pause = min(LONGEST_REFUSED_PAUSE, REFUSED_PAUSE * 2 ** (self._refusals - 1))
        if self._refused_at is None or self._clock.monotonic() - self._refused_at >= pause:
            self._refused_at = self._obstacle = None
