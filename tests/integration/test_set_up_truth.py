"""What the form says of a Spark that cannot be used: one sentence each, with the server's own words once."""

import asyncio
from collections.abc import Callable
from ssl import SSLContext

import pytest
from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from custom_components.spark_audio.spark_engine.servers.deadlines import Deadlines
from tests.fakes import faults
from tests.fakes import magpie as fake_magpie
from tests.fakes import parakeet as fake_parakeet
from tests.fakes import server as fake
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.proxy import STATUS, proxy
from tests.fakes.server import FakeServer, Handler, running
from tests.helpers.integration.config_forms import MAGPIE, PARAKEET, PROXY, choose, direct, enter, reconfigure, submit
from tests.helpers.integration.deadlines import shorten
from tests.helpers.integration.set_up import entry_for
from tests.helpers.integration.translations import load

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")

ERRORS = load("en")["config"]["error"]


def sentences(result: ConfigFlowResult) -> dict[str, str]:
    """The errors as the frontend shows them."""
    assert result["type"] is FlowResultType.FORM
    return {
        name: ERRORS[error].format(**result["description_placeholders"] or {})
        for name, error in (result["errors"] or {}).items()
    }


REFUSALS: dict[str, tuple[Handler, str]] = {
    "licence": (
        fake.json({"error": {"message": "License expired."}}, status=403),
        "The server denies access (License expired). Check the API key and the server's license.",
    ),
    "key": (
        fake.json({"detail": "Invalid API key"}, status=401),
        "The API key is missing or invalid (Invalid API key).",
    ),
    "model": (
        fake.json({"detail": "No model for this language"}, status=400),
        "The server rejects a test request (No model for this language). Check that the right model is loaded.",
    ),
    "moved": (
        fake.json({}, status=301, headers={"Location": "https://parakeet.example/"}),
        "The server redirects to another address. Enter that one: https://parakeet.example/",
    ),
    "without a word": (
        fake.text("", status=401),
        "The API key is missing or invalid (Unauthorized).",
    ),
}


