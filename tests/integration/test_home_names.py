"""The names of the home: read as Home Assistant reads them, put right in transcripts, and turns that end by meaning."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from unittest.mock import patch

import pytest
from homeassistant.components.conversation import DOMAIN as CONVERSATION
from homeassistant.components.conversation.default_agent import DefaultAgent
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.components.stt import SpeechResult, SpeechResultState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import floor_registry as fr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.spark_audio.diagnostics import async_get_config_entry_diagnostics
from custom_components.spark_audio.home_names import Correction, HomeNames, names_of
from custom_components.spark_audio.spark_engine.speech.turn_end import Meaning
from tests.fakes import server as fake
from tests.fakes.server import FakeServer
from tests.helpers.integration.hearing import POST, SPEECH, engine_entity
from tests.helpers.integration.option_forms import submit
from tests.helpers.integration.other_engines import CUDA, EARS, OtherEars, add_ears
from tests.helpers.integration.pipeline import create_pipeline, run_pipeline

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")

PATIENT = 10.0
"""Seconds: on a busy machine the agent takes its time."""


@pytest.fixture
async def home(hass: HomeAssistant, assist: None) -> HomeNames:
    """A home with some names, which are followed."""
    areas, entities = ar.async_get(hass), er.async_get(hass)
    floor = fr.async_get(hass).async_create("Upstairs", aliases={"first floor"})
    areas.async_create("Powder room", aliases={"guest toilet"}, floor_id=floor.floor_id)
    kitchen = areas.async_create("Kitchen")
    desk = entities.async_get_or_create("light", "demo", "1", suggested_object_id="desk", original_name="Desk")
    entities.async_update_entity(desk.entity_id, aliases=["Lina's lamp"], area_id=kitchen.id)
    hass.states.async_set(desk.entity_id, "on", {"friendly_name": "Desk"})
    for entity_id, name in (
        ("light.kallax", "Kallax lamp"),
        ("light.kitchen", "Kitchen light"),
        ("light.bed", "Bed"),
        ("light.bedside", "Bed side"),
    ):
        hass.states.async_set(entity_id, "on", {"friendly_name": name})
    hass.states.async_set("lock.secret", "on", {"friendly_name": "Safe of Oskar"})
    async_expose_entity(hass, CONVERSATION, "lock.secret", should_expose=False)
    sentence = {"trigger": "conversation", "command": ["movie night in the den", "[start] the {game}"]}
    assert await async_setup_component(hass, "automation", {"automation": {"trigger": sentence, "action": []}})
    await hass.async_block_till_done()
    names = HomeNames(hass, ["Grandma Hilde"], longest=PATIENT)
    assert len(list(names.listen())) > 1
    await names.prepare("en")
    return names


async def known(home: HomeNames) -> tuple[str, ...]:
    await home.prepare("en")
    return home.known("en")


async def test_names_are_read_as_the_agent_reads_them(hass: HomeAssistant, home: HomeNames) -> None:
    names = await known(home)
    assert {"Kallax lamp", "Lina's lamp", "Kitchen light", "Powder room", "guest toilet", "Upstairs"} <= set(names)
    assert {"first floor", "Kitchen", "Grandma Hilde", "movie night in the den"} <= set(names)
    assert not {"Safe of Oskar", "[start] the {game}"} & set(names)
    agent_names = {name for _, name, _ in _agent(hass)._get_entity_name_tuples(exposed=True)}  # noqa: SLF001
    assert agent_names <= set(names_of(hass))


def _agent(hass: HomeAssistant) -> DefaultAgent:
    agent = hass.data["conversation"].get_entity("conversation.home_assistant")
    assert isinstance(agent, DefaultAgent)
    return agent


async def test_names_follow_the_registries(hass: HomeAssistant, home: HomeNames) -> None:
    """Each kind of change brings its own name."""
    changes: Mapping[str, Callable[[], object]] = {
        "Billy": lambda: er.async_get(hass).async_update_entity("light.desk", aliases=["Billy"]),
        "Malm": lambda: ar.async_get(hass).async_create("Malm"),
        "Hemnes": lambda: fr.async_get(hass).async_create("Hemnes"),
        "Lack": lambda: hass.states.async_set("light.new", "on", {"friendly_name": "Lack"}),
        "Safe of Oskar": lambda: async_expose_entity(hass, CONVERSATION, "lock.secret", should_expose=True),
    }
    for name, change in changes.items():
        assert name not in await known(home)
        change()
        await hass.async_block_till_done()
        assert name in await known(home)


async def test_what_is_gone_is_forgotten(hass: HomeAssistant, home: HomeNames) -> None:
    hass.states.async_remove("light.kitchen")
    await hass.async_block_till_done()
    assert "Kitchen light" not in await known(home)


SENTENCES = (
    ("en", "Turn on the colics lamp.", "Turn on the Kallax lamp."),
    ("en-US", "turn off the lights in the powdered room", "turn off the lights in the Powder room"),
    ("en", "movie nights in the den", "movie night in the den"),
    ("de", "Schalte die Kalaks Lampe ein.", "Schalte die Kallax lamp ein."),
    ("fr", "allume la caillax lampe", "allume la Kallax lamp"),
    ("es", "enciende la calax lamp", "enciende la Kallax lamp"),
    ("it", "accendi la calax lamp", "accendi la Kallax lamp"),
)


async def test_a_misheard_name_is_put_right(home: HomeNames) -> None:
    """In each language that has sounds of its own."""
    for number, (language, heard, meant) in enumerate(SENTENCES, 1):
        await home.prepare(language)
        assert await home.corrected(heard, language) == meant
        assert home.corrections.count == number


async def test_anything_else_stays(home: HomeNames) -> None:
    for heard in (
        "Turn on the Kallax lamp.",
        "turn on the lights",
        "What do you think of a colics lamp?",
        "Turn on the kitchen",
        "turn on the bed",
        "What is the cat's lamp?",
        "Play something about the kitten.",
        "Turned on the Kallax lamp.",
    ):
        assert await home.corrected(heard, "en") == heard
    assert home.corrections.count == 0


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("Turn on the cat's lamp.", "Turn on the Kallax lamp."),
        ("Is the cat's lamp on?", "Is the Kallax lamp on?"),
        ("Purn on the lights in the powdered room.", "Turn on the lights in the Powder room."),
        ("Purn on the Kallax lamp.", "Turn on the Kallax lamp."),
    ],
)
async def test_what_is_said_to_a_home_alone_is_put_right(home: HomeNames, heard: str, meant: str) -> None:
    assert await home.corrected(heard, "en") == meant


async def test_what_the_home_makes_of_a_sentence(home: HomeNames) -> None:
    for text, meaning in {
        "turn on the kitchen light": Meaning.WHOLE,
        "Set a timer for ten minutes.": Meaning.WHOLE,
        "movie night in the den": Meaning.WHOLE,
        "turn on the bed": Meaning.MAY_GO_ON,
        "Um. Okay, turn on the kitchen light.": Meaning.WHOLE,
        "Um.": Meaning.UNKNOWN,
        "Turn on the powder.": Meaning.UNKNOWN,
        "Turn on the Kallax.": Meaning.MAY_GO_ON,
        "What is the temperature in the kitchen?": Meaning.WHOLE,
        "turn on the": Meaning.UNKNOWN,
        "turn on the lights": Meaning.UNKNOWN,
        "set a timer for ten": Meaning.UNKNOWN,
        "set the kitchen light to 50": Meaning.UNKNOWN,
        "What is the capital of France?": Meaning.UNKNOWN,
        "": Meaning.UNKNOWN,
        "...": Meaning.UNKNOWN,
    }.items():
        assert await home.meaning(text, "en") is meaning, text


async def test_a_sentence_of_a_room_lacks_nothing(hass: HomeAssistant, home: HomeNames) -> None:
    """Although there is a light strip."""
    assert await home.meaning("turn on the light", "en") is Meaning.UNKNOWN
    hass.states.async_set("light.strip", "on", {"friendly_name": "Light strip"})
    await home.prepare("en")
    assert await home.meaning("turn on the light", "en") is Meaning.UNKNOWN
    assert await home.meaning("turn on the light strip", "en") is Meaning.WHOLE


async def test_a_german_verb_may_lack_its_end(home: HomeNames) -> None:
    for text, meaning in {
        "Schalte das Licht.": Meaning.MAY_GO_ON,
        "Mach die Kallax Lamp": Meaning.MAY_GO_ON,
        "Mach die Kallax Lamp an.": Meaning.WHOLE,
        "Wie wird das Wetter?": Meaning.UNKNOWN,
        "Mach das Licht heller.": Meaning.UNKNOWN,
    }.items():
        assert await home.meaning(text, "de") is meaning, text


async def test_a_language_without_sentences_changes_only_what_hardly_differs(home: HomeNames) -> None:
    await home.prepare("xx")
    assert await home.corrected("blah colics lamp blah", "xx") == "blah colics lamp blah"
    assert await home.corrected("blah calax lamp blah", "xx") == "blah Kallax lamp blah"
    assert await home.meaning("turn on the kitchen light", "xx") is Meaning.UNKNOWN


async def test_without_an_agent_there_are_no_names(hass: HomeAssistant) -> None:
    names = HomeNames(hass, ["Kallax lamp"])
    await names.prepare("en")
    assert await known(names) == ("Kallax lamp",)
    assert await names.corrected("turn on the colics lamp", "en") == "turn on the colics lamp"


async def test_a_slow_parse_leaves_the_transcript(hass: HomeAssistant, home: HomeNames) -> None:
    """The deadline is over before the agent answers."""
    names = HomeNames(hass, [], longest=0)
    assert await names.corrected("Turn on the colics lamp.", "en") == "Turn on the colics lamp."
    assert await names.meaning("turn on the kitchen light", "en") is Meaning.UNKNOWN


async def test_a_broken_agent_leaves_the_transcript(home: HomeNames) -> None:
    for broken in ("async_recognize_intent", "async_get_or_load_intents", "async_recognize_sentence_trigger"):
        with patch.object(DefaultAgent, broken, side_effect=AttributeError):
            await home.prepare("en")
            assert await home.corrected("Turn on the colics lamp.", "en") == "Turn on the colics lamp."
            assert await home.meaning("turn on the colics lamp", "en") is Meaning.UNKNOWN


async def test_names_that_change_while_they_are_built_are_built_again(hass: HomeAssistant, home: HomeNames) -> None:
    ar.async_get(hass).async_create("Billy")
    building = asyncio.ensure_future(home.prepare("en"))
    await asyncio.sleep(0)
    ar.async_get(hass).async_create("Malm")
    await building
    await hass.async_block_till_done()
    assert "Malm" in await known(home)


async def test_a_pipeline_hears_the_name(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    home: HomeNames,
    entry: MockConfigEntry,
    parakeet: FakeServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log and the diagnostics hold no word of it, unless the user wants it there."""
    caplog.set_level(logging.DEBUG, "custom_components.spark_audio")
    parakeet.answers[POST] = fake.json({"text": "Turn on the colics lamp."})
    await submit(hass, entry, listening={"more_names": ["Hilde"], "keep_corrections": True})
    names = engine_entity(hass).names
    assert names is not None
    names.longest = PATIENT
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws), SPEECH)
    assert run.heard == "Turn on the Kallax lamp."
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("custom_components.spark_audio")]
    assert not [message for message in ours if "lamp" in message]
    shown = await async_get_config_entry_diagnostics(hass, entry)
    assert shown["names"] == {
        "corrected": 1,
        "last": [{"heard": "Turn on the colics lamp.", "corrected": "Turn on the Kallax lamp."}],
    }
    assert shown["options"]["more_names"] == "**REDACTED**"


