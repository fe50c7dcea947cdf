"""The form says what answers at a URL where something else was expected."""

from collections.abc import Callable

import pytest
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from tests.fakes import parakeet, strangers
from tests.fakes.proxy import proxy
from tests.fakes.server import FakeServer, running
from tests.helpers.integration.config_forms import MAGPIE, PARAKEET, submit
from tests.helpers.integration.translations import LANGUAGES, load

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")


@pytest.mark.parametrize(
    ("fake", "kind"), [(strangers.ollama, "Ollama"), (strangers.web_page, "the web page “Open WebUI”")]
)
async def test_a_stranger_is_named_in_the_form(hass: HomeAssistant, fake: Callable[[], FakeServer], kind: str) -> None:
    """On its own field alone, with the sentence that the text has room for."""
    async with running(fake()) as server, running(parakeet.openai()) as right:
        result = await submit(hass, **{PARAKEET: right.url, MAGPIE: server.url})
    assert result["errors"] == {MAGPIE: "wrong_server"}
    assert reason(result) == f"This is {kind}, not a Magpie."


async def test_two_strangers_are_named_in_one_text(hass: HomeAssistant) -> None:
    """Both fields have the same error: each sentence says what was expected."""
    async with running(strangers.ollama()) as one, running(strangers.home_assistant()) as other:
        result = await submit(hass, **{PARAKEET: one.url, MAGPIE: other.url})
    assert result["errors"] == {PARAKEET: "wrong_server", MAGPIE: "wrong_server"}
    assert reason(result) == "This is Ollama, not a Parakeet. This is Home Assistant, not a Magpie."


@pytest.mark.parametrize("services", [["parakeet", "magpie"], ["parakeet"]])
async def test_our_proxy_is_no_server_of_its_own(hass: HomeAssistant, services: list[str]) -> None:
    """It watches over its servers itself: two watchdogs would restart them."""
    async with running(proxy(services)) as fake:
        result = await submit(hass, **{PARAKEET: fake.url, MAGPIE: fake.url})
        assert result["errors"] == {PARAKEET: "is_proxy", MAGPIE: "is_proxy"}
        result = await submit(hass, "proxy", proxy_url=fake.url)
    assert result["type"] is FlowResultType.CREATE_ENTRY


def reason(result: ConfigFlowResult) -> str | None:
    """What the form's text has been given."""
    return (result["description_placeholders"] or {}).get("reason")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_error_has_room_for_the_sentence(language: str) -> None:
    """In each language."""
    errors = load(language)["config"]["error"]
    assert "{reason}" in errors["wrong_server"]
    assert "Spark" in errors["is_proxy"]
