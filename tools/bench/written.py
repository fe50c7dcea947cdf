"""Text that is spoken while it is written: what the listener waits for, by how its client sends it.

A writer at a steady pace, a Magpie with fixed times, and three clients that all play what they get from the first byte
on, unless a row says otherwise. All of them take turns within a round.
"""

import asyncio
import itertools
import json
import os
import re
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from aiohttp import ClientError, ClientSession, WSMsgType
from spark_engine.models import SAMPLE_WIDTH

from tools.stack.errors import ToolError
from tools.stack.http import new_session, pick
from tools.stack.processes import PROXY, started
from tools.stack.services import proxy
from tools.stack.tables import Cell, Table, spread

from .proxy import UPSTREAM
from .report import Findings
from .turn import ANSWERS

QUESTION = "How soon is text spoken that is still being written?"

TOKENS_PER_SECOND = 20.0
TOKEN = re.compile(r"\s*\S{1,5}|\s+")
"""About what a language model writes at a time: a short word, or a part of a longer one."""

SENTENCE_END = re.compile(r"[.!?]\s")
"""Where the client cuts sentences: it has to see that something follows, since `3.5` and `e.g.` have stops, too."""

RATE = 24_000
"""Hz of `pcm`."""

SPEECH, STREAM = "/v1/audio/speech", "/v1/audio/speech/stream"

WHOLE = "the whole text, once it is written"
SENTENCES = "each sentence, one ahead"
FILES = "each sentence, one ahead, played once it is complete"
WRITTEN = "text in while it is written"