async def test_the_transcript_of_another_engine_is_put_right_too(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    home: HomeNames,
    entry: MockConfigEntry,
    parakeet: FakeServer,
) -> None:
    """The fallback hears where Parakeet fails: it does not know the home's names either."""
    await add_ears(hass, OtherEars(answer=SpeechResult("Turn on the colics lamp.", SpeechResultState.SUCCESS)))
    await submit(hass, entry, fallback={"fallback_stt": EARS})
    names = engine_entity(hass).names
    assert names is not None
    names.longest = PATIENT
    parakeet.answers[POST] = CUDA
    ws = await hass_ws_client()
    assert (await run_pipeline(ws, await create_pipeline(ws), SPEECH)).heard == "Turn on the Kallax lamp."


async def test_it_can_be_switched_off(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    home: HomeNames,
    entry: MockConfigEntry,
    parakeet: FakeServer,
) -> None:
    parakeet.answers[POST] = fake.json({"text": "Turn on the colics lamp."})
    await submit(hass, entry, listening={"home_names": False})
    ws = await hass_ws_client()
    assert (await run_pipeline(ws, await create_pipeline(ws), SPEECH)).heard == "Turn on the colics lamp."
    assert (await async_get_config_entry_diagnostics(hass, entry))["names"] is None


def test_only_so_many_corrections_are_kept(hass: HomeAssistant) -> None:
    corrections = HomeNames(hass, [], keeps=True).corrections
    for number in range(20):
        corrections.add(Correction(str(number), "right"))
    assert (corrections.count, len(corrections.last)) == (20, 10)
    quiet = HomeNames(hass, []).corrections
    quiet.add(Correction("wrong", "right"))
    assert (quiet.count, list(quiet.last)) == (1, [])
