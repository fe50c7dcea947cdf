"""Voice names: read them, show them, and find the one that a caller means.

Magpie names its voices `Model.LOCALE.Speaker[.Emotion]`, for example `Magpie-Multilingual.EN-US.Aria.Calm`. Other
servers list bare speakers ("Aria"), which speak every language. People choose by a short id (`Aria.Calm`) or a label
("Aria · Calm (en-US)"); each of these finds the voice again.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from ..models import Voice
from .language import base_language, normalize_language

OPENAI_VOICES = {
    "alloy": "Aria",
    "ash": "Jason",
    "ballad": "Leo",
    "cedar": "Diego",
    "coral": "Sofia",
    "echo": "Jason",
    "fable": "Leo",
    "marin": "Mia",
    "nova": "Mia",
    "onyx": "Ray",
    "sage": "Louise",
    "shimmer": "Isabela",
    "verse": "Pascal",
}
"""OpenAI's voice names and the Magpie speaker that answers to each, where the server has that speaker."""

_NAME = re.compile(
    r"(?P<model>[^.]+)\.(?P<locale>[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]+)*)\.(?P<speaker>[^.]+)(?:\.(?P<emotion>.+))?"
)


def parse_voice(name: str) -> Voice:
    """Return the voice that a name of the server describes. A name of any other form is taken for a bare speaker."""
    match = _NAME.fullmatch(name)
    if match is None:
        return Voice(name=name, speaker=name)
    return Voice(
        name=name,
        speaker=match["speaker"],
        language=normalize_language(match["locale"]),
        emotion=match["emotion"],
        model=match["model"],
    )


def languages(voices: Iterable[Voice]) -> list[str]:
    """Return the languages that the voices name, sorted."""
    return sorted({voice.language for voice in voices if voice.language})


def voices_for(voices: Iterable[Voice], language: str) -> list[Voice]:
    """Return voices of that language: same region first, then other regions, then those that speak every language."""
    wanted, base = normalize_language(language), base_language(language)

    def rank(voice: Voice) -> int:
        if voice.language is None:
            return 2
        return 0 if voice.language == wanted else 1

    fitting = [voice for voice in voices if voice.language is None or base_language(voice.language) == base]
    return sorted(fitting, key=rank)


def default_voice(voices: Sequence[Voice], language: str | None = None) -> Voice | None:
    """Return the voice for a caller that names none: of that language, without a pronounced emotion."""
    fitting = voices_for(voices, language) if language else list(voices)
    # The first neutral voice of the best-fitting language: `fitting` is in order of fit already.
    return next((voice for voice in fitting if voice.emotion is None), fitting[0] if fitting else None)


def find_voice(voices: Sequence[Voice], wanted: str, language: str | None = None) -> Voice | None:
    """Return the voice that `wanted` names: a full name, a short id, a label, or an OpenAI name; else None.

    Case, spaces and signs do not matter. A speaker is looked for in `language` first.
    """
    name = wanted.strip().casefold()
    for voice in voices:
        if voice.name.casefold() == name:
            return voice
    name = name.partition("→")[0].strip()
    keys = {_key(name)} | ({_key(name.partition(".")[2])} if _NAME.fullmatch(name) else set())
    for voice in [*voices_for(voices, language), *voices] if language else voices:
        if not keys.isdisjoint(_spellings(voice)):
            return voice
    if speaker := OPENAI_VOICES.get(name):
        return find_voice(voices, speaker, language) or _stand_in(voices, name, language)
    return None


def short_ids(voices: Sequence[Voice]) -> Mapping[str, Voice]:
    """Return the voices by the shortest id that names one alone: `Aria.Calm`, `de-DE.Aria.Calm`, else the full name."""
    short = Counter(map(_short_name, voices))
    local = Counter(map(_local_name, voices))

    def shortest(voice: Voice) -> str:
        if short[_short_name(voice)] == 1:
            return _short_name(voice)
        return _local_name(voice) if local[_local_name(voice)] == 1 else voice.name

    return {shortest(voice): voice for voice in voices}


def label(voice: Voice, language: str | None = None) -> str:
    """Return how people read a voice: "Aria · Pleasant surprised (en-GB)", without a language that is `language`."""
    text = voice.speaker
    if voice.emotion:
        text += f" · {emotion_label(voice.emotion)}"
    if voice.language not in (None, language):
        text += f" ({voice.language})"
    return text


def emotion_label(emotion: str) -> str:
    """Return an emotion as people read it: `Pleasant surprised`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", emotion).capitalize()


def _short_name(voice: Voice) -> str:
    return f"{voice.speaker}.{voice.emotion}" if voice.emotion else voice.speaker


def _local_name(voice: Voice) -> str:
    return f"{voice.language}.{_short_name(voice)}" if voice.language else _short_name(voice)


@lru_cache(maxsize=1024)
def _spellings(voice: Voice) -> frozenset[str]:
    """Return every way to name it but its full name and OpenAI's, as `_key` makes them."""
    return frozenset(map(_key, (_short_name(voice), _local_name(voice), label(voice))))


def _key(name: str) -> str:
    """Return the letters and digits of a name, which is all that tells names apart."""
    return "".join(char for char in name.casefold() if char.isalnum())


def _stand_in(voices: Sequence[Voice], openai_name: str, language: str | None) -> Voice | None:
    """Another speaker of the language for an OpenAI name whose own is not on this server: always the same one."""
    default = default_voice(voices, language) or default_voice(voices)
    if default is None:
        return None
    like = [voice for voice in voices if (voice.language, voice.emotion) == (default.language, default.emotion)]
    return like[list(OPENAI_VOICES).index(openai_name) % len(like)]
