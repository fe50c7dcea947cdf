"""A running proxy, as the fixtures of the proxy's tests hand it out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, Unpack

from aiohttp import ClientSession, web
from spark_audio_proxy.app_state import SPARK
from spark_audio_proxy.realtime.limits import Limits
from spark_engine.healing.budget import Budget
from spark_engine.healing.health import Policy
from spark_engine.servers.deadlines import Deadlines
from spark_engine.servers.parakeet import Parakeet

from tests.fakes.server import FakeServer
from tests.helpers.proxy.settings import ProxySettings


@dataclass
class Proxy:
    """A running proxy and the fakes behind it."""

    url: str
    parakeet: FakeServer
    magpie: FakeServer
    client: ClientSession
    app: web.Application
    stop: Callable[[], Awaitable[None]]

    def app_client(self) -> Parakeet:
        """The first Parakeet's client inside the proxy."""
        service = self.app[SPARK].parakeet
        assert service is not None
        return service.members[0].client


class StartProxy(Protocol):
    """Starts a proxy with these settings; URLs that are left out are those of the fakes."""

    async def __call__(
        self,
        hearing: FakeServer | None = None,
        speaking: FakeServer | None = None,
        *,
        deadlines: Deadlines | None = None,
        policy: Policy | None = None,
        budget: Budget | None = None,
        limits: Limits | None = None,
        **settings: Unpack[ProxySettings],
    ) -> Proxy:
        """Start it."""
