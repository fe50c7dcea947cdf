"""The blueprint: Home Assistant takes it, and it tells what it is asked to."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components.automation.config import AUTOMATION_BLUEPRINT_SCHEMA
from homeassistant.components.blueprint.schemas import BLUEPRINT_SCHEMA
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml_dict
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events

from custom_components.spark_audio.event import INCIDENT as DESCRIPTION
from custom_components.spark_audio.spark_engine.healing.health import Health, State, Transition
from tests.helpers.integration.set_up import INTEGRATION

ROOT = INTEGRATION.parent.parent
NAME = "spark_audio/speech_recovers_or_gives_up.yaml"
BLUEPRINT = ROOT / "blueprints/automation" / NAME
INCIDENT = "event.parakeet_incident"


def test_schema() -> None:
    """Home Assistant's own check of blueprints for automations."""
    blueprint = load_yaml_dict(BLUEPRINT)
    AUTOMATION_BLUEPRINT_SCHEMA(blueprint)
    about = BLUEPRINT_SCHEMA(blueprint)["blueprint"]
    assert about["source_url"].endswith(f"/blueprints/automation/{NAME}")


def test_every_event_can_be_chosen_and_is_told_in_words() -> None:
    blueprint = load_yaml_dict(BLUEPRINT)
    kinds = blueprint["blueprint"]["input"]["kinds"]["selector"]["select"]["options"]
    assert {kind["value"] for kind in kinds} == set(DESCRIPTION.event_types or ())
    assert all(f"'{kind}': '" in blueprint["variables"]["message"] for kind in DESCRIPTION.event_types or ())


@pytest.fixture
async def automation(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """An automation made of the blueprint as it is."""
    folder = Path(hass.config.path("blueprints/automation")) / NAME
    folder.parent.mkdir(parents=True)
    shutil.copy(BLUEPRINT, folder)
    config: dict[str, Any] = {"use_blueprint": {"path": NAME, "input": {"incidents": [INCIDENT]}}}
    assert await async_setup_component(hass, "persistent_notification", {})
    assert await async_setup_component(hass, "automation", {"automation": [config]})
    await hass.async_block_till_done()
    assert hass.states.async_entity_ids("automation")


@pytest.mark.usefixtures("automation")
async def test_tells_of_recovery_and_giving_up(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Not of what lies between, and not again of what was told before."""
    calls = async_capture_events(hass, "call_service")
    [watchdog] = [member.watchdog for member in entry.runtime_data.spark.members if str(member.name) == "parakeet"]
    for state in (State.WEDGED, State.RESTARTING, State.HEALTHY, State.WEDGED, State.GAVE_UP):
        change = Transition(float(len(watchdog.history)), watchdog.health.state, state, f"Evidence of {state}.")
        watchdog.health = Health(state=state, since=0.0)
        watchdog.history.append(change)
        await entry.runtime_data.async_refresh()
        await hass.async_block_till_done()

    restored = hass.states.get(INCIDENT)
    assert restored is not None
    hass.states.async_set(INCIDENT, STATE_UNAVAILABLE)
    hass.states.async_set(INCIDENT, restored.state, restored.attributes)
    hass.states.async_remove(INCIDENT)
    hass.states.async_set(INCIDENT, restored.state, restored.attributes)
    await hass.async_block_till_done()

    told = [call.data["service_data"] for call in calls if call.data["domain"] == "persistent_notification"]
    assert [(data["title"], data["message"]) for data in told] == [
        ("Parakeet", "works again. Evidence of healthy."),
        (
            "Parakeet",
            "does not recover. Restarts did not help, please check it. Evidence of gave_up.",
        ),
    ]
