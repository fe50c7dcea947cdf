"""A watchdog and everything around it on a clock that the test moves: what the watchdog's tests share."""

import asyncio
from dataclasses import dataclass, field
from typing import override

from spark_engine.errors import ServerFault, SparkError
from spark_engine.healing.budget import Budget, Ledger, LedgerStore
from spark_engine.healing.canary import Life, ServerCheck
from spark_engine.healing.clock import Clock
from spark_engine.healing.health import Observation, Outcome, Policy, State
from spark_engine.healing.restart import Answer, RestartReply, RestartTarget, Trial, TrialResult
from spark_engine.healing.watchdog import Watchdog, WatchdogSettings
from spark_engine.models import ServerName, Service

PARAKEET = ServerName(Service.PARAKEET)
PARAKEET_2 = ServerName(Service.PARAKEET, 2)
MAGPIE = ServerName(Service.MAGPIE)


GOOD = Observation(Outcome.SUCCESS, canary=True, detail="right words")
CUDA = Observation(Outcome.SIGNED_FAULT, canary=True, detail="CUDA error")
FAULT = Observation(Outcome.FAULT, canary=True, detail="500")
GONE = Observation(Outcome.UNREACHABLE, canary=True, detail="refused")
LOADING = Observation(Outcome.LOADING, canary=True, detail="503")
SIGNED = ServerFault("CUDA error: boom", status=500, signature="cuda error")


@dataclass
class FakeClock(Clock):
    """Time goes on when the test says so; the wall clock may be stepped."""

    now: float = 1000.0
    step: float = 1_700_000_000.0

    @override
    def monotonic(self) -> float:
        """Monotonic seconds."""
        return self.now

    @override
    def time(self) -> float:
        """Seconds since 1970; may jump."""
        return self.now + self.step


@dataclass
class MemoryStore(LedgerStore):
    """Where a ledger is kept, and what was written when."""

    ledger: Ledger = field(default_factory=Ledger)
    fails_to_load: Exception | None = None
    fails_to_save: OSError | None = None
    saved: list[Ledger] = field(default_factory=list)

    @override
    async def load(self) -> Ledger:
        if self.fails_to_load:
            raise self.fails_to_load
        return self.ledger

    @override
    async def save(self, ledger: Ledger) -> None:
        if self.fails_to_save:
            raise self.fails_to_save
        self.ledger = ledger
        self.saved.append(ledger)


@dataclass
class FakeTarget(RestartTarget):
    """Counts restarts; what they do is up to the test."""

    server: FakeServer
    store: MemoryStore
    kind: str = "fake"
    sent: list[float] = field(default_factory=list)
    heals: bool = True
    hangs: bool = False
    refuses: str | None = None
    """The sentence with which it refuses."""
    trial: TrialResult = field(default_factory=lambda: TrialResult(Trial.UNTRIED, "Only a restart tells."))
    trials: int = 0

    @override
    async def restart(self) -> RestartReply:
        assert len(self.store.saved) > len(self.sent), "sent before it was written down"
        self.sent.append(self.server.clock.now)
        if self.hangs:
            await asyncio.Event().wait()
        if self.refuses is not None:
            return RestartReply(Answer.REFUSED, self.refuses)
        if self.heals:
            self.server.answer = GOOD
        return RestartReply(Answer.ACCEPTED, "The restart target answered 204.")

    @override
    async def try_out(self) -> TrialResult:
        self.trials += 1
        return self.trial


@dataclass
class FakeServer(ServerCheck):
    """Answers canaries as it is told."""

    clock: FakeClock = field(default_factory=FakeClock)
    answer: Observation = GOOD
    canaries: list[float] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)
    sleeps: bool = False
    languages: list[str | None] = field(default_factory=list)
    """That canaries were asked in."""

    @override
    async def canary(self, language: str | None) -> Observation:
        self.languages.append(language)
        self.canaries.append(self.clock.now)
        if self.answer.outcome is not Outcome.SUCCESS:
            self.failed.append(self.clock.now)
        return self.answer

    @override
    async def is_asleep(self) -> bool:
        return self.sleeps

    @override
    async def life(self, deadline: float) -> Life:
        return ({Outcome.UNREACHABLE: None, Outcome.LOADING: 503}.get(self.answer.outcome, 200),)


@dataclass
class Scene:
    """A watchdog and everything around it."""

    server: FakeServer
    store: MemoryStore
    target: FakeTarget
    dog: Watchdog

    async def live(self, seconds: float) -> None:
        """Let time go by, doing what is due."""
        end = self.server.clock.now + seconds
        while True:
            delay = await self.dog.tick()
            await asyncio.sleep(0)
            if self.server.clock.now + delay > end:
                break
            self.server.clock.now += delay
        self.server.clock.now = end

    @property
    def states(self) -> list[State]:
        """The states that were entered, in order."""
        return [change.after for change in self.dog.history]


def scene(
    answer: Observation = GOOD,
    store: MemoryStore | None = None,
    *,
    automatic: bool = True,
    has_target: bool = True,
    policy: Policy | None = None,
    budget: Budget | None = None,
) -> Scene:
    """A scene with these properties."""
    server, record = FakeServer(answer=answer), store or MemoryStore()
    target = FakeTarget(server, record)
    dog = Watchdog(
        PARAKEET,
        server,
        record,
        target=target if has_target else None,
        settings=WatchdogSettings(policy=policy or Policy(), budget=budget or Budget(), automatic=automatic),
        clock=server.clock,
    )
    return Scene(server, record, target, dog)


async def wedge(it: Scene, answer: Observation = CUDA, error: SparkError = SIGNED) -> None:
    """Let a healthy service break, as a caller notices it."""
    await it.live(1)
    it.server.answer = answer
    it.dog.report(error)
