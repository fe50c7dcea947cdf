"""Is the turn over? Pure: (rule, seconds of silence, what was understood so far) -> yes or no.

A timer cannot tell a speaker who has finished from one who is looking for a word; the transcript can: "Turn on the"
is not a command.
"""

from dataclasses import dataclass
from enum import Enum, auto

from .language import base_language
from .sentences import CLOSERS, STOPS

LONGEST_TURN = 15.0
"""Seconds after which a turn ends whatever is heard: Home Assistant's own limit."""

NOTHING_SAID = 3.0
"""Seconds to wait after a sound without words, such as a cough before the command."""

_OPEN_ENDS = {
    "en": "a an the my your our their to too and or but of for from with at in into if because than is are by um uh",
    "de": "der die das den dem des eine einen einem einer mein meine meinen dein deine und oder aber mit von vom für"
    " zum zur im in ins ans wenn weil dass als sowie bitte äh ähm",
    "es": "el la los las un una unos unas mi mis tu tus y e o u de del a al en con para por sin que si eh",
    "fr": "le la les un une des du de mon ma mes ton ta tes et ou à au aux dans sur avec pour par sans que qui si euh",
    "it": "il lo la i gli le un uno una di del dello della dei delle a al alla in nel nella con per da dal e o che se",
}
"""Words that no command ends with. German `an`, `aus`, `ein` and `zu` are missing: verbs end with them.

English `too` is what a recogniser makes of a `to` that hangs in the air.
"""

_NUMBERS = {
    "en": "one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty",
    "de": "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf fünfzehn zwanzig dreißig vierzig fünfzig",
    "es": "un dos tres cuatro cinco seis siete ocho nueve diez once doce quince veinte treinta cuarenta cincuenta",
    "fr": "un deux trois quatre cinq six sept huit neuf dix onze douze quinze vingt trente quarante cinquante",
    "it": "un due tre quattro cinque sei sette otto nove dieci undici dodici quindici venti trenta quaranta cinquanta",
}

_BEFORE_DURATIONS = {
    "en": "for in",
    "de": "für in von",
    "es": "de en por",
    "fr": "de pour dans",
    "it": "di per tra fra",
}
"""A number behind one of these wants a unit: a timer for ten minutes. Others need none: at six, to fifty."""

_GOES_ON = ("...", "…", ",", ";", ":", "-", "–", "—")
"""Signs behind which more follows, whatever a server has heard."""

_OPEN_END_WORDS, _NUMBER_WORDS, _DURATION_WORDS = (
    {language: frozenset(words.split()) for language, words in lists.items()}
    for lists in (_OPEN_ENDS, _NUMBERS, _BEFORE_DURATIONS)
)
_NONE: frozenset[str] = frozenset()


class Meaning(Enum):
    """What a home makes of a sentence."""

    WHOLE = auto()
    """A sentence of this home, which needs no full stop to be one."""
    MAY_GO_ON = auto()
    """A sentence that a longer name may complete: "turn on the kitchen" where there is a kitchen light."""
    UNKNOWN = auto()
    """Not one of the home's sentences: how it reads decides."""


@dataclass(frozen=True, slots=True)
class TurnRule:
    """Seconds of silence that end a turn: after a complete sentence, anything else, and a sentence of the home."""

    complete: float
    unfinished: float
    known: float


BALANCED = TurnRule(complete=0.65, unfinished=1.25, known=0.25)
FAST = TurnRule(complete=0.2, unfinished=0.8, known=0.2)


def is_over(
    rule: TurnRule,
    silence: float,
    transcript: str | None,
    language: str | None,
    meaning: Meaning = Meaning.UNKNOWN,
    *,
    has_ended: bool = False,
) -> bool:
    """Return whether the turn is over after so many seconds of silence.

    `transcript` is what was understood of all speech so far, None where that is not known (yet), `meaning` what the
    home makes of it, and `has_ended` whether a server that transcribes live has heard the speaker end after it.
    """
    if transcript == "":
        return silence >= NOTHING_SAID
    if transcript is None or meaning is Meaning.MAY_GO_ON:
        return silence >= rule.unfinished
    if meaning is Meaning.WHOLE:
        return silence >= rule.known
    return silence >= (rule.complete if is_complete(transcript, language, has_ended=has_ended) else rule.unfinished)


def is_complete(transcript: str, language: str | None, *, has_ended: bool = False) -> bool:
    """Return whether this reads as a whole command. `language` is a BCP-47 tag or None.

    Speech recognisers put a full stop behind whatever they get, so that its last word counts as well. The end that a
    server has heard (`has_ended`) is worth as much: it goes by silence alone. One word alone may be what is left of a
    wake word.
    """
    text = transcript.rstrip().rstrip(CLOSERS)
    if not (has_ended or text.endswith(tuple(STOPS))) or text.endswith(_GOES_ON):
        return False
    words = text.rstrip(STOPS).lower().split()
    if len(words) < 2:
        return False
    tag = base_language(language or "en")
    *_, before, last = words
    is_number = last.isdecimal() or last in _NUMBER_WORDS.get(tag, _NONE)
    wants_unit = is_number and before in _DURATION_WORDS.get(tag, _NONE)
    return not is_open_end(last, tag) and not wants_unit


def is_open_end(word: str, language: str) -> bool:
    """Return whether no command ends with this word, in small letters."""
    return word in _OPEN_END_WORDS.get(base_language(language), _NONE)
