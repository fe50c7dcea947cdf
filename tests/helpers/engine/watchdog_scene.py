"""A watchdog and everything around it on a clock that the test moves: what the watchdog's tests share."""

import asyncio
from dataclasses import dataclass, field

from spark_engine.errors import ServerFault, SparkError
from spark_engine.healing.health import Observation, Outcome, Policy, State
from spark_engine.healing.restart import RestartReply, RestartTarget
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
class FakeClock:
    """Time goes on when the test says so; the wall clock may be stepped."""

    now: float = 1000.0
    step: float = 1_700_000_000.0

    def monotonic(self) -> float:
        """Monotonic seconds."""
        return self.now

    def time(self) -> float:
        """Seconds since 1970; may jump."""
        return self.now + self.step


@dataclass
class MemoryStore:
    """A record of restarts, and what was known when."""

    attempts: tuple[float, ...] = ()
    fails_to_load: Exception | None = None
    fails_to_save: OSError | None = None
    saved: list[tuple[float, ...]] = field(default_factory=list)

    async def load(self) -> tuple[float, ...]:
        """What was kept."""
        if self.fails_to_load:
            raise self.fails_to_load
        return self.attempts

    async def save(self, attempts: tuple[float, ...]) -> None:
        """Keep it."""
        if self.fails_to_save:
            raise self.fails_to_save
        self.attempts = attempts
        self.saved.append(attempts)


@dataclass
class FakeTarget(RestartTarget):
    """Counts restarts; what they do is up to the test."""

    server: FakeServer
    store: MemoryStore
    kind: str = "fake"
    sent: list[float] = field(default_factory=list)
    heals: bool = True
    hangs: bool = False

    async def restart(self) -> RestartReply:
        """Restart."""
        assert len(self.store.saved) > len(self.sent), "sent before it was written down"
        self.sent.append(self.server.clock.now)
        if self.hangs:
            await asyncio.Event().wait()
        if self.heals:
            self.server.answer = GOOD
        return RestartReply(accepted=True, detail="204")


@dataclass
class FakeServer:
    """Answers canaries as it is told."""

    clock: FakeClock = field(default_factory=FakeClock)
    answer: Observation = GOOD
    canaries: list[float] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)

    async def canary(self) -> Observation:
        """One canary."""
        self.canaries.append(self.clock.now)
        if self.answer.outcome is not Outcome.SUCCESS:
            self.failed.append(self.clock.now)
        return self.answer


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
) -> Scene:
    """A scene with these properties."""
    server, record = FakeServer(answer=answer), store or MemoryStore()
    target = FakeTarget(server, record)
    dog = Watchdog(
        PARAKEET,
        server.canary,
        record,
        target=target if has_target else None,
        settings=WatchdogSettings(policy=policy or Policy(), automatic=automatic),
        clock=server.clock,
    )
    return Scene(server, record, target, dog)


async def wedge(it: Scene, answer: Observation = CUDA, error: SparkError = SIGNED) -> None:
    """Let a healthy service break, as a caller notices it."""
    await it.live(1)
    it.server.answer = answer
    it.dog.report(error)
