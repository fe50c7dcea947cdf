"""Language tags (BCP-47): one spelling, the regions that servers insist on, and those that people use."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
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

_OPEN = "any auto autodetect automatic default detect mul multi multilingual nil none null und undefined unknown"
_NONE = frozenset(_OPEN.split())
"""Words, spelt by letters alone, by which clients and servers say that they name no language."""

_NAMES = {
    "ar": "ara arabic العربية arabisch arabe",
    "bg": "bul bulgarian български bulgarisch bulgare",
    "cs": "ces cze czech čeština česky tschechisch tchèque",
    "da": "dan danish dansk dänisch danois",
    "de": "deu ger german deutsch allemand tedesco alemán",
    "el": "ell gre greek ελληνικά griechisch grec",
    "en": "eng english englisch anglais inglese inglés",
    "es": "spa spanish español castellano spanisch espagnol spagnolo",
    "et": "est estonian eesti estnisch estonien",
    "fi": "fin finnish suomi finnisch finnois",
    "fr": "fra fre french français französisch francese francés",
    "hi": "hin hindi हिन्दी हिंदी",
    "hr": "hrv croatian hrvatski kroatisch croate",
    "hu": "hun hungarian magyar ungarisch hongrois",
    "it": "ita italian italiano italienisch italien",
    "ja": "jpn japanese 日本語 japanisch japonais",
    "ko": "kor korean 한국어 koreanisch coréen",
    "lt": "lit lithuanian lietuvių litauisch lituanien",
    "lv": "lav latvian latviešu lettisch letton",
    "mt": "mlt maltese malti maltesisch maltais",
    "nl": "nld dut dutch nederlands niederländisch néerlandais flemish vlaams",
    "pl": "pol polish polski polnisch polonais",
    "pt": "por portuguese português portugiesisch portugais",
    "ro": "ron rum romanian română rumänisch roumain",
    "ru": "rus russian русский russisch russe",
    "sk": "slk slo slovak slovenčina slowakisch slovaque",
    "sl": "slv slovenian slovene slovenščina slowenisch slovène",
    "sv": "swe swedish svenska schwedisch suédois",
    "uk": "ukr ukrainian українська ukrainisch ukrainien",
    "vi": "vie vietnamese tiếngviệt vietnamesisch vietnamien",
    "zh": "zho chi cmn chinese mandarin 中文 汉语 漢語 chinesisch chinois",
}
"""What people call a language: ISO 639-2, in English, by itself, in German and in French."""

_OTHER_NAMES = {
    "af": "afrikaans",
    "az": "azerbaijani",
    "be": "belarusian",
    "bn": "bengali",
    "bs": "bosnian",
    "ca": "cat catalan català katalanisch",
    "cy": "welsh",
    "eu": "basque",
    "fa": "persian farsi persisch persan",
    "ga": "irish",
    "gl": "galician",
    "he": "heb hebrew עברית hebräisch hébreu",
    "hy": "armenian",
    "id": "indonesian",
    "is": "icelandic",
    "ka": "georgian",
    "kk": "kazakh",
    "lb": "luxembourgish",
    "mk": "macedonian",
    "ms": "malay",
    "no": "norwegian norsk norwegisch norvégien",
    "sq": "albanian",
    "sr": "serbian srpski serbisch serbe",
    "sw": "swahili",
    "ta": "tamil",
    "te": "telugu",
    "th": "thai",
    "tl": "tagalog",
    "tr": "tur turkish türkçe türkisch turc",
    "ur": "urdu",
}
"""Languages that Whisper's clients name and no model of NVIDIA's here knows: their tags are taken as well."""

_LANGUAGE_TAG = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{1,8})*", re.IGNORECASE)
"""Any tag that BCP-47 could allow, so that a language which a later model knows needs no change here."""

_LONGEST_NAME = 64

_TAG = re.compile(r"[a-z]{2,3}(?:[-_][a-z]{4})?(?:[-_](?:[a-z]{2}|[0-9]{3}))?", re.IGNORECASE)
"""Language, script and region, parted by hyphens or, as in locales of POSIX, underscores."""


def names_no_language(text: str) -> bool:
    """Return whether this is one of the words by which clients and servers leave the language open."""
    return not text.strip(" \t\"'") or _letters(text[:_LONGEST_NAME]) in _NONE


def read_language(text: str) -> str | None:
    """Return the tag that a caller means, None where it names no language.

    Takes tags (`en-US`), locales (`en_US.UTF-8`), codes of three letters (`ger`), names (`German`, `Deutsch`,
    `English (UK)`, `Brazilian Portuguese`) and the words that leave the language open (`auto`, `null`). Raises
    ValueError for anything else.
    """
    if names_no_language(text):
        return None
    # Behind these are a region in words, and a locale's character set and modifier.
    name = re.split(r"[(.@]", text[: _LONGEST_NAME + 1], maxsplit=1)[0].strip(" \t\r\n\"'")
    tag = name.replace("_", "-")
    if len(text) <= _LONGEST_NAME and _LANGUAGE_TAG.fullmatch(tag):
        language, *rest = normalize_language(tag).split("-")
        return "-".join([_BY_NAME.get(language, language), *rest])
    known = {_BY_NAME[word] for word in map(_letters, [name, *re.split(r"[\s-]", tag)]) if word in _BY_NAME}
    if len(text) > _LONGEST_NAME or len(known) != 1:
        raise ValueError("not a language")
    return known.pop()


def _letters(name: str) -> str:
    """Return the letters of a name alone, in one case and without accents: `Français` is `francais`."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return "".join(char for char in decomposed if char.isalnum())


_BY_NAME = {_letters(name): tag for tag, names in (_NAMES | _OTHER_NAMES).items() for name in names.split()}


def normalize_language(tag: str) -> str:
    """Return a tag in the case that servers insist on: `EN_us` becomes `en-US`."""
    language, *rest = tag.replace("_", "-").split("-")
    return "-".join([language.lower(), *(part.title() if len(part) == 4 else part.upper() for part in rest)])


@lru_cache(maxsize=256)
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
