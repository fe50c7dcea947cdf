"""Callers who stop reading hold a place at a service for a minute; those who read slowly, for as long as that takes."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context

import pytest
from aiohttp import web
from spark_audio_proxy.journal import RequestServed
from spark_audio_proxy.streamed_answer import UNTAKEN, StreamedAnswer
from spark_engine.speech.audio import wav_header

from tests.fakes.magpie import SECONDS_PER_CHARACTER, SYNTHESIZE_ONLINE
from tests.fakes.server import running
from tests.helpers.proxy.callers import (
    CHAT,
    SPEECH,
    PausedFor,
    alone,
    calling,
    endless,
    outcomes,
    paused,
    posting,
    speaking,
    talkative,
    until_gone,
)
from tests.helpers.proxy.raw_http import request
from tests.helpers.proxy.running_proxy import StartProxy

__all__ = ["paused"]

ROOM = 1 << 15
"""Bytes that a caller's machine takes by itself: the system makes it twice as many."""

SIP = 1 << 17
"""Bytes of several such rooms, so that new ones have arrived; and few beside the megabytes in the proxy's kernel."""

PAUSE = 50.0
"""Seconds between two sips."""

LONG = " ".join(f"This is sentence number {number} of a very long story." for number in range(100))


class Minute:
    """The loop's clock for those who wait for as long as a caller may take nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Other timers are left alone."""
        self._now = 0.0
        self._due: list[tuple[float, asyncio.TimerHandle, Callable[..., object]]] = []
        self._later = loop.call_later
        self.looks = 0

    def call_later[*Ts](
        self, delay: float, callback: Callable[[*Ts], object], *arguments: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """In place of the loop's."""
        handle = self._later(delay, callback, *arguments, context=context)
        if delay == UNTAKEN:
            self._due.append((self._now + delay, handle, callback))
        return handle

    def passes(self, seconds: float) -> None:
        """It is so much later."""
        self._now += seconds
        due = [(at, handle, callback) for at, handle, callback in self._due if at <= self._now]
        self._due = [item for item in self._due if item not in due]
        for _, handle, callback in due:
            if not handle.cancelled():
                handle.cancel()
                self.looks += 1
                callback()


@pytest.fixture
async def minute(monkeypatch: pytest.MonkeyPatch) -> Minute:
    """A minute passes when a test says so."""
    loop = asyncio.get_running_loop()
    minute = Minute(loop)
    monkeypatch.setattr(loop, "call_later", minute.call_later)
    return minute


def story(version: str = "1.1") -> bytes:
    """A request for more than the buffers on the way can hold."""
    return speaking(LONG).replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1)


async def answered(url: str) -> bytes:
    """The status that another caller gets for a request for speech."""
    async with calling(url, speaking()) as caller:
        await caller.take_until(b" ")
        return await caller.take(3)


async def cut(minute: Minute, told: asyncio.Queue[RequestServed]) -> None:
    """Let minutes pass until it has come to an end: in the first of them something may have been taken still."""
    while told.empty():
        minute.passes(UNTAKEN)
        await asyncio.sleep(0)


async def test_a_caller_who_reads_nothing_holds_a_place_for_a_minute(
    start_proxy: StartProxy, minute: Minute, paused: PausedFor, caplog: pytest.LogCaptureFixture
) -> None:
    """Then the next caller is served, and nothing is an error."""
    caplog.set_level(logging.INFO)
    proxy = await start_proxy(speaking=talkative(), concurrency=1, queue=0)
    told, full = outcomes(proxy.app), paused(proxy.url)
    async with calling(proxy.url, story(), room=ROOM):
        await full.wait()
        minute.passes(UNTAKEN - 1)
        assert await answered(proxy.url) == b"429"
        assert (await told.get()).outcome == "busy"
        await cut(minute, told)
        await until_gone(told, SPEECH)
        assert await answered(proxy.url) == b"200"
    messages = [record.getMessage() for record in caplog.records]
    assert f"POST {SPEECH}: nothing was taken for 60 s" in messages
    assert [record for record in caplog.records if record.levelno >= logging.WARNING or record.exc_info] == []


async def test_a_slow_reader_gets_the_whole_answer(start_proxy: StartProxy, minute: Minute, paused: PausedFor) -> None:
    """A sip every 50 s: far too little for the kernel to ask the proxy for more, but the caller is there."""
    proxy = await start_proxy(speaking=talkative(), concurrency=1, queue=0)
    told, full = outcomes(proxy.app), paused(proxy.url)
    async with calling(proxy.url, story("1.0"), room=ROOM) as caller:
        await full.wait()
        for _ in range(6):
            minute.passes(PAUSE)
            await caller.take(SIP)
        assert minute.looks > 1
        assert told.empty()
        while await caller.take(1 << 20):
            pass
        assert (await told.get()).outcome == "ok"
    texts = [asked.fields["text"] for asked in proxy.magpie.posts(SYNTHESIZE_ONLINE)]
    samples = sum(round(len(text) * SECONDS_PER_CHARACTER * 22_050) for text in texts)
    assert len(caller.taken.partition(b"\r\n\r\n")[2]) == len(wav_header(22_050)) + 2 * samples


async def test_a_relayed_answer_that_is_not_read_is_cut(
    start_proxy: StartProxy, minute: Minute, paused: PausedFor
) -> None:
    async with running(endless()) as llm:
        proxy = await start_proxy(llm_url=llm.url)
        told, full = outcomes(proxy.app), paused(proxy.url)
        async with calling(proxy.url, posting(CHAT, b"{}"), room=ROOM):
            await full.wait()
            await cut(minute, told)
            await until_gone(told, CHAT)


async def test_the_end_of_an_answer_has_to_be_read_as_well(minute: Minute) -> None:
    """An answer whose end is not read did not arrive."""
    full = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = StreamedAnswer()
        await response.prepare(request)
        assert request.transport is not None
        # Nothing may be left, and no write waits for that but the last one.
        request.transport.set_write_buffer_limits(0)
        while not request.transport.get_write_buffer_size():
            request.writer.buffer_size = 0
            await response.write(bytes(1 << 14))
        full.set()
        return response

    async with alone(handler, cancelled=True) as (url, app):
        told = outcomes(app)
        async with calling(url, posting("/here", b""), room=ROOM):
            await full.wait()
            await cut(minute, told)
            await until_gone(told, "/here")


async def test_a_plain_answer_that_is_not_read_is_cut(
    start_proxy: StartProxy, minute: Minute, paused: PausedFor, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a caller without a key, who asks again and again and takes nothing: it is let go, and nothing is an error."""
    caplog.set_level(logging.INFO)
    proxy = await start_proxy(api_key=("the-key-of-the-house",))
    told, full = outcomes(proxy.app), paused(proxy.url)
    lists = request("GET", "/v1/audio/voices").replace(b"Connection: close\r\n", b"")
    async with calling(proxy.url, lists * 2_000, room=ROOM) as caller:
        await full.wait()
        while not any(served.outcome == "gone" for served in taken(told)):
            minute.passes(UNTAKEN)
            await asyncio.sleep(0)
        with suppress(ConnectionError):
            while await caller.take(1 << 16):
                pass
    assert "GET /v1/audio/voices: nothing was taken for 60 s" in [record.getMessage() for record in caplog.records]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING or record.exc_info] == []


def taken(told: asyncio.Queue[RequestServed]) -> list[RequestServed]:
    """What has been told by now."""
    return [told.get_nowait() for _ in range(told.qsize())]
