"""Recognition while it is spoken, over a WebSocket: PCM goes in as it comes, all words so far come out.

The protocols are in `live_protocols.py`; what they share is here.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from difflib import SequenceMatcher
from typing import Protocol

from ..errors import Rejected, SparkError, TimedOut
from ..models import SAMPLE_RATE, SAMPLE_WIDTH, Json, Transcript
from .faults import gpu_fault
from .transport import Transport
from .websocket import Socket

_SIMILAR = 0.6
"""Share of equal letters above which two beginnings are readings of the same words."""


CHUNK = SAMPLE_RATE // 5 * SAMPLE_WIDTH
"""Bytes in which audio is sent at most: 0.2 s."""


class LiveProtocol(Protocol):
    """How one family of servers hears live. 16 kHz s16le mono PCM goes in."""

    name: str

    def connect(self, transport: Transport, language: str | None) -> AbstractAsyncContextManager[Socket]:
        """Open a session that waits for audio. `language` is a BCP-47 tag or None. Raises SparkError."""

    async def send(self, socket: Socket, pcm: bytes) -> None:
        """Send some audio."""

    async def end(self, socket: Socket) -> None:
        """Tell that no more follows."""

    def is_last(self, event: Mapping[str, Json]) -> bool:
        """Return whether nothing follows this event."""


class LiveWords:
    """All words so far, from the events of a server: finals of stretches that are over, and a partial of the rest.

    A partial comes as what it adds to the last one, or where it reads otherwise as a whole, without a mark of which it
    is (NeMo-Speech.cpp, http_server.cpp).
    """

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self._finals: list[str] = []
        self._partial = ""
        self._has_ended = False

    @property
    def so_far(self) -> Transcript:
        """Return all words so far, and whether the last ones are of a stretch that the server has ended."""
        text = " ".join(text for text in (*self._finals, self._partial.strip()) if text)
        return Transcript(text, has_ended=self._has_ended)

    def partial(self, delta: str) -> None:
        """Take a piece of the current stretch, or all of it anew."""
        self._partial = delta if is_whole(self._partial, delta) else self._partial + delta
        self._has_ended = False

    def final(self, text: str) -> None:
        """Take the last reading of the current stretch, or of everything: servers do either."""
        text, before = text.strip(), " ".join(self._finals)
        if before and text.startswith(before):
            self._finals = [text]
        elif text:
            self._finals.append(text)
        self._partial = ""
        self._has_ended = True


def is_whole(before: str, delta: str) -> bool:
    """Return whether a partial is all words anew, and not what follows those before.

    What follows begins with a space, or within a word; all words anew begin like those before.
    """
    if not before or delta[:1].isspace():
        return not before
    length = min(len(before), len(delta))
    return SequenceMatcher(None, before[:length].casefold(), delta[:length].casefold()).ratio() > _SIMILAR


async def hear_live(
    protocol: LiveProtocol,
    transport: Transport,
    audio: AsyncIterable[bytes],
    language: str | None,
    *,
    longest_wait: float | None = None,
    load_seconds: float = 0.0,
) -> AsyncGenerator[Transcript]:
    """Yield all words so far whenever there are more, or the server ends a stretch; the whole transcript last.

    `audio` is 16 kHz s16le mono PCM as it comes; from its end on, the deadline is that of any
    transcription, or `longest_wait` seconds where that is sooner. Raises SparkError, and what reading the audio raises.
    """
    words, sent = LiveWords(), 0
    times = transport.deadlines
    async with protocol.connect(transport, language) as socket:

        async def send() -> None:
            nonlocal sent
            async for pcm in audio:
                for at in range(0, len(pcm), CHUNK):
                    await protocol.send(socket, pcm[at : at + CHUNK])
                sent += len(pcm)
            await protocol.end(socket)

        def deadline() -> float:
            seconds = sent / SAMPLE_WIDTH / SAMPLE_RATE
            own = times.transcription + times.transcription_per_second * seconds
            return (own if longest_wait is None else min(own, longest_wait)) + load_seconds

        sending = asyncio.create_task(send(), name=f"live audio to {transport.base_url}")
        try:
            while not protocol.is_last(event := await _next(socket, sending, deadline)):
                before = words.so_far
                _take(words, event)
                # Once all audio was sent, the end is ours and no news.
                if words.so_far.text != before.text or (words.so_far != before and not sending.done()):
                    yield words.so_far
            _take(words, event)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    yield Transcript(words.so_far.text)


async def _next(socket: Socket, sending: asyncio.Task[None], deadline: Callable[[], float]) -> Mapping[str, Json]:
    """Return the next event; once all audio was sent, it has to come within `deadline` seconds. Raises SparkError."""
    receiving = asyncio.create_task(socket.receive())
    try:
        if not sending.done():
            await asyncio.wait((receiving, sending), return_when=asyncio.FIRST_COMPLETED)
        if sending.done() and not receiving.done():
            # Raises what reading the audio raises.
            sending.result()
            await asyncio.wait((receiving,), timeout=deadline())
        if not receiving.done():
            raise TimedOut("The server did not end its live transcript in time.")
        return receiving.result()
    finally:
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)


def _take(words: LiveWords, event: Mapping[str, Json]) -> None:
    match event:
        case {"type": str(kind), "delta": str(delta)} if kind.endswith(".delta"):
            words.partial(delta)
        case {"type": str(kind), "transcript": str(text)} if kind.endswith(".completed"):
            words.final(text)
        case {"type": str(kind)} if kind == "error" or kind.endswith(".failed"):
            raise refusal(event)


def refusal(event: Mapping[str, Json]) -> SparkError:
    """Return the error that an event stands for: the GPU's, or a refusal to hear live."""
    match event.get("error"):
        case {"message": str(message)}:
            said = " ".join(message.split())[:200]
        case _:
            said = "no reason given"
    return gpu_fault(said, said, 400, None) or Rejected(f"The server refuses to hear live: {said}", status=400)
