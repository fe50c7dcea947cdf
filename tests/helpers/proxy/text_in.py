"""A client of the door that speaks text while it is written."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Unpack, cast

from aiohttp import ClientWebSocketResponse, WSMsgType, web
from spark_audio_proxy.app_state import SESSIONS, SPEAKING, UPLOADS
from spark_audio_proxy.realtime.limits import Limits
from spark_engine.models import Json

from tests.fakes import magpie
from tests.fakes.magpie import SYNTHESIZE_ONLINE
from tests.fakes.server import FakeServer, running
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.settings import ProxySettings

type Document = dict[str, Json]

STREAM = "/v1/audio/speech/stream"


@dataclass
class Heard:
    """What came back for one utterance: the events, the audio, and both as they came."""

    events: list[Document] = field(default_factory=list)
    audio: bytes = b""
    order: list[str] = field(default_factory=list)

    def error(self) -> Document:
        """The only error among the events."""
        (event,) = [event for event in self.events if event["type"] == "error"]
        return cast("Document", event["error"])


@dataclass
class Writer:
    """One session."""

    socket: ClientWebSocketResponse

    async def send(self, kind: str, **fields: Json) -> None:
        """Send one message."""
        await self.socket.send_json({"type": kind, **fields})

    async def write(self, *pieces: str) -> None:
        """Send text in these pieces."""
        for piece in pieces:
            await self.send("input.text", text=piece)

    async def next(self) -> Document | bytes:
        """The next message."""
        message = await self.socket.receive()
        assert message.type in (WSMsgType.TEXT, WSMsgType.BINARY), message
        return cast("bytes", message.data) if message.type is WSMsgType.BINARY else json.loads(message.data)

    async def until(self, kind: str = "session.done") -> Heard:
        """Everything up to a message of that type."""
        heard = Heard()
        while not heard.events or heard.events[-1]["type"] != kind:
            message = await self.next()
            if isinstance(message, bytes):
                heard.audio += message
                if heard.order[-1:] != ["audio"]:
                    heard.order.append("audio")
            else:
                heard.events.append(message)
                heard.order.append(str(message["type"]))
        return heard

    async def say(self, *pieces: str) -> Heard:
        """Have a text spoken; return what came back."""
        await self.write(*pieces)
        await self.send("input.done")
        return await self.until()

    async def error(self) -> Document:
        """The error that the next message tells."""
        message = await self.next()
        assert isinstance(message, dict)
        assert message["type"] == "error", message
        return cast("Document", message["error"])

    async def closed(self) -> int | None:
        """Read to the end; return the code of the close."""
        while (await self.socket.receive()).type not in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR):
            pass
        return self.socket.close_code

    @property
    def transport(self) -> asyncio.Transport:
        """The connection."""
        assert self.socket._response.connection is not None  # noqa: SLF001 - it has no other way to stop reading
        transport = self.socket._response.connection.transport  # noqa: SLF001
        assert isinstance(transport, asyncio.Transport)
        return transport


@asynccontextmanager
async def writing(proxy: Proxy, headers: dict[str, str] | None = None, **config: Json) -> AsyncGenerator[Writer]:
    """A session that is set up, for PCM unless `config` says otherwise."""
    async with proxy.client.ws_connect(proxy.url + STREAM, headers=headers, max_msg_size=0) as socket:
        writer = Writer(socket)
        await writer.send("session.config", **{"response_format": "pcm", **config})
        yield writer


def said(proxy: Proxy) -> list[str]:
    """The texts that Magpie was asked to speak."""
    return [asked.fields["text"] for asked in proxy.magpie.posts(SYNTHESIZE_ONLINE)]


@dataclass
class Gated:
    """A NIM that speaks a text only when a test lets it."""

    fake: FakeServer = field(default_factory=magpie.nim)
    asked: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    given_up: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Answer from now on."""
        self.fake.answers["POST", SYNTHESIZE_ONLINE] = self._answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        text = str((await request.post())["text"])
        self.asked.put_nowait(text)
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            self.given_up.put_nowait(text)
            raise
        return await magpie.stream_pcm(request)


SENTENCES = ["The kitchen light is on.", "The door is closed."]
WORDS = ["The ", "kitchen ", "light ", "is ", "on. ", "The ", "door ", "is ", "closed."]
DONE = ["audio.start", "audio", "audio.done", "session.done"]
"""What comes of an utterance, in this order."""


def seconds(pcm: bytes) -> float:
    """The length of what a client gets as `pcm`."""
    return len(pcm) / 2 / 24_000


@asynccontextmanager
async def gated(
    start_proxy: StartProxy, limits: Limits | None = None, **settings: Unpack[ProxySettings]
) -> AsyncGenerator[tuple[Proxy, Gated]]:
    """A proxy whose Magpie speaks when it is let."""
    nim = Gated()
    async with running(nim.fake):
        settings["magpie_url"] = nim.fake.url
        proxy = await start_proxy(limits=limits, **settings)
        yield proxy, nim
        await proxy.stop()


def at_rest(proxy: Proxy) -> bool:
    """Whether nothing is left of any session: no place, no memory, no task."""
    names = {task.get_name() for task in asyncio.all_tasks()}
    gate, memory = proxy.app[SPEAKING], proxy.app[UPLOADS]
    return (
        not proxy.app[SESSIONS].open
        and not gate._inside  # noqa: SLF001 - what is in use is not public
        and not memory._held  # noqa: SLF001
        and not names & {"speech", "session sender", "session receiver"}
    )
