"""One text that is spoken while it is written."""

import asyncio
from collections.abc import AsyncGenerator

from spark_audio_proxy.problems import Problem
from spark_audio_proxy.speaking import SpeechWish
from spark_audio_proxy.uploads.admission import Share

FLUSH = "\n\n"
"""A blank line ends a sentence, whatever follows it."""

_HIGH_HALVES = ("\ud800", "\udbff")
"""The first and the last of the first halves of characters beyond U+FFFF. JavaScript's texts may be cut in between."""


class Utterance:
    """Its text so far, and how its voice gets it."""

    def __init__(self, number: int, wish: SpeechWish, memory: Share) -> None:
        """`number` counts the utterances of a session from 0 on; `memory` is what its text takes."""
        self.number, self.wish = number, wish
        self.characters = 0
        self._memory = memory
        self._unread = self._half = ""
        self._problem: Problem | None = None
        self._news = asyncio.Event()
        self._over = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Return whether its text is complete."""
        return self._over.is_set()

    @property
    def has_failed(self) -> bool:
        """Return whether no more of it is spoken."""
        return self._problem is not None

    def add(self, text: str) -> None:
        """Take a piece of its text. Raises Problem 429 where there is no memory for it."""
        self._memory.hold(self._memory.size + len(text.encode("utf-8", "surrogatepass")))
        self.characters += len(text)
        text, self._half = self._half + text, ""
        if _HIGH_HALVES[0] <= text[-1:] <= _HIGH_HALVES[1]:
            text, self._half = text[:-1], text[-1]
        self._unread += text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        self._news.set()

    def flush(self) -> None:
        """Have spoken what there is, although its sentence is not over."""
        if not self._unread.endswith(FLUSH):
            self._unread += FLUSH
            self._news.set()

    def end(self) -> None:
        """No more text comes."""
        self._over.set()
        self._news.set()

    def fail(self, problem: Problem) -> None:
        """Speak no more of it. Its voice gets the problem behind what it has read, and the rest of it is dropped."""
        self._problem = self._problem or problem
        self.drop()
        self._news.set()

    async def has_text(self) -> bool:
        """Wait until there is text to read, or none comes any more. Raises Problem where it has failed."""
        while not self._unread and not self.is_over and not self._problem:
            self._news.clear()
            await self._news.wait()
        if self._problem:
            raise self._problem
        return bool(self._unread)

    async def pieces(self) -> AsyncGenerator[str]:
        """Yield its text as it comes. Raises Problem where it has failed."""
        while await self.has_text():
            text, self._unread = self._unread, ""
            yield text

    async def ended(self) -> None:
        """Wait until its text is complete."""
        await self._over.wait()

    def drop(self) -> None:
        """Forget its text, and give its memory back."""
        self._unread = self._half = ""
        self._memory.hold(0)
