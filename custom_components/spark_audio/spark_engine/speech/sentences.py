"""Where sentences end in text that is still being written.

A stop ends a sentence where the next word can begin one, which is why its first letter has to be seen. Behind an
abbreviation, a number or an ellipsis that is not enough: the word has to be one that begins sentences. Where the text
pauses behind a stop, no word is seen, and only what ends a sentence whatever follows it counts. In doubt two sentences
stay together, since Magpie speaks two well, and half of one badly.
"""

import re

from .abbreviations import BEFORE_NUMBERS, GOES_ON, NEVER_LAST, SELDOM_LAST, SENTENCE_STARTERS

LONGEST = 1000
"""Characters after which text without any sentence end is cut between words."""

STOPS = ".!?…؟।॥‼⁇⁈⁉。！？"
"""Marks that end sentences, in every script that Magpie speaks."""

CLOSERS = "\"'”’“»«›‹)]}*_`”’」』）》】〕〉"
"""Marks that may follow a stop and belong to its sentence: quotes, brackets, Markdown's emphasis."""

_QUOTES = frozenset("\"'’“»«›‹`”’」』》〉")
"""Closers behind which a sentence may go on: "Really?" she asked."""

_WIDE_STOPS = "。！？"
"""Stops that no space follows."""

_NARROW = "".join(mark for mark in STOPS if mark not in _WIDE_STOPS)
_CLOSER = f"[{re.escape(CLOSERS)}]"
_STOP = re.compile(
    r"(?P<blank>\n\s*\n)"
    rf"|(?P<wide>[{_WIDE_STOPS}]+{_CLOSER}*)"
    # French writes a space before ? and ! and before the guillemet that closes.
    rf"|(?:[{_NARROW}]++{_CLOSER}*+)++(?:\s[!?…]+|\s»)*(?=\s|\Z)"
)
_NEXT_WORD = re.compile(r"(?P<gap>[\W_]*?)(?:\n\s*\n|(?P<word>[^\W_]+)(?P<after>.?))", re.DOTALL)

_NEAR = 40
"""Characters that are looked at in front of a full stop: no abbreviation is longer."""
_LAST_WORD = re.compile(r"[^\s(\[{\"'’„“”«»‹›¿¡*_–—-]*$")
_LAST_TWO_WORDS = re.compile(r"\w+\.?\s\w+$")
_LIST_NUMBER = re.compile(r"(?:^|:\s)[\W_]*(?:\d{1,3}|[a-zA-Z])$")
_INITIAL = re.compile(r"(?<![\d°]\s)(?<![^\s(\[{\"'„“«‹¿¡*_–—-])[^\W\d_]$")
"""One letter, unless it may be a unit behind a number: 230 V, 21 h."""
_NUMBER = re.compile(r"(?:\d{1,2}\.)?\d{1,2}|\d{3}|[IVX]+")
"""Maybe an ordinal, as in 3. Mai, 24.12., XIX. Jahrhundert; a year is none."""
_LETTERS = re.compile(r"[^\W\d_]|(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")
_ADDRESS = re.compile(r"[./@\\=&#]")
"""What words do not have in them, but addresses, file names and abbreviations."""
_DIGIT = re.compile(r"\d")
_CONSONANTS = re.compile(r"[bcdfghjklmnpqrstvwxzßñç]{2,5}", re.IGNORECASE)
_MORE_MARKS = f"{STOPS} \t\r\n\u00a0\u202f"
"""What may still follow a sentence that was taken behind its first stop, as in "Well." and ".." after a pause."""

_BRACKETS = (("[", "]"), ("(", ")"), ("<", ">"), ("「", "」"), ("『", "』"), ("（", "）"))
_PAIRED = tuple(map(re.compile, (r"`", r"\*\*", r"[\"“”„]", r"[«»]")))


def is_closed(text: str) -> bool:
    """Return whether the text ends outside of brackets, quotes, code and strong emphasis."""
    return all(text.count(opened) == text.count(closed) for opened, closed in _BRACKETS) and all(
        len(marks.findall(text)) % 2 == 0 for marks in _PAIRED
    )


