"""Words so far, as pieces that a client appends. Pure."""

import re

from spark_engine.speech.sentences import STOPS

_WORD = re.compile(r"\w[\w'’.-]*\w|\w")

_MAY_CHANGE = STOPS + ",;:"
"""At the end of what was understood so far: recognisers put a full stop behind whatever they get."""


class Deltas:
    """What of one turn was sent: a piece that was sent cannot be taken back."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.sent = ""

    def so_far(self, text: str) -> str:
        """Return what to send now that this was understood, and more may follow; empty where there is nothing new."""
        return self._more(text.rstrip().rstrip(_MAY_CHANGE))

    def final(self, text: str) -> str:
        """Return what is missing of the whole; empty where it was all sent, or reads otherwise by now."""
        return self._more(text.rstrip())

    def _more(self, text: str) -> str:
        more = added(self.sent, text)
        self.sent += more
        return more


def added(before: str, text: str) -> str:
    """Return what `text` adds to `before`; empty where it does not begin with the same words.

    Case and signs between words do not count: "Turn on" goes on as "turn on, please".
    """
    if text.startswith(before):
        return text[len(before) :]
    words = [word.group().casefold() for word in _WORD.finditer(before)]
    found = [word for word, _ in zip(_WORD.finditer(text), words, strict=False)]
    if [word.group().casefold() for word in found] != words or not found:
        return ""
    return text[found[-1].end() :]
