"""Mixed traffic for a while, with faults in it: whether anything is lost, and whether anything grows.

The embedded Spark is in this process, behind relays that can cut its answers, and has engines that tell what they were
given. The proxy is a process of its own, as shipped but for its windows, and restarts what is wedged by itself.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from embedded_spark import EmbeddedSpark
from embedded_spark.wedge import Mode

from .errors import BenchError
from .heal import SERVICES, until_healthy
from .machine import Vitals, this_machine, vitals
from .processes import Child, started
from .report import Report
from .soak_calls import Call, call
from .soak_plan import MAGPIE, PARAKEET, Break, Phase, make_phase, one_of_each
from .soak_report import Fault, Soaked, aims, charts, tables
from .soak_spark import Relay, soaked_spark

QUESTION = "Under mixed traffic with faults in it, is anything lost, and does anything grow?"

MINUTES, QUICK_MINUTES = 10.0, 1.0

WARM_UP = 1 / 3
"""Of the whole time: what is loaded once and kept has been by then."""

SEED = 1

START_DELAY = 2.0
"""Seconds that a restart takes."""

CALL_DEADLINE = 60.0
HEAL_DEADLINE = 90.0
"""Seconds for a wedge: the proxy leaves a minute between two restarts of one service."""

SETTINGS = ("--window", "10", "--restart-limit", "100", "--canary-interval", "30")
"""Short windows, so that a recording of a minute has several; and a budget for as many wedges as there are."""

SAMPLE_EVERY = 1.0


async def answer(*, quick: bool = False) -> Report:
    """Soak for ten minutes; `quick`, for one. Raises BenchError."""
    return await answer_for(QUICK_MINUTES if quick else MINUTES)


async def answer_for(minutes: float) -> Report:
    """Soak for so long. Raises BenchError."""
    return await measure(*make_phases(60 * minutes))


def make_phases(seconds: float) -> tuple[Phase, Phase]:
    """The warm-up, and what is compared with it."""
    warm_up = make_phase(seconds * WARM_UP, SEED)
    wedges = sum(fault.wedge is not None for fault in warm_up.breaks)
    return warm_up, make_phase(seconds - warm_up.seconds, SEED + 1, wedges)


async def measure(warm_up: Phase, main: Phase) -> Report:
    """Soak by this plan. Raises BenchError."""
    machine, begun = this_machine(), time.monotonic()
    async with soaking() as soak:
        at_start = vitals(soak.proxy.pid)
        async with soak.sampling():
            warm = await soak.run(warm_up)
            end = await soak.run(main)
            await soak.ask_one_of_each()
    soaked = Soaked(tuple(soak.calls), tuple(soak.faults), (at_start, warm, end), tuple(soak.sampled))
    seconds = time.monotonic() - begun
    return Report(QUESTION, machine, seconds, tables(soaked), aims(soaked), charts(soaked, seconds, machine))


@dataclass(frozen=True, slots=True)
class Service:
    """One of the two servers: the relay in front of it, and where it can be wedged."""

    relay: Relay
    control_url: str


@dataclass(frozen=True, slots=True)
class ServerState:
    """What a server says of itself: whether it is neither wedged nor starting, and its restarts so far."""

    is_well: bool
    restarts: int


@asynccontextmanager
async def soaking() -> AsyncGenerator[Soak]:
    """Everything started and healthy. Raises BenchError."""
    timeout = ClientTimeout(total=CALL_DEADLINE)
    async with (
        soaked_spark(START_DELAY) as spark,
        _proxy(spark) as (child, services),
        ClientSession(timeout=timeout, connector=TCPConnector(limit=0)) as session,
    ):
        await until_healthy(session, child.url)
        yield Soak(session, child, services)


@asynccontextmanager
async def _proxy(spark: EmbeddedSpark) -> AsyncGenerator[tuple[Child, Mapping[str, Service]]]:
    relays = {PARAKEET: Relay(spark.parakeet_url), MAGPIE: Relay(spark.magpie_url)}
    controls = {PARAKEET: f"{spark.parakeet_url}/embedded", MAGPIE: f"{spark.magpie_url}/embedded"}
    async with relays[PARAKEET].serving() as hearing, relays[MAGPIE].serving() as speaking:
        urls = (
            *("--parakeet-url", hearing, "--parakeet-restart-url", spark.parakeet_restart_url),
            *("--magpie-url", speaking, "--magpie-restart-url", spark.magpie_restart_url),
        )
        with TemporaryDirectory() as state:
            async with started("spark_audio_proxy", "--port", "0", "--state-dir", state, *urls, *SETTINGS) as child:
                yield child, {name: Service(relays[name], controls[name]) for name in SERVICES}


class Soak:
    """Traffic and faults against one proxy, and what is seen of it."""

    def __init__(self, session: ClientSession, proxy: Child, services: Mapping[str, Service]) -> None:
        """Nothing is asked yet."""
        self.proxy = proxy
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.sampled: list[Vitals] = []
        self._session = session
        self._services = services

    async def run(self, phase: Phase) -> Vitals:
        """All of a phase, until the last answer; then the vitals. Raises BenchError."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ask_all(phase))
                tasks.create_task(self._break_all(phase))
        except* BenchError as errors:
            raise _first(errors) from errors
        await until_healthy(self._session, self.proxy.url)
        return vitals(self.proxy.pid)

    async def ask_one_of_each(self) -> None:
        """Once all is over: every kind has to be served."""
        for ask in one_of_each():
            self.calls.append(await call(self._session, self.proxy.url, ask))

    @asynccontextmanager
    async def sampling(self) -> AsyncGenerator[None]:
        """Look at the process all the while."""
        sampler = asyncio.create_task(self._sample())
        try:
            yield
        finally:
            sampler.cancel()
            await asyncio.gather(sampler, return_exceptions=True)

    async def _sample(self) -> None:
        while True:
            self.sampled.append(vitals(self.proxy.pid))
            await asyncio.sleep(SAMPLE_EVERY)

    async def _ask_all(self, phase: Phase) -> None:
        begun = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for ask in phase.asks:
                await asyncio.sleep(max(0.0, begun + ask.at - time.monotonic()))
                task = tasks.create_task(call(self._session, self.proxy.url, ask))
                task.add_done_callback(self._take)
            await asyncio.sleep(max(0.0, begun + phase.seconds - time.monotonic()))

    def _take(self, task: asyncio.Task[Call]) -> None:
        if not task.cancelled() and task.exception() is None:
            self.calls.append(task.result())

    async def _break_all(self, phase: Phase) -> None:
        """Each fault at its time, whatever became of those before."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for fault in phase.breaks:
                await asyncio.sleep(max(0.0, begun + fault.at - time.monotonic()))
                sys.stderr.write(f"{fault.at:.0f} s: {fault.service}, {fault.wedge or 'an answer is cut'}\n")
                tasks.create_task(self._break(fault))

    async def _break(self, fault: Break) -> None:
        if fault.wedge is None:
            await self._cut(fault.service)
        else:
            await self._wedge(fault.service, fault.wedge)

    async def _cut(self, name: str) -> None:
        """Have the next answer cut, and see that it was."""
        relay = self._services[name].relay
        cuts = len(relay.cuts)
        relay.arm()
        begun = time.monotonic()
        while len(relay.cuts) == cuts:
            # Nobody may ask for a while; the fault lasts that long.
            if time.monotonic() > begun + HEAL_DEADLINE:
                raise BenchError(f"{name} was asked nothing for {HEAL_DEADLINE:.0f} s.")
            await asyncio.sleep(0.01)
        self.faults.append(Fault("an answer is cut in the middle", name, relay.cuts[cuts], time.monotonic()))

    async def _wedge(self, name: str, mode: Mode) -> None:
        """Wedge it, and look on until the proxy has healed it. Raises BenchError."""
        url = self._services[name].control_url
        before = (await self._state(url)).restarts
        begun = time.monotonic()
        await self._request("POST", f"{url}/wedge", {"mode": mode})
        try:
            async with asyncio.timeout(HEAL_DEADLINE):
                while not await self._is_healed(name, url, before):  # noqa: ASYNC110 - it is seen over HTTP alone
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise BenchError(f"{name}, {mode}: not healed within {HEAL_DEADLINE:.0f} s.") from None
        self.faults.append(Fault(f"wedge: {mode}", name, begun, time.monotonic()))

    async def _is_healed(self, name: str, url: str, restarts: int) -> bool:
        server = await self._state(url)
        if not server.is_well or server.restarts == restarts:
            return False
        ready = await self._request("GET", f"{self.proxy.url}/readyz")
        match ready:
            case {"services": {**states}}:
                return states.get(name) == "healthy"
        return False

    async def _state(self, url: str) -> ServerState:
        match await self._request("GET", url):
            case {"mode": mode, "starting": bool(is_starting), "restarts": int(restarts)}:
                return ServerState(mode is None and not is_starting, restarts)
        raise BenchError(f"{url} tells no state.")

    async def _request(self, method: str, url: str, document: object = None) -> object:
        try:
            async with self._session.request(method, url, json=document) as response:
                return await response.json()
        except (TimeoutError, ClientError, ValueError) as err:
            raise BenchError(f"{url} does not answer: {err or type(err).__name__}") from err


def _first(errors: BaseExceptionGroup[BenchError]) -> BenchError:
    """The first that is no group."""
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
