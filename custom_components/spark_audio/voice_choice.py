"""Which voice speaks: the one that a caller names, the one that was chosen for the language, or the server's own."""

import logging
from collections.abc import Mapping

from .spark_engine.magpie_dialects import MagpieServer
from .spark_engine.models import Voice
from .spark_engine.voices import base_language, find_voice

LOGGER = logging.getLogger(__name__)


class VoiceChoice:
    """The voices of one Magpie, and what was chosen of them. A voice that it has no more is missed once in the log."""

    def __init__(self, magpie: MagpieServer, language: str, wanted: Mapping[str, str]) -> None:
        """`language` is spoken by default; `wanted` are voices by language, as chosen in the options."""
        self._magpie = magpie
        self._language = language
        self._missed: set[str] = set()
        self.chosen = {tag: name for tag, name in wanted.items() if self._find(name, tag)}
        """Those that there are."""
        self.default = self._own(language)

    def voice(self, wanted: str | None, language: str) -> Voice:
        """The voice for a text in this language.

        Home Assistant fills in the default voice when a caller names none, and a caller may still ask for another
        language: that language's own voice then speaks, or an English one would read German.
        """
        if wanted is None or (wanted == self.default.name and self._is_foreign(language)):
            return self._own(language)
        return self._find(wanted, language) or self._own(language)

    def _is_foreign(self, language: str) -> bool:
        if language in self.chosen:
            return language != self._language
        return self.default.language is not None and base_language(self.default.language) != base_language(language)

    def _own(self, language: str) -> Voice:
        return self._magpie.voice(self.chosen.get(language), language)

    def _find(self, name: str, language: str) -> Voice | None:
        voice = find_voice(self._magpie.voices, name, language)
        if voice is None and name not in self._missed:
            self._missed.add(name)
            LOGGER.warning("Magpie has no voice %s any more; the default voice of %s speaks instead", name, language)
        return voice
