"""Failures that a restart does not cure, or cannot: what the proxy calls them, and whether it leaves them alone.

Each has a proxy, an embedded Spark without models and a relay in front of the service of its own.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import ClientSession
from embedded_spark import EmbeddedSpark
from embedded_spark.wedge import START_DELAY, Mode

from tools.stack.errors import ToolError
from tools.stack.http import ask, new_session
from tools.stack.processes import PROXY
from tools.stack.services import Spark, proxy
from tools.stack.tables import Cell, Table
from tools.stack.wedge import (
    LOOK_SECONDS,
    MAGPIE,
    PARAKEET,
    SERVICES,
    Call,
    Callers,
    Change,
    Control,
    Outage,
    history,
    until_healthy,
)

from .engines import CountingRecognizer, PacedSynthesizer
from .relay import Relay
from .report import Aim

NAMING_SECONDS = 20.0
"""How long the proxy has to name an incident: longer than its rule for failures without a signature."""

OVER_SECONDS = 120.0
"""How long it has to serve again once an incident is over: a wrong server is looked at every 60 s."""

CALL_SECONDS = 60.0

CANARIES = 3
"""Canaries that must not wake a server that sleeps."""

TITLE = (
    "What a restart does not cure, or cannot: seconds until the proxy names it, and from its end to the first good "
    f"answer. A model that was unloaded loads for {START_DELAY:g} s"
)
COLUMNS = (
    *("incident", "service", "callers get", "named after", "good answer after its end", "requests lost"),
    *("longest wait", "left alone"),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """A service behind a relay, the proxy in front of it, and the URL of the other service."""

    session: ClientSession
    proxy_url: str
    name: str
    control: Control
    relay: Relay
    other_url: str

    async def check(self) -> None:
        """Have the proxy send a canary. Raises ToolError."""
        await ask(self.session, "POST", f"{self.proxy_url}/api/services/{self.name}/check", PROXY)

    async def named(self, is_name: Callable[[Change], bool], since: float) -> float | None:
        """Return when the proxy named it, None where that takes too long. Raises ToolError."""
        while time.time() < since + NAMING_SECONDS:
            changes = (await history(self.session, self.proxy_url, self.name)).changes
            if at := next((each.at for each in changes if each.at >= since and is_name(each)), None):
                return at
            await asyncio.sleep(LOOK_SECONDS)
        return None


async def _is_not_restarted(scene: Scene) -> bool:
    return (await scene.control.state()).restarts == 0


async def _sleeps_on(scene: Scene) -> bool:
    for _ in range(CANARIES):
        await scene.check()
    state = await scene.control.state()
    return state.restarts == 0 and not state.is_loaded


async def _unload(scene: Scene) -> None:
    await scene.control.unload()
    # The next canary is minutes away.
    await scene.check()


async def _nothing(_: Scene) -> None:
    """A sleep ends with the first request."""


@dataclass(frozen=True, slots=True)
class Incident:
    """How it begins and ends, which change of state names it, and how it shows that the server was left alone.

    Where it is `quiet`, the first request comes at its end.
    """

    name: str
    begin: Callable[[Scene], Awaitable[None]]
    is_name: Callable[[Change], bool]
    end: Callable[[Scene], Awaitable[None]]
    is_left_alone: Callable[[Scene], Awaitable[bool]] = _is_not_restarted
    quiet: bool = False
    restart_path: str = "/embedded/restart"


MEMORY = Incident(
    "out of memory",
    lambda scene: scene.control.wedge(Mode.MEMORY),
    lambda change: change.state == "out_of_memory",
    lambda scene: scene.control.free(),
)
ASLEEP = Incident(
    "asleep", _unload, lambda change: change.state == "asleep", _nothing, is_left_alone=_sleeps_on, quiet=True
)
WRONG_SERVER = Incident(
    "wrong server",
    lambda scene: scene.relay.lead_to(scene.other_url),
    lambda change: change.state == "wrong_server",
    lambda scene: scene.relay.lead_to(scene.control.url),
)
REFUSED = Incident(
    "wedged, restart refused",
    lambda scene: scene.control.wedge(Mode.CUBLAS),
    lambda change: change.refused,
    lambda scene: scene.control.restart(),
    restart_path="/no-such-hook",
)

type Case = tuple[Incident, str]

QUICK: Sequence[Case] = ((MEMORY, PARAKEET), (MEMORY, MAGPIE))
CASES: Sequence[Case] = (*QUICK, (ASLEEP, PARAKEET), (WRONG_SERVER, PARAKEET), (REFUSED, PARAKEET))


async def measure(cases: Sequence[Case]) -> Table:
    """Measure these incidents, all at once. Raises ToolError."""
    return Table(TITLE, COLUMNS, tuple(await asyncio.gather(*(_measure(incident, name) for incident, name in cases))))


async def _measure(incident: Incident, name: str) -> tuple[Cell, ...]:
    async with _scene(incident, name) as scene:
        callers = Callers(scene.session, scene.proxy_url, SERVICES[name])
        try:
            async with callers.calling(quiet=incident.quiet):
                since = time.time()
                await incident.begin(scene)
                named = await scene.named(incident.is_name, since)
                is_left_alone = await incident.is_left_alone(scene)
                over = time.time()
                await incident.end(scene)
                callers.begin()
                async with asyncio.timeout(OVER_SECONDS):
                    good = await callers.until(lambda calls: _first_good(calls, over))
        except TimeoutError:
            last = (await history(scene.session, scene.proxy_url, name)).changes[-1]
            sentence = f"{name}, {incident.name}: not over within {OVER_SECONDS:.0f} s; {last.state}: {last.evidence}"
            raise ToolError(sentence, PROXY) from None
        return judge(
            incident, name, Outage(since, callers.calls), named, good.answered - over, is_left_alone=is_left_alone
        )


@asynccontextmanager
async def _scene(incident: Incident, name: str) -> AsyncGenerator[Scene]:
    async with EmbeddedSpark(
        load_recognizer=CountingRecognizer, load_synthesizer=PacedSynthesizer, tells_sleep=True
    ) as embedded:
        urls = {PARAKEET: embedded.parakeet_url, MAGPIE: embedded.magpie_url}
        relay = Relay(urls[name])
        (other_url,) = (url for service, url in urls.items() if service != name)
        async with relay.serving() as relayed:
            spark = Spark(**{f"{service}_url": relayed if service == name else url for service, url in urls.items()})
            target = (f"--{name}-restart-url", urls[name] + incident.restart_path)
            async with proxy(*spark.proxy_settings, *target) as server, new_session(CALL_SECONDS) as session:
                await until_healthy(session, server.url)
                yield Scene(session, server.url, name, Control(session, urls[name]), relay, other_url)


def _first_good(calls: Sequence[Call], since: float) -> Call | None:
    return next((call for call in calls if call.is_good and call.sent >= since), None)


def judge(
    incident: Incident, name: str, outage: Outage, named: float | None, served: float, *, is_left_alone: bool
) -> tuple[Cell, ...]:
    """Return the figures; `served` is how long after its end the first good answer came, in seconds."""
    waits = [call.answered - call.sent for call in outage.calls if call.sent >= outage.since]
    return (
        *(incident.name, name, ", then ".join(dict.fromkeys(str(call.answer.fault) for call in outage.lost))),
        *(None if named is None else named - outage.since, served, len(outage.lost), max(waits)),
        "yes" if is_left_alone else "no",
    )


def aims(table: Table) -> tuple[Aim, ...]:
    """Return how many were named and left alone, of how many; and what a sleep may cost."""
    count = len(table.rows)
    alone = sum(row[table.columns.index("left alone")] == "yes" for row in table.rows)
    asleep = table.figures("requests lost", incident=ASLEEP.name)
    return (
        Aim("incidents that the proxy names", None, len(table.figures("named after")), count),
        Aim("incidents in which it leaves the server alone", None, alone, count),
        *((Aim("requests lost to a server that sleeps", 0.0, max(asleep)),) if asleep else ()),
    )
