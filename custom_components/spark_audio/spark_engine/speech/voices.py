"""Voice names: read them, and find the one that a caller means.

Magpie names its voices `Model.LOCALE.Speaker[.Emotion]`, for example `Magpie-Multilingual.EN-US.Aria.Calm`. Other
servers list bare speakers ("Aria"), which speak every language.
"""

import re
from collections.abc import Iterable, Sequence

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
    """Return the voice that `wanted` names: a full name, `Speaker`, `Speaker.Emotion`, or an OpenAI name; else None.

    Case does not matter. A speaker is looked for in `language` first.
    """
    name = wanted.strip().casefold()
    for voice in voices:
        if voice.name.casefold() == name:
            return voice
    preferred = [*voices_for(voices, language), *voices] if language else voices
    for voice in preferred:
        if name == _short_name(voice).casefold():
            return voice
    if speaker := OPENAI_VOICES.get(name):
        return find_voice(voices, speaker, language) or _stand_in(voices, name, language)
    return None


def _short_name(voice: Voice) -> str:
    return f"{voice.speaker}.{voice.emotion}" if voice.emotion else voice.speaker


def _stand_in(voices: Sequence[Voice], openai_name: str, language: str | None) -> Voice | None:
    """Another speaker of the language for an OpenAI name whose own is not on this server: always the same one."""
    default = default_voice(voices, language) or default_voice(voices)
    if default is None:
        return None
    like = [voice for voice in voices if (voice.language, voice.emotion) == (default.language, default.emotion)]
    return like[list(OPENAI_VOICES).index(openai_name) % len(like)]
