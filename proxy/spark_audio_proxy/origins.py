"""Which requests a web page of another origin may have made. Pure decisions on what browsers send.

A page that is open on this machine or in this house can send requests here, and where its name is made to
point here (DNS rebinding) it can read the answers as well. A key keeps such pages out: they do not have it. Where there
is none, these do.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping
from functools import lru_cache

from .config import is_loopback

ANY = "*"

_SAFE = ("GET", "HEAD", "OPTIONS")
_HOST = re.compile(r"(?P<name>[^\s:@/\[\]]+|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?")

_PRIVATE = (".localhost", ".local", ".internal", ".home.arpa", ".lan", ".home")
"""Ends of names that cannot be registered (RFC 6761, 6762 with appendix G, 8375), so that no website has one."""

_FORWARDED = re.compile(
    r"(?:x-)?forwarded(?:-.*)?|x-original-.*|via|cdn-loop|.*-(?:client|real|connecting|proxyuser)-ip|x-envoy-.*|tailscale-.*",
    re.IGNORECASE,
)
"""Headers that reverse proxies, content networks and tunnels add; no client sends one of itself."""


def host_name(host: str) -> str | None:
    """Return the name in a Host header, without port and brackets, in lower case; None where it cannot be read."""
    match = _HOST.fullmatch(host)
    return match["name"].strip("[]").rstrip(".").lower() if match else None


def is_own_host(host: str, allowed: Collection[str]) -> bool:
    """Return whether that Host is a machine in this house: no website can have that name.

    An address is (who asks by it was not led here by a name), and so is a name that only a local network can know.
    """
    name = host_name(host)
    if name is None:
        return False
    return "." not in name or _is_address(name) or name.endswith(_PRIVATE) or name in allowed or ANY in allowed


def is_loopback_host(host: str) -> bool:
    """Return whether a Host header means this machine, and nothing but it."""
    return is_loopback(host_name(host) or "")


def is_foreign(method: str, headers: Mapping[str, str], allowed_origins: Collection[str]) -> bool:
    """Return whether a page of another origin sends what may have an effect; only browsers say so of themselves."""
    origin = headers.get("Origin")
    has_effect = method not in _SAFE or is_websocket(headers)
    if not has_effect or ANY in allowed_origins or origin in allowed_origins:
        return False
    if site := headers.get("Sec-Fetch-Site"):
        return site not in ("same-origin", "none")
    return is_other_origin(headers)


def is_websocket(headers: Mapping[str, str]) -> bool:
    """Return whether a WebSocket is to be opened: a GET that browsers let every page send, and read."""
    return headers.get("Upgrade", "").lower() == "websocket"


def is_other_origin(headers: Mapping[str, str]) -> bool:
    """Return whether a page asks that was not loaded from here. Its scheme does not count: a proxy may add TLS."""
    origin = headers.get("Origin")
    return origin is not None and origin.partition("://")[2].lower() != headers.get("Host", "").lower()


def was_forwarded(headers: Mapping[str, str]) -> bool:
    """Return whether another proxy passes this on: then its address says nothing about the caller."""
    return any(map(_FORWARDED.fullmatch, headers))


@lru_cache(64)
def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
