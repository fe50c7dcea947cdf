"""The page for users: it names what there is, under the names that there are, and its examples are valid."""

import re
from dataclasses import fields

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.util.yaml import parse_yaml
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spark_audio.spark_engine.healing.health import State
from custom_components.spark_audio.turns import Silence
from tests.helpers.integration.set_up import INTEGRATION
from tests.helpers.integration.translations import TRANSLATIONS

PAGE = (INTEGRATION.parent.parent / "docs/home-assistant.md").read_text()
EXAMPLES = [parse_yaml(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
SECTIONS = (
    *(
        "Five minutes to a spoken answer",
        "What it does",
        "What you need",
        "Installation",
        "Connecting",
        "Options",
        "Entities",
        "Actions",
        "Examples",
    ),
    *("How data is updated", "Known limitations", "Troubleshooting", "Removal"),
)


def _anchor(heading: str) -> str:
    return heading.lower().replace(" ", "-")


def test_sections() -> None:
    """All that the quality scale asks for, and its table of contents leads there."""
    assert tuple(re.findall(r"^## (.+)$", PAGE, re.MULTILINE)) == SECTIONS
    links = re.findall(r"\(#([a-z-]+)\)", PAGE)
    assert links[: len(SECTIONS)] == [_anchor(section) for section in SECTIONS]
    assert set(links) <= {_anchor(heading) for heading in re.findall(r"^##+ (.+)$", PAGE, re.MULTILINE)}


def test_parameters_and_options() -> None:
    """Each field by its label."""
    for step in ("direct", "proxy"):
        for label in TRANSLATIONS["config"]["step"][step]["data"].values():
            assert f"| {label} |" in PAGE
    for part in TRANSLATIONS["options"]["step"]["init"]["sections"].values():
        assert part["name"] in PAGE
        for field, label in part["data"].items():
            # The voice of each language is one line for all.
            assert label in PAGE or re.fullmatch(r"[a-z]{2}(-[a-z]{2})?", field)
    for label in TRANSLATIONS["selector"]["restart_kind"]["options"].values():
        assert f"| {label} |" in PAGE or label == "Nothing"


@pytest.mark.usefixtures("assist")
async def test_entities(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    named = set(re.findall(r"`((?:stt|tts|sensor|event|button)\.[a-z_]+)`", PAGE))
    assert len(named) > 6
    actions = {"tts.speak", "tts.clear_cache", "button.press"}
    disabled_or_conditional = {"sensor.parakeet_check_duration", "button.parakeet_restart"}
    on_the_card = set(re.findall(r"^ +(?:- )?entity: (\S+)$", PAGE, re.MULTILINE))
    assert len(on_the_card) > 6
    assert (named | on_the_card) - actions - disabled_or_conditional <= set(hass.states.async_entity_ids())


def test_states() -> None:
    for state in State:
        assert f"| `{state}` |" in PAGE


def test_examples() -> None:
    """Home Assistant would take them."""
    call, card, automation, scripts = EXAMPLES
    assert isinstance(call, dict)
    assert isinstance(automation, dict)
    assert isinstance(scripts, dict)
    assert isinstance(card, dict)
    cv.SERVICE_SCHEMA(call)
    cv.TRIGGER_SCHEMA(automation["triggers"])
    cv.SCRIPT_SCHEMA(automation["actions"])
    cv.SCRIPT_SCHEMA(scripts["script"]["restart_parakeet"]["sequence"])
    assert card["type"] == "vertical-stack"


def test_the_card_shows_every_part_of_the_silence() -> None:
    """By Home Assistant's own cards and rows."""
    card = EXAMPLES[1]
    assert isinstance(card, dict)
    entities, history = card["cards"]
    assert (entities["type"], history["type"]) == ("entities", "history-graph")
    rows = [row for row in entities["entities"] if row.get("type") == "attribute"]
    assert {row["entity"] for row in rows} == {row["entity"] for row in history["entities"]}
    assert [row["attribute"] for row in rows] == [part.name for part in fields(Silence)]
    assert {row.get("type", "") for row in entities["entities"]} <= {"", "attribute", "buttons", "section"}
