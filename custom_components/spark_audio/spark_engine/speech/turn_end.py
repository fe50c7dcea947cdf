"""Is the turn over? Pure: (rule, seconds of silence, what was understood so far) -> yes or no.

A timer cannot tell a speaker who has finished from one who is looking for a word; the transcript can: "Turn on the"
is not a command.
"""

from collections.abc import Sequence
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
    "fr": "le la les un une des du de mon ma mes ton ta tes et ou à au aux dans sur avec pour par sans que qui"
    " si euh l d qu",
    "it": "il lo la i gli le un uno una di del dello della dei delle a al alla in nel nella con per da dal e o"
    " che se l un dell all nell dall sull",
}
"""Words that no command ends with. German `an`, `aus`, `ein` and `zu` are missing: verbs end with them.

Single letters are what is left of an article with an apostrophe. English `too` is what a recogniser makes of a `to`
that hangs in the air.
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

_HESITATIONS = {
    "en": "um uh er erm hm hmm mm",
    "de": "äh ähm öh hm hmm mm",
    "es": "eh em ehm hm hmm mm",
    "fr": "euh heu hm hmm mm",
    "it": "eh ehm em hm hmm mm",
}
"""Sounds of people who think. More follows."""

_OPENERS = {
    "en": "ah oh well okay ok so",
    "de": "ach also okay ok na tja",
    "es": "ah bueno pues vale okay ok",
    "fr": "ah bon ben bah alors donc okay ok",
    "it": "ah beh allora dunque okay ok",
}
"""Words that say nothing before a sentence."""

_OPEN_PHRASES = {
    "en": "let me think / let me see / what was it / i would like / i'd like / i want / i need",
    "de": "lass mich überlegen / mal sehen / wie heißt das / ich möchte / ich will / ich hätte gern",
    "es": "déjame pensar / a ver / cómo se llama / me gustaría / quiero / quisiera",
    "fr": "laisse-moi réfléchir / comment dire / voyons / je voudrais / j'aimerais / je veux",
    "it": "fammi pensare / vediamo / come si chiama / mi piacerebbe / vorrei / voglio",
}
"""What people say when they look for words, or begin with: nothing is asked for yet."""

_OPEN_ALONE = {
    "en": "can you / could you / would you / will you",
    "de": "kannst du / könntest du / würdest du",
    "es": "puedes / podrías / me puedes / me podrías",
    "fr": "peux-tu / tu peux / pourrais-tu / tu pourrais / est-ce que tu peux / est-ce que tu pourrais",
    "it": "puoi / potresti / mi puoi / mi potresti",
}
"""The same where nothing precedes it: "as soon as you can" is no beginning."""

_GOES_ON = ("...", "…", ",", ";", ":", "-", "–", "—")
"""Signs behind which more follows, whatever a server has heard."""

BRIEF = 4
"""Words up to which a sentence is brief: where people pause within a command, they have mostly said no more."""

_OPEN_END_WORDS, _NUMBER_WORDS, _DURATION_WORDS, _HESITATION_WORDS, _OPENER_WORDS = (
    {language: frozenset(words.split()) for language, words in lists.items()}
    for lists in (_OPEN_ENDS, _NUMBERS, _BEFORE_DURATIONS, _HESITATIONS, _OPENERS)
)
_PHRASES, _ALONE = (
    {language: tuple(tuple(phrase.split()) for phrase in phrases.split(" / ")) for language, phrases in lists.items()}
    for lists in (_OPEN_PHRASES, _OPEN_ALONE)
)
_MARKS = "".join((*STOPS, *CLOSERS, *",;:-–—¿¡"))
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
    """Seconds of silence that end a turn, by what was said."""

    complete: float
    """After what reads as a whole sentence."""
    brief: float
    """After one of few words, which may well be the beginning of a longer one: "turn on the light ... in the hall"."""
    unfinished: float
    """After anything else."""
    known: float
    """After a sentence of the home."""


BALANCED = TurnRule(complete=0.9, brief=1.25, unfinished=1.25, known=0.25)
FAST = TurnRule(complete=0.5, brief=1.2, unfinished=1.25, known=0.2)


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
    if not is_complete(transcript, language, has_ended=has_ended):
        return silence >= rule.unfinished
    return silence >= (rule.brief if is_brief(transcript, language) else rule.complete)


def is_complete(transcript: str, language: str | None, *, has_ended: bool = False) -> bool:
    """Return whether this reads as a whole command. `language` is a BCP-47 tag or None.

    Speech recognisers put a full stop behind whatever they get, so that its last word counts as well. The end that a
    server has heard (`has_ended`) is worth as much: it goes by silence alone. One word alone may be what is left of a
    wake word.
    """
    text = transcript.rstrip().rstrip(CLOSERS)
    if not (has_ended or text.endswith(tuple(STOPS))) or text.endswith(_GOES_ON):
        return False
    tag = base_language(language or "en")
    words = _words(without_hesitation(text, tag))
    if len(words) < 2 or _is_open(words, tag):
        return False
    *_, before, last = words
    is_number = last.isdecimal() or last in _NUMBER_WORDS.get(tag, _NONE)
    return not (is_number and before in _DURATION_WORDS.get(tag, _NONE))


def is_brief(transcript: str, language: str | None) -> bool:
    """Return whether this is a sentence of few words."""
    return len(_words(without_hesitation(transcript, language))) <= BRIEF


def without_hesitation(transcript: str, language: str | None) -> str:
    """Return what follows the words at the beginning that say nothing: "Um. Okay, what time is it?"."""
    tag = base_language(language or "en")
    without = _HESITATION_WORDS.get(tag, _NONE) | _OPENER_WORDS.get(tag, _NONE)
    rest = transcript
    while (words := rest.split(maxsplit=1)) and words[0].strip(_MARKS).lower() in without:
        rest = "".join(words[1:])
    return rest


def _is_open(words: Sequence[str], tag: str) -> bool:
    """Return whether more has to follow these words."""
    if is_open_end(words[-1], tag) or words[-1] in _HESITATION_WORDS.get(tag, _NONE):
        return True
    return tuple(words) in _ALONE.get(tag, ()) or any(
        tuple(words[-len(phrase) :]) == phrase for phrase in _PHRASES.get(tag, ())
    )


def _words(text: str) -> Sequence[str]:
    """Return the words in small letters, without the marks around them."""
    return [word for each in text.lower().replace("’", "'").split() if (word := each.strip(_MARKS))]


def is_open_end(word: str, language: str) -> bool:
    """Return whether no command ends with this word, in small letters."""
    return word in _OPEN_END_WORDS.get(base_language(language), _NONE)