TEXTS = {
    "one long sentence": (
        "The kitchen light is on at forty lumens now, and the front door is locked, because you have asked me to look "
        "after both of them before you leave the house in the morning."
    ),
    "three sentences": ANSWERS["three sentences"].format(40),
    "ten sentences": ANSWERS["ten sentences"].format(40),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How often each way gets each text, and how many tokens are written in a second."""

    rounds: int
    texts: tuple[str, ...] = tuple(TEXTS)
    pace: float = TOKENS_PER_SECOND


FULL, QUICK = Plan(5), Plan(1, ("three sentences",))


@dataclass(slots=True)
class Listener:
    """Plays what comes at once, or as soon as what was to be played before it is over. Times are monotonic seconds."""

    begun: float
    """When the first token was written."""
    clock: Callable[[], float] = time.monotonic
    first: float | None = None
    gap: float = 0.0
    seconds: float = 0.0
    _heard_by: float = 0.0

    def play(self, pcm: bytes) -> None:
        """Take audio that has come now."""
        now = self.clock()
        if self.first is None:
            self.first = self._heard_by = now
        self.gap = max(self.gap, now - self._heard_by)
        seconds = len(pcm) / SAMPLE_WIDTH / RATE
        self._heard_by = max(self._heard_by, now) + seconds
        self.seconds += seconds


type Way = Callable[[ClientSession, str, AsyncGenerator[str], Listener], Awaitable[None]]


async def write(text: str, pace: float) -> AsyncGenerator[str]:
    """Yield tokens at this pace, the first one at once."""
    begun = time.monotonic()
    for number, token in enumerate(TOKEN.findall(text)):
        await asyncio.sleep(begun + number / pace - time.monotonic())
        yield token


async def whole(session: ClientSession, url: str, text: AsyncGenerator[str], listener: Listener) -> None:
    """Wait for the last token."""
    async with _asked(session, url, "".join([token async for token in text])) as audio:
        async for piece in audio:
            listener.play(piece)


@dataclass(slots=True)
class _Sentence:
    """Audio of one sentence, as it comes; None ends it."""

    text: str
    audio: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)


async def sentence_by_sentence(
    session: ClientSession, url: str, text: AsyncGenerator[str], listener: Listener, *, is_complete: bool = False
) -> None:
    """Ask for each as soon as it is written, two of them at most at once; `is_complete` plays whole files only."""
    sentences: asyncio.Queue[_Sentence | None] = asyncio.Queue()
    room = asyncio.Semaphore(2)

    async def fetch(sentence: _Sentence) -> None:
        async with room, _asked(session, url, sentence.text) as audio:
            async for piece in audio:
                sentence.audio.put_nowait(piece)
        sentence.audio.put_nowait(None)

    async def play() -> None:
        while sentence := await sentences.get():
            held = b""
            while (piece := await sentence.audio.get()) is not None:
                if is_complete:
                    held += piece
                else:
                    listener.play(piece)
            if held:
                listener.play(held)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(play())
        async for written in _cut(text):
            sentence = _Sentence(written)
            sentences.put_nowait(sentence)
            tasks.create_task(fetch(sentence))
        sentences.put_nowait(None)


async def _cut(text: AsyncGenerator[str]) -> AsyncGenerator[str]:
    rest = ""
    async for token in text:
        rest += token
        while end := SENTENCE_END.search(rest):
            yield rest[: end.end()].strip()
            rest = rest[end.end() :]
    yield rest


async def while_written(session: ClientSession, url: str, text: AsyncGenerator[str], listener: Listener) -> None:
    """Send each token as it comes. Raises ToolError."""
    async with session.ws_connect(url + STREAM) as socket:
        await socket.send_json({"type": "session.config", "response_format": "pcm"})

        async def send() -> None:
            async for token in text:
                await socket.send_json({"type": "input.text", "text": token})
            await socket.send_json({"type": "input.done"})

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(send())
            while (message := await socket.receive()).type is not WSMsgType.TEXT or not _is_done(message.data):
                if message.type is WSMsgType.BINARY:
                    listener.play(message.data)
                elif message.type is not WSMsgType.TEXT:
                    raise ToolError(f"The proxy ended a session (code {socket.close_code}).", PROXY)


def _is_done(data: str) -> bool:
    """Raises ToolError for an error."""
    event = json.loads(data)
    if error := pick(event, "error", "message"):
        raise ToolError(f"A session failed: {error}", PROXY)
    return pick(event, "type") == "session.done"


@asynccontextmanager
async def _asked(session: ClientSession, url: str, text: str) -> AsyncGenerator[AsyncGenerator[bytes]]:
    """The audio of a whole text. Raises ToolError."""
    async with session.post(url + SPEECH, json={"input": text, "response_format": "pcm"}) as response:
        if not response.ok:
            raise ToolError(f"The proxy answered {response.status}: {(await response.text())[:200]}", PROXY)
        yield (piece async for piece in response.content.iter_any())


WAYS: Mapping[str, Way] = {
    WHOLE: whole,
    FILES: partial(sentence_by_sentence, is_complete=True),
    SENTENCES: sentence_by_sentence,
    WRITTEN: while_written,
}


async def measure(plan: Plan) -> Findings:
    """Measure by this plan, the full one in about six minutes. Raises ToolError."""
    heard: dict[tuple[str, str], list[Listener]] = {}
    loads = [os.getloadavg()[0]]
    async with (
        started(UPSTREAM) as upstream,
        proxy("--magpie-url", upstream.url, "--watch", "off") as server,
        new_session() as session,
    ):
        await whole(session, server.url, write("Hello.", plan.pace), Listener(time.monotonic()))
        ways = deque(WAYS)
        for _ in range(plan.rounds):
            for name in plan.texts:
                for way in ways:
                    heard.setdefault((name, way), []).append(await listen(session, server.url, name, way, plan.pace))
            ways.rotate()
            loads.append(os.getloadavg()[0])
    return findings(heard, loads)


async def listen(session: ClientSession, url: str, name: str, way: str, pace: float) -> Listener:
    """Return what was heard of one text. Raises ToolError."""
    listener = Listener(time.monotonic())
    try:
        await WAYS[way](session, url, write(TEXTS[name], pace), listener)
    except ExceptionGroup as errors:
        raise _told(errors.exceptions[0]) from errors
    except ClientError as error:
        raise _told(error) from error
    return listener


def _told(error: Exception) -> ToolError:
    return error if isinstance(error, ToolError) else ToolError(f"The proxy gave no answer: {error!r}.", PROXY)


def findings(heard: Mapping[tuple[str, str], Sequence[Listener]], loads: Sequence[float]) -> Findings:
    """Return the table."""
    rows: list[tuple[Cell, ...]] = []
    for name, way in itertools.product(TEXTS, WAYS):
        if not (listeners := heard.get((name, way))):
            continue
        firsts = [1000 * (listener.first - listener.begun) for listener in listeners if listener.first is not None]
        gaps = [1000 * listener.gap for listener in listeners]
        written = len(TOKEN.findall(TEXTS[name])) / TOKENS_PER_SECOND
        rows.append((name, written, way, spread(firsts), spread(gaps), spread([one.seconds for one in listeners])))
    load = Table(
        "Under which load",
        ("what", ""),
        (("load average of the machine, after each round", f"{min(loads):.2f} to {max(loads):.2f}"),),
    )
    columns = (
        *("text", "written in s", "how the client sends it"),
        *("first token to first sound ms", "longest silence between two sounds ms", "speech s"),
    )
    return Findings((load, Table("A writer of 20 tokens a second", columns, tuple(rows))))
