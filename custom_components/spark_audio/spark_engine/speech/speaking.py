"""Sentences in, PCM out in order: the next utterance is synthesised while the last one is played.

    sentences -> waiting -> one request at a time -> made -> the caller

The first sentence is sent alone, at once. Later ones are sent together while there is enough to be heard meanwhile:
fewer requests, and sentences that are spoken as one. None that is there waits for another to be written.

Where the text pauses, for a tool that its writer calls, silence follows once all speech has been heard, as fast as it
is heard: players give up on a stream in which nothing comes. None comes in front of the first speech, which may fail
and be asked for elsewhere, and none where sentences only take their time.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from math import inf
from time import monotonic

from ..models import Audio
from .audio import silence
from .text import UTTERANCE_AIM, gap_behind

type Synthesize = Callable[[str], AsyncGenerator[Audio]]

AHEAD = 1
"""Utterances synthesised beyond the one being taken. One hides the gap; more would queue up in the server."""

MOST_UNHEARD = 4 << 20
"""Bytes of audio that a caller has not taken, beyond which the server is held back: a minute and a half at 22 kHz."""

WAITING = 32
"""Sentences that the reader of the text is ahead; further text is left where it comes from."""

CAUTION = 2.0
"""How many times as long as the last one a request may take, for the same text, before a gap is heard."""

SILENCE = 0.1
"""Seconds of silence at a time: speech that comes meanwhile waits no longer than that."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How synthesis is getting on, for a listener who plays the first audio at once. Times are in seconds."""

    heard_by: float = -inf
    """When all audio that was made will have been played."""

    pace: float = inf
    """What the last request took for each character."""


def heard(progress: Progress, audio: Audio, now: float, speed: float = 1.0) -> Progress:
    """Progress after more audio: played behind what there was, or from now on where the listener waited for it.

    At twice the `speed`, a listener has heard it in half its length.
    """
    return replace(progress, heard_by=max(progress.heard_by, now) + audio.seconds / speed)


def how_many(waiting: Sequence[str], progress: Progress, now: float) -> int:
    """Return how many of the waiting sentences to send as one: what will be ready before the listener has to wait.

    At least one; more than one never exceed UTTERANCE_AIM characters.
    """
    time = progress.heard_by - now
    for count in range(2, len(waiting) + 1):
        length = len(together(waiting[:count]))
        if length > UTTERANCE_AIM or length * progress.pace * CAUTION > time:
            return count - 1
    return len(waiting)


def together(sentences: Sequence[str]) -> str:
    """Return one utterance. What ends without punctuation, a heading for one, gets a full stop in front of the next."""
    *others, last = sentences
    return "".join([*(text + gap_behind(text) for text in others), last])


async def speak(
    sentences: AsyncGenerator[str | None],
    synthesize: Synthesize,
    *,
    speed: float = 1.0,
    fills_pauses: bool = True,
    clock: Callable[[], float] = monotonic,
) -> AsyncGenerator[Audio]:
    """Audio of all sentences in order, one request at a time, AHEAD of what the caller has taken.

    None among the sentences tells that the text pauses: until the next one there is silence, at the listener's pace,
    where that `fills_pauses`.
    An error is raised where it belongs: after all audio that came before it. Whatever ends this generator ends the
    request in flight and closes `sentences`. Raises what `sentences` and `synthesize` raise. `speed` is the listener's:
    how many times shorter the audio will have been made when it is played. `clock` tells seconds.
    """
    speech = _Speech(sentences, synthesize, speed, clock, fills_pauses=fills_pauses)
    tasks = (asyncio.create_task(speech.produce()), asyncio.create_task(speech.read()))
    try:
        with suppress(asyncio.QueueShutDown):
            while True:
                if audio := await speech.made.get():
                    speech.was_taken(audio)
                    yield audio
                else:
                    speech.room.release()
        for task in tasks:
            await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Speech:
    """What the task that reads, the one that synthesises and their caller share."""

    def __init__(
        self,
        sentences: AsyncGenerator[str | None],
        synthesize: Synthesize,
        speed: float,
        clock: Callable[[], float],
        *,
        fills_pauses: bool,
    ) -> None:
        self._sentences, self._synthesize, self._speed, self._clock = sentences, synthesize, speed, clock
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue(WAITING)
        self._fills_pauses = fills_pauses
        self._pausing = False
        self._silence: Audio | None = None
        self._sounds = asyncio.Event()
        self._progress = Progress()
        # None ends an utterance. Unbounded in pieces, but `room` bounds it to 1 + AHEAD utterances, and
        # `_unheard` counts bytes.
        self.made: asyncio.Queue[Audio | None] = asyncio.Queue()
        self._unheard = 0
        self._fits = asyncio.Event()
        self._fits.set()
        self.room = asyncio.Semaphore(1 + AHEAD)

    def was_taken(self, audio: Audio) -> None:
        """Make room: the caller has this piece."""
        self._unheard -= audio.size
        if self._unheard <= MOST_UNHEARD:
            self._fits.set()

    def _put(self, audio: Audio) -> None:
        self._unheard += audio.size
        if self._unheard > MOST_UNHEARD:
            self._fits.clear()
        self.made.put_nowait(audio)

    async def read(self) -> None:
        """Read the text: one sentence, and on once it sounds. Until then a caller may begin anew with the same text."""
        try:
            async with aclosing(self._sentences):
                async for sentence in self._sentences:
                    await self._waiting.put(sentence)
                    if sentence is not None:
                        await self._sounds.wait()
        finally:
            self._waiting.shutdown()

    async def produce(self) -> None:
        """Synthesise until there is no more text."""
        sentences: list[str] = []
        try:
            with suppress(asyncio.QueueShutDown):
                while True:
                    await self.room.acquire()
                    while not sentences:
                        sentences += await self._written()
                    while len(sentences) < WAITING and not self._waiting.empty():
                        sentences += self._taken(self._waiting.get_nowait())
                    count = how_many(sentences, self._progress, self._clock())
                    await self._utter(together(sentences[:count]))
                    del sentences[:count]
        finally:
            self.made.shutdown()

    async def _written(self) -> list[str]:
        """Wait for one sentence; where the text pauses, for no longer than speech is heard, and make silence then."""
        if not self._pausing or self._silence is None:
            return self._taken(await self._waiting.get())
        try:
            async with asyncio.timeout(self._progress.heard_by - self._clock()):
                return self._taken(await self._waiting.get())
        except TimeoutError:
            self._progress = heard(self._progress, self._silence, self._clock(), self._speed)
            # A caller who has not taken what there is needs no more of it.
            if self.made.empty():
                self._put(self._silence)
            return []

    def _taken(self, sentence: str | None) -> list[str]:
        self._pausing = sentence is None and self._fills_pauses
        return [] if sentence is None else [sentence]

    async def _utter(self, utterance: str) -> None:
        began = self._clock()
        async with aclosing(self._synthesize(utterance)) as pieces:
            async for audio in pieces:
                self._silence = self._silence or silence(SILENCE * self._speed, audio.sample_rate)
                self._progress = heard(self._progress, audio, self._clock(), self._speed)
                self._put(audio)
                self._sounds.set()
                await self._fits.wait()
        self.made.put_nowait(None)
        self._sounds.set()
        self._progress = replace(self._progress, pace=(self._clock() - began) / len(utterance))
