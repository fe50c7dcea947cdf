"""A Spark behind the proxy, which watches it: Home Assistant shows what the proxy sees."""

from collections.abc import Iterable
from datetime import timedelta
from typing import TypedDict, override

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_API_KEY
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed, ConfigEntryNotReady
from homeassistant.helpers.update_coordinator import UpdateFailed

from .addresses import DEADLINES, address_for, session_for
from .const import CONF_PROXY_URL, DOMAIN
from .coordinator import POLL, SparkConfigEntry, SparkCoordinator, Statuses, away
from .spark_engine.errors import SparkError, Unauthorized
from .spark_engine.healing.health import State
from .spark_engine.healing.proxy_client import ProxyClient
from .spark_engine.healing.status import ServerStatus
from .spark_engine.models import ServerName
from .spark_engine.servers.transport import Transport
from .spark_engine.spark import Spark, SparkAddress

FAST_POLL = timedelta(seconds=5)
"""While something is not healthy: a restart takes seconds, and people look at it."""


class ProxyCoordinator(SparkCoordinator):
    """Asks the proxy how the services are, and passes on what is asked of them."""

    def __init__(self, hass: HomeAssistant, entry: SparkConfigEntry) -> None:
        """Nothing is sent yet. What the Spark has is known after the first refresh."""
        super().__init__(hass, entry)
        self._session = session_for(hass, entry.data)
        key: str | None = entry.data.get(CONF_API_KEY)
        self._client = ProxyClient(Transport(self._session, entry.data[CONF_PROXY_URL], key, DEADLINES))
        self.spark = Spark(self._session, SparkAddress())
        self._offered: frozenset[tuple[ServerName, bool, bool]] = frozenset()
        self._is_away = False

    @override
    async def _async_setup(self) -> None:
        await self.store.load()
        try:
            status = await self._client.status()
            self._learn_id(status.proxy_id)
            servers = status.servers
        except Unauthorized as err:
            raise ConfigEntryAuthFailed(**_about(err, translation_key="proxy_unauthorized")) from err
        except SparkError as err:
            servers = self.store.spark.servers
            if not servers:
                raise ConfigEntryNotReady(**_about(err, translation_key="proxy_away")) from err
        if not servers:
            raise ConfigEntryNotReady(translation_domain=DOMAIN, translation_key="proxy_serves_nothing")
        await self.store.learn(servers)
        self._offered = _offered(servers)
        self.data = {server.name: server for server in self.store.spark.servers}
        behind = {server.name.service for server in servers}
        self.spark = Spark(self._session, address_for(self.config_entry.data, behind), deadlines=DEADLINES)
        await self._find_voices()

    @override
    async def _async_update_data(self) -> Statuses:
        before = self.data
        try:
            servers = (await self._client.status()).servers
        except Unauthorized as err:
            self.data = away(before, State.UNKNOWN, err.message)
            raise ConfigEntryAuthFailed(**_about(err, translation_key="proxy_unauthorized")) from err
        except SparkError as err:
            self._is_away = True
            self.data = away(before, State.UNREACHABLE, err.message)
            self.update_interval = FAST_POLL
            if self.config_entry.state is ConfigEntryState.SETUP_IN_PROGRESS:
                # It answered once: entities are set up, and show that it is away.
                return self.data
            # Home Assistant tells listeners of the first failure alone, and an outage gets longer.
            self.async_update_listeners()
            raise UpdateFailed(**_about(err, translation_key="proxy_away")) from err
        self._is_away = False
        now = {server.name: server for server in servers}
        well = all(server.state is State.HEALTHY or not server.watched for server in servers)
        self.update_interval = POLL if well else FAST_POLL
        self._look_at_voices(before, now)
        self._reload_for_other_servers(servers)
        return now

    @override
    def start(self) -> None:
        """Nothing to do: the proxy watches."""

    @override
    def address_of(self, server: ServerStatus) -> str:
        return str(self.config_entry.data[CONF_PROXY_URL]) if self._is_away else server.url

    @override
    async def _restart(self, name: ServerName) -> None:
        await self._client.restart(name)

    @override
    async def _check(self, name: ServerName) -> None:
        await self._client.check(name)

    @callback
    def _learn_id(self, proxy_id: str | None) -> None:
        """Keep the id of a proxy that told none when it was added, or else it is offered again once it announces it."""
        entries = self.hass.config_entries
        if self.config_entry.unique_id or not proxy_id or entries.async_entry_for_domain_unique_id(DOMAIN, proxy_id):
            return
        entries.async_update_entry(self.config_entry, unique_id=proxy_id)

    @callback
    def _reload_for_other_servers(self, servers: Iterable[ServerStatus]) -> None:
        """The proxy was started with other settings: other entities are needed."""
        if (offered := _offered(servers)) != self._offered:
            self._offered = offered
            self.hass.config_entries.async_schedule_reload(self.config_entry.entry_id)


def _offered(servers: Iterable[ServerStatus]) -> frozenset[tuple[ServerName, bool, bool]]:
    """Return what decides which entities there are."""
    return frozenset((server.name, server.watched, server.restart_target is not None) for server in servers)


class _About(TypedDict):
    translation_domain: str
    translation_key: str
    translation_placeholders: dict[str, str]


def _about(err: SparkError, *, translation_key: str) -> _About:
    return _About(
        translation_domain=DOMAIN,
        translation_key=translation_key,
        translation_placeholders={"reason": err.quoted},
    )
