"""A server that works, fails, loads, sleeps or is away, with its callers and its watchdog, in virtual time."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import override

from spark_engine.errors import (
    Busy,
    OutOfMemory,
    Rejected,
    ServerFault,
    SparkError,
    TimedOut,
    Unauthorized,
    Unreachable,
    WrongServer,
)
from spark_engine.healing.budget import Ledger, LedgerStore
from spark_engine.healing.canary import Life, ServerCheck
from spark_engine.healing.health import Observation, Outcome, Policy, State, observed
from spark_engine.healing.restart import Answer, RestartReply, RestartTarget, Trial, TrialResult
from spark_engine.healing.watchdog import Watchdog, WatchdogSettings
from spark_engine.models import ServerName, Service

from .virtual_time import VirtualClock

ANSWER, TIMEOUT, LOAD = 0.1, 15.0, 20.0
"""Seconds for an answer, until a caller's time-out, and for a model to load."""


class Mode(Enum):
    """How the server is."""

    WORKS = auto()
    CUDA = auto()
    FAULT = auto()
    GARBAGE = auto()
    """200 with nonsense: only a canary notices."""
    HALF = auto()
    """Every canary fails, and every second request."""
    HANGS = auto()
    MEMORY = auto()
    TIGHT = auto()
    """Memory suffices for canaries, and for no request."""
    TIGHT_AT_TIMES = auto()
    """Memory suffices for canaries, and for every second request."""
    AWAY = auto()
    LOADING = auto()
    ASLEEP = auto()
    """Works once it is asked for something, after a load."""
    SLOW = auto()
    """Works on one recording after the other, 40 s each, on those too whose callers have left."""
    OTHER_LANGUAGE = auto()
    """Refuses the canary, and works."""
    OTHER_LANGUAGE_CUDA = auto()
    """Refuses the canary, and fails every request."""
    WRONG_KEY = auto()
    WRONG_SERVER = auto()
    DIES = auto()
    """Ends at the next request, and is away from then on."""
    REQUESTS_FAIL = auto()
    REQUESTS_CUDA = auto()
    """Every request fails; canaries, which are short, do not."""
    GATEWAY = auto()
    """Nothing listens behind the gateway that answers."""
    REFUSES = auto()
    """Every request is refused, and the canary, too."""


_ERRORS: Mapping[Mode, Callable[[], SparkError]] = {
    Mode.CUDA: lambda: ServerFault("CUDA error", status=500, signature="cuda error"),
    Mode.FAULT: lambda: ServerFault("Internal Server Error", status=500),
    Mode.HALF: lambda: ServerFault("Internal Server Error", status=500),
    Mode.MEMORY: lambda: OutOfMemory("CUDA out of memory", status=500),
    Mode.LOADING: lambda: Busy("Loading.", status=503),
    Mode.OTHER_LANGUAGE: lambda: Rejected("Only German.", status=400),
    Mode.OTHER_LANGUAGE_CUDA: lambda: Rejected("Only German.", status=400),
    Mode.WRONG_KEY: lambda: Unauthorized("No.", status=401),
    Mode.WRONG_SERVER: lambda: WrongServer("It is a web page."),
    Mode.DIES: lambda: ServerFault("The connection was cut.", killed=True),
    Mode.REQUESTS_FAIL: lambda: ServerFault("Internal Server Error", status=500),
    Mode.REQUESTS_CUDA: lambda: ServerFault("CUDA error", status=500, signature="cuda error"),
    Mode.GATEWAY: lambda: ServerFault("Bad Gateway", status=502),
    Mode.REFUSES: lambda: Rejected("Unprocessable Entity", status=422),
}


class Callers(Enum):
    """What real traffic does."""

    NONE = auto()
    STEADY = auto()
    IMPATIENT = auto()
    """Give up after three seconds, and try again."""


