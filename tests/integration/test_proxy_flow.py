"""Adding a Spark through the proxy: the key, the proxy and what is behind it, each told apart when it fails."""

from ssl import SSLContext

import pytest
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spark_audio.const import DOMAIN
from custom_components.spark_audio.spark_engine.servers.deadlines import Deadlines
from tests.fakes import faults
from tests.fakes import server as fake
from tests.fakes.magpie import SPEECH
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.proxy import STATUS, proxy
from tests.fakes.server import FakeServer, Handler, running
from tests.helpers.integration.config_forms import KEY, PROXY, direct, reconfigure, submit, through_proxy
from tests.helpers.integration.deadlines import shorten
from tests.helpers.integration.set_up import set_up

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")


async def test_through_the_proxy(hass: HomeAssistant) -> None:
    """Its status is read with the key, a recording is transcribed and the voices are listed through it."""
    async with running(proxy(key=KEY, proxy_id="1234")) as server:
        result = await submit(hass, "proxy", **{PROXY: f"{server.url}/v1/", "api_key": f" {KEY} "})
        assert result["type"] is FlowResultType.CREATE_ENTRY, result
        assert result["data"] == through_proxy(server.url, KEY)
        assert result["result"].unique_id == "1234"
        assert result["title"] == "127.0.0.1"
        asked = [(asked.method, asked.path) for asked in server.asked]
        assert {("GET", STATUS), ("POST", TRANSCRIPTIONS), ("GET", "/v1/audio/voices")} <= set(asked)
        await hass.async_block_till_done()
        assert result["result"].state is ConfigEntryState.LOADED
        assert {state.domain for state in hass.states.async_all(["stt", "tts"])} == {"stt", "tts"}


@pytest.mark.parametrize(
    ("services", "domain"),
    [
        (["parakeet", "parakeet-2"], "stt"),
        (["magpie"], "tts"),
        (["cockatoo", "parakeet", "parakeet-x", "kitchen speaker"], "stt"),
    ],
)
async def test_only_what_the_proxy_serves(hass: HomeAssistant, services: list[str], domain: str) -> None:
    """What is not behind the proxy is neither tried nor set up."""
    async with running(proxy(services)) as server:
        result = await submit(hass, "proxy", **{PROXY: server.url})
        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert (server.posts(TRANSCRIPTIONS) != []) is (domain == "stt")
        await hass.async_block_till_done()
        assert {state.domain for state in hass.states.async_all(["stt", "tts"])} == {domain}


@pytest.mark.parametrize("key", [None, "wrong"])
async def test_key_is_wrong(hass: HomeAssistant, key: str | None) -> None:
    """It is the key's field that is wrong then, and the right one may follow."""
    async with running(proxy(key=KEY)) as server:
        result = await submit(hass, "proxy", **{PROXY: server.url, **({"api_key": key} if key else {})})
        assert (result["type"], result["errors"]) == (FlowResultType.FORM, {"api_key": "unauthorized"})
        result = await hass.config_entries.flow.async_configure(result["flow_id"], {PROXY: server.url, "api_key": KEY})
        assert result["type"] is FlowResultType.CREATE_ENTRY
        await hass.async_block_till_done()


@pytest.mark.parametrize("key", ["two words", "one,two", "schlüssel", "line\nbreak"])
async def test_key_that_no_header_can_carry(hass: HomeAssistant, key: str) -> None:
    """It is refused before any server is called."""
    result = await submit(hass, "proxy", **{PROXY: faults.refused(), "api_key": key})
    assert result["errors"] == {"api_key": "invalid_key"}


STATUSES: dict[str, tuple[Handler, str]] = {
    "no key set there": (fake.json({"error": {"message": "loopback only"}}, status=403), "proxy_without_key"),
    "nothing there": (fake.json({"detail": "Not Found"}, status=404), "not_proxy"),
    "web page": (fake.text("<html>It works!</html>", content_type="text/html"), "not_proxy"),
    "another status": (fake.json({"status": "ok"}), "not_proxy"),
    "half a status": (fake.json({"automatic_restarts": True, "restart_limit": 3, "services": []}), "not_proxy"),
    "500": (fake.text("Internal Server Error", status=500), "server_fault"),
    "starting": (fake.json({"detail": "starting"}, status=503), "busy"),
}


@pytest.mark.parametrize(("answer", "error"), STATUSES.values(), ids=STATUSES.keys())
async def test_proxy_answers_wrongly(hass: HomeAssistant, answer: Handler, error: str) -> None:
    """The URL's field tells what is there instead."""
    async with running(proxy()) as server:
        server.answers["GET", STATUS] = answer
        result = await submit(hass, "proxy", **{PROXY: server.url})
        assert result["errors"] == {PROXY: error}
        assert server.posts(TRANSCRIPTIONS) == []


async def test_proxy_without_services(hass: HomeAssistant) -> None:
    async with running(proxy([])) as server:
        result = await submit(hass, "proxy", **{PROXY: server.url})
        assert result["errors"] == {PROXY: "no_services"}


async def test_nothing_listens(hass: HomeAssistant) -> None:
    """A wrong port, or a proxy that is off."""
    result = await submit(hass, "proxy", **{PROXY: faults.refused()})
    assert result["errors"] == {PROXY: "cannot_connect"}


