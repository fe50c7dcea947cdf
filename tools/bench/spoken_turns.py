"""The set on which ends of turns are compared: what is said, with the pauses in it. Pure.

A command is spoken whole, so that its intonation goes on, and a pause of the room alone is put in at a word boundary.
Pauses are where people make them: most before the word that they look for, some behind what already reads like a whole
command, which is the hardest case. Half of the sentences tune the rules, the other half judges them.
"""

import itertools
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .stretched import FRAME_SAMPLES, Samples, boundaries, parted, trimmed

SET = Path(__file__).with_name("turns_set.json")

FRAME = FRAME_SAMPLES * 2
"""Bytes of 10 ms, s16le mono."""

PURPOSES = ("tuning", "judging")

HOME, OTHER, SHORT = "command of the home", "question, or open", "short"
PAUSED, APART, ALOUD = "pause inside", "pieces spoken apart", "thinking aloud"
TELEVISION = "television"
READING = "reading by a person"

AT_ONCE: Mapping[str, str] = {"home": HOME, "other": OTHER, "short": SHORT}
"""Kinds without a pause, as the file calls them."""

PAUSES = (0.3, 0.5, 0.8, 1.1)
"""Seconds."""

ROOMS = (6.0, 60.0)
"""Standard deviation of the noise, of 32,767: a quiet room and one with a fan. Sentences take turns."""

BELOW_VOICE = (20.0, 15.0)
"""Decibels by which a television is below the voice. Sentences take turns."""

BEFORE, AFTER, AFTER_ON_TELEVISION = 0.3, 3.0, 10.0
"""Seconds of the room alone before and after the words."""

BETWEEN_PHRASES = 0.25
"""Seconds of quiet that part two phrases of a reading."""

REQUESTED = 10
"""Frames of the next word that a request may hold which was made in a pause."""

HUSHED = 0.04
"""Share of a recording's loudest frames below which a frame is quiet."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause within a turn: its frames, and how long it was meant to be, in seconds."""

    start: int
    end: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SpokenTurn:
    """One turn as the microphone hears it. `pcm` is 16 kHz s16le mono; `end` is the frame of the last sound."""

    language: str
    purpose: str
    kind: str
    text: str
    pcm: bytes
    end: int
    pauses: tuple[Pause, ...] = ()

    def words_by(self, frame: int) -> str | None:
        """Return what a recogniser without errors makes of the frames up to this one; None within words.

        It puts a full stop behind whatever it gets, as they do.
        """
        if frame >= self.end:
            return whole(self.text)
        said = pieces(self.text)
        for number, pause in enumerate(self.pauses, 1):
            if pause.start <= frame <= pause.end + REQUESTED and len(said) > 1:
                return " ".join(said[:number]).rstrip(",") + "."
        return None


@dataclass(frozen=True, slots=True)
class TurnSet:
    """What is said in one language, with pauses as ` ... `, and the home that it is said in."""

    language: str
    entities: Mapping[str, Sequence[str]]
    areas: Sequence[str]
    sentences: Mapping[str, Mapping[str, Sequence[str]]]
    """By purpose and kind, as the file calls them."""

    def texts(self) -> Iterator[str]:
        """Yield what has to be spoken: each sentence whole, and the pieces of those with pauses."""
        for kinds in self.sentences.values():
            for said in itertools.chain.from_iterable(kinds.values()):
                yield whole(said)
                yield from pieces(said)


def read_sets(languages: Sequence[str], *, every: int = 1) -> Mapping[str, TurnSet]:
    """Return the sets of these languages, or each so-manieth sentence of every kind."""
    document = json.loads(SET.read_text())
    return {
        language: TurnSet(
            language,
            document[language]["entities"],
            document[language]["areas"],
            {
                purpose: {kind: said[::every] for kind, said in document[language][purpose].items()}
                for purpose in PURPOSES
            },
        )
        for language in languages
    }


def pieces(said: str) -> list[str]:
    """Return the pieces between the pauses."""
    return said.split(" ... ")


def whole(said: str) -> str:
    """Return the sentence without its pauses."""
    return said.replace(" ... ", " ")


def turns(wanted: TurnSet, speech: Mapping[str, Samples], television: Samples | None = None) -> Iterator[SpokenTurn]:
    """Yield all turns of a language; `speech` has what `texts` yields, `television` the speech of other people.

    Without a television, which makes many recordings to be heard, there are no pieces spoken apart either, and each
    sentence gets only every second length of pause.
    """
    for purpose, kinds in wanted.sentences.items():
        half = _Half(wanted.language, purpose, speech)
        for kind, name in AT_ONCE.items():
            for number, said in enumerate(kinds[kind]):
                yield half.turn(name, said, [speech[said]], [], number)
        yield from half.paused(kinds["paused"], every=1 if television is not None else 2)
        yield from half.aloud(kinds["aloud"])
        if television is not None:
            yield from half.apart(kinds["paused"])
            for number, said in enumerate([*kinds["home"], *kinds["other"]]):
                yield half.on_television(said, television, number)