class Cure(Enum):
    """What a restart does."""

    HEALS = auto()
    NOTHING = auto()
    """It comes back as it was."""
    REFUSED = auto()
    REFUSED_LATE = auto()
    """The target thinks for a while before it says no."""
    UNCONFIRMED = auto()
    """It heals, and the target does not say so."""


@dataclass
class SimulatedServer(ServerCheck, RestartTarget, LedgerStore):
    """One server, what restarts it, and where its ledger is kept."""

    mode: Mode = Mode.WORKS
    cure: Cure = Cure.HEALS
    kind: str = "simulated"
    ledger: Ledger = field(default_factory=Ledger)
    restarts: list[float] = field(default_factory=list)
    """When it was restarted."""
    served: list[float] = field(default_factory=list)
    """When a request of real traffic was served."""
    asked: int = 0
    requests: int = 0
    """Of real traffic."""
    boots: int = 0
    processes: int = 0
    """That were ended by a restart."""
    wakes: asyncio.Task[None] | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def work(self, *, canary: bool) -> None:
        """Answer one request. Raises SparkError."""
        self.asked += 1
        self.requests += not canary
        process = self.processes
        match self.mode:
            case Mode.ASLEEP:
                # The load goes on where its caller leaves.
                self.wakes = self.wakes or asyncio.create_task(self._wake(self.boots))
                await asyncio.shield(self.wakes)
            case Mode.SLOW:
                await asyncio.shield(asyncio.create_task(self._in_turn(ANSWER if canary else 40.0)))
            case Mode.HANGS:
                await asyncio.sleep(TIMEOUT)
                raise TimedOut("No answer.")
            case Mode.AWAY:
                raise Unreachable("No connection.")
        await asyncio.sleep(ANSWER)
        if process != self.processes:
            raise ServerFault("The connection was cut.", killed=True)
        if error := self._error(canary=canary):
            raise error

    async def _in_turn(self, seconds: float) -> None:
        """Work through it, whether its caller has left or not."""
        async with self.turn:
            await asyncio.sleep(seconds)

    async def _wake(self, boot: int) -> None:
        await asyncio.sleep(LOAD)
        self.wakes = None
        if self.boots == boot:
            self.mode = Mode.WORKS

    def _error(self, *, canary: bool) -> SparkError | None:
        match self.mode:
            case Mode.OTHER_LANGUAGE | Mode.REQUESTS_FAIL | Mode.REQUESTS_CUDA if canary is not (
                self.mode is Mode.OTHER_LANGUAGE
            ):
                return None
            case Mode.OTHER_LANGUAGE_CUDA if not canary:
                return _ERRORS[Mode.CUDA]()
            case Mode.TIGHT if not canary:
                return _ERRORS[Mode.MEMORY]()
            case Mode.TIGHT_AT_TIMES if not canary and self.requests % 2:
                return _ERRORS[Mode.MEMORY]()
            case Mode.HALF if not canary and self.asked % 2 == 0:
                return None
        error = _ERRORS.get(self.mode)
        if self.mode is Mode.DIES:
            self.mode = Mode.AWAY
        return error() if error else None

    @override
    async def canary(self, language: str | None) -> Observation:
        try:
            await self.work(canary=True)
        except SparkError as err:
            return observed(err, canary=True)
        if self.mode is Mode.GARBAGE:
            return Observation(Outcome.WRONG_ANSWER, canary=True)
        return Observation(Outcome.SUCCESS, canary=True)

    @override
    async def is_asleep(self) -> bool:
        return self.mode is Mode.ASLEEP

    @override
    async def life(self, deadline: float) -> Life:
        match self.mode:
            case Mode.AWAY:
                return (None,)
            case Mode.LOADING:
                return (503,)
        return (200,)

    @override
    async def restart(self) -> RestartReply:
        if self.cure is Cure.REFUSED_LATE:
            await asyncio.sleep(10)
        if self.cure in (Cure.REFUSED, Cure.REFUSED_LATE):
            return RestartReply(Answer.REFUSED, "No such container.")
        self.restarts.append(self.now)
        after = self.mode if self.cure is Cure.NOTHING else Mode.WORKS
        self.become(after, booting=True)
        is_confirmed = self.cure is not Cure.UNCONFIRMED
        return RestartReply(Answer.ACCEPTED if is_confirmed else Answer.UNCONFIRMED, "A restart.")

    @override
    async def try_out(self) -> TrialResult:
        return TrialResult(Trial.UNTRIED, "Only a restart tells.")

    def become(self, mode: Mode, *, booting: bool = False) -> None:
        """Be like that from now on; booting first where the process was restarted."""
        self.boots += 1
        self.turn = asyncio.Lock()
        if not booting:
            self.mode = mode
            return
        self.mode, self.processes = Mode.AWAY, self.processes + 1
        loop, boot = asyncio.get_running_loop(), self.boots

        def then(next_mode: Mode) -> None:
            # Whatever it has become since stays.
            if self.boots == boot:
                self.mode = next_mode

        loop.call_later(2.0, then, Mode.LOADING)
        loop.call_later(LOAD, then, mode)

    @override
    async def load(self) -> Ledger:
        return self.ledger

    @override
    async def save(self, ledger: Ledger) -> None:
        self.ledger = ledger


