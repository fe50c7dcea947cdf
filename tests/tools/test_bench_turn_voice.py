"""The bench of a voice turn: what is sound and when, and one turn against a scripted Home Assistant."""

from array import array
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from spark_audio_proxy.transcode.encode import FORMATS, create_encoder

from bench.errors import BenchError
from bench.turn_voice import (
    AFTER,
    BEFORE,
    COMMANDS,
    PIECE_SECONDS,
    Sound,
    ask,
    in_a_quiet_room,
    levels,
    record_commands,
    say,
    sound_start,
    speech_end,
)
from demo.answers import Json
from demo.home_assistant import HomeAssistant


@pytest.mark.parametrize("name", ["wav", "flac", "mp3"])
def test_a_header_is_no_sound(name: str) -> None:
    """Wherever it is cut: sound is what comes behind it."""
    encoder = create_encoder(FORMATS[name], 24_000)
    start = sound_start(encoder.encode(bytes(48_000)) + encoder.finish())
    assert start == {"wav": 44, "flac": start, "mp3": 0}[name]
    # A FLAC file begins with a sign and one block about the stream of 34 bytes; others may follow.
    assert name != "flac" or start >= 4 + 4 + 34


def test_a_tag_before_mp3_is_no_sound() -> None:
    """Its size is written in sevens."""
    assert sound_start(b"ID3\x04\x00\x00\x00\x00\x01\x02" + bytes(200)) == 10 + 128 + 2


def test_the_first_sound_is_behind_the_header() -> None:
    """And an answer that is a header alone is none."""
    assert Sound(((1.0, 44), (2.0, 45)), 44).first == 2.0
    with pytest.raises(BenchError, match="empty"):
        _ = Sound(((1.0, 44),), 44).first


def test_a_player_falls_silent_where_sound_comes_too_late() -> None:
    """Counted from the first byte; what is there early fills later gaps."""
    steady = Sound(((0.0, 44), (1.0, 1044), (1.5, 2044), (3.0, 3044)), 44)
    assert steady.stall(1000) == 0.0
    late = Sound(((1.0, 1044), (2.25, 2044), (3.5, 3044)), 44)
    assert late.stall(1000) == 0.5


def tone(amplitude: int, seconds: float) -> array[int]:
    """A square wave at 16 kHz."""
    return array("h", [amplitude, -amplitude] * round(seconds * 8_000))


def test_speech_ends_with_its_last_sound() -> None:
    """Not with its recording; what is 40 dB fainter than the loudest is silence."""
    assert speech_end(tone(10_000, 0.5) + tone(90, 0.5)) == 0.5
    assert speech_end(tone(10_000, 0.5) + tone(200, 0.25) + tone(0, 0.5)) == 0.75


def test_a_room_is_quiet_but_not_silent() -> None:
    """60 dB below speech, before and after it."""
    command = in_a_quiet_room((tone(10_000, 0.5) + tone(0, 0.2)).tobytes())
    assert command.end == BEFORE + 0.5
    assert command.clip.seconds == pytest.approx(BEFORE + 0.7 + AFTER)
    found = levels(array("h", command.clip.pcm))
    assert max(found) == pytest.approx(80.0, abs=0.2)
    assert min(found) > 15.0
    assert max(found[-100:]) < 25.0


def test_commands_are_speech() -> None:
    """Each by the embedded voice, and none ends with its recording."""
    commands = record_commands()
    assert len(commands) == len(COMMANDS)
    for command in commands:
        assert 0.6 < command.end - BEFORE < command.clip.seconds - AFTER


class Scripted:
    """A Home Assistant that plays a run's events from a list, the later ones once it has heard something."""

    def __init__(self, *events: tuple[str, Json], sound: bytes | None = b"RIFF....data----la") -> None:
        """`sound` is the spoken answer, None for an error instead."""
        self.heard = b""
        self.fetched = 0
        self._events = events
        self._sound = sound

    @asynccontextmanager
    async def home(self) -> AsyncGenerator[HomeAssistant]:
        """A client of it."""
        app = web.Application()
        app.add_routes([web.get("/api/websocket", self._talk), web.get("/spoken", self._speak)])
        async with TestServer(app) as server, ClientSession() as session:
            yield HomeAssistant(session, str(server.make_url("")).rstrip("/"))

    async def _talk(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_json({"type": "auth_required"})
        await ws.receive_json()
        await ws.send_json({"type": "auth_ok"})
        run = (await ws.receive_json())["id"]
        await ws.send_json({"id": run, "type": "result", "success": True})
        for kind, details in self._events:
            await ws.send_json({"id": run, "type": "event", "event": {"type": kind, "data": details}})
            if kind == "stt-start":
                self.heard = await ws.receive_bytes()
        await ws.receive()
        return ws

    async def _speak(self, _: web.Request) -> web.Response:
        self.fetched += 1
        return web.Response(status=500) if self._sound is None else web.Response(body=self._sound)


START: tuple[str, Json] = (
    "run-start",
    {"runner_data": {"stt_binary_handler_id": 7}, "tts_output": {"url": "/spoken"}},
)
HEARING: tuple[tuple[str, Json], ...] = (START, ("stt-start", None), ("stt-vad-end", None), ("stt-end", None))
END: tuple[str, Json] = ("run-end", None)


async def test_a_satellite_speaks_and_fetches_the_answer_once() -> None:
    """With the mark of its run before the sound; as soon as the answer streams, and not again when it is complete."""
    scripted = Scripted(
        *HEARING,
        ("intent-progress", {"chat_log_delta": {"content": "Yes"}}),
        ("intent-progress", {"tts_start_streaming": True}),
        ("tts-end", None),
        END,
    )
    command = in_a_quiet_room(tone(10_000, 0.02).tobytes())
    async with scripted.home() as home:
        done = await say(home, "mine", command)
    assert scripted.heard[:1] == b"\x07"
    assert len(scripted.heard) == 1 + round(PIECE_SECONDS * 32_000)
    assert scripted.fetched == 1
    assert done.sound.start == 16
    assert done.at("stt-start") <= done.at("stt-end") <= done.first_token <= done.sound.first


@pytest.mark.parametrize(
    ("scripted", "message"),
    [
        (Scripted(START, ("error", {"code": "x", "message": "No ears."})), "failed: No ears"),
        (Scripted(START, END), "without a spoken answer"),
        (Scripted(START, ("tts-end", None), END, sound=None), "500 instead of sound"),
    ],
)
async def test_a_turn_that_fails_gives_no_figure(scripted: Scripted, message: str) -> None:
    """It says why."""
    async with scripted.home() as home:
        with pytest.raises(BenchError, match=message):
            await ask(home, "mine", "Good night.", {"preferred_format": "mp3"})
