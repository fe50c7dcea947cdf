"""The proxy on the network: announced, found, told apart, gone; over multicast DNS on loopback."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import ClientSession
from spark_audio_proxy import announce
from spark_audio_proxy.announce import SERVICE, announcing, machine_addresses, reachable
from spark_audio_proxy.identity import lasting_id
from spark_audio_proxy.logs import TextFormatter, start_logging
from spark_engine import __version__
from zeroconf import ServiceStateChange
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from tests.helpers.proxy.program import serving
from tests.helpers.proxy.settings import ProxySettings

pytestmark = pytest.mark.slow

LOOPBACK = ("127.0.0.1",)
ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
OTHER_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


class Listener:
    """A browser for proxies on the network."""

    def __init__(self, zeroconf: AsyncZeroconf) -> None:
        """Look from now on."""
        self.zeroconf = zeroconf
        self.changes: asyncio.Queue[tuple[ServiceStateChange, str]] = asyncio.Queue()
        self.browser = AsyncServiceBrowser(zeroconf.zeroconf, SERVICE, handlers=[self._heard])

    def _heard(self, zeroconf: object, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        self.changes.put_nowait((state_change, name))

    async def next(self, wanted: ServiceStateChange, port: int) -> AsyncServiceInfo:
        """The proxy at this port, once it comes; other tests and programs may announce theirs."""
        while True:
            change, name = await self.changes.get()
            if change is wanted and (info := await self.ask(name)) and info.port == port:
                return info

    async def gone(self, name: str) -> None:
        """Wait for the goodbye."""
        while (ServiceStateChange.Removed, name) != await self.changes.get():
            pass

    async def ask(self, name: str) -> AsyncServiceInfo | None:
        """What is announced under this name."""
        return await self.zeroconf.async_get_service_info(SERVICE, name)


@pytest.fixture
async def listener() -> AsyncGenerator[Listener]:
    """One that hears loopback only."""
    async with AsyncZeroconf(interfaces=list(LOOPBACK)) as zeroconf:
        listener = Listener(zeroconf)
        yield listener
        await listener.browser.async_cancel()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log warns of."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


ADDED = ServiceStateChange.Added


async def test_what_is_announced(listener: Listener) -> None:
    """Id, version and path, the port and the address; and a goodbye at the end."""
    async with announcing(ID, 40_001, lambda: LOOPBACK):
        info = await listener.next(ADDED, 40_001)
        assert info.properties == {b"id": ID.encode(), b"version": __version__.encode(), b"path": b"/"}
        assert info.parsed_addresses() == list(LOOPBACK)
        assert re.fullmatch(r"Spark Audio on .+", info.get_name())
        assert info.server == f"{ID}.local."
    await listener.gone(info.name)


async def test_two_proxies_on_one_machine(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second takes another name, and both are found."""
    # A name of our own: others may announce theirs on this network.
    host = f"host-{uuid4().hex}"
    monkeypatch.setattr("socket.gethostname", lambda: host)
    async with announcing(ID, 40_002, lambda: LOOPBACK):
        first = await listener.next(ADDED, 40_002)
        async with announcing(OTHER_ID, 40_003, lambda: LOOPBACK):
            second = await listener.next(ADDED, 40_003)
            assert (first.get_name(), second.get_name()) == (f"Spark Audio on {host}", f"Spark Audio on {host}-2")
            assert (first.properties[b"id"], second.properties[b"id"]) == (ID.encode(), OTHER_ID.encode())
        await listener.gone(second.name)
        assert await listener.ask(first.name)