@dataclass
class World:
    """A server, its watchdog, and what callers do."""

    server: SimulatedServer
    watchdog: Watchdog
    callers: Callers = Callers.STEADY
    failed: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    """When a caller failed, and when one was not let through."""

    async def call(self) -> None:
        """Call every few seconds, as a pool does: not where the watchdog holds."""
        requests = set[asyncio.Task[None]]()
        while True:
            await asyncio.sleep(3.3)
            if self.callers is Callers.NONE:
                continue
            if self.watchdog.holds:
                self.held.append(self.server.now)
                continue
            if len(requests) < 4:
                request = asyncio.create_task(self._request())
                requests.add(request)
                request.add_done_callback(requests.discard)

    async def _request(self) -> None:
        patience = 3.0 if self.callers is Callers.IMPATIENT else None
        limit = TIMEOUT + self.watchdog.load_seconds
        with suppress(SparkError, TimeoutError):
            async with asyncio.timeout(patience):
                with self.watchdog.watching("en-US"):
                    try:
                        async with asyncio.timeout(max(limit, 41.0) if self.server.mode is Mode.SLOW else limit):
                            await self.server.work(canary=False)
                    except TimeoutError as err:
                        raise TimedOut("No answer.") from err
                self.server.served.append(self.server.now)
                return
        self.failed.append(self.server.now)

    @property
    def states(self) -> list[State]:
        """Return the states that were entered, in order."""
        return [change.after for change in self.watchdog.history]

    async def become(self, mode: Mode, seconds: float) -> None:
        """Let the server be like that for so long."""
        self.server.become(mode)
        await asyncio.sleep(seconds)

    async def until(self, wanted: State, bound: float) -> float:
        """Return the seconds until the state is reached; fail where that takes longer than the bound."""
        began = self.server.now
        while self.watchdog.health.state is not wanted:
            assert self.server.now - began <= bound, (self.watchdog.health, list(self.watchdog.history))
            await asyncio.sleep(0.25)
        return self.server.now - began


@asynccontextmanager
async def world(
    mode: Mode = Mode.WORKS, callers: Callers = Callers.STEADY, cure: Cure = Cure.HEALS, **policy: float
) -> AsyncGenerator[World]:
    """A world that goes on until the block ends."""
    server = SimulatedServer(mode, cure)
    settings = WatchdogSettings(policy=Policy(**policy))
    watchdog = Watchdog(
        ServerName(Service.PARAKEET), server, server, target=server, settings=settings, clock=VirtualClock()
    )
    it = World(server, watchdog, callers)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(watchdog.run()), group.create_task(it.call())]
        try:
            yield it
        finally:
            for task in tasks:
                task.cancel()
