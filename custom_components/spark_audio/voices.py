"""Voices as people choose them, and which one speaks.

The one that a caller names, the one that was chosen for the language, or the server's own. And in which emotion: it is
part of a voice's name, and another emotion is another voice of the same speaker. What an action asks for counts most,
then the emotion that a voice was named with, then the one that was chosen for all.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from homeassistant.exceptions import ServiceValidationError

from .const import AS_IS, DOMAIN
from .spark_engine.models import Voice
from .spark_engine.servers.magpie_dialects import MagpieServer
from .spark_engine.speech.language import base_language
from .spark_engine.speech.voices import default_voice, find_voice, label, voices_for

LOGGER = logging.getLogger(__name__)


class VoiceChoice:
    """The voices of one Magpie, and what was chosen of them. What it has no more is missed once in the log."""

    def __init__(self, magpie: MagpieServer, language: str, wanted: Mapping[str, str], emotion: str = AS_IS) -> None:
        """`language` is spoken by default; `wanted` are voices by language, as chosen in the options."""
        self._magpie = magpie
        self._language = language
        self._missed: set[str] = set()
        self._emotions = emotions(magpie.voices)
        self.chosen = {tag: name for tag, name in wanted.items() if self._find(name, tag)}
        """Those that there are."""
        self.emotion = self._chosen_emotion(emotion)
        """Chosen for voices that were named without one; None where there is none such."""
        self.default = self.voice(None, language)

    def voice(self, wanted: str | None, language: str, emotion: object = None) -> Voice:
        """Return the voice for a text in this language. Raises ServiceValidationError for an emotion that no voice has.

        Home Assistant fills in the default voice when a caller names none, and a caller may still ask for another
        language: that language's own voice then speaks, or an English one would read German.
        """
        if wanted is None:
            voice = self._own(language)
        elif wanted == self.default.name:
            voice = self._own(language if self._is_foreign(language) else self._language)
        else:
            voice = self._find(wanted, language) or self._own(language)
        if emotion is None or emotion == self.emotion:
            own = None if voice.emotion else self.emotion
        else:
            own = self._known_emotion(str(emotion))
        return self._in_emotion(voice, own) if own else voice

    def _is_foreign(self, language: str) -> bool:
        if language in self.chosen:
            return language != self._language
        return self.default.language is not None and base_language(self.default.language) != base_language(language)

    def _own(self, language: str) -> Voice:
        return self._magpie.voice(self.chosen.get(language), language)

    def _find(self, name: str, language: str) -> Voice | None:
        voice = find_voice(self._magpie.voices, name, language)
        if voice is None:
            self._miss(name, f"no voice {name} any more; the default voice of {language} speaks instead")
        return voice

    def _in_emotion(self, voice: Voice, emotion: str) -> Voice:
        """Return the same speaker in that emotion; the voice itself where there is none such."""
        for other in self._magpie.voices:
            same = (other.model, other.language, other.speaker) == (voice.model, voice.language, voice.speaker)
            if same and emotion_key(other.emotion or "") == emotion_key(emotion):
                return other
        self._miss(f"{voice.name} {emotion}", f"{voice.name} in no emotion {emotion}; it speaks as it is")
        return voice

    def _chosen_emotion(self, emotion: str) -> str | None:
        if emotion == AS_IS:
            return None
        found = self._emotions.get(emotion_key(emotion))
        if found is None:
            self._miss(emotion, f"no emotion {emotion} any more; voices speak as they are")
        return found

    def _known_emotion(self, emotion: str) -> str | None:
        """Return the emotion in the server's spelling, None for the voice's own."""
        if emotion_key(emotion) == emotion_key(AS_IS):
            return None
        if found := self._emotions.get(emotion_key(emotion)):
            return found
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="unknown_emotion",
            translation_placeholders={"emotion": emotion, "known": ", ".join([*self._emotions.values(), AS_IS])},
        )

    def _miss(self, what: str, told: str) -> None:
        if what not in self._missed:
            self._missed.add(what)
            LOGGER.warning("Magpie has %s", told)


def offered(voices: Sequence[Voice], language: str) -> list[tuple[str, str]]:
    """(name, label) of every voice that fits the language, the default one first: it is used where none is chosen."""
    default = default_voice(voices, language)
    return labelled(sorted(voices_for(voices, language), key=lambda voice: voice != default), language)


def labelled(voices: Sequence[Voice], language: str) -> list[tuple[str, str]]:
    """(name, label) of these voices; what would look alike gets its full name."""
    labels = [label(voice, language) for voice in voices]
    seen = Counter(labels)
    return [(voice.name, text if seen[text] == 1 else voice.name) for voice, text in zip(voices, labels, strict=True)]


def emotions(voices: Iterable[Voice]) -> dict[str, str]:
    """Return the emotions that any of these voices has, by what `emotion_key` makes of them, sorted."""
    return {emotion_key(emotion): emotion for emotion in sorted({voice.emotion for voice in voices if voice.emotion})}


def emotion_key(emotion: str) -> str:
    """Return an emotion's name in one spelling: `PleasantSurprised` and `pleasant surprised` are the same."""
    return "".join(letter for letter in emotion.casefold() if letter.isalnum())