async def test_the_longest_host_name(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS allows 63 bytes."""
    monkeypatch.setattr("socket.gethostname", lambda: "m" * 64 + ".example")
    async with announcing(ID, 40_004, lambda: LOOPBACK):
        assert (await listener.next(ADDED, 40_004)).get_name() == "Spark Audio on " + "m" * 43


async def test_new_addresses_are_announced(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """They come late while a machine boots, and change later: goodbye, and welcome at the new one."""
    monkeypatch.setattr(announce, "LOOK_AGAIN", 0.01)
    addresses: tuple[str, ...] = ()
    async with announcing(ID, 40_005, lambda: addresses):
        addresses = LOOPBACK
        info = await listener.next(ADDED, 40_005)
        assert info.parsed_addresses() == ["127.0.0.1"]
        addresses = ("127.0.0.1", "127.0.0.2")
        await listener.gone(info.name)
        info = await listener.next(ADDED, 40_005)
        assert set(info.parsed_addresses()) == {"127.0.0.1", "127.0.0.2"}


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        (["0.0.0.0"], ("172.17.0.1", "192.0.2.7")),
        (["::"], ("2001:db8::7", "fd00::7")),
        (["0.0.0.0", "::"], ("172.17.0.1", "192.0.2.7", "2001:db8::7", "fd00::7")),
        (["192.0.2.7"], ("192.0.2.7",)),
        (["192.0.2.7", "192.0.2.7", "127.0.0.1"], ("192.0.2.7",)),
        (["127.0.0.1", "::1"], ()),
        (["fe80::7%eth0"], ()),
    ],
)
def test_addresses(bound: list[str], expected: tuple[str, ...]) -> None:
    """All of the machine's where all are listened on; never those that no other machine can use."""
    machine = ["192.0.2.7", "127.0.0.1", "172.17.0.1", "169.254.1.1", "::1", "fd00::7", "2001:db8::7", "fe80::7"]
    assert reachable(bound, machine) == expected


def test_addresses_of_this_machine() -> None:
    assert "127.0.0.1" in machine_addresses()


class Failing:
    """A zeroconf that cannot be started."""

    def __init__(self, errors: list[Exception], failed: asyncio.Event) -> None:
        """Raise these, one at each attempt; after the last, say so and go on raising it."""
        self.errors, self.failed = errors, failed

    def __call__(self, **_: object) -> AsyncZeroconf:
        """Try to start."""
        if len(self.errors) > 1:
            raise self.errors.pop(0)
        self.failed.set()
        raise self.errors[0]


async def test_trouble_is_told_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """However often it is tried again; another kind of trouble is another line."""
    monkeypatch.setattr(announce, "LOOK_AGAIN", 0)
    failed = asyncio.Event()
    no_device, bug = OSError(19, "No such device"), AssertionError()
    monkeypatch.setattr(announce, "AsyncZeroconf", Failing([no_device, no_device, no_device, bug, no_device], failed))
    async with announcing(ID, 40_006, lambda: LOOPBACK):
        await failed.wait()
    said = "The proxy is not announced on the network: "
    assert warnings(caplog)[:2] == [f"{said}[Errno 19] No such device", f"{said}AssertionError"]
    assert len(warnings(caplog)) == 3


async def test_no_address_at_all(caplog: pytest.LogCaptureFixture) -> None:
    """The cable is not plugged in."""
    looked = asyncio.Event()

    def look() -> tuple[str, ...]:
        looked.set()
        return ()

    async with announcing(ID, 40_007, look):
        await looked.wait()
    assert warnings(caplog) == [
        "The proxy is not announced on the network: this machine has no address that others could reach"
    ]


def test_zeroconfs_own_lines_have_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """It shows one for each network that it cannot send to."""
    start_logging("text")
    err = OSError(101, "Network is unreachable")
    logging.getLogger("zeroconf").warning("Error with socket: %s", err, exc_info=err)
    [record] = caplog.records
    assert (
        TextFormatter()
        .format(record)
        .endswith("WARNING zeroconf: Error with socket: [Errno 101] Network is unreachable")
    )


def announcements() -> list[str]:
    """The names of the announcements that are under way."""
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "announcement"]


async def test_a_proxy_is_found_and_says_goodbye(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where it was found it answers, with the id that was announced, before and after a restart."""
    seen = set()
    async with ClientSession(headers={"Authorization": "Bearer key"}) as client:
        for _ in range(2):
            async with serving(monkeypatch, tmp_path) as url:
                info = await listener.next(ADDED, int(url.rpartition(":")[2]))
                [address] = info.parsed_addresses()
                assert info.properties[b"path"] == b"/"
                async with client.get(f"http://{address}:{info.port}/api/status") as response:
                    told = (await response.json())["id"]
                assert info.properties[b"id"] == told.encode()
                seen.add(told)
            await listener.gone(info.name)
    assert seen == {lasting_id(tmp_path)}


@pytest.mark.parametrize(
    "settings",
    [{"zeroconf": None}, {"zeroconf": False}, {"state_dir": "/dev/null"}],
    ids=["loopback", "off", "no place for an id"],
)
async def test_a_proxy_that_is_not_announced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: ProxySettings
) -> None:
    async with serving(monkeypatch, tmp_path, **settings) as url, ClientSession() as client:
        async with client.get(f"{url}/healthz") as response:
            assert response.status == 200
        assert announcements() == []


async def test_a_failing_zeroconf_does_not_stop_the_proxy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One line in the log says why it cannot be found, and the proxy stops as it should."""
    failed = asyncio.Event()
    monkeypatch.setattr(announce, "AsyncZeroconf", Failing([OSError(98, "Address already in use")], failed))
    async with serving(monkeypatch, tmp_path) as url, ClientSession() as client:
        await failed.wait()
        async with client.get(f"{url}/healthz") as response:
            assert response.status == 200
        assert announcements() == ["announcement"]
    [line] = [line for line in warnings(caplog) if "announced" in line]
    assert line == "The proxy is not announced on the network: [Errno 98] Address already in use"
