"""`GET /api/events`: the status whenever it changes, and each request that has ended, as server-sent events."""

import asyncio
import json
from contextlib import suppress

from aiohttp import web
from spark_engine.models import Json

from spark_audio_proxy.app_state import HISTORY, JOURNAL
from spark_audio_proxy.streamed_answer import StreamedAnswer

from .health import describe, only_for_us

HEARTBEAT = 15.0
"""Seconds after which something is sent in any case: proxies in between close what is silent, and readers notice."""


async def requests(request: web.Request) -> web.Response:
    """`GET /api/requests`: the last requests without their content, newest first."""
    only_for_us(request)
    return web.json_response(request.app[HISTORY].document())


async def events(request: web.Request) -> web.StreamResponse:
    """Send the documents of `GET /api/status` and `GET /api/requests` at once, and then what is new.

    `event: status` is the whole document on every change, `event: request` one request.
    """
    only_for_us(request)
    journal, history = request.app[JOURNAL], request.app[HISTORY]
    response = StreamedAnswer(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )
    await response.prepare(request)
    shown = history.count
    if history.most:
        await response.write(_event("requests", history.document()))
    sent = b""
    while not journal.closed:
        news = journal.next_news
        new = b"".join(_event("request", past.to_json()) for past in history.since(shown))
        shown = history.count
        status = _event("status", await describe(request))
        if status != sent:
            new += status
        await response.write(new or b": nothing new\n\n")
        sent = status
        with suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT):
                await news.wait()
    return response


def _event(name: str, document: Json) -> bytes:
    return f"event: {name}\ndata: {json.dumps(document)}\n\n".encode()
