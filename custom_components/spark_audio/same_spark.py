"""Whether a Parakeet belongs to another Spark already: by its own URL, through a proxy, or by another name."""

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import CONF_API_KEY
from homeassistant.core import HomeAssistant
from yarl import URL

from .addresses import DEADLINES, is_through_proxy, session_for
from .const import CONF_MAGPIE_URL, CONF_PARAKEET_URL, CONF_PROXY_URL, DOMAIN
from .spark_engine.errors import SparkError
from .spark_engine.healing.proxy_client import ProxyClient
from .spark_engine.healing.status import ServerStatus
from .spark_engine.models import Service
from .spark_engine.servers.transport import Transport

LOOPBACK = "this machine"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is: its URL, and the host of the proxy that this URL is seen from, if any."""

    service: Service
    url: URL
    proxy_host: str | None = None

    def may_be(self, other: Place) -> bool:
        """Return whether all but the host is the same."""
        return (self.service, self.url.port, _path(self.url)) == (other.service, other.url.port, _path(other.url))


async def spark_with_same_server(
    hass: HomeAssistant, data: Mapping[str, Any], besides: ConfigEntry | None
) -> ConfigEntry | None:
    """Return the other entry with the same Parakeet, None where there is none; as far as that is known.

    Two Sparks may share a Magpie, unless it is all that the new one has.
    """
    entries = [entry for entry in hass.config_entries.async_entries(DOMAIN) if entry is not besides]
    wanted = places(data, await _behind_proxy(hass, data)) if entries else []
    wanted = [place for place in wanted if place.service is Service.PARAKEET] or wanted
    for entry in entries:
        is_known = entry.state is ConfigEntryState.LOADED and is_through_proxy(entry.data)
        for place in places(entry.data, entry.runtime_data.data.values() if is_known else ()):
            for other in filter(place.may_be, wanted):
                is_same = (place.url.host, place.proxy_host) == (other.url.host, other.proxy_host)
                if is_same or await addresses(hass, place) & await addresses(hass, other):
                    return entry
    return None


async def _behind_proxy(hass: HomeAssistant, data: Mapping[str, Any]) -> Iterable[ServerStatus]:
    if not is_through_proxy(data):
        return ()
    transport = Transport(session_for(hass, data), data[CONF_PROXY_URL], data.get(CONF_API_KEY), DEADLINES)
    try:
        return (await ProxyClient(transport).status()).servers
    except SparkError:
        # It is added all the same: what it serves is not known then.
        return ()


def places(data: Mapping[str, Any], behind: Iterable[ServerStatus]) -> list[Place]:
    """Return where the servers of a Spark are; `behind` are those behind its proxy, as the proxy sees them."""
    if is_through_proxy(data):
        proxy = URL(data[CONF_PROXY_URL]).host
        return [Place(server.name.service, URL(server.url), proxy) for server in behind if server.url]
    own = ((Service.PARAKEET, CONF_PARAKEET_URL), (Service.MAGPIE, CONF_MAGPIE_URL))
    return [Place(service, URL(data[name])) for service, name in own if data.get(name)]


async def addresses(hass: HomeAssistant, place: Place) -> set[str]:
    """Return the addresses of a host, and its name where it has none. What is local to a proxy is so to its host."""
    host = str(place.url.host).rstrip(".").lower()
    found = await _resolved(hass, host)
    if place.proxy_host is None:
        return found or {host}
    if found == {LOOPBACK}:
        return await _resolved(hass, place.proxy_host) or {place.proxy_host}
    # A name that only the proxy knows, of a container for example.
    return found or {f"{host} at {place.proxy_host}"}


async def _resolved(hass: HomeAssistant, host: str) -> set[str]:
    if host == "localhost":
        return {LOOPBACK}
    try:
        return {_address(host)}
    except ValueError:
        pass
    try:
        found = await hass.async_add_executor_job(socket.getaddrinfo, host, None)
    except OSError:
        return set()
    return {_address(str(each[4][0])) for each in found}


def _address(text: str) -> str:
    """Return one spelling of an IP address. Raises ValueError for a name."""
    address = ip_address(text.partition("%")[0])
    return LOOPBACK if address.is_loopback else str(getattr(address, "ipv4_mapped", None) or address)


def _path(url: URL) -> str:
    return url.path.rstrip("/").removesuffix("/v1").rstrip("/")
