"""Text on its way to Magpie: clean it, and split it into utterances.

Language models write Markdown, emoji and links; Magpie fails on `{}` and `<tag>` and reads stars aloud.
Where sentences end is known in `sentences.py`; here are block structure, code, cleaning, clauses and length.
"""

import asyncio
import html
import re
import unicodedata
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from .characters import folded
from .replacements import AS_WRITTEN, Rewrite
from .sentences import CLOSERS, STOPS, SentenceReader, is_closed
from .thoughts import ThoughtReader

PAUSE = 0.4
"""Seconds without further text after which a stop ends a sentence: more than lies between two words of a model."""

UTTERANCE_AIM = 200
"""Characters above which a sentence is cut at a clause: NVIDIA's own service never sends more in one request."""

UTTERANCE_LIMIT = 400
"""Characters no utterance exceeds, far below the 2,000 that a Magpie NIM refuses."""

CLAUSE_CHARACTERS = 40
CLAUSE_WORDS = 8
"""A first clause of so many characters or words covers the time in which the next piece is made."""

PAUSE_MARKS = tuple(f"{STOPS},;:-–—，；：、")
"""Marks that make a voice pause."""

_FENCE = ("```", "~~~")
_BLOCK = re.compile(r"#{1,6}\s|[-*+•]\s|\d{1,3}[.)]\s|>|\|")
_RULE = re.compile(r"[-*_=\s]{3,}")
_BLOCK_SIGNS = 6
"""Characters that do not always show what a line is: the longest sign is `###### `. No sign begins with a letter."""

_TAGS = (
    "a abbr article aside audio b blockquote body br button caption center cite code dd del details div dl dt em figure"
    " font footer form h1 h2 h3 h4 h5 h6 head header hr html i iframe img input ins kbd label li link main mark meta"
    " nav ol option p pre q s samp script section select small span strike strong style sub summary sup svg table tbody"
    " td tfoot th thead time title tr tt u ul var video"
    " address bdi bdo big canvas col colgroup dfn fieldset figcaption hgroup legend nobr picture rp rt ruby wbr"
    # SSML, which models were trained to write as well.
    " amazon:effect break emphasis lang phoneme prosody say-as speak voice w"
)
"""Names of tags in HTML and SSML. Whatever else stands between comparison signs is meant to be spoken."""

_TAG = (
    rf"<!--.*?-->|</?(?:{'|'.join(_TAGS.split())})"
    r"(?:\s+[\w:@.-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>]+))*\s*/?>"
)

_MARKUP = (
    # What a chat template marks (<|eot_id|>), beyond what `thoughts.py` knows.
    (re.compile(r"<[|｜][^<>|｜\s]{1,40}[|｜]>"), " "),
    # Where links and footnotes lead to, in lines of their own; then links by such a number: a word may be `row[i][j]`.
    (re.compile(r"^[ \t]*\[[^\[\]]{1,80}\]:[ \t]+<?https?://\S*|^[ \t]*\[\^\w{1,80}\]:", re.MULTILINE), ""),
    (re.compile(r"(?<!\w)\[(?!\^?\d)([^\[\]]{1,300})\]\[\d{0,3}\]"), r"\1"),
    # Citations of search tools (【4†source】, [[1]](address)) and of papers ([1], [2, 3], [^4]).
    (
        re.compile(
            r"【[^】]{1,80}】|\ue200[^\ue200\ue201]{1,300}\ue201|\s?\[\[\^?\d{1,3}\]\]\([^()\s]{1,2000}\)"
            r"|\s?\[\^?\d{1,3}(?:\s*[,–-]\s*\d{1,3})*\](?!\()"
        ),
        "",
    ),
    (re.compile(r"\[(?:pause|break|silence)(?:[\s:=]*[\d.]+\s*m?s)?\]", re.IGNORECASE), ", "),
    (re.compile(r"!?\[([^\]]*)\]\((?:[^()]|\([^()]*\))*\)"), r"\1"),
    (
        re.compile(
            r"https?://(?:www\.)?([^\s/<>()\"']+[^\s/<>()\"'.,;:!?])(?:\([^\s<>()\"']*\)|[^\s<>()\"'])*?"
            r"(?=[.,;:!?]*(?:[\s<>)\"']|\((?![^\s<>()\"']*\))|$))"
        ),
        r"\1",
    ),
    (re.compile(_TAG, re.IGNORECASE | re.DOTALL), " "),
    (re.compile(r"^\s*(?:#{1,6}\s+|>\s*|[-*+•]\s+)+(?:\[[ xX]?\]\s+)?"), ""),
    # Not between digits: 30*40*50 cm.
    (re.compile(r"(?<!\d)(\*\*\*|\*\*|\*|~~|`+)(?=\S)(.+?)(?<=\S)\1(?!\d)"), r"\2"),
    (re.compile(r"_{3,}"), " "),
    (re.compile(r"(?<!\w)(__|_)(?=\S)(.+?)(?<=\S)\1(?!\w)"), r"\2"),
)
"""What is written for the eye. What it stands around is text, in which words may be replaced."""

