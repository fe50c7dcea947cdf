"""Texts in Home Assistant's own words: buttons that exist, its terms, and no words for people said of machines."""

import json
import re
from itertools import chain
from pathlib import Path

import hass_frontend
import pytest

from tests.helpers.integration.translations import LANGUAGES, load, texts

FRONTEND = Path(hass_frontend.__file__).parent / "static/translations"
BUTTONS = ("ui.panel.config.integrations.config_flow.submit", "ui.panel.config.integrations.config_entry.configure")
SETTINGS = ("panel.config", "ui.panel.config.dashboard.voice_assistants.main")

SAME = {
    "api_key": {"en": "API key", "de": "API-Schlüssel", "es": "Clave API", "fr": "Clé API", "it": "Chiave API"},
    "verify_ssl": {
        "en": "Verify SSL certificate",
        "de": "SSL-Zertifikat überprüfen",
        "es": "Verificar el certificado SSL",
        "fr": "Vérifier le certificat SSL",
        "it": "Verifica il certificato SSL",
    },
    "noise_reduction": {
        "en": "Noise suppression",
        "de": "Geräuschunterdrückung",
        "es": "Supresión de ruido",
        "fr": "Suppression du bruit",
        "it": "Soppressione del rumore",
    },
    "auto_gain": {
        "en": "Auto gain",
        "de": "Automatische Verstärkung",
        "es": "Ganancia automática",
        "fr": "Gain automatique",
        "it": "Guadagno automatico",
    },
    "turn_end": {
        "en": "End of speech",
        "de": "Ende des Sprechens",
        "es": "Fin de habla",
        "fr": "Fin de la parole",
        "it": "Fine del parlato",
    },
    "speed": {"en": "Speed", "de": "Geschwindigkeit", "es": "Velocidad", "fr": "Vitesse", "it": "Velocità"},
}
"""Labels of fields."""

ENTITIES = {
    "entity.sensor.health.name": {
        "en": "Health",
        "de": "Systemzustand",
        "es": "Salud",
        "fr": "Santé",
        "it": "Salute",
    },
    "entity.sensor.health.state.healthy": {
        "en": "Healthy",
        "de": "Fehlerfrei",
        "es": "Saludable",
        "fr": "Sain",
        "it": "Funzionante",
    },
    "entity.sensor.silence.state_attributes.agent.name": {
        "en": "Conversation agent",
        "de": "Konversationsagent",
        "es": "Agente de conversación",
        "fr": "Agent de conversation",
        "it": "Agente di conversazione",
    },
    "entity.stt.speech_to_text.name": {
        "en": "Speech-to-text",
        "de": "Sprache-zu-Text",
        "es": "Voz a texto",
        "fr": "Reconnaissance vocale",
        "it": "Riconoscimento vocale",
    },
    "entity.tts.text_to_speech.name": {
        "en": "Text-to-speech",
        "de": "Text-zu-Sprache",
        "es": "Texto a voz",
        "fr": "Synthèse vocale",
        "it": "Sintesi vocale",
    },
}

PARTS_OF_THE_SILENCE = {
    "speech_to_text": "entity.stt.speech_to_text.name",
    "text_to_speech": "entity.tts.text_to_speech.name",
    "end_of_speech": "options.step.init.sections.listening.data.turn_end",
}
"""Which other text each has."""

