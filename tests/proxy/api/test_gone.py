"""Callers who disconnect in the middle: no answer, no error, and the journal says that they have gone."""

import asyncio
import logging
import socket
from collections.abc import Callable

import pytest
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from spark_audio_proxy.streamed_answer import StreamedAnswer

from tests.fakes import magpie
from tests.fakes.magpie import SYNTHESIZE_ONLINE
from tests.fakes.server import FakeServer, running
from tests.fakes.server import json as answer_json
from tests.helpers.proxy.callers import (
    CHAT,
    HEARING,
    SPEECH,
    Caller,
    PausedFor,
    alone,
    calling,
    dictation,
    endless,
    hang_up_when,
    outcomes,
    paused,
    posting,
    speaking,
    until_gone,
)
from tests.helpers.proxy.running_proxy import StartProxy
from tests.helpers.repository import ROOT

__all__ = ["paused"]

type Quiet = Callable[[str], None]


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Quiet:
    """Whether the log has one line for a request whose caller had gone, and no error."""
    caplog.set_level(logging.INFO)

    def check(what: str) -> None:
        assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
        assert [record for record in caplog.records if record.exc_info] == []
        lines = [record.getMessage() for record in caplog.records if record.name == "spark_audio_proxy.access"]
        assert [line.startswith(f"{what} 499 ") for line in lines] == [True], lines

    return check


@pytest.mark.parametrize("cancelled", [True, False])
@pytest.mark.parametrize("sent", [0, 1])
@pytest.mark.parametrize("kind", [web.StreamResponse, StreamedAnswer])
async def test_a_write_that_comes_too_late_is_no_error(
    quiet: Quiet, kind: type[web.StreamResponse], sent: int, *, cancelled: bool
) -> None:
    """Before anything was sent or after it. The handler goes on writing until it is told."""
    callers: list[Caller] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = kind()
        await response.prepare(request)
        for _ in range(sent):
            await response.write(b"something")
        callers[0].hang_up()
        await response.write(b"into the void")
        with pytest.raises(ConnectionResetError):
            await response.write(b"too late")
        await response.write(b"and once more")
        raise AssertionError

    async with alone(handler, cancelled=cancelled) as (url, app):
        told = outcomes(app)
        async with calling(url, b"") as caller:
            callers.append(caller)
            await caller.say(posting("/here", b""))
            await until_gone(told, "/here")
    quiet("POST /here")


@pytest.mark.parametrize("cancelled", [True, False])
async def test_a_body_that_does_not_come_is_no_error(quiet: Quiet, *, cancelled: bool) -> None:
    """The caller hangs up after half of it."""
    reading = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        reading.set()
        return web.Response(body=await request.read())

    async with alone(handler, cancelled=cancelled) as (url, app):
        told = outcomes(app)
        async with calling(url, posting("/here", bytes(1000))[:-500]) as caller:
            await reading.wait()
            caller.hang_up()
            await until_gone(told, "/here")
    quiet("POST /here")


@pytest.mark.parametrize("cancelled", [True, False])
async def test_an_error_of_our_own_connections_is_one(caplog: pytest.LogCaptureFixture, *, cancelled: bool) -> None:
    """The caller is still there, and gets an answer."""

    async def handler(_: web.Request) -> web.Response:
        raise ConnectionRefusedError

    async with alone(handler, cancelled=cancelled) as (url, app):
        told = outcomes(app)
        async with calling(url, posting("/here", b"")) as caller:
            assert (await caller.take(12)) == b"HTTP/1.1 500"
            assert (await told.get()).outcome == "failed"
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.getMessage() == "POST /here failed"


