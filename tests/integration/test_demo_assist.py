"""The demo as a client of Home Assistant: set-up and a voice turn, against a server that plays Home Assistant."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from demo.assist import say
from demo.errors import DemoError
from demo.home_assistant import Account, HomeAssistant
from demo.processes import free_port
from demo.report import stages
from demo.sound import Clip
from demo.spark_setup import add_spark_audio

pytestmark = pytest.mark.usefixtures("socket_enabled")


@asynccontextmanager
async def home(*routes: web.RouteDef) -> AsyncGenerator[HomeAssistant]:
    """A client and the server that stands for Home Assistant."""
    app = web.Application()
    app.add_routes(routes)
    async with TestServer(app, host="127.0.0.1") as server, ClientSession() as session:
        yield HomeAssistant(session, str(server.make_url("")).rstrip("/"))


def answering(status: int, answer: object) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler with one answer."""

    async def handle(_request: web.Request) -> web.Response:
        return web.json_response(answer, status=status)

    return handle


FLOW = "/api/config/config_entries/flow"
FORM = {"type": "form", "flow_id": "1", "data_schema": [{"name": "parakeet_url"}, {"name": "magpie_url"}], "errors": {}}


async def test_config_flow_is_answered_field_by_field() -> None:
    """The flow gets the URLs it asks for, and nothing it does not."""
    given = []

    async def submit(request: web.Request) -> web.Response:
        given.append(await request.json())
        return web.json_response({"type": "create_entry"})

    form = FORM | {"data_schema": [{"name": "parakeet_url"}]}
    async with home(web.post(FLOW, answering(200, form)), web.post(f"{FLOW}/1", submit)) as home_assistant:
        await add_spark_audio(home_assistant, {"parakeet_url": "http://p", "magpie_url": "http://m"})
    assert given == [{"parakeet_url": "http://p"}]


@pytest.mark.parametrize(
    ("status", "answer", "complaint"),
    [
        (200, FORM | {"errors": {"magpie_url": "cannot_connect"}}, "refuses .*magpie_url.*cannot_connect"),
        (200, {"type": "abort", "reason": "already_configured"}, "ended early: already_configured"),
        (400, {"errors": {"magpie_url": "not a URL"}}, "answered 400 to .*not a URL"),
    ],
)
async def test_config_flow_that_fails_is_shown(status: int, answer: object, complaint: str) -> None:
    """What the flow objects to is what the user reads."""
    routes = (web.post(FLOW, answering(200, FORM)), web.post(f"{FLOW}/1", answering(status, answer)))
    async with home(*routes) as home_assistant:
        with pytest.raises(DemoError, match=complaint):
            await add_spark_audio(home_assistant, {"parakeet_url": "http://p", "magpie_url": "http://m"})


async def test_wrong_password_of_a_kept_demo() -> None:
    """A changed password is named, not answered with a token error."""
    routes = (
        web.post("/auth/login_flow", answering(200, {"flow_id": "1"})),
        web.post("/auth/login_flow/1", answering(200, {"type": "form", "errors": {"base": "invalid_auth"}})),
    )
    async with home(*routes) as home_assistant:
        with pytest.raises(DemoError, match="does not accept the password"):
            await home_assistant.log_in(Account("demo", "secret"))


async def test_home_assistant_that_is_not_there() -> None:
    """Not up yet while starting; an error afterwards."""
    async with ClientSession() as session:
        home_assistant = HomeAssistant(session, f"http://127.0.0.1:{free_port(0)}")
        assert await home_assistant.is_up() is None
        with pytest.raises(DemoError, match="cannot be reached"):
            await home_assistant.state("light.kitchen_light")


type Script = Callable[[web.WebSocketResponse], Awaitable[None]]
HANDLER = 7


async def event(socket: web.WebSocketResponse, kind: str, **data: object) -> None:
    """Send a pipeline event as Home Assistant does."""
    await socket.send_json({"id": 1, "type": "event", "event": {"type": kind, "data": data}})


def assist(script: Script, reply: web.Response) -> tuple[web.RouteDef, ...]:
    """A websocket that accepts any token and then follows `script`, and the audio of the reply."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "auth_required"})
        await socket.receive_json()
        await socket.send_json({"type": "auth_ok"})
        await socket.receive_json()
        await script(socket)
        return socket

    async def audio(_request: web.Request) -> web.Response:
        return reply

    return web.get("/api/websocket", handle), web.get("/api/tts_proxy/reply.mp3", audio)


async def listen_for(socket: web.WebSocketResponse, count: int) -> list[bytes]:
    """Open the pipeline's ear and take `count` binary messages."""
    await socket.send_json({"id": 1, "type": "result", "success": True})
    await event(socket, "run-start", runner_data={"stt_binary_handler_id": HANDLER})
    await event(socket, "stt-start")
    return [await socket.receive_bytes() for _ in range(count)]


