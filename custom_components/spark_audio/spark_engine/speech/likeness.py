"""How far what was heard is from a name, and how far it may be for the name to be meant. Pure.

The words that both have are set aside: what is left over is compared by sound, and a little by spelling.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .household import is_household_word
from .language import base_language
from .phonetics import letters_of, sound_of, sounds_apart, syllables, words_of
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


def likeness(
    heard: Sequence[str], form: Form, language: str, apart: Callable[[str, str], float], *, is_all: bool
) -> Likeness:
    """Return how far the words that were heard are from a name, by those that they do not share.

    1 where one is a part of the other: a word that was not said is not misheard. Articles and the like are not counted
    as shared. `apart` compares spellings, 0 to 1; `is_all` says that nothing else was heard, which may be a sentence
    trigger, or hide a command.
    """
    name = words_of(form.name)
    shared = Counter(heard) & Counter(name)
    is_alone = all(is_open_end(word, language) for word in shared)
    if is_alone or is_all:
        farthest = min(_farthest_alone(heard, form, language), FARTHEST_OF_ALL if is_all else 1.0)
    else:
        farthest = _farthest(name, shared, language)
    said, meant = (" ".join((Counter(words) - shared).elements()) for words in (heard, name))
    spelling = apart(letters_of(said), letters_of(meant))
    if not said or not meant or (spelling > SAME_WORD and _was_said(said, meant, language)):
        return Likeness(1.0, is_alone, farthest)
    said, meant = _without_common_end(said, meant, language)
    spelling = apart(letters_of(said), letters_of(meant))
    lost = sum(is_open_end(word, language) for word in heard if word not in name)
    sound = sounds_apart(sound_of(said, language), sound_of(meant, form.language))
    return Likeness(_LOST * lost + _SOUND * sound + _LETTERS * spelling, is_alone, farthest)


def _farthest(name: Sequence[str], shared: Mapping[str, int], language: str) -> float:
    thing = _THING.get(base_language(language))
    return FARTHEST if thing is None or name[thing] in shared else FARTHEST_OF_OTHER_THINGS


def _farthest_alone(heard: Sequence[str], form: Form, language: str) -> float:
    if sum(not is_open_end(word, language) for word in heard) > 1:
        return FARTHEST_ALONE_OF_SHORT if len(form.sound) < SHORT else FARTHEST_ALONE
    is_as_long = syllables(sound_of(" ".join(heard), language)) == syllables(form.sound)
    return FARTHEST_OF_ONE_WORD if is_as_long else NEXT_TO_NOTHING


def _without_common_end(said: str, meant: str, language: str) -> tuple[str, str]:
    """Return both without the household word that they end in: "Flutlicht" and "Flurlicht" are "Flut" and "Flur"."""
    at = next((at for at in range(1, len(said) - 2) if is_household_word(said[at:], language)), None)
    end = said[at:] if at else ""
    return (said[:at], meant.removesuffix(end)) if end and end != meant and meant.endswith(end) else (said, meant)


def _was_said(said: str, meant: str, language: str) -> bool:
    """Return whether a word of a household was heard that is not in the name, nor another form of what the name has."""
    one, other = letters_of(said), letters_of(meant)
    if one.startswith(other) or other.startswith(one):
        return False
    parts = tuple(map(letters_of, meant.split()))
    known = (letters_of(word) for word in said.split() if is_household_word(word, language))
    return any(word not in other and not word.startswith(parts) for word in known)
