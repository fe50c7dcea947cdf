"""A client of the realtime door that sends and reads bare events."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from aiohttp import ClientWebSocketResponse, WSMsgType
from spark_audio_proxy.app_state import JOURNAL
from spark_audio_proxy.journal import Event, RequestServed
from spark_engine.models import Json

from tests.helpers.proxy.running_proxy import Proxy

type Document = dict[str, Json]

TRANSCRIPTION = "conversation.item.input_audio_transcription"
RATE_16: Document = {"type": "audio/pcm", "rate": 16_000}


@dataclass
class Client:
    """One session."""

    socket: ClientWebSocketResponse

    async def send(self, kind: str, **fields: Json) -> None:
        """Send one event."""
        await self.socket.send_json({"type": kind, **fields})

    async def next(self) -> Document:
        """Return the next event."""
        return cast("Document", await self.socket.receive_json())

    async def until(self, kind: str) -> list[Document]:
        """Return all events up to one of that type."""
        events = [await self.next()]
        while events[-1]["type"] != kind:
            events.append(await self.next())
        return events

    async def error(self) -> Document:
        """Return the error that the next event tells."""
        event = await self.next()
        assert event["type"] == "error", event
        return cast("Document", event["error"])

    async def set_up(self, turn_detection: Json = None, **more: Json) -> None:
        """Send 16 kHz from now on; by default the client ends its turns."""
        given: Document = {"format": RATE_16, "turn_detection": turn_detection, **more}
        await self.send("session.update", session={"type": "transcription", "audio": {"input": given}})
        assert (await self.next())["type"] == "session.updated"

    async def say(self, pcm: bytes, piece: int = 32_000) -> None:
        """Send 16 kHz s16le mono PCM."""
        for at in range(0, len(pcm), piece):
            await self.send("input_audio_buffer.append", audio=base64.b64encode(pcm[at : at + piece]).decode())

    async def closed(self) -> int | None:
        """Read to the end; return the code of the close."""
        while (await self.socket.receive()).type not in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR):
            pass
        return self.socket.close_code


def ended(proxy: Proxy) -> asyncio.Queue[RequestServed]:
    """The sessions that end from now on."""
    queue = asyncio.Queue[RequestServed]()

    def look(event: Event) -> None:
        if isinstance(event, RequestServed):
            queue.put_nowait(event)

    proxy.app[JOURNAL].subscribe(look)
    return queue


@asynccontextmanager
async def realtime(
    proxy: Proxy, path: str = "/v1/realtime?intent=transcription", **headers: str
) -> AsyncGenerator[Client]:
    """A session that was created."""
    async with proxy.client.ws_connect(proxy.url + path, headers=headers, max_msg_size=0) as socket:
        client = Client(socket)
        assert str((await client.next())["type"]).endswith("session.created")
        yield client
