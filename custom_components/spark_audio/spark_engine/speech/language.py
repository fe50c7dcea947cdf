"""Language tags (BCP-47): one spelling, the regions that servers insist on, and those that people use."""

from collections.abc import Iterable

_PARAKEET = "bg cs da de el en es et fi fr hr hu it lt lv mt nl pl pt ro ru sk sl sv uk"
PARAKEET_LANGUAGES = tuple(_PARAKEET.split())
"""The 25 languages of Parakeet TDT v3."""

MAGPIE_LANGUAGES = ("de-DE", "en-US", "es-US", "fr-FR", "hi-IN", "it-IT", "ja-JP", "vi-VN", "zh-CN")
"""The languages of the open Magpie model; not every server tells its own."""

_SERVER_REGIONS = {
    "ar": "AR",
    "cs": "CZ",
    "da": "DK",
    "el": "GR",
    "en": "US",
    "es": "US",
    "et": "EE",
    "hi": "IN",
    "ja": "JP",
    "ko": "KR",
    "pt": "BR",
    "sl": "SI",
    "sv": "SE",
    "uk": "UA",
    "vi": "VN",
    "zh": "CN",
}
"""The region that NVIDIA's models know a language by, where it is not the language's own name."""

_SPOKEN_REGIONS = {
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
"""The regions that Home Assistant's own speech services offer for a language."""


def normalize_language(tag: str) -> str:
    """Return a tag in the case that servers insist on: `EN_us` becomes `en-US`."""
    language, *rest = tag.replace("_", "-").split("-")
    return "-".join([language.lower(), *(part.title() if len(part) == 4 else part.upper() for part in rest)])


def base_language(tag: str) -> str:
    """Return the language without region or script: `en-US` becomes `en`."""
    return normalize_language(tag).partition("-")[0]


def with_region(tag: str) -> str:
    """Return a tag with the region that NVIDIA's models know the language by: `en` becomes `en-US`.

    A NIM refuses a bare language, and Assist stores bare ones.
    """
    tag = normalize_language(tag)
    return tag if "-" in tag else f"{tag}-{_SERVER_REGIONS.get(tag, tag.upper())}"


def spellings(languages: Iterable[str]) -> list[str]:
    """Return every tag by which one of these languages may be asked for, each once.

    Home Assistant takes only what is in an engine's list to the letter, and pipelines keep what an earlier engine
    offered: bare (`en`), with a region (`en-GB`), or one of Home Assistant's own (`es-419`).
    """
    tags = (
        tag
        for language in languages
        for base in (base_language(language),)
        for tag in (language, base, *(f"{base}-{region}" for region in _SPOKEN_REGIONS.get(base, "").split()))
    )
    return list(dict.fromkeys(tags))
