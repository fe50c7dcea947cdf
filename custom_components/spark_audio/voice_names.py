"""Voices as people choose them from a list."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from .spark_engine.models import Voice
from .spark_engine.speech.voices import default_voice, voices_for


def offered(voices: Sequence[Voice], language: str) -> list[tuple[str, str]]:
    """(name, label) of every voice that fits the language, the default one first: whoever does not choose takes it."""
    default = default_voice(voices, language)
    return labelled(sorted(voices_for(voices, language), key=lambda voice: voice != default), language)


def labelled(voices: Sequence[Voice], language: str) -> list[tuple[str, str]]:
    """(name, label) of these voices; what would look alike gets its full name."""
    labels = [_label(voice, language) for voice in voices]
    seen = Counter(labels)
    return [
        (voice.name, label if seen[label] == 1 else f"{label} ({voice.name})")
        for voice, label in zip(voices, labels, strict=True)
    ]


def emotions(voices: Iterable[Voice]) -> dict[str, str]:
    """The emotions that any of these voices has, by what `emotion_key` makes of them, sorted."""
    return {emotion_key(emotion): emotion for emotion in sorted({voice.emotion for voice in voices if voice.emotion})}


def emotion_key(emotion: str) -> str:
    """What is left of an emotion's name however it is written: `PleasantSurprised` and `pleasant surprised` are one."""
    return "".join(letter for letter in emotion.casefold() if letter.isalnum())


def emotion_label(emotion: str) -> str:
    """As people read it: `Pleasant surprised`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", emotion).capitalize()


def _label(voice: Voice, language: str) -> str:
    """For example "Aria", "Aria · Pleasant surprised", and "Aria (en-GB)" among those for en-US."""
    label = voice.speaker
    if voice.emotion:
        label += f" · {emotion_label(voice.emotion)}"
    if voice.language not in (None, language):
        label += f" ({voice.language})"
    return label
