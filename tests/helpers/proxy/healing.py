"""A watched proxy at a quick pace: what the healing tests share."""

import asyncio
from pathlib import Path
from typing import Unpack

from aiohttp import web
from spark_audio_proxy.app_state import SPARK
from spark_audio_proxy.realtime.limits import Limits
from spark_engine.healing.budget import Budget
from spark_engine.healing.health import Policy, State, Transition
from spark_engine.healing.watchdog import Watchdog, WatchdogEvent
from spark_engine.models import ServerName
from spark_engine.servers.deadlines import Deadlines

from tests.fakes.server import FakeServer, Handler, json
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.settings import ProxySettings

RESTART = "/restart"


QUICK = Policy(suspect_interval=0.05, down_interval=0.05, timeout_floor=0.4, still_wedged_after=0.3)
"""A hundredth of the usual waits; their real lengths are tested on a fake clock."""

QUICK_DEADLINES = Deadlines(canary=0.2)


def dog_of(proxy: Proxy, name: str = "parakeet") -> Watchdog:
    """The watchdog of a server."""
    for member in proxy.app[SPARK].members:
        if str(member.name) == name and member.watchdog:
            return member.watchdog
    raise AssertionError(f"no {name}")


async def until(dog: Watchdog, state: State) -> None:
    """Wait for a state, by its transition."""
    reached = asyncio.Event()

    def look(_: ServerName, event: WatchdogEvent) -> None:
        if isinstance(event, Transition) and event.after is state:
            reached.set()

    unsubscribe = dog.subscribe(look)
    try:
        if dog.health.state is not state:
            await reached.wait()
    finally:
        unsubscribe()


async def watched(
    start_proxy: StartProxy,
    folder: Path,
    hearing: FakeServer | None = None,
    speaking: FakeServer | None = None,
    *,
    deadlines: Deadlines = QUICK_DEADLINES,
    policy: Policy = QUICK,
    budget: Budget | None = None,
    limits: Limits | None = None,
    **settings: Unpack[ProxySettings],
) -> Proxy:
    """A proxy whose services are healthy, with a record of its own."""
    usual: ProxySettings = {"watch": True, "state_dir": str(folder)}
    proxy = await start_proxy(
        hearing, speaking, deadlines=deadlines, policy=policy, budget=budget, limits=limits, **usual | settings
    )
    for member in proxy.app[SPARK].members:
        if member.watchdog:
            await until(member.watchdog, State.HEALTHY)
    return proxy


def hook(*heals: tuple[FakeServer, tuple[str, str], Handler]) -> FakeServer:
    """A restart hook that puts these answers back into place."""

    async def restart(request: web.Request) -> web.StreamResponse:
        for server, route, answer in heals:
            server.answers[route] = answer
        return await json({}, status=204)(request)

    return FakeServer({("POST", RESTART): restart})
