"""What the tests of adding and changing a Spark share: the forms, filled in."""

from typing import Any

from homeassistant.config_entries import SOURCE_USER, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spark_audio.const import DOMAIN

PARAKEET, MAGPIE = "parakeet_url", "magpie_url"
PROXY = "proxy_url"
KEY = "s3cret-key-of-the-house"


async def choose(hass: HomeAssistant, menu: ConfigFlowResult, connection: str) -> ConfigFlowResult:
    """The form behind one line of the menu."""
    assert menu["type"] is FlowResultType.MENU
    return await hass.config_entries.flow.async_configure(menu["flow_id"], {"next_step_id": connection})


async def enter(hass: HomeAssistant, connection: str = "direct", /, **user_input: Any) -> ConfigFlowResult:
    """What comes of these answers when a Spark is added."""
    menu = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    form = await choose(hass, menu, connection)
    return await hass.config_entries.flow.async_configure(form["flow_id"], user_input)


async def submit(hass: HomeAssistant, connection: str = "direct", /, **user_input: Any) -> ConfigFlowResult:
    """The same, and back to the form where it is offered to save anyway: its fields have the errors."""
    return await back(hass, await enter(hass, connection, **user_input))


async def back(hass: HomeAssistant, result: ConfigFlowResult) -> ConfigFlowResult:
    """The form again, where it is offered to save anyway."""
    if result["type"] is not FlowResultType.MENU:
        return result
    options = result["menu_options"]
    assert isinstance(options, list)
    save, step = options
    assert (result["step_id"], save) == ("not_ready", "save_anyway")
    return await choose(hass, result, step)


def direct(parakeet_url: str | None, magpie_url: str | None, **changes: Any) -> dict[str, Any]:
    """An entry's data for a direct connection."""
    data = {"connection": "direct", PARAKEET: parakeet_url, MAGPIE: magpie_url, "proxy_url": None}
    return {**data, "api_key": None, "verify_ssl": True, **changes}


def through_proxy(url: str, key: str | None = None) -> dict[str, object]:
    """An entry's data for a connection through the proxy."""
    return {**direct(None, None), "connection": "proxy", PROXY: url, "api_key": key}


async def reconfigure(
    hass: HomeAssistant, entry: MockConfigEntry, connection: str = "direct", /, **user_input: Any
) -> ConfigFlowResult:
    """The reconfigure step, filled in."""
    menu = await entry.start_reconfigure_flow(hass)
    assert menu["step_id"] == "reconfigure"
    form = await choose(hass, menu, connection)
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, connection)
    return await back(hass, await hass.config_entries.flow.async_configure(form["flow_id"], user_input))
