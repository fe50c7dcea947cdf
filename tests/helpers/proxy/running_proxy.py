"""A running proxy, as the fixtures of the proxy's tests hand it out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import ClientSession, web
from spark_audio_proxy.app_state import SPARK
from spark_engine.servers.parakeet import Parakeet

from tests.fakes.server import FakeServer


@dataclass
class Proxy:
    """A running proxy and the fakes behind it."""

    url: str
    parakeet: FakeServer
    magpie: FakeServer
    client: ClientSession
    app: web.Application

    def app_client(self) -> Parakeet:
        """The first Parakeet's client inside the proxy."""
        service = self.app[SPARK].parakeet
        assert service is not None
        return service.members[0].client


type StartProxy = Callable[..., Awaitable[Proxy]]