async def test_a_half_closed_connection_is_not_waited_for(quiet: Quiet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller sends no more and reads no more: what is still in our buffer must not keep the connection open."""
    full, half_closed = asyncio.Event(), asyncio.Event()
    connections: list[socket.socket] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = StreamedAnswer()
        await response.prepare(request)
        assert request.transport is not None
        connections.append(request.transport.get_extra_info("socket"))
        while not request.transport.get_write_buffer_size():
            await response.write(bytes(1 << 14))
        full.set()
        await half_closed.wait()
        await response.write(b"too late")
        raise AssertionError

    monkeypatch.setattr(RequestHandler, "eof_received", lambda _: half_closed.set())
    async with alone(handler, cancelled=True) as (url, app):
        told = outcomes(app)
        async with calling(url, posting("/here", b""), room=1 << 16) as caller:
            await full.wait()
            caller.connection.shutdown(socket.SHUT_WR)
            await until_gone(told, "/here")
            assert connections[0].fileno() == -1
    quiet("POST /here")


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
@pytest.mark.parametrize("response_format", ["wav", "mp3"])
async def test_a_listener_may_disconnect(
    start_proxy: StartProxy, quiet: Quiet, response_format: str, stream_format: str
) -> None:
    """Before the first byte is written, while there is more to come."""
    proxy = await start_proxy()
    told = outcomes(proxy.app)
    text = " ".join(f"This is sentence number {number}." for number in range(20))
    async with calling(proxy.url, b"") as caller:
        hang_up_when(proxy.app, "spoken", caller.hang_up)
        await caller.say(speaking(text, response_format=response_format, stream_format=stream_format))
        await until_gone(told, SPEECH)
    quiet(f"POST {SPEECH}")
    assert len(proxy.magpie.posts(SYNTHESIZE_ONLINE)) < 4


async def test_a_listener_may_disconnect_before_any_audio(start_proxy: StartProxy, quiet: Quiet) -> None:
    """No write fails then; the synthesis is cancelled."""
    called_off = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(bytes(4000))
        try:
            await asyncio.Event().wait()
        finally:
            called_off.set()
        raise AssertionError

    fake = magpie.nim()
    fake.answers["POST", SYNTHESIZE_ONLINE] = answer
    proxy = await start_proxy(speaking=fake)
    told = outcomes(proxy.app)
    async with calling(proxy.url, speaking()) as caller:
        await caller.take_until(b"\r\n\r\n")
        caller.hang_up()
        await until_gone(told, SPEECH)
        await called_off.wait()
    quiet(f"POST {SPEECH}")


@pytest.mark.parametrize("stream", ["true", "false"])
async def test_a_caller_of_a_transcription_may_disconnect(start_proxy: StartProxy, quiet: Quiet, stream: str) -> None:
    """Once it was heard: the headers of a stream fail, and the delta behind them; a plain answer is not written."""
    proxy = await start_proxy()
    told = outcomes(proxy.app)
    async with calling(proxy.url, b"") as caller:
        hang_up_when(proxy.app, "heard", caller.hang_up)
        await caller.say(await dictation(stream))
        served = await told.get()
        assert served.outcome == ("gone" if stream == "true" else "ok")
    if stream == "true":
        quiet(f"POST {HEARING}")


async def test_a_caller_may_disconnect_during_an_upload(start_proxy: StartProxy, quiet: Quiet) -> None:
    proxy = await start_proxy()
    told = outcomes(proxy.app)
    whole = await dictation("true")
    head = whole.replace(b"\r\n", b"\r\nExpect: 100-continue\r\n", 1).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    async with calling(proxy.url, head) as caller:
        await caller.take_until(b"100 Continue\r\n\r\n")
        await caller.say(whole[len(head) : -20_000])
        caller.hang_up()
        await until_gone(told, HEARING)
    quiet(f"POST {HEARING}")


async def test_a_reader_of_the_status_may_disconnect(start_proxy: StartProxy, quiet: Quiet) -> None:
    """Closing the page does it."""
    proxy = await start_proxy()
    told = outcomes(proxy.app)
    async with calling(proxy.url, b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") as caller:
        await caller.take_until(b"event: status")
        caller.hang_up()
        await until_gone(told, "/api/events")
    quiet("GET /api/events")


@pytest.mark.parametrize("half", [True, False])
async def test_a_reader_of_a_relayed_answer_may_disconnect(
    start_proxy: StartProxy, quiet: Quiet, paused: PausedFor, *, half: bool
) -> None:
    """It is the caller that broke off, not the language model server."""
    async with running(endless()) as llm:
        proxy = await start_proxy(llm_url=llm.url)
        told, full = outcomes(proxy.app), paused(proxy.url)
        async with calling(proxy.url, posting(CHAT, b"{}"), room=1 << 16) as caller:
            await caller.take_until(b"\r\n\r\n")
            await full.wait()
            if half:
                caller.connection.shutdown(socket.SHUT_WR)
                # What was in the buffers on the way; only then does the proxy write again.
                with pytest.raises(ConnectionError):
                    while await caller.take(1 << 20):
                        pass
                    raise ConnectionError
            else:
                caller.hang_up()
            await until_gone(told, CHAT)
    quiet(f"POST {CHAT}")


async def test_a_language_model_that_answers_too_late_did_not_break_off(
    start_proxy: StartProxy, quiet: Quiet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both sides of a relay fail with the same errors of aiohttp's; here it is the caller's."""
    prepare = StreamedAnswer.prepare
    async with running(FakeServer({("POST", CHAT): answer_json({"choices": []})})) as llm:
        proxy = await start_proxy(llm_url=llm.url)
        told = outcomes(proxy.app)
        async with calling(proxy.url, posting(CHAT, b"{}")) as caller:

            async def hang_up_and_prepare(self: StreamedAnswer, request: web.Request) -> object:
                caller.hang_up()
                return await prepare(self, request)

            monkeypatch.setattr(StreamedAnswer, "prepare", hang_up_and_prepare)
            await until_gone(told, CHAT)
    quiet(f"POST {CHAT}")


def test_every_stream_is_watched() -> None:
    """A handler that writes to a plain response would wait for ever, and never learn that its caller has gone."""
    files = [path for path in (ROOT / "proxy/spark_audio_proxy").rglob("*.py") if path.name != "streamed_answer.py"]
    assert [path.name for path in files if "web.StreamResponse(" in path.read_text()] == []
    assert sum("StreamedAnswer" in path.read_text() for path in files) > 4
