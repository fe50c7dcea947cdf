"""Where a Spark is: URLs and keys as people type them and proxies announce them, and what an entry says of it."""

import re
from collections.abc import Collection, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from aiohttp import ClientSession
from homeassistant.const import CONF_API_KEY, CONF_NAME, CONF_VERIFY_SSL
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from yarl import URL

from .const import (
    CONF_CONNECTION,
    CONF_MAGPIE_URL,
    CONF_PARAKEET_URL,
    CONF_PROXY_URL,
    CONNECTION_DIRECT,
    CONNECTION_PROXY,
)
from .spark_engine.models import Service
from .spark_engine.servers.deadlines import Deadlines
from .spark_engine.spark import ServerAddress, SparkAddress

DEADLINES = Deadlines()
"""How long every client of the integration waits."""


def normalize_url(text: str) -> str:
    """Return one spelling for one server: lower case, no default port, no slash, and no /v1 with what follows it.

    http:// is completed where it is missing. Raises ValueError for what is no http or https URL, and for parts that
    have no place in one here: user and password (they would end up in logs), query and fragment.
    """
    url = URL(_with_scheme(text))
    if (
        url.scheme not in ("http", "https")
        or not url.host
        or url.port == 0
        or any(char.isspace() or char == "," for char in text)
    ):
        raise ValueError("not an http or https URL")
    if url.user is not None or url.password is not None or url.query_string or url.fragment:
        raise ValueError("more than an address")
    url.host.encode("idna")
    # People paste the address of one of its pages, too.
    path = re.sub(r"/v1(/.*)?$", "", url.path, flags=re.IGNORECASE).rstrip("/")
    return str(url.origin()) + str(URL.build(path=path))


def _with_scheme(text: str) -> str:
    """Return the text with http:// in front where it has no scheme, or with the slashes that its scheme lacks."""
    if scheme := re.match(r"(https?):(?:/{1,2}(?!/)|(?![/0-9]))", text, re.IGNORECASE):
        return f"{scheme[1]}://{text[scheme.end() :]}"
    if "://" in text:
        return text
    try:
        return f"http://[{IPv6Address(text)}]"
    except ValueError:
        return "http://" + text.removeprefix("//")


def read_key(text: str) -> str:
    """Return the key. Raises ValueError for what no HTTP header can carry, and for a comma, which separates keys."""
    if not re.fullmatch(r"[!-+\--~]+", text):
        raise ValueError("not a key")
    return text


def title(data: Mapping[str, Any]) -> str:
    """Return what tells one Spark from another: its name, else its hosts."""
    if name := data.get(CONF_NAME):
        return str(name)
    urls = [data.get(name) for name in (CONF_PARAKEET_URL, CONF_MAGPIE_URL, CONF_PROXY_URL)]
    return ", ".join(dict.fromkeys(host(url) for url in urls if url))


def host(url: str) -> str:
    """Return the host of a URL that was normalized."""
    return str(URL(url).host)


def announced_url(info: ZeroconfServiceInfo) -> str | None:
    """Return the URL of a proxy that announces itself, None where the announcement makes none.

    Any machine can announce anything, and Home Assistant would ask there: only the address that it takes the
    announcement to come from counts, and no address of Home Assistant's own machine. `path` in its TXT record is where
    the proxy is served, for one with a prefix.
    """
    if not may_be_announced(info.ip_address):
        return None
    try:
        path = "/" + (info.properties.get("path") or "").lstrip("/")
        return normalize_url(str(URL.build(scheme="http", host=str(info.ip_address), port=info.port, path=path)))
    except ValueError:
        return None


def may_be_announced(address: IPv4Address | IPv6Address) -> bool:
    """Return whether another machine can have this address."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return not (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
    )


def announced_name(info: ZeroconfServiceInfo) -> str:
    """Return the name of a proxy that announces itself: that of its machine, where it says so."""
    return info.name.removesuffix(f".{info.type}").removeprefix("Spark Audio on ")


def follows_announcements(url: str | None) -> bool:
    """Return whether an entry's URL may be changed by an announcement: one of plain http and an IP address.

    A name, or https, was chosen by the user and stays: an announcement would replace it by something weaker.
    """
    if not url or URL(url).scheme != "http":
        return False
    try:
        ip_address(host(url))
    except ValueError:
        return False
    return True


def is_through_proxy(data: Mapping[str, Any]) -> bool:
    """Return whether this entry's services are behind the proxy."""
    return bool(data.get(CONF_CONNECTION, CONNECTION_DIRECT) == CONNECTION_PROXY)


def session_for(hass: HomeAssistant, data: Mapping[str, Any]) -> ClientSession:
    """Home Assistant's own session; the one that takes any certificate where the entry says so."""
    return async_get_clientsession(hass, verify_ssl=data.get(CONF_VERIFY_SSL, True))


def address_for(data: Mapping[str, Any], behind_proxy: Collection[Service] = tuple(Service)) -> SparkAddress:
    """Return where the services are. Through the proxy those that it serves, `behind_proxy`, share its URL."""
    key: str | None = data.get(CONF_API_KEY)

    def servers(service: Service, url: str | None) -> tuple[ServerAddress, ...]:
        if is_through_proxy(data):
            url = data[CONF_PROXY_URL] if service in behind_proxy else None
        return (ServerAddress(url, key),) if url else ()

    return SparkAddress(
        parakeet=servers(Service.PARAKEET, data.get(CONF_PARAKEET_URL)),
        magpie=servers(Service.MAGPIE, data.get(CONF_MAGPIE_URL)),
    )
