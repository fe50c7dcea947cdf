"""Two Sparks with one Parakeet: refused, whichever way each of them reaches it."""

import socket

import pytest
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from yarl import URL

from custom_components.spark_audio.same_spark import Place, addresses
from custom_components.spark_audio.spark_engine.models import Service
from tests.fakes import parakeet as parakeets
from tests.fakes import server as fake
from tests.fakes.proxy import STATUS, proxy, status
from tests.fakes.server import FakeServer, running
from tests.helpers.integration.config_forms import MAGPIE, PARAKEET, PROXY, enter
from tests.helpers.integration.set_up import entry_for

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")


def is_refused(result: ConfigFlowResult) -> bool:
    """Whether the same server was found in another entry."""
    if result["type"] is FlowResultType.CREATE_ENTRY:
        return False
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "same_server")
    return True


def proxy_of(url: str) -> FakeServer:
    """A proxy that has its Parakeet at this URL, as it sees it."""
    server = proxy(["parakeet"])
    document = status(["parakeet"])
    [service] = document["services"] if isinstance(document["services"], list) else []
    server.answers["GET", STATUS] = fake.json(document | {"services": [service | {"url": url}]})
    return server


async def test_sparks_may_share_a_magpie(hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer) -> None:
    """Unless it is all that the second one has."""
    async with running(parakeets.openai()) as other:
        entry_for(parakeet.url, magpie.url.replace("127.0.0.1", "localhost")).add_to_hass(hass)
        assert not is_refused(await enter(hass, **{PARAKEET: other.url, MAGPIE: magpie.url}))
    assert is_refused(await enter(hass, **{MAGPIE: magpie.url}))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_directly_what_a_proxy_has(hass: HomeAssistant, parakeet: FakeServer, host: str) -> None:
    """A proxy on this machine names its own loopback; a slash or /v1 at the end makes no difference."""
    async with running(proxy_of(f"{parakeet.url.replace('127.0.0.1', host)}/v1/")) as server:
        first = await enter(hass, "proxy", **{PROXY: server.url})
        assert first["type"] is FlowResultType.CREATE_ENTRY
        await hass.async_block_till_done()
        assert is_refused(await enter(hass, **{PARAKEET: parakeet.url}))


async def test_through_a_proxy_what_is_there_directly(hass: HomeAssistant, parakeet: FakeServer) -> None:
    entry_for(parakeet.url, None).add_to_hass(hass)
    async with running(proxy_of(parakeet.url)) as server:
        assert is_refused(await enter(hass, "proxy", **{PROXY: server.url}))
    async with running(proxy_of("http://10.20.30.40:9001")) as server:
        assert not is_refused(await enter(hass, "proxy", **{PROXY: server.url}))


async def test_two_proxies_with_one_parakeet(hass: HomeAssistant, parakeet: FakeServer) -> None:
    async with running(proxy_of(parakeet.url)) as first, running(proxy_of(parakeet.url)) as second:
        assert not is_refused(await enter(hass, "proxy", **{PROXY: first.url}))
        await hass.async_block_till_done()
        assert is_refused(await enter(hass, "proxy", **{PROXY: second.url}))


@pytest.mark.parametrize(
    ("url", "proxy_host", "expected"),
    [
        ("http://127.0.0.1:9001", None, {"this machine"}),
        ("http://[::1]:9001", None, {"this machine"}),
        ("http://LOCALHOST:9001", None, {"this machine"}),
        ("http://[::ffff:10.0.0.2]:9001", None, {"10.0.0.2"}),
        ("http://127.0.0.1:9001", "10.0.0.2", {"10.0.0.2"}),
        ("http://10.0.0.3:9001", "10.0.0.2", {"10.0.0.3"}),
        ("http://spark.test.:9001", None, {"10.0.0.9"}),
        ("http://name.invalid:9001", None, {"name.invalid"}),
        ("http://parakeet.invalid:9001", "10.0.0.2", {"parakeet.invalid at 10.0.0.2"}),
    ],
)
async def test_where_a_server_is(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, url: str, proxy_host: str | None, expected: set[str]
) -> None:
    """What is loopback for a proxy is on the proxy's host; a name that only the proxy knows is its own."""

    def resolve(host: str, port: None) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        if host == "spark.test":
            return [(2, 1, 6, "", ("10.0.0.9", 0)), (2, 1, 17, "", ("10.0.0.9", 0))]
        raise OSError("unknown name")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert await addresses(hass, Place(Service.PARAKEET, URL(url), proxy_host)) == expected
