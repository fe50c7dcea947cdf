"""`GET /api/events`: the status whenever it changes, as server-sent events."""

import asyncio
import json
from contextlib import suppress

from aiohttp import web

from spark_audio_proxy.app_state import JOURNAL
from spark_audio_proxy.streamed_answer import StreamedAnswer

from .health import describe, only_for_us

HEARTBEAT = 15.0
"""Seconds after which something is sent in any case: proxies in between close what is silent, and readers notice."""


async def events(request: web.Request) -> web.StreamResponse:
    """`event: status` with the document of `GET /api/status`; first at once, then on every change."""
    only_for_us(request)
    journal = request.app[JOURNAL]
    response = StreamedAnswer(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    sent = ""
    while not journal.closed:
        news = journal.next_news
        document = json.dumps(await describe(request))
        await response.write(
            b": nothing new\n\n" if document == sent else f"event: status\ndata: {document}\n\n".encode()
        )
        sent = document
        with suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT):
                await news.wait()
    return response
