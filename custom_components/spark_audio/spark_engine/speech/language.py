"""Language tags (BCP-47): one spelling, the regions that servers insist on, and those that people use."""

import re
from collections.abc import Iterable
from typing import override

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

_TAG = re.compile(r"[a-z]{2,3}(?:[-_][a-z]{4})?(?:[-_](?:[a-z]{2}|[0-9]{3}))?", re.IGNORECASE)
"""Language, script and region, parted by hyphens or, as in locales of POSIX, underscores."""


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


class Spellings(list[str]):
    """The tags by which languages are offered, each once; it contains every other spelling of them as well.

    Home Assistant asks only whether a tag is in an engine's list. Pipelines keep what an earlier engine offered: bare
    (`en`), with a region (`en-GB`), or one of Home Assistant's own (`es-419`); scripts and Music Assistant write
    `de_DE`, `de-de` or a region that is not listed. Pickers show what is iterated.
    """

    def __init__(self, languages: Iterable[str]) -> None:
        """Offer each of these languages as it is, bare, and with the regions that people use."""
        bases = {language: base_language(language) for language in languages}
        super().__init__(
            dict.fromkeys(
                tag
                for language, base in bases.items()
                for tag in (language, base, *(f"{base}-{region}" for region in _SPOKEN_REGIONS.get(base, "").split()))
            )
        )
        self._bases = frozenset(bases.values())

    @override
    def __contains__(self, tag: object, /) -> bool:
        return isinstance(tag, str) and bool(_TAG.fullmatch(tag)) and base_language(tag) in self._bases
