"""Tells the network where the proxy is, so that Home Assistant finds it by itself (multicast DNS, UDP port 5353)."""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from ipaddress import ip_address

import ifaddr
from spark_engine import __version__
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

LOGGER = logging.getLogger(__name__)

SERVICE = "_spark-audio._tcp.local."

LOOK_AGAIN = 60.0
"""Seconds between two looks at the machine's addresses: while it boots they come late, and later they change."""

LONGEST_NAME = 58
"""Bytes: DNS allows 63, and a name that is taken gets a number."""

_OF_CONTAINERS = ("br-", "cali", "cni", "docker", "flannel", "hassio", "lxc", "lxdbr", "podman", "veth", "virbr")
"""How networks begin that no other machine can reach."""

type Look = Callable[[], tuple[str, ...]]
"""Tells the addresses that others can reach the proxy at."""


def reachable(bound: Iterable[str], machine: Iterable[str]) -> tuple[str, ...]:
    """Return what to announce of the addresses that are listened on: 0.0.0.0 and :: stand for all of the machine's.

    No other machine can use loopback, nor a link-local address without knowing on which of its networks it is.
    """
    own, found = [ip_address(text) for text in machine], set()
    for address in map(ip_address, bound):
        found |= {other for other in own if other.version == address.version} if address.is_unspecified else {address}
    usable = [address for address in found if not (address.is_loopback or address.is_link_local)]
    return tuple(map(str, sorted(usable, key=lambda address: (address.version, address.packed))))


def machine_addresses() -> list[str]:
    """Return all addresses of all network interfaces but those of containers: Home Assistant asks at one of them."""
    return [
        address.ip if isinstance(address.ip, str) else address.ip[0]
        for adapter in ifaddr.get_adapters()
        if not adapter.name.startswith(_OF_CONTAINERS)
        for address in adapter.ips
    ]


@asynccontextmanager
async def announcing(proxy_id: str, port: int, look: Look) -> AsyncGenerator[None]:
    """Announce the proxy while inside, and say goodbye at the end. What fails is told in the log, nowhere else."""
    task = asyncio.create_task(_announce(proxy_id, port, look), name="announcement")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _announce(proxy_id: str, port: int, look: Look) -> None:
    """Announce until cancelled; one warning for each kind of trouble, however long it lasts."""
    told = ""
    while True:
        try:
            await _announce_at(look(), proxy_id, port, look)
            told = ""
        except Exception as err:  # noqa: BLE001 - whatever zeroconf meets on a network, the proxy goes on serving
            if (trouble := str(err) or type(err).__name__) != told:
                LOGGER.warning("The proxy is not announced on the network: %s", trouble)
            told = trouble
            await asyncio.sleep(LOOK_AGAIN)


async def _announce_at(addresses: tuple[str, ...], proxy_id: str, port: int, look: Look) -> None:
    """Announce for as long as these are the addresses."""
    if not addresses:
        raise OSError("this machine has no address that others could reach")
    info = AsyncServiceInfo(
        SERVICE,
        f"{_name()}.{SERVICE}",
        port=port,
        properties={"id": proxy_id, "version": __version__, "path": "/"},
        # Not the machine's own name: the service that answers for that would see a conflict.
        server=f"{proxy_id}.local.",
        parsed_addresses=list(addresses),
    )
    async with AsyncZeroconf(interfaces=list(addresses)) as zeroconf:
        await (await zeroconf.async_register_service(info, allow_name_change=True))
        LOGGER.info('Announced as "%s" at %s, port %d', info.get_name(), ", ".join(addresses), port)
        while look() == addresses:  # noqa: ASYNC110 - an address has no event to wait for
            await asyncio.sleep(LOOK_AGAIN)


def _name() -> str:
    host = socket.gethostname().partition(".")[0]
    return f"Spark Audio on {host}".encode()[:LONGEST_NAME].decode(errors="ignore")
