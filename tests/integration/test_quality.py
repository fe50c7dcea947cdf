"""The quality scale and the icons: nothing forgotten, nothing left over."""

import json
from pathlib import Path

import homeassistant.components
from homeassistant.util.yaml import load_yaml_dict

from custom_components.spark_audio.event import INCIDENT
from custom_components.spark_audio.spark_engine.healing.health import State
from tests.helpers.integration.set_up import INTEGRATION
from tests.helpers.integration.translations import TRANSLATIONS

ICONS = json.loads((INTEGRATION / "icons.json").read_text())["entity"]
CORE = Path(homeassistant.components.__file__).parent


def test_every_rule_has_an_honest_status() -> None:
    """The same rules as a core integration's, and a reason wherever one does not apply."""
    rules = load_yaml_dict(str(INTEGRATION / "quality_scale.yaml"))["rules"]
    core = load_yaml_dict(str(CORE / "portainer/quality_scale.yaml"))["rules"]
    assert set(rules) == set(core)
    for rule, about in rules.items():
        status, comment = (about, None) if isinstance(about, str) else (about["status"], about["comment"])
        assert status in ("done", "exempt", "todo"), rule
        assert status == "done" or comment, rule


def test_every_entity_has_an_icon() -> None:
    """Those of speech engines and of device classes are Home Assistant's."""
    named = {platform: set(keys) for platform, keys in TRANSLATIONS["entity"].items() if platform not in ("stt", "tts")}
    named["sensor"] -= {"canary_latency", "last_success", "silence"}
    assert {platform: set(keys) for platform, keys in ICONS.items()} == named


def test_every_state_has_an_icon_of_its_own() -> None:
    """What goes wrong is seen before it is read."""
    health = ICONS["sensor"]["health"]
    assert set(health["state"]) == {state.value for state in State} - {State.UNKNOWN}
    events = ICONS["event"]["incident"]["state_attributes"]["event_type"]
    assert set(events["state"]) == set(INCIDENT.event_types or [])
    for icons in (health, events):
        assert all(icon.startswith("mdi:") for icon in icons["state"].values())
        assert icons["default"] not in icons["state"].values()
        assert len(set(icons["state"].values())) == len(icons["state"])
