"""What to attach to a bug report: no key, no hook, no host, nothing that was said unless the user wants it there."""

import re
from collections.abc import Iterable
from dataclasses import asdict
from enum import Enum
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote

from homeassistant.components.diagnostics import REDACTED, async_redact_data
from homeassistant.const import CONF_API_KEY
from homeassistant.core import HomeAssistant
from homeassistant.util.dt import utc_from_timestamp
from yarl import URL

from .const import CONF_MAGPIE_URL, CONF_MORE_NAMES, CONF_PARAKEET_URL, CONF_PROXY_URL, restart_option
from .coordinator import SparkConfigEntry, SparkCoordinator
from .home_names import Corrections
from .spark_engine.errors import SparkError
from .spark_engine.healing.status import ServerStatus
from .spark_engine.models import Service

TO_REDACT = {
    CONF_API_KEY,
    CONF_MORE_NAMES,
    *(restart_option(service, what) for service in Service for what in ("url", "token", "docker")),
}

_MOMENTS = {"at", "since", "last_success"}


async def async_get_config_entry_diagnostics(_hass: HomeAssistant, entry: SparkConfigEntry) -> dict[str, Any]:
    """Return settings, servers, states and how they came about."""
    coordinator = entry.runtime_data
    document = {
        "title": entry.title,
        "data": async_redact_data(dict(entry.data), TO_REDACT),
        "options": async_redact_data(dict(entry.options), TO_REDACT),
        "last_update_success": coordinator.last_update_success,
        "servers": await _servers(coordinator),
        "voices": [voice.name for voice in coordinator.magpie.voices] if coordinator.magpie else None,
        "names": _names(coordinator.corrections),
        "services": [_readable(asdict(service)) for service in coordinator.data.values()],
    }
    redacted: dict[str, Any] = without(document, pattern(_hosts(entry, coordinator.data.values())))
    return redacted


def _names(corrections: Corrections | None) -> dict[str, Any] | None:
    """Return how often names were put right, and the last ones where the user has switched that on."""
    if corrections is None:
        return None
    last = {"last": [asdict(each) for each in corrections.last]} if corrections.keeps else {}
    return {"corrected": corrections.count, **last}


async def _servers(coordinator: SparkCoordinator) -> dict[str, str]:
    """Return what each server was found out to be."""
    found = {}
    for member in coordinator.spark.members:
        try:
            found[str(member.name)] = str(await member.client.server())
        except SparkError as err:
            found[str(member.name)] = err.message
    return found


def _hosts(entry: SparkConfigEntry, services: Iterable[ServerStatus]) -> Iterable[str]:
    urls = [entry.data.get(key) for key in (CONF_PARAKEET_URL, CONF_MAGPIE_URL, CONF_PROXY_URL)]
    targets = [entry.options.get(restart_option(service, what)) for service in Service for what in ("url", "docker")]
    for url in [*urls, *targets, *(service.url for service in services)]:
        if url and (host := URL(url).host):
            yield host


_ADDRESS = re.compile(
    r"(?<![0-9A-Za-z.])(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)(?![0-9A-Za-z])"
)
"""What may be an address."""

_ENCODED = 3
"""Times that a URL may have been encoded to stand within another one."""


def pattern(hosts: Iterable[str]) -> re.Pattern[str]:
    """Return what finds the names of hosts in every spelling: in any case, and as DNS writes them."""
    spellings = {spelling for host in hosts for spelling in (host, _in_dns(host))}
    # The longest first: one may be part of another.
    names = "|".join(map(re.escape, sorted(spellings, key=len, reverse=True))) or "(?!)"
    return re.compile(rf"(?<![0-9A-Za-z_-])(?:{names})(?![0-9A-Za-z_-])", re.IGNORECASE)


def _in_dns(host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host


def without(value: Any, hosts: re.Pattern[str]) -> Any:
    """Return the same document, hosts hidden wherever they stand: in URLs, in the title, in messages."""
    match value:
        case dict():
            return {key: without(item, hosts) for key, item in value.items()}
        case list() | tuple():
            return [without(item, hosts) for item in value]
        case str():
            return _hidden(value, hosts)
    return value


def _hidden(text: str, hosts: re.Pattern[str]) -> str:
    """Return a text without hosts: no name of one that is set up, and no address at all, be they encoded or not."""
    decoded = text
    for _ in range(_ENCODED):
        decoded = unquote(decoded)
    hidden = _ADDRESS.sub(_redacted_address, hosts.sub(REDACTED, decoded))
    return text if hidden == decoded else hidden


def _redacted_address(found: re.Match[str]) -> str:
    for text in (found[0], found[0].rstrip(":.")):
        try:
            ip_address(text)
        except ValueError:
            continue
        return REDACTED + found[0][len(text) :]
    return found[0]


def _readable(value: Any, key: str = "") -> Any:
    """Moments as dates, enums as their names."""
    match value:
        case dict():
            return {name: _readable(item, name) for name, item in value.items()}
        case list() | tuple() if key == "restarts":
            return [_readable(item, "at") for item in value]
        case list() | tuple():
            return [_readable(item) for item in value]
        case Enum():
            return value.name.lower()
        case int() | float() if key in _MOMENTS:
            return utc_from_timestamp(value).isoformat(timespec="seconds")
    return value
