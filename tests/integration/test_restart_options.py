"""What restarts a service, as options: the second form."""

import pytest
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spark_audio.const import DOMAIN
from custom_components.spark_audio.other_entities import by_entity_id
from tests.fakes import faults
from tests.fakes import server as fake
from tests.fakes.server import FakeServer
from tests.helpers.integration.docker_api import DOCKER_INSPECT, restarts
from tests.helpers.integration.option_forms import DEFAULTS, fields, submit, suggested
from tests.helpers.integration.translations import TRANSLATIONS

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")

TARGETS: dict[str, dict[str, str]] = {
    "hook": {"parakeet_restart_url": "{url}/restart?token=1", "parakeet_restart_token": "abc"},
    "docker": {"magpie_restart_docker": "{url}#parakeet"},
    "action": {"parakeet_restart_action": "script.restart_parakeet"},
    "button": {"magpie_restart_button": "button.other"},
}
"""Restart targets that work; `{url}` is where the Docker API and the hook are."""

UNTRIED = {
    "hook": "The restart target's host answers. Only a restart tells whether the hook works.",
    "action": "script.restart_parakeet is there. Only a restart tells what it does.",
    "button": "The button button.other is there. Only a restart tells what it does.",
}
"""What is said of those that only a restart can try."""


@pytest.fixture
def helpers(hass: HomeAssistant) -> None:
    """An action and a button that could restart something."""

    async def restart(_: ServiceCall) -> None:
        """Nothing."""

    hass.services.async_register("script", "restart_parakeet", restart)
    er.async_get(hass).async_get_or_create("button", "portainer", "1", suggested_object_id="other")
    hass.states.async_set("button.other", "unknown")


async def confirmed(hass: HomeAssistant, result: ConfigFlowResult) -> ConfigFlowResult:
    """Submit the step that says what could not be tried, if it comes."""
    if result["type"] is FlowResultType.FORM and result["step_id"] == "untried":
        result = await hass.config_entries.options.async_configure(result["flow_id"], {})
    await hass.async_block_till_done()
    return result


@pytest.mark.usefixtures("helpers")
@pytest.mark.parametrize(("kind", "targets"), TARGETS.items(), ids=TARGETS.keys())
async def test_restart_targets(
    hass: HomeAssistant, entry: MockConfigEntry, api: FakeServer, kind: str, targets: dict[str, str]
) -> None:
    """A second form asks for what the chosen kind needs, and the next time it shows what was entered."""
    targets = {name: text.format(url=api.url) for name, text in targets.items()}
    form = await submit(hass, entry, healing={"restart_kind": kind})
    assert (form["type"], form["step_id"], form["errors"]) == (FlowResultType.FORM, kind, {})
    assert set(targets) <= set(fields(form))
    padded = {name: text if kind == "button" else f" {text} " for name, text in targets.items()}
    result = await confirmed(hass, await hass.config_entries.options.async_configure(form["flow_id"], padded))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert by_entity_id(hass, entry.options) == {**DEFAULTS, "restart_kind": kind, **targets}
    name = next(iter(targets)).partition("_")[0]
    members = entry.runtime_data.spark.members
    [target] = [member.watchdog.restarter.target for member in members if str(member.name) == name]
    assert target.kind == kind

    form = await submit(hass, entry, healing={"restart_kind": kind})
    assert suggested(form) == {name: text for name, text in targets.items() if not name.endswith("token")}
    other = next(name for name in fields(form) if name not in targets and not name.endswith("token"))
    changed = {other: next(iter(targets.values()))}
    await confirmed(hass, await hass.config_entries.options.async_configure(form["flow_id"], changed))
    assert {name for name in entry.options if "_restart_" in name} == {other}


async def test_token_is_not_sent_to_the_browser_again(
    hass: HomeAssistant, entry: MockConfigEntry, api: FakeServer
) -> None:
    """It stays where its field is left empty, and goes with its URL."""
    configure = hass.config_entries.options.async_configure
    hook = {"parakeet_restart_url": api.url, "parakeet_restart_token": "a-token-of-mine"}
    form = await submit(hass, entry, healing={"restart_kind": "hook"})
    await confirmed(hass, await configure(form["flow_id"], hook))
    assert entry.options["parakeet_restart_token"] == "a-token-of-mine"

    form = await submit(hass, entry, healing={"restart_kind": "hook"})
    assert "a-token-of-mine" not in str(suggested(form))
    await confirmed(hass, await configure(form["flow_id"], {"parakeet_restart_url": f"{api.url}/again"}))
    assert entry.options["parakeet_restart_url"] == f"{api.url}/again"
    assert entry.options["parakeet_restart_token"] == "a-token-of-mine"

    form = await submit(hass, entry, healing={"restart_kind": "hook"})
    await confirmed(hass, await configure(form["flow_id"], {"magpie_restart_url": api.url}))
    assert "parakeet_restart_token" not in entry.options


async def test_automatic_restarts_with_nothing_to_make_them(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """It is said once, when it is chosen, and not at every other change."""
    chosen = {"automatic_restart": True, "restart_kind": "none"}
    form = await submit(hass, entry, healing=chosen)
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "nothing_restarts")
    result = await hass.config_entries.options.async_configure(form["flow_id"], {})
    await hass.async_block_till_done()
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options == {**DEFAULTS, **chosen}
    result = await submit(hass, entry, healing=chosen, voice={"speed": 1.5})
    assert result["type"] is FlowResultType.CREATE_ENTRY


