"""A server that plays Home Assistant: REST answers from a list, and a voice turn's events from a script."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from tools.stack.home_assistant import HomeAssistant
from tools.stack.http import Json

HANDLER = 7
START: tuple[str, Json] = (
    "run-start",
    {"runner_data": {"stt_binary_handler_id": HANDLER}, "tts_output": {"url": "/spoken"}},
)
END: tuple[str, Json] = ("run-end", None)


@asynccontextmanager
async def playing(*routes: web.RouteDef) -> AsyncGenerator[HomeAssistant]:
    """A client of a server with these routes."""
    app = web.Application()
    app.add_routes(routes)
    async with TestServer(app, host="127.0.0.1") as server, ClientSession() as session:
        yield HomeAssistant(session, str(server.make_url("")).rstrip("/"))


def answering(status: int, answer: object) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler with one answer."""

    async def handle(_: web.Request) -> web.Response:
        return web.json_response(answer, status=status)

    return handle


class Scripted:
    """Plays a run's events, those behind `stt-start` once it has heard `pieces` pieces of sound."""

    def __init__(self, *events: tuple[str, Json], sound: bytes | None = b"RIFF....data----la", pieces: int = 1) -> None:
        """`sound` is the spoken answer, None for an error instead."""
        self.heard: list[bytes] = []
        self.fetched = 0
        self._events = events
        self._sound = sound
        self._pieces = pieces

    @property
    def routes(self) -> tuple[web.RouteDef, web.RouteDef]:
        """The websocket, and what is spoken."""
        return web.get("/api/websocket", self._talk), web.get("/spoken", self._speak)

    async def _talk(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "auth_required"})
        await socket.receive_json()
        await socket.send_json({"type": "auth_ok"})
        run = (await socket.receive_json())["id"]
        await socket.send_json({"id": run, "type": "result", "success": True})
        for kind, details in self._events:
            await socket.send_json({"id": run, "type": "event", "event": {"type": kind, "data": details}})
            if kind == "stt-start":
                self.heard += [await socket.receive_bytes() for _ in range(self._pieces)]
        if END in self._events:
            await socket.receive()
        return socket

    async def _speak(self, _: web.Request) -> web.Response:
        self.fetched += 1
        return web.Response(status=500) if self._sound is None else web.Response(body=self._sound)
