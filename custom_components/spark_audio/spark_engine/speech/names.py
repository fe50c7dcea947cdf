"""Names that a recogniser does not know, put right: "colics lamp" is the "Kallax lamp" of this house.

Finding what a name may have become is easy; the work is restraint. So a name is put in only where a sentence makes no
sense without it and does with it, which is for a grammar to say; without a grammar, only where next to nothing differs.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from operator import attrgetter
from typing import Protocol

from ..models import Transcript
from .likeness import NEXT_TO_NOTHING, Comparison, Form
from .openings import openings
from .phonetics import letters_of, sound_of, words_of

TINY, TINY_ALONE = 0.2, 0.12
"""The distance up to which a name is put in without a grammar, or in a sentence that it does not know.

The second is for names of which no word was heard: of the 5,500 most frequent words of each of five languages, none is
that close to a name in the homes that tune `bench hear`. In sentences that the grammar does not know, with them or
without, those have to be NEXT_TO_NOTHING away.
"""

NEAR = 0.3
"""The distance up to which a name is put in where the first word of the sentence is misheard as well."""

FAR = 0.4
MARGIN, MARGIN_OF_FAR = 0.08, 0.15
"""By how much a name has to be closer than the next one that fits as well: more where it is itself beyond FAR."""

SHORTEST_WITHOUT_GRAMMAR = 6
"""Letters of a name that is put in without a grammar: shorter ones sound like too many words."""

MOST_WORDS = 30
"""Words of a transcript beyond which it is no command to a home."""

MOST_PARSES = 6
MOST_PAIRS = 3
MOST_OPENED = 4
"""Sentences with one name, with two, and with another first word, that the grammar is asked about at most."""

MOST_NAMES = 2_000

_WIDER = 2
"""How many words more than a name has may stand for it: "Kallax" becomes "call axe"."""

_KEPT = 5
"""Names that are compared closely for each run of words."""

_FARTHEST_SOUND = 0.6

_PER_CENT = re.compile(r"\bper cent\b")
"""What recognisers write as well, and Home Assistant's sentences in English do not know."""

_WORD = re.compile(r"[\w'’-]*\w")


class Grammar(Protocol):
    """What sentences the home understands, in one language."""

    async def parses(self, text: str) -> bool:
        """Return whether this is a sentence of the home, with the names as they are spelled."""

    async def is_about_home(self, text: str) -> bool:
        """Return whether this is one that is said to a home alone: not "what is ...", nor one that takes any words."""