async def test_hangs(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The form comes back even from a proxy that does not answer."""
    shorten(monkeypatch, Deadlines(proxy=0.5))
    async with faults.serving(faults.silent) as url:
        result = await submit(hass, "proxy", **{PROXY: url})
    assert result["errors"] == {PROXY: "timed_out"}


@pytest.mark.parametrize("url", ["", "  ", "ftp://proxy", "http://user:pass@proxy"])
async def test_no_usable_url(hass: HomeAssistant, url: str) -> None:
    """What is not a URL is refused, and no server is called."""
    result = await submit(hass, "proxy", **{PROXY: url})
    assert result["errors"] == {PROXY: "invalid_url"}


@pytest.mark.parametrize(
    ("route", "answer", "service", "reason"),
    [
        (("POST", TRANSCRIPTIONS), fake.json({"error": {"message": "Wedged."}}, status=503), "Parakeet", "Wedged."),
        (("GET", "/v1/audio/voices"), fake.json({"detail": "No disk."}, status=500), "Magpie", "No disk."),
    ],
    ids=["parakeet", "magpie"],
)
async def test_behind_the_proxy(
    hass: HomeAssistant, route: tuple[str, str], answer: Handler, service: str, reason: str
) -> None:
    """What fails behind a proxy that is well is named."""
    async with running(proxy()) as server:
        server.answers[route] = answer
        del server.answers["POST", SPEECH]
        result = await submit(hass, "proxy", **{PROXY: server.url})
    assert result["errors"] == {PROXY: "behind_proxy"}
    placeholders = result["description_placeholders"]
    assert placeholders is not None
    assert placeholders["service"] == service
    assert f"({reason.rstrip('.')})" in placeholders["problem"]


async def test_duplicates(hass: HomeAssistant) -> None:
    """The same proxy is refused by its URL before it is called, and by its id under another URL."""
    async with running(proxy(proxy_id="1234")) as server:
        data = through_proxy(server.url)
        MockConfigEntry(domain=DOMAIN, data=data).add_to_hass(hass)
        result = await submit(hass, "proxy", **{PROXY: f"{server.url}/"})
        assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
        assert server.asked == []

        MockConfigEntry(domain=DOMAIN, data=through_proxy("http://spark.local"), unique_id="1234").add_to_hass(hass)
        async with running(proxy(proxy_id="1234")) as twin:
            result = await submit(hass, "proxy", **{PROXY: twin.url})
        assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")


async def test_from_direct_to_the_proxy_and_back(
    hass: HomeAssistant, entry: MockConfigEntry, parakeet: FakeServer, magpie: FakeServer
) -> None:
    """One entry, the same engines, another way to reach them."""
    before = {state.entity_id for state in hass.states.async_all(["stt", "tts"])}
    async with running(proxy(proxy_id="1234")) as server:
        result = await reconfigure(hass, entry, "proxy", **{PROXY: server.url})
        assert result["reason"] == "reconfigure_successful"
        await hass.async_block_till_done()
        assert entry.data == through_proxy(server.url)
        given = entry.unique_id
        assert given == "1234"
        assert {state.entity_id for state in hass.states.async_all(["stt", "tts"])} == before

    result = await reconfigure(hass, entry, parakeet_url=parakeet.url, magpie_url=magpie.url)
    await hass.async_block_till_done()
    assert entry.data == direct(parakeet.url, magpie.url)
    assert entry.unique_id is None
    assert {state.entity_id for state in hass.states.async_all(["stt", "tts"])} == before


async def test_reconfigure_to_another_entrys_proxy(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Two entries for one proxy are refused, under whatever URL."""
    async with running(proxy(proxy_id="1234")) as server:
        MockConfigEntry(domain=DOMAIN, data=through_proxy("http://spark.local"), unique_id="1234").add_to_hass(hass)
        result = await reconfigure(hass, entry, "proxy", **{PROXY: server.url})
    assert result["reason"] == "already_configured"


async def test_proxy_that_tells_no_id_keeps_the_known_one(hass: HomeAssistant) -> None:
    """The known one comes from an announcement."""
    async with running(proxy()) as server, running(proxy()) as other:
        entry = MockConfigEntry(domain=DOMAIN, title="127.0.0.1", data=through_proxy(server.url), unique_id="1234")
        assert await set_up(hass, entry)
        result = await reconfigure(hass, entry, "proxy", **{PROXY: other.url})
        assert result["reason"] == "reconfigure_successful"
        await hass.async_block_till_done()
        assert (entry.unique_id, entry.data[PROXY]) == ("1234", other.url)


async def test_untrusted_certificate(hass: HomeAssistant, refusals_expected: None, self_signed: SSLContext) -> None:
    """It is told apart from a server that is off; switched off, the verification is off for this entry alone."""
    async with running(proxy(), ssl=self_signed) as server:
        assert server.url.startswith("https:")
        result = await submit(hass, "proxy", **{PROXY: server.url})
        assert result["errors"] == {PROXY: "untrusted_certificate"}
        result = await hass.config_entries.flow.async_configure(
            result["flow_id"], {PROXY: server.url, "verify_ssl": False}
        )
        assert result["data"] == {**through_proxy(server.url), "verify_ssl": False}
        await hass.async_block_till_done()
        assert result["result"].state is ConfigEntryState.LOADED
