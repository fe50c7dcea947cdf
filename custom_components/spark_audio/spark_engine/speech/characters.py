"""Characters in their ordinary form, so that text can be compared."""

import re
import unicodedata

_SHAPES = "\ufe0e\ufe0f\u20e3"
"""Characters that shape emoji. Those that say where a word may be broken are of a category of their own."""

_FOLDED = ("<square>", "<font>", "<narrow>", "<compat> 00B0")
"""Kinds of compatibility characters that stand for ordinary ones: ㎡, 𝐚, ℃."""

_LETTERS = re.compile("[\ufb00-\ufb06\u2160-\u217f]")
"""Several letters as one sign, as PDFs have them: ﬁ, Ⅳ."""

_TERMINAL = re.compile(r"\x1b\[[0-9;?]*[@-~]")
"""What colours a terminal's text."""


def folded(text: str) -> str:
    """Return text in one spelling (NFC): squares (㎡, ℃) as what they hold, without what has no width.

    Control characters become spaces, and marks of the direction of text go: speech has none.
    """
    if "\x1b" in text:
        text = _TERMINAL.sub("", text)
    return unicodedata.normalize("NFC", "".join(map(_folded_char, text)))


def _folded_char(char: str) -> str:
    if char.isascii():
        return char if char.isprintable() or char in "\n\r\t" else " "
    category = unicodedata.category(char)
    if char in _SHAPES or category == "Cf":
        return ""
    if category == "Cc":
        return " "
    is_folded = unicodedata.decomposition(char).startswith(_FOLDED) or _LETTERS.match(char)
    return unicodedata.normalize("NFKC", char) if is_folded else char
