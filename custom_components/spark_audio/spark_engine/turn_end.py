"""Is the turn over? Pure: (rule, seconds of silence, what was understood so far) -> yes or no.

A timer cannot tell somebody who has finished from somebody who is looking for a word; the transcript can: "Turn on the"
is not a command.
"""

from dataclasses import dataclass

LONGEST_TURN = 15.0
"""Seconds after which a turn ends whatever is heard: Home Assistant's own limit."""

NOTHING_SAID = 3.0
"""Seconds that are waited after a sound without words: somebody coughs before speaking."""

_SENTENCE_END = (".", "!", "?", "。", "！", "？", "।")
_CLOSING = "\"'”’»)]"

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
"""After a number a unit may follow: minutes, degrees, per cent."""

_OPEN_END_WORDS = {
    language: frozenset(f"{_OPEN_ENDS[language]} {_NUMBERS[language]}".split()) for language in _OPEN_ENDS
}


@dataclass(frozen=True, slots=True)
class TurnRule:
    """Seconds of silence that end a turn: after a complete sentence, and after anything else."""

    complete: float
    unfinished: float


BALANCED = TurnRule(complete=0.65, unfinished=1.25)
FAST = TurnRule(complete=0.2, unfinished=0.8)


def is_over(rule: TurnRule, silence: float, transcript: str | None, language: str | None) -> bool:
    """Whether nobody will go on after so many seconds of silence.

    `transcript` is what was understood of all speech so far, None where that is not known (yet).
    """
    if transcript == "":
        return silence >= NOTHING_SAID
    is_known = transcript is not None and is_complete(transcript, language)
    return silence >= (rule.complete if is_known else rule.unfinished)


def is_complete(transcript: str, language: str | None) -> bool:
    """Whether this reads as a whole command. `language` is a BCP-47 tag or None.

    Speech recognisers put a full stop behind whatever they get, so that its last word counts as well. One word alone
    may be what is left of a wake word.
    """
    text = transcript.rstrip().rstrip(_CLOSING)
    if not text.endswith(_SENTENCE_END) or text.endswith("..."):
        return False
    words = text.rstrip("".join(_SENTENCE_END)).split()
    open_ends = _OPEN_END_WORDS.get((language or "en").partition("-")[0].lower(), frozenset())
    return len(words) > 1 and words[-1].lower() not in open_ends and not words[-1].isdecimal()
