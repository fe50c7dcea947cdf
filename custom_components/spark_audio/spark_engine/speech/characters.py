"""Characters in their ordinary form, so that text can be compared."""

import unicodedata

_JOINERS = "\u00ad\u200b\u200c\u200d\u2060\ufeff\ufe0e\ufe0f\u20e3"
"""Characters without a width: they shape emoji, or say where a word may be broken."""

_FOLDED = ("<square>", "<font>", "<narrow>", "<compat> 00B0")
"""Kinds of compatibility characters that stand for ordinary ones: ㎡, 𝐚, ℃."""


def folded(text: str) -> str:
    """Return text in one spelling (NFC): squares (㎡, ℃) as what they hold, without what has no width."""
    return unicodedata.normalize("NFC", "".join(map(_folded_char, text)))


def _folded_char(char: str) -> str:
    if char.isascii():
        return char
    if char in _JOINERS:
        return ""
    is_folded = unicodedata.decomposition(char).startswith(_FOLDED)
    return unicodedata.normalize("NFKC", char) if is_folded else char