async def test_turn_sends_sound_until_the_end_is_noticed() -> None:
    """Speech and silence in marked pieces of 20 ms; events, texts and the reply come back in order."""
    speech = Clip(b"\x01\x20" * 640, 16_000)
    heard: list[bytes] = []

    async def script(socket: web.WebSocketResponse) -> None:
        heard.extend(await listen_for(socket, 4))
        await event(socket, "stt-vad-end")
        await event(socket, "stt-end", stt_output={"text": "Turn on the kitchen light."})
        speech_out = {"response": {"speech": {"plain": {"speech": "Turned on the light"}}}}
        await event(socket, "intent-end", intent_output=speech_out)
        await event(socket, "tts-end", tts_output={"url": "/api/tts_proxy/reply.mp3"})
        await event(socket, "run-end")
        await socket.receive()

    async with home(*assist(script, web.Response(body=b"mp3"))) as home_assistant:
        turn = await say(home_assistant, "pipeline", speech)
    assert (
        heard
        == [bytes([HANDLER]) + speech.pcm[:640], bytes([HANDLER]) + speech.pcm[640:]]
        + [bytes([HANDLER]) + bytes(640)] * 2
    )
    assert (turn.heard, turn.answered, turn.error) == ("Turn on the kitchen light.", "Turned on the light", None)
    assert turn.reply is not None
    assert turn.reply.audio == b"mp3"
    reached = [stage.at for stage in stages(turn) if stage.at is not None]
    assert len(reached) == len(stages(turn))
    assert reached == sorted(reached)
    assert reached[0] >= speech.seconds, "sound went out faster than it is spoken"


async def test_turn_marks_the_end_if_nobody_notices_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without voice detection the last message is the empty one that ends a recording."""
    monkeypatch.setattr("demo.assist.SILENCE_SECONDS", 0.0)
    heard: list[bytes] = []

    async def script(socket: web.WebSocketResponse) -> None:
        heard.extend(await listen_for(socket, 2))
        await event(socket, "run-end")
        await socket.receive()

    async with home(*assist(script, web.Response())) as home_assistant:
        turn = await say(home_assistant, "pipeline", Clip(b"\x01\x20" * 320, 16_000))
    assert heard[-1] == bytes([HANDLER])
    assert (turn.heard, turn.answered, turn.reply) == (None, None, None)


async def test_pipeline_error_and_failed_reply_are_part_of_the_turn() -> None:
    """What Home Assistant says went wrong is kept for the report."""

    async def script(socket: web.WebSocketResponse) -> None:
        await listen_for(socket, 1)
        await event(socket, "error", code="stt-stream-failed", message="speech-to-text failed")
        await event(socket, "tts-end", tts_output={"url": "/api/tts_proxy/reply.mp3"})
        await event(socket, "run-end")
        await socket.receive()

    async with home(*assist(script, web.Response(status=500))) as home_assistant:
        turn = await say(home_assistant, "pipeline", Clip(b"\x01\x20" * 1600, 16_000))
    assert turn.error == "speech-to-text failed (stt-stream-failed)"
    assert turn.reply_fault == "Home Assistant answered 500 instead of sound"


async def test_refused_run_is_one_sentence() -> None:
    """A pipeline whose engine is missing says so."""

    async def script(socket: web.WebSocketResponse) -> None:
        error = {"code": "stt-provider-missing", "message": "No speech-to-text provider"}
        await socket.send_json({"id": 1, "type": "result", "success": False, "error": error})

    async with home(*assist(script, web.Response())) as home_assistant:
        with pytest.raises(DemoError, match=r"No speech-to-text provider.*stt-provider-missing"):
            await say(home_assistant, "pipeline", Clip(b"\x01\x20" * 320, 16_000))


async def test_connection_that_breaks_is_one_sentence() -> None:
    """Home Assistant going away in the middle does not end in a traceback."""

    async def script(socket: web.WebSocketResponse) -> None:
        await listen_for(socket, 1)

    async with home(*assist(script, web.Response())) as home_assistant:
        with pytest.raises(DemoError, match="broke off"):
            await say(home_assistant, "pipeline", Clip(b"\x01\x20" * 1600, 16_000))
