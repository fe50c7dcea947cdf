"""The config flow: every step, and every wrong thing a user can enter, told on the field that is wrong."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from homeassistant.config_entries import SOURCE_USER, ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.spark_audio.const import DOMAIN
from custom_components.spark_audio.spark_engine import parakeet as engine
from custom_components.spark_audio.spark_engine import probe
from custom_components.spark_audio.spark_engine.audio import read_wav
from custom_components.spark_audio.urls import normalize_url, title
from tests.fakes import faults
from tests.fakes import magpie as fake_magpie
from tests.fakes import server as fake
from tests.fakes.magpie import LIST_VOICES
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, Handler, running

from .conftest import entry_for, set_up

pytestmark = pytest.mark.usefixtures("assist")

PARAKEET, MAGPIE = "parakeet_url", "magpie_url"

ANSWERS: dict[str, tuple[Handler, str]] = {
    "nothing there": (fake.json({"detail": "Not Found"}, status=404), "not_parakeet"),
    "no POST": (fake.json({"detail": "Method Not Allowed"}, status=405), "not_parakeet"),
    "web page": (fake.text("<html>It works!</html>", content_type="text/html"), "not_parakeet"),
    "no transcript": (fake.json({"hello": "world"}), "not_parakeet"),
    "refuses key": (fake.json({"error": {"message": "Invalid API key"}}, status=401), "unauthorized"),
    "refuses request": (fake.json({"detail": "Model not found for language"}, status=400), "rejected"),
    "loading": (fake.json({"detail": "Model is not ready"}, status=503), "busy"),
    "too many": (fake.json({"detail": "slow down"}, status=429), "busy"),
    "CUDA": (fake.json({"detail": "CUDA error: an illegal memory access"}, status=422), "server_fault"),
    "500": (fake.text("Internal Server Error", status=500), "server_fault"),
}

VOICES: dict[str, tuple[Handler, str]] = {
    "nothing there": (fake.json({"detail": "Not Found"}, status=404), "not_magpie"),
    "web page": (fake.text("<html>It works!</html>", content_type="text/html"), "no_voices"),
    "no voices": (fake.json({}), "no_voices"),
    "loading": (fake.json({"detail": "initializing"}, status=503), "busy"),
    "500": (fake.text("Internal Server Error", status=500), "server_fault"),
}

WIRE: dict[str, tuple[faults.Fault, str, str]] = {
    "web page on any path": (faults.html, "not_parakeet", "not_magpie"),
    "dies": (faults.reset_before_answer, "server_fault", "server_fault"),
    "not HTTP": (faults.not_http, "server_fault", "server_fault"),
}


async def choose(hass: HomeAssistant, menu: ConfigFlowResult, connection: str) -> ConfigFlowResult:
    """The form behind one line of the menu."""
    assert menu["type"] is FlowResultType.MENU
    return await hass.config_entries.flow.async_configure(menu["flow_id"], {"next_step_id": connection})


async def submit(hass: HomeAssistant, connection: str = "direct", /, **user_input: Any) -> ConfigFlowResult:
    """A Spark added by these answers."""
    menu = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    form = await choose(hass, menu, connection)
    return await hass.config_entries.flow.async_configure(form["flow_id"], user_input)


def direct(parakeet_url: str | None, magpie_url: str | None, **changes: Any) -> dict[str, Any]:
    """An entry's data for a direct connection."""
    data = {"connection": "direct", PARAKEET: parakeet_url, MAGPIE: magpie_url, "proxy_url": None}
    return {**data, "api_key": None, "verify_ssl": True, **changes}


async def test_menu(hass: HomeAssistant) -> None:
    """First of all it is asked how to connect."""
    menu = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    assert (menu["type"], menu["step_id"]) == (FlowResultType.MENU, "user")
    assert menu["menu_options"] == ["direct", "proxy"]


async def test_form(hass: HomeAssistant) -> None:
    """The two URLs are asked for, and how to get in; none of it is required, and certificates are verified."""
    menu = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    form = await choose(hass, menu, "direct")
    assert (form["type"], form["step_id"], form["errors"]) == (FlowResultType.FORM, "direct", {})
    schema = form["data_schema"]
    assert schema is not None
    assert [str(field) for field in schema.schema] == [PARAKEET, MAGPIE, "api_key", "verify_ssl"]
    assert schema({}) == {"verify_ssl": True}