_SIGNS = (
    (re.compile(r"(?<=\b[A-Za-z])#(?!\w)"), " sharp"),
    (re.compile(r"^\s*\||\|\s*$"), ""),
    (re.compile(r"\s*\|\s*"), ", "),
    (re.compile(r"[*`{}<>\\^~#]"), " "),
    (re.compile(r"\s+"), " "),
    (re.compile(r" ([.,;!])(?!\d)"), r"\1"),
    # Runs: exclamations, leader dots, and letters held down.
    (re.compile(r"[!?]*\?[!?]+"), "?"),
    (re.compile(r"!{2,}"), "!"),
    (re.compile(r"\.{4,}|…{2,}"), "…"),
    (re.compile(r"([,;:–—=+-])\1{2,}"), r"\1"),
    (re.compile(r"([^\W\d_])\1{7,}"), r"\1\1\1"),
    (re.compile(r"^[\s,;]+"), ""),
)
_CLAUSE_END = re.compile(
    # Not behind an abbreviation (Tel.:), nor between digits (7 : 30, 8 - 12, May 3, 2027).
    r"(?:(?:[,;]|(?<!\.):|(?<=\s)[-–—])(?=\s+\S)|(?<!\s)—(?=\S))"
    r"(?!(?:(?<=\d[,;:—])|(?<=\d\s[:;–—-]))\s*\d)"
    r"|[，；：、。！？]"
)
_CLAUSE_AHEAD = 40
"""Characters that may change whether a clause ends in front of them: spaces, a digit."""


def is_speakable(text: str) -> bool:
    """Return whether there is anything to say: a letter or a digit of any script."""
    return any(unicodedata.category(char)[0] in "LN" for char in text)


def clean(text: str, rewrite: Rewrite = AS_WRITTEN) -> str:
    """Return one utterance without Markdown, emoji, tags and long links; what is left is meant to be spoken.

    `rewrite` gets the text without its markup, but still with signs and emoji: it may have words for them.
    """
    text = folded(_without_entities(text))
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    text = "".join(map(_spoken_char, rewrite(text)))
    for pattern, replacement in _SIGNS:
        text = pattern.sub(replacement, text)
    return text.strip()


def _without_entities(text: str) -> str:
    """Decode HTML entities; those of text that was escaped twice, too."""
    for _ in range(2):
        if "&" in text and ";" in text:
            text = html.unescape(text)
    return text


def _spoken_char(char: str) -> str:
    """Return what to speak for one character: a gap for pictures and arrows."""
    if char.isascii():
        return char
    category = unicodedata.category(char)
    is_picture = (category == "So" and char not in "°№") or "\u2190" <= char <= "\u21ff" or "🏻" <= char <= "🏿"
    return " " if is_picture or category in ("Cs", "Co") else char


def split_long(sentence: str) -> Iterator[str]:
    """Yield pieces of at most UTTERANCE_LIMIT characters, cut at clauses near UTTERANCE_AIM, else between words."""
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
        self._silent = False

    def feed(self, text: str) -> str:
        """Return text to look for sentences in; a blank line in it ends a sentence."""
        return "".join(self._line(piece) for piece in text.splitlines(keepends=True))

    def finish(self) -> str:
        """Return what was held back when the text ends here, and the blank line that ends the last sentence."""
        return ("" if self._start is None else self._classify(self._start)) + "\n\n"

    def _line(self, piece: str) -> str:
        ends = piece.endswith("\n")
        out = ""
        if self._start is None:
            out = "" if self._silent else piece.rstrip("\n")
        else:
            self._start += piece
            line = self._start.lstrip()
            if ends or line[:1].isalpha() or (len(line) > _BLOCK_SIGNS and not _RULE.fullmatch(line)):
                out, self._start = self._classify(self._start.rstrip("\n")), None
        if ends:
            if not self._code:
                out += "\n\n" if self._block else "\n"
            self._start, self._block, self._silent = "", False, False
        return out

    def _classify(self, start: str) -> str:
        line = start.lstrip()
        is_fence = line.startswith(_FENCE)
        if is_fence:
            self._code = not self._code
        elif self._code:
            self._silent = True
            return ""
        if is_fence or not line or _RULE.fullmatch(line):
            self._block = self._silent = True
            return "\n\n"
        self._block = bool(_BLOCK.match(line))
        return "\n\n" + start if self._block else start


