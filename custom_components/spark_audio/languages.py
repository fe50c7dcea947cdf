"""Language tags as Home Assistant stores them in pipelines.

A pipeline's tag must be in an engine's list to the letter, and keeps whatever an earlier engine offered: bare (`en`),
with a region (`en-GB`), or one of Home Assistant's own (`es-419`). So every spelling of a language that the service
knows is listed.
"""

from collections.abc import Iterable

from .spark_engine.servers.magpie_dialects import MagpieServer
from .spark_engine.speech.voices import base_language, languages, normalize_language

_REGIONS = {
    "bg": "BG",
    "cs": "CZ",
    "da": "DK",
    "de": "DE AT CH",
    "el": "GR",
    "en": "US GB AU CA GH HK IE IN KE NG NZ PH PK SG TZ ZA",
    "es": "ES 419 AR BO CL CO CR CU DO EC GQ GT HN MX NI PA PE PR PY SV US UY VE",
    "et": "EE",
    "fi": "FI",
    "fr": "FR BE CA CH",
    "hi": "IN",
    "hr": "HR",
    "hu": "HU",
    "it": "IT CH",
    "ja": "JP",
    "ko": "KR",
    "lt": "LT",
    "lv": "LV",
    "mt": "MT",
    "nl": "NL BE",
    "pl": "PL",
    "pt": "PT BR",
    "ro": "RO",
    "ru": "RU",
    "sk": "SK",
    "sl": "SI",
    "sv": "SE FI",
    "uk": "UA",
    "vi": "VN",
    "zh": "CN HK TW",
}
"""The languages of Parakeet TDT v3 and of Magpie, and the regions that Home Assistant's own speech services offer."""

_PARAKEET = "bg cs da de el en es et fi fr hr hu it lt lv mt nl pl pt ro ru sk sl sv uk"
"""The 25 languages of Parakeet TDT v3."""


def spellings(languages: Iterable[str]) -> list[str]:
    """Every tag that a pipeline, a script or a player may use for one of these languages; each once."""
    tags = (
        tag
        for language in languages
        for base in (base_language(language),)
        for tag in (language, base, *(f"{base}-{region}" for region in _REGIONS.get(base, "").split()))
    )
    return list(dict.fromkeys(tags))


PARAKEET_LANGUAGES = spellings(_PARAKEET.split())

_MAGPIE_LANGUAGES = ("de-DE", "en-US", "es-US", "fr-FR", "hi-IN", "it-IT", "ja-JP", "vi-VN", "zh-CN")
"""What the open Magpie model speaks; not every server tells."""


def magpie_languages(magpie: MagpieServer) -> list[str]:
    """The languages that a Magpie speaks: those of its voices, and its own where it has voices for every language."""
    spoken = set(languages(magpie.voices))
    if any(voice.language is None for voice in magpie.voices):
        spoken.update(map(normalize_language, magpie.repertoire.languages or _MAGPIE_LANGUAGES))
    return sorted(spoken)