@pytest.mark.parametrize(("answer", "sentence"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_one_sentence_with_the_words_of_the_server(hass: HomeAssistant, answer: Handler, sentence: str) -> None:
    async with running(fake_parakeet.openai()) as server:
        server.answers["POST", TRANSCRIPTIONS] = answer
        result = await submit(hass, **{PARAKEET: server.url})
    assert sentences(result) == {PARAKEET: sentence}


async def test_unknown_name(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that nothing has: nothing outside of this machine is asked."""

    async def unknown(*_: object, **__: object) -> None:
        raise OSError(None, "Domain name not found")

    monkeypatch.setattr("aiohttp.connector.TCPConnector._resolve_host", unknown)
    result = await submit(hass, **{PARAKEET: "http://no-such-spark.invalid:9001"})
    assert result["errors"] == {PARAKEET: "unknown_host"}


async def test_no_connection_in_time(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is off answers nothing at all: no connection was made, so that it did not take one."""
    shorten(monkeypatch, Deadlines(page=0.05, transcription=0.05))

    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("aiohttp.connector.TCPConnector._create_connection", never)
    result = await submit(hass, **{PARAKEET: "http://192.0.2.1:9001"})
    [sentence] = sentences(result).values()
    assert sentence.startswith("No connection could be made (timed out).")


async def test_nothing_listens(hass: HomeAssistant) -> None:
    result = await submit(hass, **{PARAKEET: faults.refused()})
    [sentence] = sentences(result).values()
    assert sentence.startswith("No connection could be made (Connection refused).")


@pytest.mark.parametrize(("connection", "field"), [("direct", PARAKEET), ("direct", MAGPIE), ("proxy", PROXY)])
async def test_https_to_a_port_that_speaks_http(hass: HomeAssistant, connection: str, field: str) -> None:
    async with running(fake_parakeet.openai()) as server:
        result = await submit(hass, connection, **{field: server.url.replace("http:", "https:")})
    assert result["errors"] == {field: "speaks_http"}


@pytest.mark.parametrize(("connection", "field"), [("direct", PARAKEET), ("direct", MAGPIE), ("proxy", PROXY)])
@pytest.mark.usefixtures("refusals_expected")
async def test_http_to_a_port_that_speaks_https(
    hass: HomeAssistant, self_signed: SSLContext, connection: str, field: str
) -> None:
    async with running(fake_parakeet.openai(), ssl=self_signed) as server:
        result = await submit(hass, connection, **{field: server.url.replace("https:", "http:")})
    assert result["errors"] == {field: "speaks_https"}


async def test_proxy_that_closes_its_lists_in_the_direct_form(hass: HomeAssistant) -> None:
    """Its page tells what it is; that no key was entered does not matter."""
    async with running(proxy(key="k" * 16)) as server:
        for route in [route for route in server.answers if route[1].startswith("/v1")]:
            server.answers[route] = fake.json({"error": {"message": "The key is missing."}}, status=401)
        server.answers["GET", "/"] = fake.text("<title>Spark Audio</title>", content_type="text/html")
        result = await submit(hass, **{PARAKEET: server.url})
    assert result["errors"] == {PARAKEET: "is_proxy"}


PASSING: dict[str, tuple[Callable[[FakeServer], None], str]] = {
    "loading": (
        lambda server: server.answers.update(
            {("POST", TRANSCRIPTIONS): fake.json({"detail": "Model is not ready"}, status=503)}
        ),
        "The server is busy or still loading its model (Model is not ready).",
    ),
    "wedged": (
        lambda server: server.answers.update(
            {("POST", TRANSCRIPTIONS): fake.json({"detail": "CUDA error: unknown error"}, status=500)}
        ),
        "The server has an error (CUDA error: unknown error).",
    ),
}


@pytest.mark.parametrize(("spoil", "sentence"), PASSING.values(), ids=PASSING.keys())
async def test_add_anyway(hass: HomeAssistant, spoil: Callable[[FakeServer], None], sentence: str) -> None:
    """A second step says what is wrong, and adds the Spark all the same."""
    async with running(fake_parakeet.openai()) as parakeet, running(fake_magpie.nim()) as magpie:
        spoil(parakeet)
        result = await enter(hass, **{PARAKEET: parakeet.url, MAGPIE: magpie.url})
        assert (result["type"], result["step_id"]) == (FlowResultType.MENU, "not_ready")
        assert result["menu_options"] == ["save_anyway", "direct"]
        told = (result["description_placeholders"] or {})["problems"]
        assert told.startswith(f"**Parakeet:** {sentence}")
        result = await choose(hass, result, "save_anyway")
        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert result["data"] == direct(parakeet.url, magpie.url)
        await hass.async_block_till_done()


async def test_added_while_it_is_away(hass: HomeAssistant) -> None:
    """Home Assistant tries again by itself. The text is in its own language."""
    hass.config.language = "de"
    result = await enter(hass, **{PARAKEET: faults.refused(), MAGPIE: faults.refused()})
    told = (result["description_placeholders"] or {})["problems"]
    assert told.count("Es kam keine Verbindung zustande") == 2
    result = await choose(hass, result, "save_anyway")
    await hass.async_block_till_done()
    assert result["result"].state is ConfigEntryState.SETUP_RETRY


async def test_back_to_what_was_entered(hass: HomeAssistant) -> None:
    """The form is filled in, but for the key, which stays known."""
    url = faults.refused()
    menu = await enter(hass, "proxy", **{PROXY: url, "api_key": "a-key-of-mine-1234"})
    form = await choose(hass, menu, "proxy")
    assert form["errors"] == {PROXY: "cannot_connect"}
    schema = form["data_schema"]
    assert schema is not None
    assert {str(field): (field.description or {}).get("suggested_value") for field in schema.schema} == {
        PROXY: url,
        "api_key": None,
        "verify_ssl": True,
        "name": None,
    }
    async with running(proxy(key="a-key-of-mine-1234")) as server:
        result = await hass.config_entries.flow.async_configure(form["flow_id"], {PROXY: server.url})
        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert result["data"]["api_key"] == "a-key-of-mine-1234"
        await hass.async_block_till_done()


@pytest.mark.parametrize("error", ["wrong", "key"])
async def test_what_does_not_pass_is_not_saved(hass: HomeAssistant, error: str) -> None:
    """One service that is away and one that is something else: the form is corrected first."""
    async with running(fake_magpie.nim()) as magpie:
        if error == "key":
            refused = fake.json({"detail": "no"}, status=401)
            magpie.answers = dict.fromkeys(magpie.answers, refused)
            magpie.answers |= {
                ("GET", path): refused for path in (fake_magpie.SYNTHESIZE, fake_magpie.SYNTHESIZE_ONLINE)
            }
        url = {MAGPIE: magpie.url} if error == "key" else {PARAKEET: magpie.url}
        away = {PARAKEET: faults.refused()} if error == "key" else {MAGPIE: faults.refused()}
        result = await enter(hass, **url, **away)
    assert result["type"] is FlowResultType.FORM


async def test_proxy_with_a_service_that_loads(hass: HomeAssistant) -> None:
    """Named, with what the proxy says; the id of the proxy is kept."""
    async with running(proxy(["magpie"], proxy_id="1234")) as server:
        server.answers["GET", "/v1/audio/voices"] = fake.json({"detail": "loading"}, status=503)
        result = await enter(hass, "proxy", **{PROXY: server.url})
        told = (result["description_placeholders"] or {})["problems"]
        assert told == "**Magpie:** The server is busy or still loading its model (loading)."
        result = await choose(hass, result, "save_anyway")
        assert result["result"].unique_id == "1234"
        await hass.async_block_till_done()


async def test_the_last_step_leads_to_the_engines(hass: HomeAssistant) -> None:
    async with running(fake_parakeet.openai()) as server:
        result = await submit(hass, **{PARAKEET: server.url})
        placeholders = result["description_placeholders"]
        await hass.async_block_till_done()
    assert placeholders == {"voice_assistants": "https://my.home-assistant.io/redirect/voice_assistants/"}
    for language in ("de", "en", "es", "fr", "it"):
        assert "]({voice_assistants})" in load(language)["config"]["create_entry"]["default"]


async def test_key_is_not_sent_to_the_browser_again(hass: HomeAssistant) -> None:
    """It stays where its field is left empty, and goes where the connection becomes another one."""
    async with running(fake_parakeet.openai()) as server, running(proxy()) as other:
        entry = entry_for(server.url, None)
        entry.add_to_hass(hass)
        hass.config_entries.async_update_entry(entry, data=direct(server.url, None, api_key="a-key-of-mine-1234"))
        form = await choose(hass, await entry.start_reconfigure_flow(hass), "direct")
        schema = form["data_schema"]
        assert schema is not None
        assert "a-key-of-mine-1234" not in str([field.description for field in schema.schema])
        result = await hass.config_entries.flow.async_configure(form["flow_id"], {PARAKEET: server.url})
        assert result["reason"] == "reconfigure_successful"
        await hass.async_block_till_done()
        assert entry.data["api_key"] == "a-key-of-mine-1234"
        await reconfigure(hass, entry, "proxy", **{PROXY: other.url})
        await hass.async_block_till_done()
        assert entry.data["api_key"] is None
        assert {asked.headers.get("Authorization") for asked in other.asked} == {None}


async def test_another_proxy_is_another_entry(hass: HomeAssistant) -> None:
    """Where both ids are known."""
    async with running(proxy(proxy_id="1234")) as server, running(proxy(proxy_id="5678")) as other:
        entry = (await submit(hass, "proxy", **{PROXY: server.url}))["result"]
        await hass.async_block_till_done()
        result = await hass.config_entries.flow.async_init(
            "spark_audio", context={"source": "reconfigure", "entry_id": entry.entry_id}
        )
        form = await choose(hass, result, "proxy")
        result = await hass.config_entries.flow.async_configure(form["flow_id"], {PROXY: other.url})
        assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "unique_id_mismatch")
        assert entry.data[PROXY] == server.url


async def test_status_page_of_another_kind(hass: HomeAssistant) -> None:
    """Nothing that is known answers there."""
    async with running(proxy([])) as server:
        server.answers = {("GET", STATUS): fake.json({"status": "ok"})}
        result = await submit(hass, "proxy", **{PROXY: server.url})
    assert result["errors"] == {PROXY: "not_proxy"}
