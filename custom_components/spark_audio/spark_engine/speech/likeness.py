"""How far what was heard is from a name, and how far it may be for the name to be meant. Pure.

The words that both have are set aside: what is left over is compared by sound, and a little by spelling.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from .household import is_household_word
from .language import base_language
from .phonetics import letters_of, sound_of, sounds_apart, syllables
from .turn_end import is_open_end

FARTHEST, FARTHEST_OF_OTHER_THINGS = 0.5, 0.4
"""The distance, 0 to 1, beyond which a name is no candidate even where the grammar wants one and a word was heard.

The second is for names whose thing was not heard: "pantry staples" are no "pantry spots".
"""

FARTHEST_ALONE, FARTHEST_ALONE_OF_SHORT, SHORT = 0.39, 0.27, 7
"""The same for names of which no word was heard; the second for those of fewer than SHORT sounds.

"Wimo heeder" may well be the "Wemo heater"; short names sound like many words.
"""

FARTHEST_OF_ALL = 0.3
"""The same where a name stands for everything that was heard: it is a sentence of its own, or hides a command."""

FARTHEST_OF_ONE_WORD, NEXT_TO_NOTHING = 0.2, 0.05
"""The same where one word was heard for all of a name; the second if it has more syllables than the name, or fewer.

Recognisers make several words of a name that they do not know, and keep its syllables. One word is nearly always what
was said: "galera" is a galley, and no "galería".
"""

SAME_WORD = 0.15
"""The share of letters by which the forms of one word differ: "Küche Licht" is the "Küchenlicht"."""

_SOUND, _LETTERS = 0.8, 0.2
"""What counts how much: recognisers keep consonants best, and spelling least."""

_LOST = 0.1
"""Added for each article or the like in what was heard: it hardly belongs to a name."""

_THING: Mapping[str, int] = {"en": -1, "de": -1, "es": 0, "fr": 0, "it": 0}
"""Which word of a name says what thing it is: "Kallax lamp", "lámpara Kallax"."""


@dataclass(frozen=True, slots=True)
class Form:
    """One name as it sounds in one language."""

    name: str
    words: tuple[str, ...]
    """In small letters."""
    language: str
    sound: str


@dataclass(frozen=True, slots=True)
class Likeness:
    """How far what was heard is from a name."""

    distance: float
    """0 for the same sound and spelling, 1 for nothing in common."""
    is_alone: bool
    """Whether no word of the name was heard."""
    farthest: float
    """The distance up to which the name may have been meant."""


class Comparison:
    """Compares what was heard in one transcript with names. What it has worked out of that is forgotten with it."""

    def __init__(self, language: str, apart: Callable[[str, str], float]) -> None:
        """`language` is the one that was spoken; `apart` compares spellings, 0 to 1."""
        self._language = language
        self._apart = apart
        self._sound, self._letters = cache(sound_of), cache(letters_of)

    def likeness(self, heard: Sequence[str], form: Form, *, is_all: bool) -> Likeness:
        """Return how far the words that were heard are from a name, by those that they do not share.

        1 where one is a part of the other: a word that was not said is not misheard. Articles and the like are not
        counted as shared. `is_all` says that nothing else was heard: that may be a sentence trigger, or hide a command.
        """
        shared, said, meant = _parted(heard, form.words)
        is_alone = all(is_open_end(word, self._language) for word in shared)
        if is_alone or is_all:
            farthest = min(self._farthest_alone(heard, form), FARTHEST_OF_ALL if is_all else 1.0)
        else:
            farthest = self._farthest(form, shared)
        if not said or not meant or (self._spelling(said, meant) > SAME_WORD and self._was_said(said, meant)):
            return Likeness(1.0, is_alone, farthest)
        said, meant = self._without_common_end(said, meant)
        sound = sounds_apart(self._sound(said, self._language), self._sound(meant, form.language))
        lost = sum(is_open_end(word, self._language) for word in heard if word not in form.words)
        return Likeness(_LOST * lost + _SOUND * sound + _LETTERS * self._spelling(said, meant), is_alone, farthest)

    def _spelling(self, said: str, meant: str) -> float:
        return self._apart(self._letters(said), self._letters(meant))

    def _farthest(self, form: Form, shared: Sequence[str]) -> float:
        thing = _THING.get(base_language(self._language))
        return FARTHEST if thing is None or form.words[thing] in shared else FARTHEST_OF_OTHER_THINGS

    def _farthest_alone(self, heard: Sequence[str], form: Form) -> float:
        if sum(not is_open_end(word, self._language) for word in heard) > 1:
            return FARTHEST_ALONE_OF_SHORT if len(form.sound) < SHORT else FARTHEST_ALONE
        is_as_long = syllables(self._sound(" ".join(heard), self._language)) == syllables(form.sound)
        return FARTHEST_OF_ONE_WORD if is_as_long else NEXT_TO_NOTHING

    def _without_common_end(self, said: str, meant: str) -> tuple[str, str]:
        """Return both without the household word that they end in: "Flut" of "Flutlicht" beside a "Flurlicht"."""
        at = next((at for at in range(1, len(said) - 2) if is_household_word(said[at:], self._language)), None)
        end = said[at:] if at else ""
        is_common = end and end != meant and meant.endswith(end)
        return (said[:at], meant.removesuffix(end)) if is_common else (said, meant)

    def _was_said(self, said: str, meant: str) -> bool:
        """Return whether a word of a household was heard that is not in the name, nor another form of what it has."""
        one, other = self._letters(said), self._letters(meant)
        if one.startswith(other) or other.startswith(one):
            return False
        parts = tuple(map(self._letters, meant.split()))
        known = (self._letters(word) for word in said.split() if is_household_word(word, self._language))
        return any(word not in other and not word.startswith(parts) for word in known)


def _parted(heard: Sequence[str], name: Sequence[str]) -> tuple[Sequence[str], str, str]:
    """Return the words that both have, and what each has beside them."""
    shared, said, meant = list[str](), list[str](), list(name)
    for word in heard:
        if word in meant:
            meant.remove(word)
            shared.append(word)
        else:
            said.append(word)
    return shared, " ".join(said), " ".join(meant)