class TestTrials:
    """A restart target is tried when it is saved, and nothing is restarted by that."""

    async def ask(self, hass: HomeAssistant, entry: MockConfigEntry, kind: str, **given: str) -> ConfigFlowResult:
        """Fill in the second form."""
        form = await submit(hass, entry, healing={"restart_kind": kind})
        return await hass.config_entries.options.async_configure(form["flow_id"], given)

    async def test_one_that_works_is_saved_at_once(
        self, hass: HomeAssistant, entry: MockConfigEntry, api: FakeServer
    ) -> None:
        result = await self.ask(hass, entry, "docker", parakeet_restart_docker=f"{api.url}#parakeet")
        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert [(asked.method, asked.path) for asked in api.asked][:1] == [DOCKER_INSPECT]
        await hass.async_block_till_done()
        assert restarts(api) == []

    @pytest.mark.parametrize(
        ("kind", "given", "reason"),
        [
            ("hook", {"parakeet_restart_url": "{off}/"}, "Parakeet: The restart target cannot be reached: "),
            ("docker", {"magpie_restart_docker": "{off}#magpie"}, "Magpie: The Docker API cannot be reached: "),
            ("docker", {"magpie_restart_docker": "{url}#magpie"}, "Magpie: The Docker API knows no container magpie."),
            ("button", {"magpie_restart_button": "button.away"}, "Magpie: The button button.away is not available."),
        ],
        ids=["hook is off", "API is off", "no such container", "button is away"],
    )
    async def test_one_that_fails_is_saved_the_second_time(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        api: FakeServer,
        kind: str,
        given: dict[str, str],
        reason: str,
    ) -> None:
        """It may be off at the moment; the form says why it fails, and shows what was entered."""
        hass.states.async_set("button.away", STATE_UNAVAILABLE)
        given = {name: text.format(url=api.url, off=faults.refused()) for name, text in given.items()}
        form = await self.ask(hass, entry, kind, **given)
        assert (form["step_id"], form["errors"]) == (kind, {"base": "target_fails"})
        told = TRANSLATIONS["options"]["error"]["target_fails"].format(**form["description_placeholders"] or {})
        assert reason in told
        assert suggested(form) == given
        assert entry.options == {}
        result = await hass.config_entries.options.async_configure(form["flow_id"], given)
        assert result["type"] is FlowResultType.CREATE_ENTRY
        await hass.async_block_till_done()
        assert given.items() <= by_entity_id(hass, entry.options).items()
        assert restarts(api) == []

    async def test_another_one_is_tried_again(
        self, hass: HomeAssistant, entry: MockConfigEntry, api: FakeServer
    ) -> None:
        """A warning is about what was entered then."""
        form = await self.ask(hass, entry, "docker", parakeet_restart_docker=f"{api.url}#one")
        for container in ("two", "three"):
            given = {"parakeet_restart_docker": f"{api.url}#{container}"}
            form = await hass.config_entries.options.async_configure(form["flow_id"], given)
            assert form["errors"] == {"base": "target_fails"}
            assert f"no container {container}." in (form["description_placeholders"] or {})["reason"]
        mended = {"parakeet_restart_docker": f"{api.url}#parakeet"}
        result = await hass.config_entries.options.async_configure(form["flow_id"], mended)
        assert result["type"] is FlowResultType.CREATE_ENTRY

    @pytest.mark.usefixtures("helpers")
    @pytest.mark.parametrize(("kind", "reason"), UNTRIED.items(), ids=UNTRIED.keys())
    async def test_what_cannot_be_tried_is_said(
        self, hass: HomeAssistant, entry: MockConfigEntry, api: FakeServer, kind: str, reason: str
    ) -> None:
        """One more step says so, once: what is stored already is not mentioned again."""
        given = {name: text.format(url=api.url) for name, text in TARGETS[kind].items()}
        form = await self.ask(hass, entry, kind, **given)
        assert (form["type"], form["step_id"], form["last_step"]) == (FlowResultType.FORM, "untried", True)
        service = "Magpie" if kind == "button" else "Parakeet"
        assert (form["description_placeholders"] or {})["reason"] == f"{service}: {reason}"
        assert entry.options == {}
        await confirmed(hass, form)
        assert given.items() <= by_entity_id(hass, entry.options).items()
        result = await self.ask(hass, entry, kind, **given)
        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert restarts(api) == []

    async def test_a_socket_proxy_that_allows_restarts_alone(
        self, hass: HomeAssistant, entry: MockConfigEntry, api: FakeServer
    ) -> None:
        """It refuses to tell whether the container exists: that is no failure, and no success."""
        api.answers[DOCKER_INSPECT] = fake.text("Forbidden", status=403)
        form = await self.ask(hass, entry, "docker", parakeet_restart_docker=f"{api.url}#parakeet")
        assert form["step_id"] == "untried"
        assert (form["description_placeholders"] or {})["reason"].startswith("Parakeet: The Docker API answers 403")


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
