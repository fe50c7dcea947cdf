"""Text on its way to Magpie: clean it, and split it into utterances.

Language models write Markdown, emoji and links; Magpie fails on `{}` and `<tag>` and reads stars aloud.
`sentence-stream` finds the sentence ends; what it leaves open is here: block structure, code, cleaning and length.
"""

import re
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterable, Iterator

from sentence_stream import SentenceBoundaryDetector

UTTERANCE_AIM = 200
"""Characters above which a sentence is cut at a clause: NVIDIA's own service never sends more in one request."""

UTTERANCE_LIMIT = 400
"""Characters no utterance exceeds, far below the 2,000 that a Magpie NIM refuses."""

CLAUSE_CHARACTERS = 40
CLAUSE_WORDS = 8
"""A first clause of so many characters or words covers the time in which the next piece is made."""

_FENCE = ("```", "~~~")
_BLOCK = re.compile(r"#{1,6}\s|[-*+•]\s|\d{1,3}[.)]\s|>|\|")
_RULE = re.compile(r"[-*_=\s]{3,}")
_BLOCK_SIGNS = 5
"""Characters that show what a line is: the longest sign is `###### ` and a heading that deep is rare."""

_INLINE = (
    (re.compile(r"!\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"\[([^\]]+)\]\([^)]*\)"), r"\1"),
    (
        re.compile(
            r"https?://(?:www\.)?([^\s/<>()\"']+[^\s/<>()\"'.,;:!?])[^\s<>()\"']*?(?=[.,;:!?]*(?:[\s<>()\"']|$))"
        ),
        r"\1",
    ),
    (re.compile(r"<[^<>]{0,200}>"), " "),
    (re.compile(r"^\s*(?:#{1,6}\s+|>\s*|[-*+•]\s+)+"), ""),
    (re.compile(r"(\*\*\*|\*\*|\*|~~|`+)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<!\w)(__|_)(?=\S)(.+?)(?<=\S)\1(?!\w)"), r"\2"),
    (re.compile(r"^\s*\||\|\s*$"), ""),
    (re.compile(r"\s*\|\s*"), ", "),
    (re.compile(r"[*`{}<>\\^~#]"), " "),
    (re.compile(r"\s+"), " "),
    (re.compile(r" ([.,;!])"), r"\1"),
)
_LIST_NUMBER = re.compile(r"\d{1,3}[.)]")
_CLAUSE_END = re.compile(r"[,;:](?=\s)|(?<=\s)[-–—](?=\s)|—(?=\S)|[，；：、。！？]")


def is_speakable(text: str) -> bool:
    """Whether there is anything to say: a letter or a digit of any script."""
    return any(unicodedata.category(char)[0] in "LN" for char in text)


def clean(text: str) -> str:
    """One utterance without Markdown, emoji, tags and long links; what is left is meant to be spoken."""
    text = unicodedata.normalize("NFC", "".join(char for char in text if not _is_picture(char)))
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return text.strip()


def _is_picture(char: str) -> bool:
    if char in "\u200d\ufe0e\ufe0f\u20e3" or "\u2190" <= char <= "\u21ff":
        return True
    category = unicodedata.category(char)
    return (category == "So" and char not in "°№") or category in ("Cs", "Co") or "🏻" <= char <= "🏿"


def split_long(sentence: str) -> Iterator[str]:
    """Pieces of at most UTTERANCE_LIMIT characters, cut at clauses near UTTERANCE_AIM, else between words."""
    rest = sentence.strip()
    while len(rest) > UTTERANCE_AIM:
        cut = _cut(rest)
        if cut >= len(rest):
            break
        yield rest[:cut].strip()
        rest = rest[cut:].strip()
    if rest:
        yield rest


