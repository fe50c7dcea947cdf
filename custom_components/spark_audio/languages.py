"""Language tags as Home Assistant stores them in pipelines.

A pipeline's tag must be in an engine's list to the letter, and keeps whatever an earlier engine offered: bare (`en`),
with a region (`en-GB`), or one of Home Assistant's own (`es-419`). So every spelling of a language that the service
knows is listed.
"""

from .spark_engine.magpie_dialects import MagpieServer
from .spark_engine.voices import languages, normalize_language

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
    "hr": "HR",
    "hu": "HU",
    "it": "IT CH",
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
}
"""The 25 languages of Parakeet TDT v3, and the regions that Home Assistant's own speech services offer for them."""

PARAKEET_LANGUAGES = [
    tag
    for language, regions in _REGIONS.items()
    for tag in (language, *(f"{language}-{region}" for region in regions.split()))
]

_MAGPIE_LANGUAGES = ("de-DE", "en-US", "es-US", "fr-FR", "hi-IN", "it-IT", "ja-JP", "vi-VN", "zh-CN")
"""What the open Magpie model speaks; not every server tells."""


def magpie_languages(magpie: MagpieServer) -> list[str]:
    """The languages that a Magpie speaks: those of its voices, and its own where it has voices for every language."""
    spoken = set(languages(magpie.voices))
    if any(voice.language is None for voice in magpie.voices):
        spoken.update(map(normalize_language, magpie.repertoire.languages or _MAGPIE_LANGUAGES))
    return sorted(spoken)
