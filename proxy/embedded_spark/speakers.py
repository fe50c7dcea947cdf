"""The voices of the embedded Magpie: one recorded speaker, told apart by pitch and pace. Nothing here is acted."""

from collections.abc import Mapping
from types import MappingProxyType

from .engines import Delivery

MODEL = "Magpie-Multilingual"
LANGUAGE = "en-US"

_SPEAKERS = {
    "Aria": Delivery(pitch=1.22, duration=1.0, volume=0.9),
    "Jason": Delivery(pitch=1.0, duration=1.0, volume=0.9),
    "Leo": Delivery(pitch=0.9, duration=1.04, volume=0.9),
    "Mia": Delivery(pitch=1.34, duration=0.96, volume=0.9),
    "Sofia": Delivery(pitch=1.12, duration=1.06, volume=0.9),
}

_NEUTRAL = {"Neutral": Delivery(pitch=1.0, duration=1.0, volume=1.0)}

_EMOTIONS = _NEUTRAL | {
    "Calm": Delivery(pitch=0.98, duration=1.1, volume=0.8),
    "Happy": Delivery(pitch=1.05, duration=0.95, volume=1.0),
    "Sad": Delivery(pitch=0.95, duration=1.15, volume=0.7),
    "Angry": Delivery(pitch=1.02, duration=0.9, volume=1.1),
    "Fearful": Delivery(pitch=1.07, duration=0.92, volume=0.8),
}

_STYLES = {"Aria": _EMOTIONS, "Jason": _EMOTIONS, "Leo": _NEUTRAL, "Mia": _NEUTRAL, "Sofia": _NEUTRAL}


def _voices() -> dict[str, Delivery]:
    """Return each speaker by name alone, then with each style."""
    voices = {}
    for speaker, base in _SPEAKERS.items():
        name = f"{MODEL}.{LANGUAGE.upper()}.{speaker}"
        voices[name] = base
        for style, change in _STYLES[speaker].items():
            voices[f"{name}.{style}"] = Delivery(
                base.pitch * change.pitch, base.duration * change.duration, base.volume * change.volume
            )
    return voices


VOICES: Mapping[str, Delivery] = MappingProxyType(_voices())
"""Every voice under the name that Magpie gives it."""

DEFAULT_VOICE = next(iter(VOICES))
