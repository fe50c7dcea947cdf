"""`scripts/bench written`: its clients, and one small run. No time is asserted."""

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from tools.bench import written
from tools.bench.written import SPEECH, STREAM, TEXTS, WAYS, Listener, Plan, write
from tools.stack.errors import ToolError

NAME = "three sentences"


async def test_a_small_run() -> None:
    """Every way speaks the whole text."""
    found = await written.measure(Plan(1, (NAME,), pace=2000.0))
    _, ways = found.tables
    assert [row[2] for row in ways.rows] == list(WAYS)
    assert {row[0] for row in ways.rows} == {NAME}


async def test_what_is_written_is_the_text() -> None:
    for text in TEXTS.values():
        assert "".join([token async for token in write(text, 100_000.0)]) == text


def test_the_longest_silence_is_that_of_a_listener() -> None:
    """Who still has something to play hears none."""
    listener = Listener(8.0, iter([10.0, 10.5, 12.25]).__next__)
    second = bytes(2 * 24_000)
    for _ in range(3):
        listener.play(second)
    assert (listener.first, listener.gap, listener.seconds) == (10.0, 0.25, 3.0)


@pytest.mark.parametrize("way", WAYS)
async def test_a_proxy_that_fails(way: str) -> None:
    """It is said, and nothing is measured."""

    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({}, status=503)

    async def end(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.close()
        return socket

    app = web.Application()
    app.add_routes([web.post(SPEECH, refuse), web.get(STREAM, end)])
    async with TestServer(app) as server, ClientSession() as session:
        url = str(server.make_url("")).rstrip("/")
        with pytest.raises(ToolError):
            await written.listen(session, url, NAME, way, 2000.0)


@pytest.mark.parametrize("way", WAYS)
async def test_no_proxy(way: str) -> None:
    async with ClientSession() as session:
        with pytest.raises(ToolError):
            await written.listen(session, "http://127.0.0.1:9", NAME, way, 2000.0)


async def test_an_error_of_a_session() -> None:
    async def fail(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "error", "error": {"message": "Busy."}})
        return socket

    app = web.Application()
    app.add_routes([web.get(STREAM, fail)])
    async with TestServer(app) as server, ClientSession() as session:
        with pytest.raises(ToolError, match="Busy"):
            await written.listen(session, str(server.make_url("")).rstrip("/"), NAME, written.WRITTEN, 2000.0)