async def test_forms_reach_the_frontend(hass: HomeAssistant, hass_client: ClientSessionGenerator) -> None:
    """The forms can be sent to a browser: URLs as such, and the key hidden."""
    assert await async_setup_component(hass, "config", {})
    client = await hass_client()
    for connection, kinds in (("direct", ["url", "url", "password"]), ("proxy", ["url", "password"])):
        menu = await (await client.post("/api/config/config_entries/flow", json={"handler": DOMAIN})).json()
        response = await client.post(
            f"/api/config/config_entries/flow/{menu['flow_id']}", json={"next_step_id": connection}
        )
        form = await response.json()
        assert response.status == 200
        assert [field["selector"]["text"]["type"] for field in form["data_schema"][:-1]] == kinds
        assert "boolean" in form["data_schema"][-1]["selector"]


async def test_both_services(hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer) -> None:
    """Both are tried out for real, and the entry works at once."""
    result = await submit(hass, **{PARAKEET: f" {parakeet.url}/v1/ ", MAGPIE: f"{magpie.url}/"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "127.0.0.1"
    assert result["data"] == direct(parakeet.url, magpie.url)
    [asked] = parakeet.posts(TRANSCRIPTIONS)
    assert asked.file is not None
    assert read_wav(asked.file).seconds == 1.0
    assert LIST_VOICES in [asked.path for asked in magpie.asked]
    await hass.async_block_till_done()
    assert hass.config_entries.async_entries(DOMAIN)[0].state is ConfigEntryState.LOADED


@pytest.mark.parametrize("left_out", [{}, {"empty": ""}, {"empty": "  "}], ids=["absent", "empty", "blank"])
async def test_one_service(
    hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer, left_out: dict[str, str]
) -> None:
    """Either may be left out, in each way that forms leave out fields."""
    blank = left_out.get("empty")
    result = await submit(hass, **{PARAKEET: parakeet.url, **({MAGPIE: blank} if blank is not None else {})})
    assert result["data"] == direct(parakeet.url, None)
    result = await submit(hass, **{MAGPIE: magpie.url, **({PARAKEET: blank} if blank is not None else {})})
    assert result["data"] == direct(None, magpie.url)
    await hass.async_block_till_done()


@pytest.mark.parametrize("user_input", [{}, {PARAKEET: "", MAGPIE: " "}])
async def test_no_service(hass: HomeAssistant, user_input: dict[str, str]) -> None:
    """One of the two it must be."""
    result = await submit(hass, **user_input)
    assert (result["type"], result["errors"]) == (FlowResultType.FORM, {"base": "no_url"})


@pytest.mark.parametrize("field", [PARAKEET, MAGPIE])
@pytest.mark.parametrize(
    "url",
    [
        "spark",
        "192.168.1.50:9000",
        "ftp://spark/",
        "http://",
        "http:///v1",
        "http://spark:99999",
        "http://[::1",
        "http://a b/",
        "http://a,http://b",
        "http://user:secret@spark/",
        "http://spark/?key=secret",
        "http://spark/#top",
        "http://spark..local/",
    ],
)
async def test_no_usable_url(hass: HomeAssistant, field: str, url: str) -> None:
    """What is no URL is told so, and nobody is called."""
    result = await submit(hass, **{field: url})
    assert result["errors"] == {field: "invalid_url"}


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://spark:9000", "http://spark:9000"),
        ("HTTP://Spark.Local:80/", "http://spark.local"),
        ("https://spark:443/v1", "https://spark"),
        ("https://spark/speech/v1/", "https://spark/speech"),
        ("http://[::1]:9000/", "http://[::1]:9000"),
        ("http://spark_1:9000//", "http://spark_1:9000"),
        ("http://spärk/a%20b", "http://xn--sprk-moa/a%20b"),
    ],
)
def test_one_spelling(url: str, kept: str) -> None:
    """However a URL is written, it is kept in one way, so that duplicates are seen."""
    assert normalize_url(url) == kept
    assert normalize_url(kept) == kept


