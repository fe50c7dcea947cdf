"""Words that are spoken otherwise than they are written: units, names, abbreviations. Pure.

A list is text, one rule on a line. A language in brackets begins the rules for that language alone:

    km/h -> kilometres per hour
    [de]
    km/h -> Kilometer pro Stunde
    Rowenta ->

A rule holds for whole words. One in lower case holds in every case, one with a capital only as it is written. Nothing
behind the arrow leaves the words out. A line that begins with # and has no arrow is a comment.

What stands between slashes is how the words sound, in the International Phonetic Alphabet (IPA). The words stay in the
text; a server that reads IPA is told how to pronounce them:

    Jörg -> /jœʁk/
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .characters import folded
from .language import base_language, normalize_language

ANY_LANGUAGE = ""

_ARROW = re.compile(r"\s*(?:->|=>|→)\s*")
_IPA = re.compile(r"/([^/]+)/")
_LANGUAGE = re.compile(r"\[\s*([A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,4})*)\s*\]")
_OF_A_WORD = r"[\w\u0300-\u036f\u0900-\u0dff]"
"""Letters, digits, and the signs that Indian scripts write vowels with."""


class BadReplacement(ValueError):
    """A line that is no rule; `line` is its number, from 1 on."""

    def __init__(self, line: int, text: str) -> None:
        """`text` is the line."""
        super().__init__(f"line {line} is no replacement (from -> to): {text[:80]!r}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of a text, and how it is pronounced where a rule tells: IPA without its slashes."""

    text: str
    ipa: str | None = None


class Rewrite:
    """The rules for texts in one language."""

    def __init__(self, rules: Mapping[str, str] | None = None) -> None:
        """`rules` are targets by what they stand for."""
        self._rules = rules or {}
        # The longest first: `km/h` before `km`.
        self._sources = sorted(self._rules, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_pattern, self._sources)))

    def __call__(self, text: str) -> str:
        """Return what to speak for a text: words with a pronunciation stay as they are."""
        return self._pattern.sub(self._spoken, text) if self._rules else text

    def sounds(self, text: str) -> Sequence[Sound]:
        """Return the pieces of a text: words with a pronunciation, and what stands between them."""
        sounds, at = [], 0
        for match in self._pattern.finditer(text) if self._rules else ():
            if ipa := _IPA.fullmatch(self._target(match)):
                sounds += [Sound(text[at : match.start()]), Sound(match[0], ipa[1])]
                at = match.end()
        return [sound for sound in (*sounds, Sound(text[at:])) if sound.text]

    def _target(self, match: re.Match[str]) -> str:
        return self._rules[self._sources[(match.lastindex or 1) - 1]]

    def _spoken(self, match: re.Match[str]) -> str:
        target = self._target(match)
        target = match[0] if _IPA.fullmatch(target) else target
        before, behind = match.string[: match.start()][-1:], match.string[match.end() :][:1]
        return f"{_gap(before, target[:1])}{target}{_gap(target[-1:], behind)}"


class Replacements:
    """Rules by language."""

    def __init__(self, rules: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """`rules` are targets by what they stand for, by language tag or ANY_LANGUAGE."""
        self._rules = rules or {}

    @classmethod
    def parse(cls, text: str) -> Replacements:
        """Return the rules of a list. Raises BadReplacement."""
        rules: dict[str, dict[str, str]] = {}
        language = ANY_LANGUAGE
        for number, line in enumerate(map(str.strip, text.splitlines()), 1):
            if section := _LANGUAGE.fullmatch(line):
                language = normalize_language(section[1])
                continue
            source, *targets = _ARROW.split(line, maxsplit=1)
            if not targets and (not line or line.startswith("#")):
                continue
            if not targets or not source:
                raise BadReplacement(number, line)
            rules.setdefault(language, {})[" ".join(folded(source).split())] = targets[0]
        return cls(rules)

    def for_language(self, language: str | None) -> Rewrite:
        """Return what to do to text in that language; where none is known, only the rules for all of them hold.

        A rule for a region comes before one for its language, and that before one for all languages.
        """
        tags = (ANY_LANGUAGE, *((base_language(language), normalize_language(language)) if language else ()))
        rules = {source: target for tag in tags for source, target in self._rules.get(tag, {}).items()}
        return Rewrite(rules) if rules else AS_WRITTEN


def _pattern(source: str) -> str:
    """Return a pattern with one group. Where letters run together anyway, in Japanese for one, no word ends."""
    words = r"\s+".join(map(re.escape, source.split()))
    before = behind = ""
    if _ends_words(source[0]):
        # A unit may follow its number without a space.
        before = rf"(?<!{_OF_A_WORD})" if source[0].isdigit() else rf"(?<!(?!\d){_OF_A_WORD})"
    if _ends_words(source[-1]):
        behind = rf"(?!{_OF_A_WORD})"
    in_any_case = "(?i:" if source == source.lower() else "(?:"
    return f"({before}{in_any_case}{words}){behind})"


def _gap(before: str, behind: str) -> str:
    """Return a space where two words, or a word and a picture, would run together."""
    return (
        " " if all(_ends_words(char) or unicodedata.category(char or " ") == "So" for char in (before, behind)) else ""
    )


def _ends_words(char: str) -> bool:
    """Return whether this is a letter or a digit of a script with spaces between its words."""
    is_wide = bool(char) and unicodedata.east_asian_width(char) in "WF"
    return re.fullmatch(_OF_A_WORD, char) is not None and not is_wide


AS_WRITTEN = Rewrite()
"""Without rules: every text stays as it is."""
