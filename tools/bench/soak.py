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

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from embedded_spark import EmbeddedSpark
from embedded_spark.wedge import Mode

from tools.stack.errors import ToolError
from tools.stack.processes import PROXY, Server
from tools.stack.services import proxy
from tools.stack.wedge import MAGPIE, PARAKEET, SERVICES, Answer, Control, healthy, until_healthy

from .engines import CountingRecognizer, PacedSynthesizer
from .machine import Vitals, vitals
from .relay import Relay
from .report import Findings
from .soak_calls import HALF_OPEN, KINDS, Ask, Call, call
from .soak_plan import Break, Passing, Phase, make_phases
from .soak_report import Fault, Soaked, findings

QUESTION = "Under mixed traffic with faults in it, is anything lost, and does anything grow?"

MINUTES, QUICK_MINUTES = 10.0, 1.0

START_DELAY = 2.0
"""Seconds that a restart takes, and a load."""

SHORTAGE = 10.0
"""Seconds for which another program has the GPU's memory."""

RECOGNITION = 0.02
"""Seconds for a recording."""

SPEECH_PACE = 25.0
"""How many times faster than it sounds speech is made: there has to be a middle in which it can break."""

CALL_SECONDS = 60.0
HEAL_SECONDS = 90.0
"""For a wedge: the proxy leaves a minute between two restarts of one service."""

SETTINGS = ("--window", "10", "--restart-limit", "100", "--canary-interval", "30")
"""Short windows, so that a recording of a minute has several; and a budget for as many wedges as there are."""

SAMPLE_SECONDS = 1.0


async def measure(minutes: float) -> Findings:
    """Soak for so long. Raises ToolError."""
    return await soak(*make_phases(60 * minutes))


async def soak(warm_up: Phase, main: Phase) -> Findings:
    """Soak by this plan. Raises ToolError."""
    async with _soaking() as running:
        at_start = vitals(running.proxy.pid)
        async with running.sampling():
            warm = await running.run(warm_up)
            end = await running.run(main)
            await running.ask_one_of_each()
    idle = (at_start, warm, end)
    calls, faults, sampled = tuple(running.calls), tuple(running.faults), tuple(running.sampled)
    return findings(Soaked(calls, faults, idle, sampled, running.refused_again))


@dataclass(frozen=True, slots=True)
class Service:
    """One of the two servers: the relay in front of it, and where it can be wedged."""

    relay: Relay
    control: Control


@asynccontextmanager
async def _soaking() -> AsyncGenerator[Soak]:
    """Everything started and healthy. Raises ToolError."""
    async with (
        EmbeddedSpark(
            load_recognizer=lambda: CountingRecognizer(RECOGNITION),
            load_synthesizer=lambda: PacedSynthesizer(SPEECH_PACE),
            start_delay=START_DELAY,
        ) as spark,
        ClientSession(timeout=ClientTimeout(total=CALL_SECONDS), connector=TCPConnector(limit=0)) as session,
    ):
        services = {
            PARAKEET: Service(Relay(spark.parakeet_url), Control(session, spark.parakeet_url)),
            MAGPIE: Service(Relay(spark.magpie_url), Control(session, spark.magpie_url)),
        }
        hearing, speaking = (services[name].relay.serving() for name in (PARAKEET, MAGPIE))
        async with hearing as hearing_url, speaking as speaking_url:
            urls = (
                *("--parakeet-url", hearing_url, "--parakeet-restart-url", spark.parakeet_restart_url),
                *("--magpie-url", speaking_url, "--magpie-restart-url", spark.magpie_restart_url),
            )
            async with proxy(*urls, *SETTINGS) as server:
                await until_healthy(session, server.url)
                yield Soak(session, server, services)


