"""Callers that no HTTP library has: they take as little as they like, and go when they like."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import FormData, web
from aiohttp.test_utils import TestServer
from aiohttp.web_protocol import RequestHandler
from spark_audio_proxy.app_state import JOURNAL
from spark_audio_proxy.journal import AudioPassed, Event, Journal, RequestServed
from spark_audio_proxy.middlewares import access_log
from spark_audio_proxy.problems import Handler, answer_problems
from spark_engine.speech.audio import write_wav

from tests.fakes import magpie
from tests.fakes.magpie import SECONDS_PER_CHARACTER, SYNTHESIZE_ONLINE
from tests.fakes.server import FakeServer
from tests.fakes.server import json as answer_json
from tests.helpers.proxy.recordings import tone

SPEECH, HEARING, CHAT = "/v1/audio/speech", "/v1/audio/transcriptions", "/v1/chat/completions"

type PausedFor = Callable[[str], asyncio.Event]


class Caller:
    """A caller that reads as much as a test wants, and hangs up when a test wants."""

    def __init__(self, connection: socket.socket) -> None:
        """`connection` does not block."""
        self.connection = connection
        self.taken = b""

    async def say(self, data: bytes) -> None:
        """Send."""
        await asyncio.get_running_loop().sock_sendall(self.connection, data)

    async def take(self, size: int) -> bytes:
        """So many bytes, fewer where the answer ends. Raises ConnectionError where it is cut."""
        taken = bytearray()
        while len(taken) < size and (piece := await self._receive(min(size - len(taken), 1 << 16))):
            taken += piece
        self.taken += taken
        return bytes(taken)

    async def take_until(self, mark: bytes) -> None:
        """Bytes up to and including these."""
        while not self.taken.endswith(mark):
            self.taken += await self._receive(1)

    async def _receive(self, size: int) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self.connection, size)

    def hang_up(self) -> None:
        """Go at once: the other side learns of it with its next packet."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


@asynccontextmanager
async def calling(url: str, request: bytes, *, room: int | None = None) -> AsyncGenerator[Caller]:
    """A caller who has sent this. `room` in bytes is what its machine takes before it does, about."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.socket() as connection:
        if room is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, (host, int(port)))
        caller = Caller(connection)
        await caller.say(request)
        yield caller


def posting(
    path: str, body: bytes, content_type: str = "application/json", *headers: str, version: str = "1.1"
) -> bytes:
    """A whole request."""
    lines = [f"POST {path} HTTP/{version}", "Host: 127.0.0.1", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, f"Content-Type: {content_type}", "", ""]).encode() + body


def speaking(text: str = "The kitchen light is on.", **fields: str) -> bytes:
    """A request for speech."""
    return posting(SPEECH, json.dumps({"input": text, "response_format": "wav"} | fields).encode())


def outcomes(app: web.Application) -> asyncio.Queue[RequestServed]:
    """What is told of each request from now on."""
    told: asyncio.Queue[RequestServed] = asyncio.Queue()

    def listen(event: Event) -> None:
        if isinstance(event, RequestServed):
            told.put_nowait(event)

    app[JOURNAL].subscribe(listen)
    return told


def hang_up_when(app: web.Application, direction: str, hang_up: Callable[[], None]) -> None:
    """Hang up once speech of this direction has passed, before any of it is sent."""

    def listen(event: Event) -> None:
        if isinstance(event, AudioPassed) and event.direction == direction:
            hang_up()

    app[JOURNAL].subscribe(listen)


async def dictation(stream: str, recording: bytes | None = None) -> bytes:
    """A request for a transcript."""
    form = FormData()
    form.add_field("file", recording or write_wav(tone(1.5)), filename="recording")
    form.add_field("stream", stream)
    payload = form()
    return posting(HEARING, await payload.as_bytes(), payload.headers["Content-Type"])


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> PausedFor:
    """Tells when a server has to wait for a caller: all buffers on the way are full."""
    full: dict[int, asyncio.Event] = {}
    pause = RequestHandler.pause_writing

    def pause_writing(self: RequestHandler) -> None:
        pause(self)
        if self.transport and (event := full.get(self.transport.get_extra_info("sockname")[1])):
            event.set()

    monkeypatch.setattr(RequestHandler, "pause_writing", pause_writing)
    return lambda url: full.setdefault(int(url.rpartition(":")[2]), asyncio.Event())


async def until_gone(told: asyncio.Queue[RequestServed], endpoint: str) -> None:
    """The next that is told."""
    served = await told.get()
    assert (served.endpoint, served.outcome) == (endpoint, "gone")


@asynccontextmanager
async def alone(handler: Handler, *, cancelled: bool) -> AsyncGenerator[tuple[str, web.Application]]:
    """Nothing but this handler behind what every request passes. `cancelled` as in aiohttp's `handler_cancellation`."""
    app = web.Application(middlewares=[access_log, answer_problems])
    app[JOURNAL] = Journal()
    app.router.add_route("*", "/here", handler)
    async with TestServer(app, host="127.0.0.1", handler_cancellation=cancelled) as server:
        yield str(server.make_url("")).rstrip("/"), app


def endless() -> FakeServer:
    """A language model that has very much to say."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(1 << 16))

    return FakeServer({("POST", CHAT): answer, ("GET", "/v1/models"): answer_json({"data": []})})


def talkative() -> FakeServer:
    """A Magpie that takes no time."""
    pcm = magpie.spoken("One second..") * 20

    async def answer(request: web.Request) -> web.Response:
        seconds = len(str((await request.post())["text"])) * SECONDS_PER_CHARACTER
        return web.Response(body=pcm[: round(seconds * 22_050) * 2])

    fake = magpie.nim()
    fake.answers["POST", SYNTHESIZE_ONLINE] = answer
    return fake
