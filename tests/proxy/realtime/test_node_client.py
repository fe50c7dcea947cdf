"""OpenAI's Node client on the realtime door, behind TLS: it opens no other connection."""

import asyncio
import json
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.fakes.parakeet import TEXT
from tests.helpers.certificates import self_signed_context
from tests.helpers.proxy.node import run_node
from tests.helpers.proxy.running_proxy import StartProxy
from tests.helpers.proxy.spoken import at_24_khz, silence, words


@asynccontextmanager
async def behind_tls(url: str, context: ssl.SSLContext) -> AsyncGenerator[str]:
    """Yield an address that passes everything on to this server."""
    server = urlsplit(url)
    passing = set[asyncio.Task[None]]()

    async def accept(reader: StreamReader, writer: StreamWriter) -> None:
        inner = await asyncio.open_connection(server.hostname, server.port)
        for source, sink in ((reader, inner[1]), (inner[0], writer)):
            passing.add(asyncio.create_task(pass_on(source, sink)))

    async def pass_on(source: StreamReader, sink: StreamWriter) -> None:
        while data := await source.read(65_536):
            sink.write(data)
        sink.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context) as listener:
        yield f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)


async def test_a_turn(start_proxy: StartProxy, tmp_path: Path) -> None:
    """The key in its header, `model` in the address in place of `intent`, and an error as the client's own."""
    proxy = await start_proxy(api_key=("first",))
    spoken = tmp_path / "spoken.pcm"
    spoken.write_bytes(at_24_khz(silence(0.5) + words() + silence(0.8)))
    async with behind_tls(proxy.url, self_signed_context(tmp_path)) as url:
        seen = json.loads(await run_node("realtime.js", f"{url}/v1", str(spoken)))
    events = [kind for kind in seen.pop("events") if not kind.endswith(".delta")]
    assert seen == {"transcript": TEXT, "deltas": TEXT, "error": "session.audio.input.format"}
    assert events == [
        "session.created",
        "session.updated",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.completed",
        "error",
    ]
