"""The form says what answers at a URL where something else was expected."""

from collections.abc import Callable

import pytest
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from tests.fakes import magpie, parakeet, strangers
from tests.fakes.proxy import proxy
from tests.fakes.server import FakeServer, running
from tests.helpers.integration.config_forms import MAGPIE, PARAKEET, submit

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")


@pytest.mark.parametrize(
    ("fake", "error", "name"),
    [
        (strangers.ollama, "is_language_model", "Ollama"),
        (strangers.web_page, "is_web_page", "Open WebUI"),
        (strangers.home_assistant, "is_other", "Home Assistant"),
    ],
)
async def test_a_stranger_is_named_in_the_form(
    hass: HomeAssistant, fake: Callable[[], FakeServer], error: str, name: str
) -> None:
    """On its own field alone, by the text of its kind."""
    async with running(fake()) as server, running(parakeet.openai()) as right:
        result = await submit(hass, **{PARAKEET: right.url, MAGPIE: server.url})
    assert result["errors"] == {MAGPIE: error}
    assert said(result, error) == name


@pytest.mark.parametrize(
    ("fake", "error"),
    [
        (strangers.ollama, "is_language_model"),
        (strangers.web_page, "is_web_page"),
        (parakeet.openai, "is_parakeet"),
        (magpie.nim, "is_magpie"),
    ],
)
async def test_a_stranger_is_named_where_a_proxy_was_expected(
    hass: HomeAssistant, fake: Callable[[], FakeServer], error: str
) -> None:
    """The URL of a service in the form for the proxy."""
    async with running(fake()) as server:
        result = await submit(hass, "proxy", proxy_url=server.url)
    assert result["errors"] == {"proxy_url": error}


async def test_two_strangers_are_named_in_one_text(hass: HomeAssistant) -> None:
    """Both fields have the same error, and only one text: it names both."""
    async with running(strangers.ollama()) as one, running(strangers.llama_cpp()) as other:
        result = await submit(hass, **{PARAKEET: one.url, MAGPIE: other.url})
    assert result["errors"] == {PARAKEET: "is_language_model", MAGPIE: "is_language_model"}
    assert said(result, "is_language_model") == "Ollama; llama.cpp"


@pytest.mark.parametrize("services", [["parakeet", "magpie"], ["parakeet"]])
async def test_our_proxy_is_no_server_of_its_own(hass: HomeAssistant, services: list[str]) -> None:
    """It watches over its servers itself: two watchdogs would restart them."""
    async with running(proxy(services)) as fake:
        result = await submit(hass, **{PARAKEET: fake.url, MAGPIE: fake.url})
        assert result["errors"] == {PARAKEET: "is_proxy", MAGPIE: "is_proxy"}
        result = await submit(hass, "proxy", proxy_url=fake.url)
    assert result["type"] is FlowResultType.CREATE_ENTRY


def said(result: ConfigFlowResult, error: str) -> str | None:
    """What the text of the error has been given."""
    return (result["description_placeholders"] or {}).get(f"{error}_said")