@dataclass(frozen=True, slots=True)
class Match:
    """A name, and where in a transcript it may have been meant: `start` and `end` count characters."""

    start: int
    end: int
    name: str
    distance: float
    """0 for the same sound and spelling, 1 for nothing in common."""
    is_alone: bool
    """Whether no word of the name was heard."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names of a home, as they sound in one language. Made by `vocabulary`, which takes milliseconds."""

    language: str
    forms: tuple[Form, ...] = ()
    rests: Mapping[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    """What may follow the first words of a name that has more, the shortest first."""
    whole: frozenset[tuple[str, ...]] = frozenset()
    """All words of each name."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names as they are spelled."""
        return tuple(dict.fromkeys(form.name for form in self.forms))

    def are_in(self, text: str) -> bool:
        """Return whether one of the names is in a text, word for word."""
        words = tuple(words_of(text))
        return any(words[at:to] in self.whole for at in range(len(words)) for to in range(at + 1, len(words) + 1))

    def rests_of(self, text: str) -> Sequence[str]:
        """Return what makes longer names of the last words: "light" for "turn on the kitchen" in many homes."""
        words = tuple(words_of(text))
        tails = (words[at:] for at in range(max(0, len(words) - 8), len(words)))
        known = next((tail for tail in tails if tail in self.whole or tail in self.rests), ())
        return self.rests.get(known, ())

    def matches(self, transcript: str) -> Sequence[Match]:
        """Return what names may have been meant, and where, the closest first. Takes milliseconds."""
        try:
            from .closeness import Closeness  # noqa: PLC0415 - where its library is missing, nothing matches
        except ImportError:
            return ()
        words = list(_WORD.finditer(transcript))
        closeness = Closeness([form.sound for form in self.forms])
        comparison = Comparison(self.language, closeness.distance)
        found: dict[tuple[int, int, str], Match] = {}
        for start, end in _runs(words, self._widest):
            said = transcript[start:end]
            heard, sound = words_of(said), sound_of(said, self.language)
            is_all = (start, end) == (words[0].start(), words[-1].end())
            for form in (self.forms[at] for at in closeness.closest(sound, _FARTHEST_SOUND, _KEPT)):
                like = comparison.likeness(heard, form, is_all=is_all)
                best = found.get((start, end, form.name))
                if like.distance <= like.farthest and (best is None or like.distance < best.distance):
                    found[start, end, form.name] = Match(start, end, form.name, like.distance, like.is_alone)
        return sorted(found.values(), key=attrgetter("distance"))

    @property
    def _widest(self) -> int:
        return max((len(words) for words in self.whole), default=0) + _WIDER


def vocabulary(names: Iterable[str], language: str) -> Vocabulary:
    """Return these names as they sound in a language, and as they sound in English: many are brands. Takes a moment."""
    distinct = {" ".join(name.split()).casefold(): " ".join(name.split()) for name in names if letters_of(name)}
    spelled = tuple(distinct.values())[:MOST_NAMES]
    words = {name: tuple(words_of(name)) for name in spelled}
    forms = {Form(name, words[name], tag, sound_of(name, tag)): None for name in spelled for tag in (language, "en")}
    whole = frozenset(words.values())
    rests = defaultdict[tuple[str, ...], list[str]](list)
    for all_words in sorted(whole, key=lambda each: (len(each), each)):
        for count in range(1, len(all_words)):
            rests[all_words[:count]].append(" ".join(all_words[count:]))
    return Vocabulary(language, tuple(forms), {first: tuple(each) for first, each in rests.items()}, whole)


async def corrected(transcript: str, names: Vocabulary, grammar: Grammar | None) -> str:
    """Return the transcript with the names of the home put right, the same where that is not certain.

    Takes as long as the grammar does: give it a deadline.
    """
    if not names.forms:
        return transcript
    if grammar is None:
        return put_in(transcript, _certain(await asyncio.to_thread(names.matches, transcript), TINY_ALONE))
    if len(words_of(transcript)) > MOST_WORDS or await grammar.parses(transcript):
        return transcript
    spelled = _PER_CENT.sub("percent", transcript)
    if spelled != transcript and await grammar.parses(spelled):
        return spelled
    matches = await asyncio.to_thread(names.matches, spelled)
    found = (
        await _fitting(spelled, matches, grammar)
        or await _opened(spelled, matches, names, grammar)
        or _certain(matches, NEXT_TO_NOTHING)
    )
    return put_in(spelled, found) if found else transcript


async def respelled(transcript: Transcript, names: Vocabulary) -> Transcript:
    """Return the transcript with the names put in that hardly differ, in its segments as well.

    Words stay as they were heard: each has its own times, and a name may be more or fewer of them.
    """
    text = await corrected(transcript.text, names, None)
    if text == transcript.text or transcript.segments is None:
        return replace(transcript, text=text)
    segments = [replace(each, text=await corrected(each.text, names, None)) for each in transcript.segments]
    return replace(transcript, text=text, segments=tuple(segments))


def put_in(transcript: str, matches: Sequence[Match]) -> str:
    """Return the transcript with these names in it, which do not overlap."""
    for match in sorted(matches, key=attrgetter("start"), reverse=True):
        transcript = transcript[: match.start] + match.name + transcript[match.end :]
    return transcript


async def _fitting(transcript: str, matches: Sequence[Match], grammar: Grammar) -> Sequence[Match]:
    """Return the name, or two, that make a sentence; none where none do, or others are about as close."""
    singles = [(match,) for match in matches]
    for proposals, most in ((singles, MOST_PARSES), (_pairs(matches), MOST_PAIRS)):
        fits = await _parsing(transcript, proposals, most, grammar)
        if fits:
            return fits[0] if len(fits) == 1 else ()
    return ()


async def _opened(transcript: str, matches: Sequence[Match], names: Vocabulary, grammar: Grammar) -> Sequence[Match]:
    """Return the first word put right, with a name that is nearly whole, where together they make a sentence."""
    near = [(match,) for match in matches if match.distance <= NEAR]
    rests = [(), *near] if names.are_in(transcript) else near
    proposals = [
        (Match(opening.start, opening.end, opening.text, opening.distance, is_alone=True), *rest)
        for opening in openings(transcript, names.language)
        for rest in rests
        if all(match.start >= opening.end for match in rest)
    ]
    fits = await _parsing(transcript, sorted(proposals, key=_distance), MOST_OPENED, grammar)
    return fits[0] if len(fits) == 1 else ()


async def _parsing(
    transcript: str, proposals: Sequence[Sequence[Match]], most: int, grammar: Grammar
) -> Sequence[Sequence[Match]]:
    """Return the closest proposal that makes a sentence, and those about as close that make another one."""
    fits: list[Sequence[Match]] = []
    asked: set[str] = set()
    for proposal in proposals:
        sentence = put_in(transcript, proposal)
        if sentence.casefold() in asked:
            continue
        if len(asked) == most or (fits and _distance(proposal) > _distance(fits[0]) + _margin(fits[0])):
            break
        asked.add(sentence.casefold())
        if await grammar.is_about_home(sentence):
            fits.append(proposal)
    return fits


def _pairs(matches: Sequence[Match]) -> Sequence[Sequence[Match]]:
    """Return two names that may have been meant: the lamp and the room that it is in. The closest pair comes first."""
    best: dict[str, Match] = {}
    for match in matches:
        best.setdefault(match.name, match)
    apart = (pair for pair in combinations(list(best.values())[:_KEPT], 2) if not _overlap(*pair))
    return sorted(apart, key=_distance)


def _certain(matches: Sequence[Match], alone: float) -> Sequence[Match]:
    """Return the names that hardly differ from what was heard, each where nothing else is about as close.

    `alone` is how far those may be of which no word was heard.
    """
    certain: list[Match] = []
    for match in matches:
        rivals = (other for other in matches if other.name != match.name and _is_rival(other, match))
        if (
            match.distance <= (alone if match.is_alone else TINY)
            and len(letters_of(match.name)) >= SHORTEST_WITHOUT_GRAMMAR
            and all(other.distance > match.distance + MARGIN for other in rivals)
            and not any(_overlap(match, other) for other in certain)
        ):
            certain.append(match)
    return certain


def _distance(proposal: Sequence[Match]) -> float:
    return max(match.distance for match in proposal)


def _margin(proposal: Sequence[Match]) -> float:
    return MARGIN if _distance(proposal) <= FAR else MARGIN_OF_FAR


def _overlap(one: Match, other: Match) -> bool:
    return one.start < other.end and other.start < one.end


def _is_rival(other: Match, match: Match) -> bool:
    """Return whether the other one would take the place of this one, and not of a part of it."""
    return _overlap(other, match) and other.end - other.start >= match.end - match.start


def _runs(words: Sequence[re.Match[str]], widest: int) -> Iterator[tuple[int, int]]:
    """Yield the start and end, in characters, of each run of words."""
    for at, first in enumerate(words):
        for last in words[at : at + widest]:
            yield first.start(), last.end()
