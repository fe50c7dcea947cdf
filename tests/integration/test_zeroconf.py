"""Proxies that announce themselves: found, added with one click or a key, and followed when they move."""

import json
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from homeassistant.config_entries import SOURCE_IGNORE, SOURCE_ZEROCONF, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_socket import socket_allow_hosts
from yarl import URL

from custom_components.spark_audio.addresses import announced_url
from custom_components.spark_audio.const import DOMAIN
from tests.fakes import faults
from tests.fakes.proxy import proxy
from tests.fakes.server import FakeServer, running
from tests.helpers.integration.config_forms import KEY, PROXY, submit, through_proxy
from tests.helpers.integration.option_forms import suggested
from tests.helpers.integration.watched import KEY as REAL_KEY
from tests.helpers.integration.watched import real_proxy

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")


@pytest.fixture
def loopback_announces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests have no other address."""
    monkeypatch.setattr("custom_components.spark_audio.addresses.may_be_announced", lambda _: True)


def announcement(addresses: Sequence[str], port: int | None, **properties: Any) -> ZeroconfServiceInfo:
    """What Home Assistant makes of it; the address that it would take comes first."""
    return ZeroconfServiceInfo(
        ip_address=ip_address(addresses[0]),
        ip_addresses=[ip_address(address) for address in addresses],
        port=port,
        hostname="spark.local.",
        type="_spark-audio._tcp.local.",
        name="Spark Audio on spark-1._spark-audio._tcp.local.",
        properties={"id": "1234", "version": "0.1.0", "path": "/", **properties},
    )


async def announce(hass: HomeAssistant, url: str, **properties: Any) -> ConfigFlowResult:
    """What comes of an announcement."""
    return await take_up(hass, announcement([URL(url).host or ""], URL(url).port, **properties))


async def take_up(hass: HomeAssistant, info: ZeroconfServiceInfo) -> ConfigFlowResult:
    """The same, of one with several addresses."""
    return await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_ZEROCONF}, data=info)


@pytest.mark.usefixtures("loopback_announces")
async def test_found_without_key(hass: HomeAssistant) -> None:
    """Nothing has to be typed where the proxy wants no key."""
    async with running(proxy()) as server:
        form = await announce(hass, server.url)
        assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "zeroconf_confirm")
        assert form["data_schema"] is not None
        assert suggested(form) == {"name": "spark-1"}
        assert form["description_placeholders"] is not None
        assert form["description_placeholders"]["name"] == "127.0.0.1"
        [flow] = hass.config_entries.flow.async_progress()
        assert flow["context"]["title_placeholders"] == {"name": "127.0.0.1"}
        result = await hass.config_entries.flow.async_configure(form["flow_id"], {})
        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert (result["data"], result["result"].unique_id) == (through_proxy(server.url), "1234")
        await hass.async_block_till_done()


@pytest.mark.usefixtures("loopback_announces")
async def test_found_with_key(hass: HomeAssistant) -> None:
    """The key is asked for, and a wrong one refused."""
    async with running(proxy(key=KEY)) as server:
        form = await announce(hass, server.url)
        assert form["data_schema"] is not None
        assert [str(field) for field in form["data_schema"].schema] == ["api_key", "name"]
        configure = hass.config_entries.flow.async_configure
        form = await configure(form["flow_id"], {"api_key": "wrong"})
        assert form["errors"] == {"api_key": "unauthorized"}
        form = await configure(form["flow_id"], {"api_key": "not a key"})
        assert form["errors"] == {"api_key": "invalid_key"}
        result = await configure(form["flow_id"], {"api_key": KEY})
        assert result["data"] == through_proxy(server.url, KEY)
        await hass.async_block_till_done()


@pytest.mark.usefixtures("loopback_announces")
async def test_fails_after_it_was_found(hass: HomeAssistant) -> None:
    """The URL is not a field of the form, so the error is above it."""
    async with running(proxy()) as server:
        form = await announce(hass, server.url)
        server.answers.clear()
        form = await hass.config_entries.flow.async_configure(form["flow_id"], {})
    assert form["errors"] == {"base": "not_proxy"}


@pytest.mark.usefixtures("loopback_announces")
@pytest.mark.parametrize("path", ["/speech", "/speech/", "speech"])
async def test_under_a_prefix(hass: HomeAssistant, path: str) -> None:
    """Its announcement says where on the host it is."""
    async with running(proxy()) as server:
        server.answers = {(method, f"/speech{route}"): answer for (method, route), answer in server.answers.items()}
        form = await announce(hass, server.url, path=path)
        result = await hass.config_entries.flow.async_configure(form["flow_id"], {})
        assert result["data"][PROXY] == f"{server.url}/speech"
        await hass.async_block_till_done()


@pytest.mark.parametrize(
    ("addresses", "port", "path", "urls"),
    [
        (["192.0.2.1"], 8600, None, ["http://192.0.2.1:8600"]),
        (["fd00::1"], 8600, "/", ["http://[fd00::1]:8600"]),
        (["192.0.2.1"], 80, "/a b", ["http://192.0.2.1/a%20b"]),
        (["192.0.2.1"], None, "/", ["http://192.0.2.1"]),
        (["192.0.2.1"], 99_999, "/", []),
        (["192.0.2.1"], 8600, "/a,b", []),
        (["192.0.2.1", "fe80::1", "172.17.0.1", "127.0.0.1"], 80, "/", ["http://192.0.2.1"]),
        (["172.16.0.1", "192.0.2.1"], 80, "/", ["http://172.16.0.1"]),
        (["2001:db8::1"], 80, "/", ["http://[2001:db8::1]"]),
        *(
            ([address, "192.0.2.1"], 8600, "/", [])
            for address in (
                *("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "169.254.169.254", "fe80::1"),
                *("224.0.0.251", "ff02::fb", "255.255.255.255", "::ffff:169.254.1.1"),
            )
        ),
    ],
)
def test_urls_of_announcements(addresses: list[str], port: int | None, path: str | None, urls: list[str]) -> None:
    """One address, the one that the announcement comes from, and none of this machine; what makes no URL makes none."""
    assert announced_url(announcement(addresses, port, path=path)) == next(iter(urls), None)


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.1.1", "::1"])
async def test_this_machine_is_not_asked(hass: HomeAssistant, address: str) -> None:
    """Any machine can announce anything, at an address and a port of its choice."""
    async with running(proxy()) as server:
        result = await take_up(hass, announcement([address], URL(server.url).port))
        assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "not_proxy")
        assert server.asked == []


@pytest.mark.usefixtures("loopback_announces")
async def test_only_the_first_address_is_asked(hass: HomeAssistant) -> None:
    """The others are of the announcer's choice."""
    socket_allow_hosts(["127.0.0.1", "127.0.0.2"], allow_unix_socket=True)
    async with running(proxy()) as server:
        result = await take_up(hass, announcement(["127.0.0.2", "127.0.0.1"], URL(server.url).port))
        assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "not_usable")
        assert server.asked == []


