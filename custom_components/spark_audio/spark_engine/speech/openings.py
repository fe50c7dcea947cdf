"""The first word of a command, which is heard worst: a wake word runs into it, and speech is detected late.

"Purn on the lights in the scullery" is no sentence of any home.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .language import base_language
from .phonetics import letters_of, sound_of, sounds_apart

FARTHEST = 0.2
"""The distance, 0 to 1, beyond which another word was said: "halte" is no "schalte"."""

_OPENINGS: Mapping[str, Sequence[str]] = {
    "en": ("turn", "switch", "set", "dim", "close", "lock", "pause", "skip"),
    "de": ("schalte", "mach", "stelle", "dimme", "schließe"),
    "es": ("enciende", "apaga", "pon", "cierra", "bloquea"),
    "fr": ("allume", "éteins", "règle", "mets", "ferme", "verrouille"),
    "it": ("accendi", "accendi le", "spegni", "spegni le", "imposta", "metti", "chiudi", "blocca"),
}
"""What commands begin with, one word for each kind. Nothing that opens or unlocks: a door is not opened on a guess.

Italian verb and article are often heard as one word: "accendile luci".
"""

_OTHER_STEMS: Mapping[str, Sequence[str]] = {"es": ("encend", "cerr"), "it": ("speng",)}
"""What other forms of these verbs begin with, where that differs."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Opening:
    """What a command may begin with instead: `start` and `end` count characters of the transcript."""

    start: int
    end: int
    text: str
    distance: float
    """0 for the same sound, 1 for nothing in common."""


def openings(transcript: str, language: str) -> Sequence[Opening]:
    """Return what the first word may have been, the closest first."""
    if not (word := _WORD.search(transcript)):
        return ()
    base, said = base_language(language), word.group()
    known = _OPENINGS.get(base, ())
    stems = (*(opening.split()[0].rstrip("aeiou") for opening in known), *_OTHER_STEMS.get(base, ()))
    joined = {opening.replace(" ", "") for opening in known if " " in opening}
    if said.casefold() not in joined and letters_of(said).startswith(tuple(map(letters_of, stems))):
        return ()  # "Turned on the lamp" is no command
    sound = sound_of(said, language)
    apart = ((sounds_apart(sound, sound_of(opening, language)), opening) for opening in known)
    return [
        Opening(word.start(), word.end(), opening.capitalize() if said[0].isupper() else opening, distance)
        for distance, opening in sorted(apart)
        if distance <= FARTHEST
    ]
