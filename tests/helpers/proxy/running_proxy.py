"""A running proxy, as the fixtures of the proxy's tests hand it out."""

from dataclasses import dataclass
from typing import Protocol, TypedDict, Unpack

from aiohttp import ClientSession, web
from spark_audio_proxy.app_state import SPARK
from spark_engine.servers.parakeet import Parakeet

from tests.fakes.server import FakeServer


class ProxySettings(TypedDict, total=False):
    """Keyword arguments of `Settings`; those that are left out have its defaults."""

    parakeet_url: str | None
    magpie_url: str | None
    zeroconf: bool | None
    port: int
    api_key: tuple[str, ...]
    protect_lists: bool
    cors_origins: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    unknown_voice: str
    max_upload: int
    bytes_in_flight: int
    max_audio: float
    window: float
    concurrency: int
    queue: int
    parakeet_token: str | None
    magpie_token: str | None
    parakeet_restart_url: str | None
    parakeet_restart_token: str | None
    parakeet_restart_docker: str | None
    parakeet_restart_command: str | None
    parakeet_restart_ssh: str | None
    magpie_restart_url: str | None
    magpie_restart_token: str | None
    watch: bool
    auto_restart: bool
    canary_interval: float
    restart_limit: int
    restart_window: float
    start_grace: float
    state_dir: str | None
    llm_url: str | None
    llm_key: str | None
    metrics: bool


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


class StartProxy(Protocol):
    """Starts a proxy with these settings; URLs that are left out are those of the fakes."""

    async def __call__(
        self, hearing: FakeServer | None = None, speaking: FakeServer | None = None, **settings: Unpack[ProxySettings]
    ) -> Proxy:
        """Start it."""