@pytest.mark.usefixtures("loopback_announces")
async def test_another_proxy_at_that_address(hass: HomeAssistant) -> None:
    """Container networks have the same addresses on every machine: what the proxy itself tells counts."""
    async with running(proxy(proxy_id="5678")) as server:
        form = await announce(hass, server.url)
        result = await hass.config_entries.flow.async_configure(form["flow_id"], {})
        assert result["result"].unique_id == "5678"
        await hass.async_block_till_done()
        assert (await announce(hass, server.url))["reason"] == "already_configured"


@pytest.mark.usefixtures("loopback_announces")
@pytest.mark.parametrize("properties", [{"id": ""}, {"id": None}, {"path": "/a,b"}])
async def test_no_proxy_of_ours(hass: HomeAssistant, properties: dict[str, Any]) -> None:
    """Without an id it could not be told from another."""
    result = await announce(hass, "http://127.0.0.1:1", **properties)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "not_proxy")


@pytest.mark.usefixtures("loopback_announces")
async def test_does_not_answer(hass: HomeAssistant) -> None:
    result = await announce(hass, faults.refused())
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "not_usable")


@pytest.mark.usefixtures("loopback_announces")
async def test_known_by_id_and_moved(hass: HomeAssistant) -> None:
    """A proxy with a new address takes its entry with it."""
    entry = MockConfigEntry(domain=DOMAIN, data=through_proxy(faults.refused(), KEY), unique_id="1234")
    entry.add_to_hass(hass)
    async with running(proxy(key=KEY)) as server:
        result = await announce(hass, server.url)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert entry.data == through_proxy(server.url, KEY)


@pytest.mark.usefixtures("loopback_announces")
async def test_known_and_still_there(hass: HomeAssistant) -> None:
    """Where it answers, it stays: its container's address, or another machine with its id, takes nothing over."""
    async with running(proxy(key=KEY)) as server, running(proxy(key=KEY)) as other:
        entry = MockConfigEntry(domain=DOMAIN, data=through_proxy(server.url, KEY), unique_id="1234")
        entry.add_to_hass(hass)
        result = await announce(hass, other.url)
    assert result["reason"] == "already_configured"
    assert entry.data[PROXY] == server.url


@pytest.mark.usefixtures("loopback_announces")
async def test_known_and_nowhere(hass: HomeAssistant) -> None:
    """An address that does not answer is no better than the old one."""
    gone = faults.refused()
    entry = MockConfigEntry(domain=DOMAIN, data=through_proxy(gone, KEY), unique_id="1234")
    entry.add_to_hass(hass)
    result = await announce(hass, faults.refused())
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "not_usable")
    assert entry.data[PROXY] == gone


