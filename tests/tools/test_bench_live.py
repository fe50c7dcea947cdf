"""`scripts/bench live`: its upstream, its clients, and one small run. No time is asserted."""

import asyncio
from array import array
from collections.abc import AsyncGenerator

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from spark_engine.servers.parakeet import Parakeet
from spark_engine.servers.transport import Transport

from tests.helpers.proxy.wyoming_openai import PYTHON
from tools.bench import live, live_wyoming, turn_peers
from tools.bench.live import LIVE, SERVER_VAD, UPLOAD, WHOLE, WYOMING, Plan, Scene
from tools.bench.live_client import crowd, messages, opened, quiet_room
from tools.bench.report import Findings
from tools.bench.upstream import Times, Upstream
from tools.stack.errors import ToolError
from tools.stack.fetched import NotInstalled
from tools.stack.services import proxy
from tools.stack.spoken import Command, in_a_quiet_room

LOUD = array("h", [3000, -3000] * 8000).tobytes()
"""A second."""


def commands() -> list[Command]:
    return [in_a_quiet_room(LOUD, 0.25)]


async def test_the_upstream_says_a_word_with_each_piece_of_sound() -> None:
    """From the first sound on, and is known as a server that transcribes live."""
    app = web.Application()
    app.add_routes(Upstream(Times(word=0.25)).routes())

    async def spoken() -> AsyncGenerator[bytes]:
        yield bytes(32_000)
        yield LOUD

    async with TestServer(app) as server, ClientSession() as session:
        parakeet = Parakeet(Transport(session, str(server.make_url("")).rstrip("/")))
        assert (await parakeet.server()).live
        heard = [so_far.text async for so_far in parakeet.transcribe_live(spoken())]
    assert heard[:4] == ["Turn", "Turn on", "Turn on the", "Turn on the light"]
    assert heard[-1] == "Turn on the light."


TINY = Plan(
    1,
    1.0,
    (LIVE,),
    (Scene("speaking", WHOLE, 2, SERVER_VAD), Scene("silent", WHOLE, 3, None, speaks=False, hears=False)),
)


async def measured(monkeypatch: pytest.MonkeyPatch) -> Findings:
    monkeypatch.setattr(live, "record_commands", commands)
    monkeypatch.setattr(live, "SERVER_VAD", {"type": "server_vad", "silence_duration_ms": 50})
    # A tone is no speech to a detector.
    monkeypatch.setattr(live, "DETECTIONS", {live.SEMANTIC_VAD: {"type": "semantic_vad"}, "the client commits": None})
    return await live.measure(TINY)


async def test_a_small_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way in its row; beside wyoming-openai where that is there."""
    monkeypatch.setattr(turn_peers, "WYOMING_OPENAI", PYTHON.parents[1])
    found = await measured(monkeypatch)
    compared, speaker, sessions = found.tables
    assert compared.rows[0] == ("wyoming-openai", "0.8.0")
    assert [row[1] for row in speaker.rows] == ["the client commits", UPLOAD, *WYOMING]
    for _, way, first, ended, transcript in speaker.rows:
        assert (first is None) == ("upload" in str(way)), way
        assert ended is not None
        assert transcript is not None
    assert [(row[0], row[2]) for row in sessions.rows] == [("speaking", 2), ("silent", 3)]
    assert [aim.at_most for aim in found.aims] == [100.0, 100.0]


async def test_what_cannot_be_compared_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail() -> tuple[()]:
        raise NotInstalled("no network")

    monkeypatch.setattr(turn_peers, "install_wyoming_openai", fail)
    found = await measured(monkeypatch)
    assert found.tables[0].rows[0] == ("wyoming-openai", "not measured, it cannot be installed here: no network")
    assert len(found.tables[1].rows) == 2


async def test_a_session_that_fails_gives_no_figure() -> None:
    """Nor does one that cannot be opened, or a bridge that fails."""
    async with ClientSession() as session:
        with pytest.raises(ToolError, match="opens no realtime session"):
            async with opened(session, "http://127.0.0.1:9", None):
                pass
        # Nothing listens there: what it says is told.
        async with proxy("--parakeet-url", "http://127.0.0.1:9", "--watch", "off") as server:
            async with opened(session, server.url, None) as socket:
                await socket.send_str("{}")
                with pytest.raises(ExceptionGroup) as failed:
                    await crowd([socket], messages(quiet_room(0.1), 0.05), 0.05, 0.1)
            assert failed.group_contains(ToolError, match="Unknown event")
    with pytest.raises(ToolError, match="gave no transcript"):
        await live_wyoming.speak(await _closed_port(), commands()[0], live_wyoming.UPLOAD)


async def _closed_port() -> int:
    listener = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port: int = listener.sockets[0].getsockname()[1]
    return port