@pytest.mark.parametrize(("answer", "error"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_parakeet_answers_wrongly(
    hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer, answer: Handler, error: str
) -> None:
    """The cause is told on Parakeet's field alone, and the next attempt may succeed."""
    healthy = parakeet.answers["POST", TRANSCRIPTIONS]
    parakeet.answers["POST", TRANSCRIPTIONS] = answer
    result = await submit(hass, **{PARAKEET: parakeet.url, MAGPIE: magpie.url})
    assert (result["type"], result["errors"]) == (FlowResultType.FORM, {PARAKEET: error})

    parakeet.answers["POST", TRANSCRIPTIONS] = healthy
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {PARAKEET: parakeet.url, MAGPIE: magpie.url}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()


@pytest.mark.parametrize(("answer", "error"), VOICES.values(), ids=VOICES.keys())
async def test_magpie_answers_wrongly(
    hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer, answer: Handler, error: str
) -> None:
    """The cause is told on Magpie's field alone, and the next attempt may succeed."""
    healthy = magpie.answers["GET", LIST_VOICES]
    magpie.answers["GET", LIST_VOICES] = answer
    result = await submit(hass, **{PARAKEET: parakeet.url, MAGPIE: magpie.url})
    assert (result["type"], result["errors"]) == (FlowResultType.FORM, {MAGPIE: error})

    magpie.answers["GET", LIST_VOICES] = healthy
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {PARAKEET: parakeet.url, MAGPIE: magpie.url}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()


async def test_magpie_refuses_key(hass: HomeAssistant, magpie: FakeServer) -> None:
    """A server that wants a key says so on every path."""
    for route in magpie.answers:
        magpie.answers[route] = fake.json({"detail": "no"}, status=401)
    for path in (fake_magpie.SYNTHESIZE, fake_magpie.SYNTHESIZE_ONLINE):
        magpie.answers["GET", path] = fake.json({"detail": "no"}, status=401)
    result = await submit(hass, **{MAGPIE: magpie.url})
    assert result["errors"] == {MAGPIE: "unauthorized"}


@pytest.mark.parametrize(("fault", "parakeet_error", "magpie_error"), WIRE.values(), ids=WIRE.keys())
async def test_breaks_on_the_wire(
    hass: HomeAssistant, socket_enabled: None, fault: faults.Fault, parakeet_error: str, magpie_error: str
) -> None:
    """Both fields are checked, and each gets its error."""
    async with faults.serving(fault) as url:
        result = await submit(hass, **{PARAKEET: url, MAGPIE: url})
    assert result["errors"] == {PARAKEET: parakeet_error, MAGPIE: magpie_error}


@pytest.mark.parametrize("fault", [faults.silent, faults.headers_then_nothing, faults.drip])
async def test_hangs(
    hass: HomeAssistant, socket_enabled: None, monkeypatch: pytest.MonkeyPatch, fault: faults.Fault
) -> None:
    """A server that takes the connection and does not answer, or not to the end."""
    monkeypatch.setattr(probe, "DEADLINE", 0.05)
    monkeypatch.setattr(engine, "BASE_DEADLINE", 0.05)
    async with faults.serving(fault) as url:
        result = await submit(hass, **{PARAKEET: url, MAGPIE: url})
    assert result["errors"] == {PARAKEET: "timed_out", MAGPIE: "timed_out"}


async def test_nothing_listens(hass: HomeAssistant, socket_enabled: None) -> None:
    """A wrong port, or a container that is off."""
    result = await submit(hass, **{PARAKEET: faults.refused(), MAGPIE: faults.refused()})
    assert result["errors"] == {PARAKEET: "cannot_connect", MAGPIE: "cannot_connect"}


async def test_swapped_urls(hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer) -> None:
    """The commonest mistake of all."""
    result = await submit(hass, **{PARAKEET: magpie.url, MAGPIE: parakeet.url})
    assert result["errors"] == {PARAKEET: "not_parakeet", MAGPIE: "not_magpie"}


async def test_entered_urls_stay_in_the_form(hass: HomeAssistant, socket_enabled: None) -> None:
    """Nobody has to type a URL twice."""
    url = faults.refused()
    result = await submit(hass, **{PARAKEET: url})
    schema = result["data_schema"]
    assert schema is not None
    suggested = {str(field): (field.description or {}).get("suggested_value") for field in schema.schema}
    assert suggested == {PARAKEET: url, MAGPIE: None, "api_key": None, "verify_ssl": True}


async def test_duplicate(hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer) -> None:
    """The same pair of services is refused however it is spelled, before anybody is called."""
    entry_for(parakeet.url, magpie.url).add_to_hass(hass)
    result = await submit(hass, **{PARAKEET: f"{parakeet.url.upper()}/", MAGPIE: f"{magpie.url}/v1"})
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert parakeet.asked == magpie.asked == []


async def test_other_pair_is_no_duplicate(hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer) -> None:
    """One service in common does not make a duplicate."""
    entry_for(parakeet.url, None).add_to_hass(hass)
    result = await submit(hass, **{PARAKEET: parakeet.url, MAGPIE: magpie.url})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()


@pytest.fixture
async def elsewhere(socket_enabled: None) -> AsyncGenerator[FakeServer]:
    """Another Magpie."""
    async with running(fake_magpie.nim()) as server:
        yield server


async def reconfigure(
    hass: HomeAssistant, entry: MockConfigEntry, connection: str = "direct", /, **user_input: Any
) -> ConfigFlowResult:
    """The reconfigure step, filled in."""
    menu = await entry.start_reconfigure_flow(hass)
    assert menu["step_id"] == "reconfigure"
    form = await choose(hass, menu, connection)
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, connection)
    return await hass.config_entries.flow.async_configure(form["flow_id"], user_input)


async def test_reconfigure_shows_what_is_known(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """The form starts with the URLs in use."""
    form = await choose(hass, await entry.start_reconfigure_flow(hass), "direct")
    schema = form["data_schema"]
    assert schema is not None
    suggested = {str(field): (field.description or {}).get("suggested_value") for field in schema.schema}
    assert {name: url for name, url in suggested.items() if url} == entry.data


async def test_reconfigure(
    hass: HomeAssistant, entry: MockConfigEntry, parakeet: FakeServer, elsewhere: FakeServer
) -> None:
    """The new URL is used at once, by the same entities."""
    before = set(er.async_get(hass).entities)
    result = await reconfigure(hass, entry, **{PARAKEET: parakeet.url, MAGPIE: elsewhere.url})
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    await hass.async_block_till_done()
    assert entry.data == direct(parakeet.url, elsewhere.url)
    assert entry.state is ConfigEntryState.LOADED
    assert set(er.async_get(hass).entities) == before


async def test_reconfigure_without_change(
    hass: HomeAssistant, entry: MockConfigEntry, parakeet: FakeServer, magpie: FakeServer
) -> None:
    """An entry is no duplicate of itself."""
    result = await reconfigure(hass, entry, **{PARAKEET: parakeet.url, MAGPIE: magpie.url})
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()


async def test_reconfigure_to_a_duplicate(
    hass: HomeAssistant, entry: MockConfigEntry, parakeet: FakeServer, elsewhere: FakeServer
) -> None:
    """Another entry's pair is refused."""
    entry_for(parakeet.url, elsewhere.url).add_to_hass(hass)
    result = await reconfigure(hass, entry, **{PARAKEET: parakeet.url, MAGPIE: elsewhere.url})
    assert result["reason"] == "already_configured"


async def test_reconfigure_with_errors(hass: HomeAssistant, entry: MockConfigEntry, parakeet: FakeServer) -> None:
    """What does not work is not kept."""
    before = dict(entry.data)
    result = await reconfigure(hass, entry, **{PARAKEET: parakeet.url, MAGPIE: faults.refused()})
    assert (result["step_id"], result["errors"]) == ("direct", {MAGPIE: "cannot_connect"})
    assert entry.data == before


async def test_reconfigure_removes_a_service(
    hass: HomeAssistant, entry: MockConfigEntry, parakeet: FakeServer, magpie: FakeServer
) -> None:
    """A service that is taken out takes its device and entities with it, and comes back when it is entered again."""
    result = await reconfigure(hass, entry, **{PARAKEET: parakeet.url})
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert devices(hass, entry) == ["Parakeet"]
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    assert "tts" not in [entity.domain for entity in entities]

    await reconfigure(hass, entry, **{PARAKEET: parakeet.url, MAGPIE: magpie.url})
    await hass.async_block_till_done()
    assert devices(hass, entry) == ["Magpie", "Parakeet"]


def devices(hass: HomeAssistant, entry: MockConfigEntry) -> list[str]:
    """The names of the devices of the entry's services."""
    found = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return sorted(device.name or "" for device in found if device.via_device_id)


@pytest.mark.parametrize(("old", "new"), [("old-host", "127.0.0.1"), ("My Spark", "My Spark")])
async def test_reconfigure_and_title(hass: HomeAssistant, parakeet: FakeServer, old: str, new: str) -> None:
    """The title follows the host, unless somebody chose another."""
    entry = MockConfigEntry(domain=DOMAIN, title=old, data={PARAKEET: "http://old-host", MAGPIE: None})
    assert await set_up(hass, entry)
    await reconfigure(hass, entry, **{PARAKEET: parakeet.url})
    await hass.async_block_till_done()
    assert entry.title == new


def test_title_of_two_hosts() -> None:
    """Two hosts are both named."""
    assert title({PARAKEET: "http://a:1", MAGPIE: "http://b:1"}) == "a, b"
    assert title({PARAKEET: "http://a:1", MAGPIE: "http://a:2"}) == "a"
    assert title({PARAKEET: None, MAGPIE: "http://[::1]:2"}) == "::1"
