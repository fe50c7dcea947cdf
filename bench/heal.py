"""How fast a wedged service is noticed, restarted and serving again: real clock, real proxy, embedded Spark.

The embedded Spark is in this process and has no models, so that it is the proxy's watchdog that is measured.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from aiohttp import ClientSession, ClientTimeout
from embedded_spark import EmbeddedSpark
from embedded_spark.wedge import START_DELAY, Mode

from .errors import BenchError
from .healing import PACE, Ask, Healing, heal, hear, speak
from .machine import this_machine
from .processes import started
from .report import Aim, Cell, Report, Table
from .spark import spark

QUESTION = "How fast is a wedged service noticed, restarted and serving again?"

MORE = "also a service that hangs: it is restarted after 90 s by rule, so that a busy one is not"

SIGNED, UNSIGNED = 5.0, 15.0
"""Seconds from the first failing request to the restart request, with a CUDA signature in the answer and without."""

AIMS = {
    Mode.CUBLAS: SIGNED,
    Mode.CUDA422: SIGNED,
    Mode.OPAQUE500: UNSIGNED,
    Mode.EMPTY: UNSIGNED,
    Mode.GARBAGE: UNSIGNED,
}

SERVICES: dict[str, Ask] = {"parakeet": hear, "magpie": speak}

CANARY_ALONE = {(Mode.EMPTY, "parakeet"), (Mode.GARBAGE, "parakeet"), (Mode.GARBAGE, "magpie")}
"""A good answer like any other but for what it says: no caller's request shows it."""

QUICK = (Mode.CUBLAS, Mode.OPAQUE500)
USUAL = tuple(AIMS)
ALL = (*USUAL, Mode.HANG)

CALL_DEADLINE = 300.0
"""Seconds: longer than any deadline of the proxy, which is what is measured."""

READY_DEADLINE = 30.0


@dataclass(frozen=True, slots=True)
class Case:
    """A wedge and how it healed."""

    mode: Mode
    service: str
    healing: Healing


async def answer(*, quick: bool = False) -> Report:
    """Measure all modes that are quick to heal, in a minute and a half; `quick`, two of them. Raises BenchError."""
    return await measure(QUICK if quick else USUAL)


async def answer_all(*, quick: bool = False) -> Report:
    """Time-outs, too: four minutes; `quick`, only those two modes and time-outs. Raises BenchError."""
    return await measure((*QUICK, Mode.HANG) if quick else ALL)


async def measure(modes: Sequence[Mode]) -> Report:
    """Measure these modes, one after the other, on both services at once. Raises BenchError."""
    machine, begun = this_machine(), time.monotonic()
    cases = [case for mode in modes for case in await _measure_mode(mode)]
    return Report(QUESTION, machine, time.monotonic() - begun, (table(cases),), aims(cases))


async def _measure_mode(mode: Mode) -> list[Case]:
    """With a fresh proxy, whose budget is whole."""
    timeout = ClientTimeout(total=CALL_DEADLINE)
    async with spark() as embedded, _proxy(embedded) as url, ClientSession(timeout=timeout) as session:
        await until_healthy(session, url)
        controls = {"parakeet": embedded.parakeet_url, "magpie": embedded.magpie_url}
        healings = await asyncio.gather(
            *(
                heal(
                    session, url, name, f"{controls[name]}/embedded", mode, ask=ask, check=(mode, name) in CANARY_ALONE
                )
                for name, ask in SERVICES.items()
            )
        )
    return [Case(mode, name, healing) for name, healing in zip(SERVICES, healings, strict=True)]


@asynccontextmanager
async def _proxy(embedded: EmbeddedSpark) -> AsyncGenerator[str]:
    """A fresh proxy on a free port, with a state folder of its own; everything else as shipped."""
    urls = (
        *("--parakeet-url", embedded.parakeet_url, "--parakeet-restart-url", embedded.parakeet_restart_url),
        *("--magpie-url", embedded.magpie_url, "--magpie-restart-url", embedded.magpie_restart_url),
    )
    with TemporaryDirectory() as state:
        async with started("spark_audio_proxy", "--port", "0", "--state-dir", state, *urls) as proxy:
            yield proxy.url


async def until_healthy(session: ClientSession, url: str) -> None:
    """Wait until the proxy at `url` says so of both services. Raises BenchError."""
    try:
        async with asyncio.timeout(READY_DEADLINE):
            while True:
                async with session.get(f"{url}/readyz") as response:
                    if (await response.json())["services"] == dict.fromkeys(SERVICES, "healthy"):
                        return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise BenchError(f"The services were not healthy within {READY_DEADLINE:.0f} s.") from None


def table(cases: Sequence[Case]) -> Table:
    """One row per wedge and service."""
    return Table(
        f"Seconds since the first failing request was sent; a request every {PACE:g} s to each service, whose restart "
        f"takes {START_DELAY:g} s. (canary): what is wrong shows in no status, so a canary is asked for as soon as a "
        "caller gets it",
        (
            *("wedge", "service", "callers get", "detected", "restart requested", "aim", "first good answer"),
            *("requests lost", "longest wait", "restarts"),
        ),
        tuple(_row(case) for case in cases),
    )


def _row(case: Case) -> tuple[Cell, ...]:
    healing = case.healing
    return (
        f"{case.mode}{' (canary)' if (case.mode, case.service) in CANARY_ALONE else ''}",
        case.service,
        ", then ".join(healing.faults),
        healing.detected,
        healing.requested,
        AIMS.get(case.mode),
        healing.served,
        healing.lost,
        healing.waited,
        healing.restarts,
    )


def aims(cases: Sequence[Case]) -> tuple[Aim, ...]:
    """The slowest of each kind; a hang has none, since its 90 s are a rule."""
    return tuple(
        Aim(f"{kind} a CUDA signature: restart requested after, s", limit, max(measured))
        for kind, limit in (("with", SIGNED), ("without", UNSIGNED))
        if (measured := [case.healing.requested for case in cases if AIMS.get(case.mode) == limit])
    )
