"""The languages that Magpie speaks first: each says everything, about the same things, and nothing in English."""

import re
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations

from custom_components.spark_audio.const import AS_IS, DOMAIN, RestartKind, restart_option
from custom_components.spark_audio.options_form import RESTART_FIELDS, SAMPLE_RATES, form
from custom_components.spark_audio.spark_engine.models import Service
from custom_components.spark_audio.spark_engine.servers.magpie_dialects import NIM, MagpieServer
from custom_components.spark_audio.spark_engine.servers.magpie_readers import Repertoire
from custom_components.spark_audio.spark_engine.speech.voices import parse_voice
from custom_components.spark_audio.voices import emotion_key
from tests.helpers.integration.translations import LANGUAGES, TRANSLATIONS, load, texts

OTHERS = [language for language in LANGUAGES if language != "en"]
NAMES = {
    "Home",
    "Assistant",
    "Parakeet",
    "Magpie",
    "Spark",
    "Sparks",
    "URL",
    "Token",
    "token",
    "kHz",
    "Hindi",
    "Services",
    "Neutral",
    "Name",
    "Emotion",
    "Fallback",
}
"""What is called the same everywhere, or happens to be."""

EMOTIONS = ("Angry", "Calm", "Disgust", "Disgusted", "Fearful", "Happy", "Neutral", "PleasantSurprised", "Sad")
"""Those that NVIDIA's documentation names."""

OPEN_MAGPIE = ("DE-DE", "EN-US", "ES-US", "FR-FR", "HI-IN", "IT-IT", "JA-JP", "VI-VN", "ZH-CN")


def test_languages() -> None:
    assert LANGUAGES == ["de", "en", "es", "fr", "it"]


@pytest.mark.parametrize("language", OTHERS)
def test_same_keys_and_placeholders(language: str) -> None:
    """Nothing is missing, nothing is left over, and what is filled in stands everywhere."""
    english, translated = dict(texts()), dict(texts(load(language)))
    assert list(translated) == list(english)
    for path, text in translated.items():
        # A name may be repeated where a pronoun would be unclear.
        assert set(_placeholders(text)) == set(_placeholders(english[path])), path
        assert text.count("\n\n") == english[path].count("\n\n"), path


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_is_left_in_english(language: str) -> None:
    """A sentence that is the same in both languages was forgotten."""
    translated = dict(texts(load(language)))
    same = {text for path, text in texts() if translated[path] == text}
    forgotten = {text for text in same if len(re.findall(r"[A-Za-z]+", re.sub(r"\{\w+\}", "", text))) > 2}
    assert forgotten == set()
    words = {word for text in same for word in re.findall(r"[A-Za-z]+", re.sub(r"\{\w+\}", "", text))}
    assert words <= NAMES | {"Action", "Incident", "Suspect", "action"}


async def test_home_assistant_takes_them(hass: HomeAssistant) -> None:
    """In the user's language."""
    for language, word in (
        ("de", "Systemzustand"),
        ("es", "Salud"),
        ("fr", "Santé"),
        ("it", "Salute"),
        ("en", "Health"),
    ):
        found = await async_get_translations(hass, language, "entity", [DOMAIN])
        assert found[f"component.{DOMAIN}.entity.sensor.health.name"] == word


def test_fields_of_the_options() -> None:
    """Every field has its label, a language for each that Magpie speaks."""
    magpie = MagpieServer(NIM, Repertoire(tuple(parse_voice(f"M.{locale}.Mia") for locale in OPEN_MAGPIE)))
    schema = form(list(Service), magpie, [], healing=True).schema
    sections = TRANSLATIONS["options"]["step"]["init"]["sections"]
    assert [str(key) for key in schema] == list(sections)
    for key, part in schema.items():
        names = {str(field) for field in part.schema.schema}
        assert names <= set(sections[str(key)]["data"])
        if str(key) != "voice":
            assert names == set(sections[str(key)]["data"])
    for kind, fields in RESTART_FIELDS.items():
        told = TRANSLATIONS["options"]["step"][kind]["data"]
        assert set(told) == {restart_option(service, what) for service in Service for what in fields}


def test_choices() -> None:
    selectors: dict[str, Any] = TRANSLATIONS["selector"]
    assert set(selectors["restart_kind"]["options"]) == set(RestartKind)
    assert set(selectors["sample_rate"]["options"]) == set(SAMPLE_RATES)
    assert set(selectors["emotion"]["options"]) == {AS_IS, *map(emotion_key, EMOTIONS)}


def _placeholders(text: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", text)
