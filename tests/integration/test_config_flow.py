"""The config flow: every step, and every wrong thing a user can enter, told on the field that is wrong."""

import pytest
from homeassistant.config_entries import SOURCE_USER, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.spark_audio.addresses import normalize_url
from custom_components.spark_audio.const import DOMAIN
from custom_components.spark_audio.spark_engine.servers.deadlines import Deadlines
from custom_components.spark_audio.spark_engine.speech.audio import read_wav
from tests.fakes import faults
from tests.fakes import magpie as fake_magpie
from tests.fakes import parakeet as fake_parakeet
from tests.fakes import server as fake
from tests.fakes.magpie import LIST_VOICES
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, Handler, running
from tests.helpers.integration.config_forms import MAGPIE, PARAKEET, choose, direct, submit
from tests.helpers.integration.deadlines import shorten
from tests.helpers.integration.set_up import entry_for

pytestmark = pytest.mark.usefixtures("assist")

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
    "web page": (fake.text("<html>It works!</html>", content_type="text/html"), "not_magpie"),
    "no voices": (fake.json({}), "no_voices"),
    "loading": (fake.json({"detail": "initializing"}, status=503), "busy"),
    "500": (fake.text("Internal Server Error", status=500), "server_fault"),
}

WIRE: dict[str, tuple[faults.Fault, str, str]] = {
    "web page on any path": (faults.html, "is_web_page", "is_web_page"),
    "dies": (faults.reset_before_answer, "server_fault", "server_fault"),
    "not HTTP": (faults.not_http, "not_http", "not_http"),
}


async def test_menu(hass: HomeAssistant) -> None:
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
    assert [str(field) for field in schema.schema] == [PARAKEET, MAGPIE, "api_key", "verify_ssl", "name"]
    assert schema({}) == {"verify_ssl": True}


async def test_forms_reach_the_frontend(hass: HomeAssistant, hass_client: ClientSessionGenerator) -> None:
    """The forms can be sent to a browser: URLs as such, and the key hidden."""
    assert await async_setup_component(hass, "config", {})
    client = await hass_client()
    for connection, kinds in (("direct", ["url", "url", "password", None]), ("proxy", ["url", "password", None])):
        menu = await (await client.post("/api/config/config_entries/flow", json={"handler": DOMAIN})).json()
        response = await client.post(
            f"/api/config/config_entries/flow/{menu['flow_id']}", json={"next_step_id": connection}
        )
        form = await response.json()
        assert response.status == 200
        assert [
            field["selector"]["text"].get("type") for field in form["data_schema"] if "text" in field["selector"]
        ] == kinds
        assert "boolean" in form["data_schema"][-2]["selector"]


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
    assert result["data"] == direct(None, magpie.url, name="127.0.0.1")
    await hass.async_block_till_done()


@pytest.mark.parametrize("user_input", [{}, {PARAKEET: "", MAGPIE: " "}])
async def test_no_service(hass: HomeAssistant, user_input: dict[str, str]) -> None:
    result = await submit(hass, **user_input)
    assert (result["type"], result["errors"]) == (FlowResultType.FORM, {"base": "no_url"})


@pytest.mark.parametrize("field", [PARAKEET, MAGPIE])
@pytest.mark.parametrize(
    "url",
    [
        "ftp://spark/",
        "spark 9000",
        "http:/",
        "http://",
        "http:///v1",
        "http://spark:99999",
        "spark:0",
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
    """What is not a URL is refused, and no server is called."""
    result = await submit(hass, **{field: url})
    assert result["errors"] == {field: "invalid_url"}


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://spark:9000", "http://spark:9000"),
        ("spark", "http://spark"),
        ("192.168.1.50:9000", "http://192.168.1.50:9000"),
        ("//spark.local:9000/", "http://spark.local:9000"),
        ("http:/192.168.1.50:9000", "http://192.168.1.50:9000"),
        ("https:spark:9000", "https://spark:9000"),
        ("[::1]:9000", "http://[::1]:9000"),
        ("fd00::1", "http://[fd00::1]"),
        ("spark:9000/v1/audio/transcriptions", "http://spark:9000"),
        ("http://Spark:9000/V1/", "http://spark:9000"),
        ("http://spark:9000/v1/health/ready", "http://spark:9000"),
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
    shorten(monkeypatch, Deadlines(page=0.5, transcription=0.5))
    async with faults.serving(fault) as url:
        result = await submit(hass, **{PARAKEET: url, MAGPIE: url})
    assert result["errors"] == {PARAKEET: "timed_out", MAGPIE: "timed_out"}


async def test_nothing_listens(hass: HomeAssistant, socket_enabled: None) -> None:
    """A wrong port, or a container that is off."""
    result = await submit(hass, **{PARAKEET: faults.refused(), MAGPIE: faults.refused()})
    assert result["errors"] == {PARAKEET: "cannot_connect", MAGPIE: "cannot_connect"}


async def test_swapped_urls(hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer) -> None:
    """One sentence for both, with NVIDIA's containers as well: those differ by their voices alone."""
    async with running(fake_parakeet.nim()) as nim:
        for url in (parakeet.url, nim.url):
            result = await submit(hass, **{PARAKEET: magpie.url, MAGPIE: url})
            assert result["errors"] == {"base": "swapped"}


async def test_entered_urls_stay_in_the_form(hass: HomeAssistant, socket_enabled: None) -> None:
    url = faults.refused()
    result = await submit(hass, **{PARAKEET: url})
    schema = result["data_schema"]
    assert schema is not None
    suggested = {str(field): (field.description or {}).get("suggested_value") for field in schema.schema}
    assert suggested == {PARAKEET: url, MAGPIE: None, "api_key": None, "verify_ssl": True, "name": None}


async def test_duplicate(hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer) -> None:
    """The same pair of services is refused however it is spelled, before any server is called."""
    entry_for(parakeet.url, magpie.url).add_to_hass(hass)
    result = await submit(hass, **{PARAKEET: f"{parakeet.url.upper()}/", MAGPIE: f"{magpie.url}/v1"})
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert parakeet.asked == magpie.asked == []


async def test_server_of_another_spark(hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer) -> None:
    """One service in common is enough to be refused, however its host is spelled."""
    entry_for(parakeet.url.replace("127.0.0.1", "localhost"), None).add_to_hass(hass)
    result = await submit(hass, **{PARAKEET: parakeet.url, MAGPIE: magpie.url})
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "same_server")
    assert result["description_placeholders"] == {"title": "127.0.0.1"}


async def test_second_spark_has_a_name(hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer) -> None:
    """The one that was entered, else its hosts; it is part of the names of its devices, and so of its entities."""
    entry_for(parakeet.url, None).add_to_hass(hass)
    result = await submit(hass, **{MAGPIE: magpie.url, "name": " Attic "})
    assert (result["title"], result["data"]["name"]) == ("Attic", "Attic")
    await hass.async_block_till_done()
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), result["result"].entry_id)
    assert {device.name for device in devices} == {"Spark (Attic)", "Magpie (Attic)"}
    assert [state.name for state in hass.states.async_all("tts")] == ["Magpie (Attic) Text-to-speech"]
    assert await hass.config_entries.async_remove(result["result"].entry_id)
    result = await submit(hass, **{MAGPIE: magpie.url})
    assert (result["title"], result["data"]["name"]) == ("127.0.0.1", "127.0.0.1")
    await hass.async_block_till_done()