def _cut(text: str) -> int:
    ends = [match.end() for match in _CLAUSE_END.finditer(text, 0, UTTERANCE_LIMIT)]
    if near := [end for end in ends if end <= UTTERANCE_AIM]:
        return near[-1]
    if ends:
        return ends[0]
    if len(text) <= UTTERANCE_LIMIT:
        return len(text)
    space = text.rfind(" ", 0, UTTERANCE_LIMIT + 1)
    return space if space > 0 else UTTERANCE_LIMIT


class BlockReader:
    """Reads Markdown's line structure from a stream: drops code blocks, marks headings and list items as sentences.

    Only the first characters of a line are held back, until they show what kind of line it is.
    """

    def __init__(self) -> None:
        """Start at the beginning of a line."""
        self._start: str | None = ""
        self._code = False
        self._block = False

    def feed(self, text: str) -> str:
        """Text to look for sentences in; a blank line in it ends a sentence."""
        return "".join(self._line(piece) for piece in text.splitlines(keepends=True))

    def finish(self) -> str:
        """What was held back when the text ends here."""
        return "" if self._start is None else self._classify(self._start)

    def _line(self, piece: str) -> str:
        ends = piece[-1] in "\r\n"
        out = ""
        if self._start is None:
            out = "" if self._code else piece.rstrip("\r\n")
        else:
            self._start += piece
            if ends or len(self._start.lstrip()) > _BLOCK_SIGNS:
                out, self._start = self._classify(self._start.rstrip("\r\n")), None
        if ends:
            if not self._code:
                out += "\n\n" if self._block else "\n"
            self._start, self._block = "", False
        return out

    def _classify(self, start: str) -> str:
        line = start.lstrip()
        if line.startswith(_FENCE):
            self._code = not self._code
            self._block = True
            return "\n\n"
        if self._code:
            return ""
        if not line or _RULE.fullmatch(line):
            self._block = True
            return "\n\n"
        self._block = bool(_BLOCK.match(line))
        return "\n\n" + start if self._block else start


async def utterances(text: AsyncIterable[str]) -> AsyncGenerator[str]:
    """Utterances ready for Magpie, each as soon as it is complete: clean, speakable, at most UTTERANCE_LIMIT long."""
    number = ""
    async for sentence in _sentences(text):
        for piece in split_long(clean(sentence)):
            if _LIST_NUMBER.fullmatch(piece):
                number = f"{piece} "
            elif is_speakable(piece):
                yield number + piece
                number = ""
    if number:
        yield number.strip()


async def _sentences(text: AsyncIterable[str]) -> AsyncGenerator[str]:
    """Sentences as they are complete; the first one may end at a clause already, so that it is heard sooner."""
    blocks, detector = BlockReader(), SentenceBoundaryDetector()
    head: str | None = ""
    async for chunk in text:
        piece = blocks.feed(chunk)
        found = list(detector.add_chunk(piece))
        if head is not None:
            head += piece
            opening = found[0] if found else head
            if cut := clause_end(opening):
                yield opening[:cut]
                if found:
                    found[0] = opening[cut:]
                else:
                    detector = SentenceBoundaryDetector()
                    found = list(detector.add_chunk(opening[cut:]))
            if found or cut:
                head = None
        for sentence in found:
            yield sentence
    for sentence in detector.add_chunk(blocks.finish()):
        yield sentence
    yield detector.finish()


def clause_end(text: str) -> int:
    """Where the first clause ends that is long enough to be spoken alone; 0 where none does.

    Never within brackets, quotes of code or emphasis, which only cleaning of the whole can take apart.
    """
    for match in _CLAUSE_END.finditer(text):
        clause = text[: match.end()]
        is_long = len(clause.strip()) >= CLAUSE_CHARACTERS or len(clause.split()) >= CLAUSE_WORDS
        is_closed = all(clause.count(opened) == clause.count(closed) for opened, closed in ("[]", "()", "<>"))
        if is_long and is_closed and all(clause.count(mark) % 2 == 0 for mark in ("`", "**", '"')):
            return match.end()
    return 0