async def utterances(text: str | AsyncGenerator[str], rewrite: Rewrite = AS_WRITTEN) -> AsyncGenerator[str | None]:
    """Yield what to speak, sentence by sentence, as soon as each is complete: clean, speakable, up to UTTERANCE_LIMIT.

    While the text is still being written, the first clause goes ahead, and None tells that the text pauses. Text that
    is all there has its sentences whole: no word has to be waited for. `rewrite` replaces words of a sentence. Closes
    `text`; raises what it raises.
    """
    if isinstance(text, str):
        thoughts, blocks, reader = ThoughtReader(), BlockReader(), SentenceReader()
        heard = thoughts.feed(text) + thoughts.finish()
        for sentence in reader.feed(blocks.feed(heard) + blocks.finish()):
            for utterance in _spoken(sentence, rewrite):
                yield utterance
        return
    async with aclosing(_sentences(text)) as sentences:
        async for written in sentences:
            if written is None:
                yield None
            else:
                for utterance in _spoken(written, rewrite):
                    yield utterance


async def spoken_text(text: AsyncGenerator[str], rewrite: Rewrite = AS_WRITTEN) -> AsyncGenerator[str]:
    """Yield what is spoken of `text`, for an engine that reads all signs aloud: utterances, with a gap between them.

    Closes `text`; raises what it raises.
    """
    gap = ""
    async with aclosing(utterances(text, rewrite)) as spoken:
        async for utterance in spoken:
            if utterance is not None:
                yield gap + utterance
                gap = gap_behind(utterance)


def gap_behind(utterance: str) -> str:
    """Return what parts an utterance from the next one: a full stop as well, behind a heading without punctuation."""
    return " " if utterance.rstrip(CLOSERS).endswith(PAUSE_MARKS) else ". "


def _spoken(sentence: str, rewrite: Rewrite) -> Iterator[str]:
    return filter(is_speakable, split_long(clean(sentence, rewrite)))


async def _sentences(text: AsyncGenerator[str]) -> AsyncGenerator[str | None]:
    """Yield sentences of text that is being written; the first one in two where its first clause is long enough.

    None tells that the text pauses, behind the sentence that ends with that.
    """
    reader, opening, said, looked = SentenceReader(), True, 0, 0
    async with aclosing(_blocks(text)) as pieces:
        async for piece in pieces:
            for sentence in filter(None, [reader.pause()]) if piece is None else reader.feed(piece):
                if opening and (said := clause_end(sentence)):
                    yield sentence[:said]
                opening = opening and not is_speakable(sentence)
                yield sentence[said:]
                said = 0
                looked = 0
            if opening:
                unfinished = reader.unfinished
                if said := clause_end(unfinished, looked):
                    yield unfinished[:said]
                    opening = False
                looked = max(0, len(unfinished) - _CLAUSE_AHEAD)
            if piece is None:
                yield None


async def _blocks(text: AsyncGenerator[str]) -> AsyncGenerator[str | None]:
    thoughts, blocks = ThoughtReader(), BlockReader()
    async with aclosing(with_pauses(text)) as chunks:
        async for chunk in chunks:
            yield None if chunk is None else blocks.feed(thoughts.feed(chunk))
    yield blocks.feed(thoughts.finish()) + blocks.finish()


async def with_pauses(text: AsyncGenerator[str]) -> AsyncGenerator[str | None]:
    """Yield the text as it comes, and None once each time that it has not gone on for PAUSE seconds.

    Closes `text`; raises what it raises.
    """
    async with aclosing(text):
        going_on = True
        while going_on:
            # Awaited directly, the text would be cancelled with the wait for it.
            next_piece = asyncio.create_task(_next_piece(text), eager_start=True)
            try:
                if not next_piece.done() and not (await asyncio.wait([next_piece], timeout=PAUSE))[0]:
                    yield None
                piece = await next_piece
            finally:
                next_piece.cancel()
                await asyncio.gather(next_piece, return_exceptions=True)
            if going_on := piece is not None:
                yield piece


async def _next_piece(text: AsyncGenerator[str]) -> str | None:
    return await anext(text, None)


def clause_end(text: str, start: int = 0) -> int:
    """Return where the first clause ends that is long enough to be spoken alone; 0 where none does.

    Looked for within UTTERANCE_LIMIT, never within brackets, quotes, code or emphasis, which only cleaning of the whole
    can take apart. Ends before `start` were looked at before.
    """
    for match in _CLAUSE_END.finditer(text, start, UTTERANCE_LIMIT):
        clause = text[: match.end()]
        if is_closed(clause):
            spoken = clean(clause)
            if len(spoken) >= CLAUSE_CHARACTERS or len(spoken.split()) >= CLAUSE_WORDS:
                return match.end()
    return 0
