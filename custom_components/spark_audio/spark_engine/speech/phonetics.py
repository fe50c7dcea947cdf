"""How a word sounds, coarsely: what a recogniser mixes up gets the same key. Pure.

A key has one letter for the sounds that are heard as one another: b and p are `B`, d, t and th are `D`, c, g and k are
`G`, f, v and w are `F`, s and z are `S`, sh, ch and j are `X`. Vowels stay apart, long ones are as short ones.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

from .language import base_language

type Rules = Sequence[tuple[str, str]]

_DOUBLED = re.compile(r"(.)\1+")
_VOWELS = "aeiou"
_LONGEST_WORD = 40
"""Letters: longer ones are no words."""

_PLAIN = dict(zip("bpdtcgkqfvwszhjlmnrxy", "BBDDGGGGFFFSS.YLMNR.i", strict=True)) | {"h": "", "x": "GS"}
"""Letters on their own, in every language that has no rule for them."""

_ENGLISH: Rules = (
    ("igh", "ai"),
    ("tch|sch|sh|ch|dge?(?=e|y)|tion", "X"),
    ("^kn|^gn", "N"),
    ("^wr", "R"),
    ("ph", "F"),
    ("gh", ""),
    ("th", "D"),
    ("ck", "G"),
    ("qu", "GF"),
    ("ng", "N"),
    ("c(?=[eiy])", "S"),
    ("j", "X"),
    ("^y(?=[aeiou])", "Y"),
    ("ee|ea|ie|ey$", "i"),
    ("oo|ou|ew|eu|ue$", "u"),
    ("ai|ay|ei", "e"),
    ("au|aw|ow|oa", "o"),
    ("(?<=[a-z]{2})e$", ""),
    ("(?<=[a-z]{2})es$", "S"),
)
_GERMAN: Rules = (
    ("tsch|sch|ch(?=[^s])|ch$", "X"),
    ("chs", "GS"),
    ("ck", "G"),
    ("ph|pf", "F"),
    ("qu", "GF"),
    ("tz", "S"),
    ("th", "D"),
    ("ng", "N"),
    ("ei|ai|ey|ay", "ai"),
    ("eu|äu", "oi"),
    ("ie", "i"),
    ("ä", "e"),
    ("ö", "o"),
    ("ü|y", "u"),
    ("(?<=[aeiou])h", ""),
    ("er$", "a"),
)
_SPANISH: Rules = (
    ("ch", "X"),
    ("ll", "Y"),
    ("gü", "GF"),
    ("qu|gu(?=[ei])", "G"),
    ("ñ", "N"),
    ("g(?=[ei])|j", "H"),
    ("c(?=[ei])", "S"),
    ("v", "B"),
    ("^y(?=[aeiou])|(?<=[aeiou])y(?=[aeiou])", "Y"),
)
_FRENCH: Rules = (
    ("eau|au", "o"),
    ("oin", "FeN"),
    ("oi|oy", "Fa"),
    ("ou", "u"),
    ("(?:ain|ein|in|im)(?![aeiouy])", "eN"),
    ("(?:en|em|an|am)(?![aeiouynm])", "aN"),
    ("ai|ei|é|è|ê|ë|et$|er$|ez$", "e"),
    ("eu|œu|œ", "e"),
    ("ch", "X"),
    ("gn", "N"),
    ("(?<=[aeiou])ill?e?", "Y"),
    ("ph", "F"),
    ("qu|gu(?=[ei])", "G"),
    ("ç|c(?=[eiy])", "S"),
    ("j|g(?=[eiy])", "X"),
    ("(?<=[a-zA-Z])[sxtdp]+$", ""),
    ("(?<=[a-zA-Z])es?$", ""),
)
_ITALIAN: Rules = (
    ("sc(?=[ei])", "X"),
    ("ch|gh", "G"),
    ("gli", "Li"),
    ("gn", "N"),
    ("c(?=[ei])|g(?=[ei])|j", "X"),
    ("qu", "GF"),
)

_RULES: Mapping[str, Rules] = {"en": _ENGLISH, "de": _GERMAN, "es": _SPANISH, "fr": _FRENCH, "it": _ITALIAN}
_COMPILED = {
    language: tuple((re.compile(pattern), code) for pattern, code in rules) for language, rules in _RULES.items()
}

_NUMBERS = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve",
    "de": "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf dix onze douze",
    "it": "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici",
}
_NUMBER_WORDS = {language: words.split() for language, words in _NUMBERS.items()}

# fmt: off
_ALIKE = {
    "ie": 0.2, "ea": 0.2, "ao": 0.2, "ou": 0.2, "ia": 0.4, "eo": 0.4, "au": 0.4, "iu": 0.4, "eu": 0.4, "io": 0.5,
    "MN": 0.3, "BF": 0.4, "SX": 0.3, "DS": 0.5, "DX": 0.5, "GX": 0.6, "BD": 0.5, "DG": 0.5, "BG": 0.5, "FD": 0.5,
    "FS": 0.5, "LR": 0.5, "NL": 0.6, "MB": 0.5, "ND": 0.6, "NG": 0.6, "MF": 0.6, "LF": 0.7, "RF": 0.7, "Yi": 0.2,
    "Yu": 0.5, "Fu": 0.5, "Fo": 0.6, "XY": 0.6, "GS": 0.7, "HG": 0.5, "HX": 0.6, "HF": 0.6, "LD": 0.7, "RD": 0.7,
}
# fmt: on
"""What it costs where a recogniser takes one sound for the other; any other pair costs as much as losing both."""

_INSTEAD = _ALIKE | {pair[::-1]: cost for pair, cost in _ALIKE.items()}

_LOSS = dict.fromkeys(_VOWELS, 0.5) | {"Y": 0.6, "H": 0.4, "R": 0.7, "L": 0.8}
"""What it costs where a sound is not heard, or heard out of nothing; 1 for all others."""


@lru_cache(maxsize=65_536)
def sounds_apart(one: str, other: str) -> float:
    """Return how far two keys are apart, 0 to 1, by the sounds that are taken for one another or are lost."""
    if not one or not other:
        return float(one != other)
    row = [0.0]
    for letter in other:
        row.append(row[-1] + _LOSS.get(letter, 1.0))
    for letter in one:
        before, lost = row[0], _LOSS.get(letter, 1.0)
        row[0] += lost
        for to, sound in enumerate(other, 1):
            found = _LOSS.get(sound, 1.0)
            instead = 0.0 if letter == sound else _INSTEAD.get(letter + sound, lost + found)
            before, row[to] = row[to], min(row[to] + lost, row[to - 1] + found, before + instead)
    longest = max(sum(_LOSS.get(letter, 1.0) for letter in key) for key in (one, other))
    return min(1.0, row[-1] / longest)


def syllables(sound: str) -> int:
    """Return how many syllables a key has: its vowels."""
    return sum(letter in _VOWELS for letter in sound)


def words_of(text: str) -> list[str]:
    """Return the words of a text in small letters, without punctuation."""
    return re.findall(r"\w+", unicodedata.normalize("NFC", text).casefold())


def letters_of(text: str) -> str:
    """Return the letters and digits of a text alone, small and without accents: "Lina's Café" is `linascafe`."""
    plain = unicodedata.normalize("NFKD", "".join(words_of(text)))
    return "".join(letter for letter in plain if letter.isalnum())


def sound_of(text: str, language: str) -> str:
    """Return the key of what a text sounds like in a language; by plain letters where the language has no rules."""
    base = base_language(language)
    return _DOUBLED.sub(r"\1", "".join(_sound(word[:_LONGEST_WORD], base) for word in words_of(text)))


@lru_cache(maxsize=8192)
def _sound(word: str, language: str) -> str:
    """Rules work on small letters and leave codes, which are capitals; vowels that a rule leaves stay small."""
    if word.isdecimal() and int(word) < len(numbers := _NUMBER_WORDS.get(language, ())):
        word = numbers[int(word)]
    word = word.replace("ß", "ss")
    for pattern, code in _COMPILED.get(language, ()):
        word = pattern.sub(code, word)
    plain = unicodedata.normalize("NFKD", word)
    return "".join(_PLAIN.get(letter, letter) for letter in plain if letter.isalnum())