FORBIDDEN = {
    "en": r"\b(shall|canary|wedged?|evidence|loaded anew|TLS|somebody|hears?\b.{0,9}instead|copes? without)\b",
    "de": r"Absenden|klemm|versag|heil|gesund|Probe\b|Spracherkennung|Sprachausgabe|Neustartziel|Stimmung|Tempo\b"
    r"|Rauschunter|ausprobier|leer gelassen|\bRechnername|Ersatz\b|erholt|TLS|: [a-zäöü]+ \w+ \w+ (ist|wird|hat)\b",
    "es": r"\bórden(es)?\b|\borden\b|\bsano|\bcura\b|destino|sustitut|\bturno|\bprueba de\b|ensayo|Estado\b"
    r"|Reconocimiento de voz|Síntesis de voz|\bmáquina|\bTLS\b|intento|se recupera",
    "fr": r"Soumettre|\bordres?\b|échou|joindre|Remplaçant|\btour\b|\bessai|cible|se reprend|\bTLS\b|\bÉtat\b"
    r"|injoignable|’",
    "it": r"Rinuncia|\bsano|\bturno|\bprova\b della|\bcura|Stato\b|riprende|\bTLS\b|\bordin|’|\blog\b",
}
"""Buttons that do not exist, jargon, words for people, and terms that Home Assistant has others for."""

LANGUAGE_FIELD = re.compile(r"options\.step\.init\.sections\.voice\.data\.[a-z]{2}(-[a-z]{2})?")


def frontend(language: str) -> dict[str, str]:
    """The frontend's own texts."""
    files = [
        path
        for path in chain(FRONTEND.glob("*.json"), FRONTEND.glob("config/*.json"))
        if re.fullmatch(rf"{language}-[0-9a-f]{{32}}", path.stem)
    ]
    return {key: text for path in files for key, text in json.loads(path.read_text()).items()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_buttons_that_are_named_exist(language: str) -> None:
    """By the frontend's own translations."""
    words = frontend(language)
    buttons = {words[key] for key in BUTTONS}
    named = {name for _, text in texts(load(language)) for name in re.findall(r"\*\*([^*:{}]+)\*\*", text)}
    assert named == buttons
    place = " > ".join(words[key] for key in SETTINGS)
    assert f"[{place}](" in load(language)["config"]["create_entry"]["default"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_terms_of_home_assistant(language: str) -> None:
    translated = dict(texts(load(language)))
    for path, text in translated.items():
        name = path.rpartition(".")[2]
        if ".data." in path and name in SAME:
            assert text == SAME[name][language], path
    assert {path: translated[path] for path in ENTITIES} == {path: words[language] for path, words in ENTITIES.items()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_parts_of_the_silence_are_called_like_what_takes_them(language: str) -> None:
    translated = dict(texts(load(language)))
    for part, other in PARTS_OF_THE_SILENCE.items():
        assert translated[f"entity.sensor.silence.state_attributes.{part}.name"] == translated[other]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_other_words(language: str) -> None:
    found = {
        path: match[0]
        for path, text in texts(load(language))
        if (match := re.search(FORBIDDEN[language], re.sub(r"\{\w+\}", "", text)))
    }
    assert found == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_typography(language: str) -> None:
    """Spaces before signs in French alone, and names of languages as they are written in the middle of a sentence."""
    for path, text in texts(load(language)):
        assert "  " not in text, path
        assert re.search(r" [:;?!]", text) is None, path
        if language == "fr":
            without_links = re.sub(r"https?://|:\*\*", "", text)
            assert re.search(r"[^\u00a0/][:;?!](\s|$)", without_links) is None, path
        if language in ("es", "fr", "it") and LANGUAGE_FIELD.fullmatch(path):
            assert re.search(r":\s[a-zà-ÿ]", text), path


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_end_alike(language: str) -> None:
    """A description has a full stop where the English one has."""
    translated = dict(texts(load(language)))
    for path, text in texts():
        if path.rpartition(".")[2] in ("description", "message") or ".data_description." in path:
            assert text[-1] in ".?}", path
            assert translated[path][-1] == text[-1], path


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_of_errors(language: str) -> None:
    """An error quotes the server by a placeholder of its own: two may be shown at once."""
    for key, text in load(language)["config"]["error"].items():
        allowed = {"service", "problem"} if key == "behind_proxy" else {f"{key}_said"}
        assert set(re.findall(r"\{(\w+)\}", text)) <= allowed, key