class Soak:
    """Traffic and faults against one proxy, and what is seen of it."""

    def __init__(self, session: ClientSession, server: Server, services: Mapping[str, Service]) -> None:
        """Nothing is asked yet; `server` is the proxy."""
        self.proxy = server
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.sampled: list[Vitals] = []
        self.refused_again = 0
        self._session = session
        self._services = services

    async def run(self, phase: Phase) -> Vitals:
        """Do all of a phase, until the last answer; then return the vitals. Raises ToolError."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ask_all(phase))
                tasks.create_task(self._break_all(phase))
        except* ToolError as errors:
            raise _first(errors) from errors
        await until_healthy(self._session, self.proxy.url)
        return vitals(self.proxy.pid)

    async def ask_one_of_each(self) -> None:
        """Once all is over: every kind has to be served."""
        asks = (Ask(0.0, kind, 0.5) for kind in KINDS if kind is not HALF_OPEN)
        self.calls += [await call(self._session, self.proxy.url, ask) for ask in asks]

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
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _ask_all(self, phase: Phase) -> None:
        begun = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            asked = []
            for ask in phase.asks:
                await asyncio.sleep(max(0.0, begun + ask.at - time.monotonic()))
                asked.append(tasks.create_task(call(self._session, self.proxy.url, ask)))
            await asyncio.sleep(max(0.0, begun + phase.seconds - time.monotonic()))
        self.calls += [task.result() for task in asked]

    async def _break_all(self, phase: Phase) -> None:
        """Each fault at its time, whatever became of those before."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for fault in phase.breaks:
                await asyncio.sleep(max(0.0, begun + fault.at - time.monotonic()))
                sys.stderr.write(f"{fault.at:.0f} s: {fault.service}, {fault.what}\n")
                tasks.create_task(self._break(fault))

    async def _break(self, fault: Break) -> None:
        name, begun = fault.service, time.monotonic()
        service = self._services[name]
        try:
            async with asyncio.timeout(HEAL_SECONDS):
                match fault.what:
                    case Passing.CUT:
                        begun = await _cut(service.relay)
                    case Passing.UNLOADED:
                        await _unload(service.control)
                    case Passing.SHORT:
                        await self._run_short(name, service, begun)
                        return
                    case Mode():
                        await self._wedge(name, service.control, fault.what)
        except TimeoutError:
            raise ToolError(f"{name}, {fault.what}: not over within {HEAL_SECONDS:.0f} s.", PROXY) from None
        what = f"wedge: {fault.what}" if isinstance(fault.what, Mode) else fault.what
        excuses = fault.what is not Passing.UNLOADED
        self.faults.append(Fault(what, name, begun, time.monotonic(), excuses=excuses))

    async def _run_short(self, name: str, service: Service, begun: float) -> None:
        """Take its memory for a while; a caller who is refused comes back when Retry-After says.

        One who is refused again has cause to complain, unless the canary of that moment was cut.
        """
        control, cuts = service.control, len(service.relay.cuts)
        await control.wedge(Mode.MEMORY)
        while not _is_for_memory(refused := await self._ask(name)):
            continue
        back = time.monotonic() + float(refused.retry_after or 0)
        await asyncio.sleep(SHORTAGE)
        await control.free()
        while name not in await healthy(self._session, self.proxy.url):  # noqa: ASYNC110 - it is seen over HTTP alone
            await asyncio.sleep(0.1)
        self.faults.append(Fault(Passing.SHORT, name, begun, time.monotonic()))
        await asyncio.sleep(back - time.monotonic())
        self.refused_again += _is_for_memory(await self._ask(name)) and len(service.relay.cuts) == cuts

    async def _ask(self, name: str) -> Answer:
        """Ask once; again where the answer is cut."""
        while True:
            try:
                return await SERVICES[name](self._session, self.proxy.url)
            except ClientError:
                continue

    async def _wedge(self, name: str, control: Control, mode: Mode) -> None:
        """Wedge it, and look on until the proxy has healed it."""
        before = (await control.state()).restarts
        await control.wedge(mode)
        while True:
            state = await control.state()
            if state.is_well and state.restarts > before and name in await healthy(self._session, self.proxy.url):
                return
            await asyncio.sleep(0.1)


async def _cut(relay: Relay) -> float:
    """Have the next answer cut, wait for it, and return when it was."""
    cuts = len(relay.cuts)
    relay.arm()
    while len(relay.cuts) == cuts:  # noqa: ASYNC110 - until a request comes, the fault lasts
        await asyncio.sleep(0.01)
    return relay.cuts[cuts]


async def _unload(control: Control) -> None:
    """Unload its model, and wait until a request has loaded it."""
    await control.unload()
    while not (await control.state()).is_loaded:  # noqa: ASYNC110 - it is seen over HTTP alone
        await asyncio.sleep(0.1)


def _is_for_memory(answer: Answer) -> bool:
    return answer.fault is not None and "memory" in answer.said


def _first(errors: BaseExceptionGroup[ToolError]) -> ToolError:
    """Return the first that is no group."""
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
