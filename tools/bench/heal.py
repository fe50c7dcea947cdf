"""How fast a wedged service is noticed, restarted and serving again: real clock, real proxy, embedded Spark.

The embedded Spark is in this process and has no models, so that it is the proxy's watchdog that is measured.
"""

import asyncio
import time
from collections.abc import Sequence

from aiohttp import ClientSession
from embedded_spark import EmbeddedSpark
from embedded_spark.wedge import START_DELAY, Mode

from tools.stack.errors import ToolError
from tools.stack.http import ask, new_session
from tools.stack.processes import PROXY
from tools.stack.services import Spark, proxy
from tools.stack.tables import Cell, Table
from tools.stack.wedge import (
    MAGPIE,
    PACE,
    PARAKEET,
    SERVICES,
    Call,
    Callers,
    Control,
    Outage,
    history,
    until_healthy,
)

from . import incidents
from .engines import CountingRecognizer, PacedSynthesizer
from .report import Aim, Findings

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
QUICK = (Mode.CUBLAS, Mode.OPAQUE500)

type Row = tuple[Cell, ...]

CANARY_ALONE = {(Mode.EMPTY, PARAKEET), (Mode.GARBAGE, PARAKEET), (Mode.GARBAGE, MAGPIE)}
"""A good answer like any other but for what it says: no caller's request shows it."""

TITLE = (
    f"Seconds since the first failing request was sent; a request every {PACE:g} s to each service, whose restart "
    f"takes {START_DELAY:g} s. (canary): what is wrong shows in no status, so a canary is asked for as soon as a "
    "caller gets it"
)
COLUMNS = (
    *("wedge", "service", "callers get", "detected", "restart requested", "aim", "first good answer"),
    *("requests lost", "longest wait", "restarts"),
)

CALL_SECONDS = 300.0
"""Longer than any deadline of the proxy, which is what is measured."""

HEAL_SECONDS = 60.0
"""For a wedge to heal: longer than any rule but that of time-outs."""


def modes(*, quick: bool, every: bool) -> tuple[Mode, ...]:
    """Return the wedges that are measured: all that are quick to heal, or two; and time-outs where all is asked for."""
    return (*(QUICK if quick else AIMS), *((Mode.HANG,) if every else ()))


def cases(*, quick: bool) -> Sequence[incidents.Case]:
    """Return the incidents that are measured."""
    return incidents.QUICK if quick else incidents.CASES


async def measure(wedges: Sequence[Mode], cases: Sequence[incidents.Case] = ()) -> Findings:
    """Measure these modes, one after the other, on both services at once; then these incidents. Raises ToolError."""
    table = Table(TITLE, COLUMNS, tuple([row for mode in wedges for row in await _measure_mode(mode)]))
    if not cases:
        return Findings((table,), aims(table))
    other = await incidents.measure(cases)
    return Findings((table, other), (*aims(table), *incidents.aims(other)))


async def _measure_mode(mode: Mode) -> list[Row]:
    """With a fresh proxy, whose budget is whole; everything else as shipped."""
    async with (
        EmbeddedSpark(load_recognizer=CountingRecognizer, load_synthesizer=PacedSynthesizer) as embedded,
        proxy(*Spark(embedded.parakeet_url, embedded.magpie_url).proxy_settings) as server,
        new_session(CALL_SECONDS) as session,
    ):
        await until_healthy(session, server.url)
        controls = {PARAKEET: Control(session, embedded.parakeet_url), MAGPIE: Control(session, embedded.magpie_url)}
        return await asyncio.gather(*(heal(session, server.url, name, controls[name], mode) for name in SERVICES))


async def heal(session: ClientSession, proxy_url: str, name: str, control: Control, mode: Mode) -> Row:
    """Wedge a service and look on until it serves again. Raises ToolError.

    Where no answer's status shows what is wrong, a canary is asked for as soon as an answer is wrong.
    """
    callers = Callers(session, proxy_url, SERVICES[name])
    seconds = (4 if mode is Mode.HANG else 1) * HEAL_SECONDS
    since = time.time()

    def outage(calls: Sequence[Call]) -> Outage:
        return Outage(since, calls)

    try:
        async with asyncio.timeout(seconds), callers.calling():
            await callers.until(lambda calls: calls or None)
            since = time.time()
            await control.wedge(mode)
            await callers.until(lambda calls: outage(calls).first_failing)
            if (mode, name) in CANARY_ALONE:
                await ask(session, "POST", f"{proxy_url}/api/services/{name}/check", PROXY)
            await callers.until(lambda calls: outage(calls).recovered)
    except TimeoutError:
        raise ToolError(f"{name}, {mode}: not healed within {seconds:.0f} s.", PROXY) from None
    healed = Outage(since, callers.calls, await history(session, proxy_url, name))
    return judge(mode, name, healed, (await control.state()).restarts)


def judge(mode: Mode, name: str, outage: Outage, restarts: int) -> Row:
    """Return the figures, those of callers who got nothing good among them. Raises ToolError where one is missing."""
    first, good, detected = outage.first_failing, outage.recovered, outage.reached("wedged")
    if first is None or good is None or detected is None or not outage.history.restarts:
        raise ToolError("The service came back without having been wedged and restarted.", PROXY)
    lost = outage.lost
    return (
        *(f"{mode} (canary)" if (mode, name) in CANARY_ALONE else mode, name),
        ", then ".join(dict.fromkeys(str(call.answer.fault) for call in lost)),
        *(detected.at - first, outage.history.restarts[0] - first, AIMS.get(mode), good.answered - first),
        *(len(lost), max(call.answered - call.sent for call in lost), restarts),
    )


def aims(table: Table) -> tuple[Aim, ...]:
    """Return the slowest of each kind; a hang has none, since its 90 s are a rule."""
    return tuple(
        Aim(f"{kind} a CUDA signature: restart requested after, s", limit, max(measured))
        for kind, limit in (("with", SIGNED), ("without", UNSIGNED))
        if (measured := table.figures("restart requested", aim=limit))
    )