@dataclass(frozen=True, slots=True)
class _Half:
    """Makes the turns of one purpose in one language."""

    language: str
    purpose: str
    speech: Mapping[str, Samples]

    def paused(self, sentences: Sequence[str], *, every: int) -> Iterator[SpokenTurn]:
        """Yield each sentence with a pause of each length inside, or of each so-manieth."""
        for number, said in enumerate(sentences):
            parts = self.parts(said)
            for seconds in PAUSES[number % every :: every]:
                yield self.turn(PAUSED, said, parts, [seconds], number)

    def apart(self, sentences: Sequence[str]) -> Iterator[SpokenTurn]:
        """Yield the same of pieces that were spoken apart."""
        for number, said in enumerate(sentences):
            for seconds in PAUSES:
                yield self.turn(APART, said, [self.speech[piece] for piece in pieces(said)], [seconds], number)

    def aloud(self, sentences: Sequence[str]) -> Iterator[SpokenTurn]:
        """Yield each sentence twice, with pauses of several lengths."""
        for number, said in enumerate(sentences):
            parts = self.parts(said)
            for first in (0, 2):
                lengths = [PAUSES[(number + first + at) % len(PAUSES)] for at in range(len(parts) - 1)]
                yield self.turn(ALOUD, said, parts, lengths, number)

    def parts(self, said: str) -> Sequence[Samples]:
        """Return the parts between the pauses of a sentence that was spoken whole."""
        sentence = self.speech[whole(said)]
        return parted(sentence, boundaries(sentence, [self.speech[piece] for piece in pieces(said)]))

    def turn(self, kind: str, said: str, parts: Sequence[Samples], lengths: Sequence[float], number: int) -> SpokenTurn:
        """Return speech with pauses of these lengths between its parts, in the room whose turn it is."""
        spoken = [_hush(BEFORE)]
        found: list[Pause] = []
        for part, seconds in itertools.zip_longest(map(trimmed, parts), lengths):
            spoken.append(part)
            if seconds is not None:
                start = _frames(spoken)
                spoken.append(_hush(seconds))
                found.append(Pause(start, _frames(spoken), seconds))
        pcm = _in_room(np.concatenate([*spoken, _hush(AFTER)]), ROOMS[number % len(ROOMS)], said)
        return SpokenTurn(self.language, self.purpose, kind, said, pcm, _frames(spoken), tuple(found))

    def on_television(self, said: str, television: Samples, number: int) -> SpokenTurn:
        """Return a command in a room where other people speak on, more quietly."""
        voice = trimmed(self.speech[said])
        spoken = np.concatenate([_hush(BEFORE), voice, _hush(AFTER_ON_TELEVISION)])
        start = zlib.crc32(said.encode()) % (len(television) - len(spoken))
        loudness = _level(voice) / _level(television) * 10 ** (-BELOW_VOICE[number % len(BELOW_VOICE)] / 20)
        pcm = _in_room(spoken + television[start : start + len(spoken)] * loudness, ROOMS[0], said)
        return SpokenTurn(self.language, self.purpose, TELEVISION, said, pcm, _frames([_hush(BEFORE), voice]))


def readings(name: str, pcm: bytes) -> Iterator[SpokenTurn]:
    """Yield each two phrases of a recording with the pause that the reader made between them."""
    samples = _samples(pcm)
    phrases = list(_phrases(samples))
    for (start, rest), (begin, end) in itertools.pairwise(phrases):
        lead = min(start, round(BEFORE * 100))
        at = start - lead
        cut = samples[at * FRAME_SAMPLES : end * FRAME_SAMPLES]
        pause = Pause(rest - at, begin - at, (begin - rest) / 100)
        yield SpokenTurn("en", "judging", READING, name, _pcm(cut), end - at, (pause,))


def _phrases(samples: Samples) -> Iterator[tuple[int, int]]:
    """Yield the first frame of each phrase and the first one after it."""
    levels = np.abs(samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)).mean(axis=1)
    loud = np.flatnonzero(levels > HUSHED * np.percentile(levels, 98))
    breaks = np.flatnonzero(np.diff(loud) > BETWEEN_PHRASES * 100)
    yield from zip(
        loud[np.concatenate([[0], breaks + 1])].tolist(),
        (loud[np.concatenate([breaks, [len(loud) - 1]])] + 1).tolist(),
        strict=True,
    )


def _frames(parts: Sequence[Samples]) -> int:
    return sum(map(len, parts)) // FRAME_SAMPLES


def _hush(seconds: float) -> Samples:
    return np.zeros(round(seconds * 100) * FRAME_SAMPLES)


def _level(samples: Samples) -> float:
    """Return the root mean square of what is not quiet."""
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    levels = np.sqrt((frames**2).mean(axis=1))
    return float(np.sqrt((levels[levels > levels.max() * 0.1] ** 2).mean()))


def _in_room(samples: Samples, noise: float, said: str) -> bytes:
    """Return it with noise that is the same for the same sentence: what precedes a pause is heard once for all."""
    chance = np.random.default_rng(zlib.crc32(said.encode()))
    return _pcm(samples + chance.normal(0, noise, len(samples)))


def _pcm(samples: Samples) -> bytes:
    pcm: bytes = np.clip(np.rint(samples), -32_768, 32_767).astype("<i2").tobytes()
    return pcm[: len(pcm) // FRAME * FRAME]


def _samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float64)
