"""What restarts a service, as options: the second form."""

import pytest
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spark_audio.const import DOMAIN
from tests.helpers.integration.option_forms import DEFAULTS, fields, submit, suggested
from tests.helpers.integration.translations import TRANSLATIONS

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")

TARGETS: dict[str, tuple[str, dict[str, str]]] = {
    "hook": ("hook", {"parakeet_restart_url": "http://gpu:9999/hook?token=1", "parakeet_restart_token": "abc"}),
    "docker": ("docker", {"magpie_restart_docker": "http://gpu:2375#magpie_1"}),
    "action": ("action", {"parakeet_restart_action": "script.restart_parakeet"}),
    "button": ("button", {"magpie_restart_button": "button.other"}),
}


@pytest.fixture
def helpers(hass: HomeAssistant) -> None:
    """An action and a button that could restart something."""

    async def restart(_: ServiceCall) -> None:
        """Nothing."""

    hass.services.async_register("script", "restart_parakeet", restart)
    er.async_get(hass).async_get_or_create("button", "portainer", "1", suggested_object_id="other")


@pytest.mark.usefixtures("helpers")
@pytest.mark.parametrize(("kind", "targets"), TARGETS.values(), ids=TARGETS.keys())
async def test_restart_targets(hass: HomeAssistant, entry: MockConfigEntry, kind: str, targets: dict[str, str]) -> None:
    """A second form asks for what the chosen kind needs, and the next time it shows what was entered."""
    form = await submit(hass, entry, healing={"restart_kind": kind})
    assert (form["type"], form["step_id"], form["errors"]) == (FlowResultType.FORM, kind, {})
    assert set(targets) <= set(fields(form))
    padded = {name: text if kind == "button" else f" {text} " for name, text in targets.items()}
    result = await hass.config_entries.options.async_configure(form["flow_id"], padded)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert entry.options == {**DEFAULTS, "restart_kind": kind, **targets}
    name = next(iter(targets)).partition("_")[0]
    [target] = [member.watchdog.target for member in entry.runtime_data.spark.members if str(member.name) == name]
    assert target.kind == kind

    form = await submit(hass, entry, healing={"restart_kind": kind})
    assert suggested(form) == targets
    other = next(name for name in fields(form) if name not in targets and not name.endswith("token"))
    await hass.config_entries.options.async_configure(form["flow_id"], {other: next(iter(targets.values()))})
    await hass.async_block_till_done()
    assert {name for name in entry.options if "_restart_" in name} == {other}


WRONG: dict[str, tuple[str, str, str, str]] = {
    "no URL": ("hook", "parakeet_restart_url", "gpu:9999", "invalid_url"),
    "fragment": ("hook", "magpie_restart_url", "http://gpu/#restart", "invalid_url"),
    "bad port": ("hook", "magpie_restart_url", "http://gpu:99999/", "invalid_url"),
    "no container": ("docker", "parakeet_restart_docker", "http://gpu:2375", "invalid_docker"),
    "no API": ("docker", "parakeet_restart_docker", "gpu#parakeet", "invalid_docker"),
    "not a name": ("docker", "parakeet_restart_docker", "http://gpu:2375#-x y", "invalid_docker"),
    "no action": ("action", "magpie_restart_action", "script.gone", "unknown_action"),
    "half an action": ("action", "magpie_restart_action", "script", "unknown_action"),
    "no button": ("button", "magpie_restart_button", "button.gone", "unknown_entity"),
}


@pytest.mark.usefixtures("helpers")
@pytest.mark.parametrize(("kind", "field", "text", "error"), WRONG.values(), ids=WRONG.keys())
async def test_wrong_restart_targets(
    hass: HomeAssistant, entry: MockConfigEntry, kind: str, field: str, text: str, error: str
) -> None:
    """Each is told on its field, before anything is stored."""
    form = await submit(hass, entry, healing={"restart_kind": kind})
    form = await hass.config_entries.options.async_configure(form["flow_id"], {field: text})
    assert (form["type"], form["errors"]) == (FlowResultType.FORM, {field: error})
    told = TRANSLATIONS["options"]["error"][error]
    assert ("{entity}" in told) == (text in told.format(**(form["description_placeholders"] or {})))
    assert suggested(form) == {field: text}
    assert entry.options == {}


async def test_wrong_token(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """What no header can carry is told."""
    form = await submit(hass, entry, healing={"restart_kind": "hook"})
    wrong = {"parakeet_restart_url": "http://gpu/", "parakeet_restart_token": "two words"}
    form = await hass.config_entries.options.async_configure(form["flow_id"], wrong)
    assert form["errors"] == {"parakeet_restart_token": "invalid_key"}


@pytest.mark.parametrize("answers", [{}, {"parakeet_restart_url": " "}, {"parakeet_restart_token": "abc"}])
async def test_no_target_at_all(hass: HomeAssistant, entry: MockConfigEntry, answers: dict[str, str]) -> None:
    """A kind without a target would look like a cure and be none."""
    form = await submit(hass, entry, healing={"restart_kind": "hook"})
    form = await hass.config_entries.options.async_configure(form["flow_id"], answers)
    assert form["errors"] == {"base": "no_target"}


async def test_own_button_as_target(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    own = er.async_get(hass).async_get_entity_id("button", DOMAIN, f"{entry.entry_id}_parakeet_check")
    assert own is not None
    form = await submit(hass, entry, healing={"restart_kind": "button"})
    assert own in fields(form)["parakeet_restart_button"].config["exclude_entities"]


async def test_actions_are_offered(hass: HomeAssistant, entry: MockConfigEntry, helpers: None) -> None:
    form = await submit(hass, entry, healing={"restart_kind": "action"})
    assert "script.restart_parakeet" in fields(form)["parakeet_restart_action"].config["options"]
