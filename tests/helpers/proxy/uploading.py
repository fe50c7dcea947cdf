"""A caller who sends a form piece by piece, and a Parakeet that writes down what it gets: for the tests of uploads."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import pytest
from aiohttp import ClientConnectionError, web
from spark_engine.models import Audio
from spark_engine.speech.audio import read_wav

from tests.fakes import parakeet
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer
from tests.helpers.proxy.recordings import speech_with_pauses
from tests.helpers.proxy.running_proxy import Proxy

LONG = speech_with_pauses()
"""Four windows of ten seconds and more than twice as many bytes as two of them."""

WINDOW = 10.0
END = b"--x1--\r\n"

WRONG_ENDS = pytest.mark.parametrize(
    ("tail", "message"),
    [
        (b'\r\n--x1\r\nContent-Disposition: form-data; name="x"\r\n\r\n', "shorter than its header says"),
        (b"\r\n--x1--" + b" " * 37, "not {size} as its header says"),
        (b" " * 45, "incomplete"),
    ],
    ids=["another part", "the end", "no end"],
)
"""What a form has in place of its last bytes, where its sizes promised its end, and what is said about that."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller that sends a form piece by piece."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, data: bytes) -> None:
        """Send; returns once it is on its way."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """Status and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        assert length
        return int(head.split(b" ")[1]), await self.reader.readexactly(int(length[1]))

    def leave(self) -> None:
        """Hang up in the middle."""
        self.writer.transport.abort()


@asynccontextmanager
async def calling(proxy: Proxy, size: int, *headers: str) -> AsyncGenerator[Caller]:
    """A caller who has announced a form of so many bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
    lines = [f"POST {TRANSCRIPTIONS} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {size}", *headers]
    writer.write("\r\n".join([*lines, "Content-Type: multipart/form-data; boundary=x1", "", ""]).encode())
    caller = Caller(reader, writer)
    try:
        yield caller
    finally:
        caller.leave()


class Hearing:
    """A Parakeet that writes down how much it got, and answers as often as it may."""

    def __init__(self, answers: int = 1000) -> None:
        """Answer this often at first."""
        self.fake = parakeet.openai()
        self.fake.answers["POST", TRANSCRIPTIONS] = self._answer
        self.asked = asyncio.Event()
        self._answers = asyncio.Semaphore(answers)

    def go(self, answers: int = 1000) -> None:
        """Answer this often more."""
        for _ in range(answers):
            self._answers.release()

    async def _answer(self, _: web.Request) -> web.Response:
        self.asked.set()
        await self._answers.acquire()
        return web.json_response({"text": f"{len(self.heard)}"})

    @property
    def heard(self) -> list[Audio]:
        """All that it got so far."""
        return [read_wav(asked.file or b"") for asked in self.fake.posts(TRANSCRIPTIONS)]

    @property
    def whole(self) -> bytes:
        """The same in a row."""
        return b"".join(audio.pcm for audio in self.heard)

    @property
    def languages(self) -> set[str | None]:
        """What it was told about them."""
        return {asked.fields.get("language") for asked in self.fake.posts(TRANSCRIPTIONS)}


class Taking(FakeServer):
    """A Parakeet that takes recordings piece by piece, and shows how far each of them has come."""

    def __init__(self) -> None:
        """Begin with nothing taken."""
        super().__init__(parakeet.openai().answers)
        self.taken: list[bytearray] = []
        self.lengths: list[str | None] = []
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Take a recording; everything else is answered as usual."""
        if request.path != TRANSCRIPTIONS:
            return await super().handle(request)
        self.taken.append(taken := bytearray())
        self.lengths.append(request.headers.get("Content-Length"))
        try:
            async for piece in request.content.iter_any():
                taken += piece
                # The form around it is less than a thousand bytes: samples have come.
                if len(taken) > 1000:
                    self.begun.set()
        except ClientConnectionError, asyncio.CancelledError:
            self.let_go.set()
            raise
        return web.json_response({"text": parakeet.TEXT})

    def forget(self) -> None:
        """Canaries, before what a test is about."""
        self.taken.clear()
        self.begun.clear()

    @property
    def heard(self) -> list[Audio]:
        """The recordings in them, which have to be whole."""
        return [
            read_wav(bytes(taken).partition(b"audio/wav\r\n\r\n")[2].partition(b"\r\n--")[0]) for taken in self.taken
        ]


async def text_of(caller: Caller) -> str:
    """The transcript."""
    status, body = await caller.answer()
    assert status == 200, body
    return cast(str, json.loads(body)["text"])