class SentenceReader:
    """Takes text in pieces, gives each sentence as soon as it is complete. How the text was cut makes no difference."""

    def __init__(self) -> None:
        """Start with no text."""
        self._text = ""
        self._ignored: str | None = None
        self._settled = 0
        self._judged = 0

    @property
    def unfinished(self) -> str:
        """Return the sentence that has begun, as far as it is certain that it goes on."""
        return self._text[: self._settled]

    def feed(self, text: str) -> list[str]:
        """Return sentences completed by this piece, stripped, none of them empty. A blank line ends one as well."""
        self._text = (self._text + text).lstrip(self._ignored)
        if self._text:
            self._ignored = None
        sentences = []
        while end := self._end():
            sentences.append(self._take(end))
        return sentences

    def pause(self) -> str | None:
        """Return the sentence that the text pauses behind; None where it may go on."""
        stop = _STOP.search(self._text, self._judged)
        if stop is None or not _ends_whatever_follows(self._text, stop):
            return None
        self._ignored = _MORE_MARKS
        return self._take(stop.end())

    def finish(self) -> list[str]:
        """Return the last sentences, when no more text comes."""
        return self.feed("\n\n")

    def _take(self, end: int) -> str:
        """Remove the first sentence, which ends there, and return it."""
        sentence = self._text[:end].rstrip()
        self._text, self._settled, self._judged = self._text[end:].lstrip(), 0, 0
        return sentence

    def _end(self) -> int:
        """Return where the first sentence ends, 0 while that is not known."""
        window = self._text[:LONGEST]
        self._settled = len(window)
        for stop in _STOP.finditer(window, self._judged):
            is_end = _is_end(window, stop)
            if is_end:
                return stop.end()
            if is_end is None:
                self._settled = stop.start()
                break
            self._judged = stop.end()
        if len(self._text) > LONGEST:
            return window.rfind(" ") + 1 or LONGEST
        return 0


def _is_end(text: str, stop: re.Match[str]) -> bool | None:
    """Return whether a sentence ends at this stop; None while the text does not tell."""
    if stop["blank"] or (stop["wide"] and stop.end() < len(text)):
        return True
    following = _NEXT_WORD.match(text, stop.end())
    if following is None:
        return None
    before, word = text[: stop.start()], following["word"]
    if word is None:
        return True
    if word[0].islower():
        return False
    if ")" in stop[0] and before.rfind("(") > 0:
        # Brackets within the sentence: das neue (endlich!) Haus.
        return False
    mark = stop[0].strip(CLOSERS)
    is_end = _full_stop_ends(before, word) if mark == "." else bool(mark.strip(".…")) or None
    return _starts_sentence(following) if is_end is None else is_end


def _ends_whatever_follows(text: str, stop: re.Match[str]) -> bool:
    """Return whether a sentence ends at this stop, the last one of a text, whatever word follows it."""
    before = text[: stop.start()]
    if _QUOTES & {*stop[0]} or not is_closed(text[: stop.end()]):
        return False
    if ")" in stop[0] and before.rfind("(") > 0:
        return False
    last = _LAST_WORD.search(before, max(0, len(before) - _NEAR))
    if last and _ADDRESS.search(last[0]):
        return False
    mark = stop[0].strip(CLOSERS)
    if mark.strip(".…"):
        return True
    if mark != "." or last is None or _is_no_word(last[0]) or _spellings(last) & GOES_ON:
        return False
    return all(_full_stop_ends(before, word) for word in ("0", "X"))


def _is_no_word(text: str) -> bool:
    """Return whether this is a number, or hardly a word: without a vowel, as Blvd and Hbf, but not all capitals."""
    return bool(_DIGIT.search(text) or (_CONSONANTS.fullmatch(text) and not text.isupper()))


def _full_stop_ends(before: str, word: str) -> bool | None:
    """Return whether a full stop is more than a part of the word before it; None where only the next word can tell."""
    near = max(0, len(before) - _NEAR)
    last = _spellings(_LAST_WORD.search(before, near))
    last_two = _spellings(_LAST_TWO_WORDS.search(before, near))
    if (last | last_two) & NEVER_LAST or _LIST_NUMBER.search(before, near) or _INITIAL.search(before, near):
        return False
    is_number = any(map(_NUMBER.fullmatch, last))
    if word[0].isdigit():
        return not (is_number or last & BEFORE_NUMBERS or before.endswith("str"))
    return None if is_number or last & SELDOM_LAST or any(map(_LETTERS.fullmatch, last)) else True


def _starts_sentence(following: re.Match[str]) -> bool | None:
    """Return whether the next word hardly stands anywhere but in front of a sentence; None while it is not complete."""
    if "¿" in following["gap"] or "¡" in following["gap"]:
        return True
    if not following["after"]:
        return None
    # An apostrophe: C'est, L'après-midi, It's.
    return following["word"] in SENTENCE_STARTERS or following["after"] in "'’"


def _spellings(found: re.Match[str] | None) -> set[str]:
    """Return what was found, as written and with a small first letter."""
    return {found[0], found[0][:1].lower() + found[0][1:]} if found else set()