@pytest.mark.usefixtures("loopback_announces")
async def test_moved_to_another_entrys_address(hass: HomeAssistant) -> None:
    """Two entries never get the same URL."""
    entry = MockConfigEntry(domain=DOMAIN, data=through_proxy(faults.refused(), KEY), unique_id="1234")
    entry.add_to_hass(hass)
    before = dict(entry.data)
    async with running(proxy(key=KEY)) as server:
        MockConfigEntry(domain=DOMAIN, data=through_proxy(server.url, KEY)).add_to_hass(hass)
        result = await announce(hass, server.url)
    assert result["reason"] == "already_configured"
    assert entry.data == before


@pytest.mark.usefixtures("loopback_announces")
@pytest.mark.parametrize("url", ["http://spark.local:8600", "https://192.0.2.1:8600", "https://spark.example"])
async def test_a_chosen_address_stays(hass: HomeAssistant, url: str) -> None:
    """A name or https is not replaced by the address and http of an announcement, which needs no authentication."""
    entry = MockConfigEntry(domain=DOMAIN, data=through_proxy(url, KEY), unique_id="1234")
    entry.add_to_hass(hass)
    result = await announce(hass, "http://127.0.0.1:8601")
    assert result["reason"] == "already_configured"
    assert entry.data[PROXY] == url


@pytest.mark.usefixtures("loopback_announces")
async def test_known_by_url(hass: HomeAssistant) -> None:
    """One that was added by hand, and has told no id, is not offered again."""
    MockConfigEntry(domain=DOMAIN, data=through_proxy("http://127.0.0.1:8601")).add_to_hass(hass)
    result = await announce(hass, "http://127.0.0.1:8601")
    assert result["reason"] == "already_configured"


@pytest.mark.usefixtures("loopback_announces")
async def test_added_by_hand_under_another_name(hass: HomeAssistant) -> None:
    """The id tells that it is the same."""
    MockConfigEntry(domain=DOMAIN, data=through_proxy("http://spark.local"), unique_id="1234").add_to_hass(hass)
    result = await announce(hass, "http://127.0.0.1:8601")
    assert result["reason"] == "already_configured"


@pytest.mark.usefixtures("loopback_announces")
async def test_announced_and_then_added_by_hand(hass: HomeAssistant) -> None:
    """The same from the other side: one entry, under whatever URL it is entered."""
    async with running(proxy(proxy_id="1234")) as server, running(proxy(proxy_id="1234")) as elsewhere:
        form = await announce(hass, server.url)
        result = await hass.config_entries.flow.async_configure(form["flow_id"], {})
        assert result["type"] is FlowResultType.CREATE_ENTRY
        result = await submit(hass, "proxy", **{PROXY: elsewhere.url})
        assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
        await hass.async_block_till_done()


@pytest.mark.usefixtures("loopback_announces")
async def test_added_by_hand_while_it_is_offered(hass: HomeAssistant) -> None:
    """The offer goes away."""
    async with running(proxy(proxy_id="1234")) as server:
        await announce(hass, server.url)
        result = await submit(hass, "proxy", **{PROXY: server.url})
        assert result["type"] is FlowResultType.CREATE_ENTRY
        await hass.async_block_till_done()
    assert hass.config_entries.flow.async_progress() == []


@pytest.mark.usefixtures("loopback_announces")
async def test_ignored(hass: HomeAssistant) -> None:
    MockConfigEntry(domain=DOMAIN, data={}, unique_id="1234", source=SOURCE_IGNORE).add_to_hass(hass)
    result = await announce(hass, "http://127.0.0.1:8601")
    assert result["reason"] == "already_configured"


@pytest.mark.slow
@pytest.mark.usefixtures("loopback_announces")
class TestTheRealProxy:
    """Against the proxy itself, in a process of its own."""

    async def test_added_by_its_url_and_then_announced(
        self, hass: HomeAssistant, parakeet: FakeServer, tmp_path: Path
    ) -> None:
        """Its status tells the id that it announces: it is not offered again, before and after a restart of its own."""
        async with real_proxy(tmp_path, parakeet_url=parakeet.url) as url:
            result = await submit(hass, "proxy", **{PROXY: url, "api_key": REAL_KEY})
            entry = result["result"]
            assert entry.unique_id == json.loads((tmp_path / "proxy.json").read_text())["id"]
            await hass.async_block_till_done()
            result = await announce(hass, faults.refused(), id=entry.unique_id)
            assert result["reason"] == "already_configured"
            assert entry.data[PROXY] == url
        async with real_proxy(tmp_path, parakeet_url=parakeet.url) as moved:
            result = await announce(hass, moved, id=json.loads((tmp_path / "proxy.json").read_text())["id"])
            assert result["reason"] == "already_configured"
            assert entry.data[PROXY] == moved
            await hass.async_block_till_done()
