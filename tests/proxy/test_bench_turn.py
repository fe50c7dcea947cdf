"""The bench of a voice turn: what it makes of moments and bytes, its speech server, and one real turn of each kind."""

import asyncio
import subprocess
from array import array
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import openai
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from spark_audio_proxy.transcode.encode import FORMATS, create_encoder
from spark_engine.magpie_dialects import NIM as MAGPIE_NIM
from spark_engine.magpie_dialects import identify as identify_magpie
from spark_engine.parakeet_dialects import NIM as PARAKEET_NIM
from spark_engine.parakeet_dialects import identify as identify_parakeet
from spark_engine.transport import Transport
from spark_engine.turn_end import is_complete

from bench import environments, turn, turn_backend, turn_peers
from bench.environments import NotInstalled, Package
from bench.errors import BenchError
from bench.figures import Spread
from bench.machine import this_machine
from bench.report import as_text
from bench.turn_backend import Backend
from bench.turn_home import Engines, House, fill_in
from bench.turn_report import (
    BALANCED,
    HEARD_EARLY,
    OURS,
    WAV,
    Answer,
    Hearing,
    Speaking,
    aims,
    charts,
    tables,
)
from bench.turn_voice import (
    AFTER,
    BEFORE,
    COMMANDS,
    PIECE_SECONDS,
    Event,
    Sound,
    Turn,
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

TINY = turn.Plan(1, (turn.EARLY,), (("40 characters", WAV, turn.PACE),))


def heard(*, vad_end: float | None = 11.0, transcript: float = 11.5, sound: float = 12.0) -> Turn:
    """A turn whose command ended at 10 s, on some clock."""
    events = [Event(9.0, "stt-start", None), Event(transcript, "stt-end", None)]
    if vad_end is not None:
        events.insert(1, Event(vad_end, "stt-vad-end", None))
    return Turn(tuple(events), Sound(((sound, 100),), 0), 10.0)


def spoken(first: float, audio_format: str = WAV, *, late: float = 0.0) -> Turn:
    """An answer whose first token came at 5 s and whose second second came so late."""
    written: Json = {"chat_log_delta": {"content": "The"}}
    events = (
        Event(4.9, "intent-progress", {"chat_log_delta": {"role": "assistant"}}),
        Event(5.0, "intent-progress", written),
    )
    start = 44 if audio_format == WAV else 0
    arrivals = ((first - 0.1, start), (first, start + 32_000), (first + 1.0 + late, start + 64_000))
    return Turn(events, Sound(arrivals, start), None)


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


def test_hearing_is_told_from_the_end_of_speech() -> None:
    """And from the moment it was noticed, where Home Assistant notices it."""
    early = Hearing(HEARD_EARLY)
    early.add(heard(transcript=11.0), [10.25])
    early.add(heard(transcript=11.25), [9.0, 10.75])
    assert (early.asked_after, early.after_noticed) == ([-750.0, -250.0], [0.0, 250.0])
    assert (early.transcript, early.sound) == ([1000.0, 1250.0], [2000.0, 2000.0])
    balanced = Hearing(BALANCED)
    balanced.add(heard(vad_end=None, transcript=10.5), [10.25])
    _, hearing, _ = tables([early, balanced], [], [])
    assert hearing.rows == (
        (HEARD_EARLY, Spread(-500.0, -750.0, -250.0), Spread(125.0, 0.0, 250.0), Spread(1125.0, 1000.0, 1250.0),
         Spread(2000.0, 2000.0, 2000.0), "1 to 2"),
        (BALANCED, None, None, Spread(500.0, 500.0, 500.0), Spread(2000.0, 2000.0, 2000.0), "1"),
    )  # fmt: skip
    assert [(aim.at_most, aim.measured, aim.held) for aim in aims([early, balanced], [])] == [
        (30.0, 125.0, False),
        (700.0, 500.0, True),
    ]


def test_a_transcript_out_of_nothing_gives_no_figure() -> None:
    """Nor does a turn without one."""
    with pytest.raises(BenchError, match="without a request"):
        Hearing(OURS).add(heard(), [])
    with pytest.raises(BenchError, match="without stt-end: stt-start"):
        Hearing(OURS).add(Turn((Event(1.0, "stt-start", None),), Sound((), 0), 10.0), [1.0])


def test_speaking_is_told_from_the_first_token() -> None:
    """An agent's first event has no token in it."""
    usual = Speaking(Answer("three sentences", WAV, 12.0), OURS)
    usual.add(spoken(5.5))
    usual.add(spoken(5.75, late=0.25))
    packed = Speaking(Answer("three sentences", "MP3", 12.0), "another")
    packed.add(spoken(6.0, "MP3"))
    _, _, speaking = tables([], [usual, packed], [])
    assert [row[-2:] for row in speaking.rows] == [
        (Spread(625.0, 500.0, 750.0), Spread(125.0, 0.0, 250.0)),
        (Spread(1000.0, 1000.0, 1000.0), None),
    ]
    assert [(aim.at_most, aim.measured) for aim in aims([], [usual, packed])] == [(720.0, 625.0)]
    with pytest.raises(BenchError, match="wrote nothing"):
        _ = Turn((), Sound((), 0), None).first_token


def test_charts_show_what_was_measured() -> None:
    """Ours stand out; each kind of answer is a group."""
    hearing = [Hearing(BALANCED), Hearing("another")]
    for way in hearing:
        way.add(heard(), [10.5])
    answers = [Answer(words, audio_format, 12.0) for words in ("short", "long") for audio_format in (WAV, "MP3")]
    speaking = [Speaking(answer, way) for answer in answers for way in (OURS, "another")]
    for each in speaking:
        each.add(spoken(5.5, each.answer.audio_format))
    first, second = charts(hearing, speaking, this_machine())
    assert [(bar.label, bar.ours, bar.aim) for bar in first.bars] == [(BALANCED, True, 700.0), ("another", False, None)]
    assert [len(group.bars) for group in second.groups] == [2, 2]


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


FORM: list[Json] = [
    {"name": "listening", "schema": [{"name": "turn_end"}, {"name": "deadline"}]},
    {"name": "healing", "schema": [{"name": "canary_interval"}]},
]


def test_a_form_is_filled_in_where_its_fields_are() -> None:
    """What it has no field for is not swallowed: another thing would be measured."""
    assert fill_in(FORM, {"turn_end": "fast", "canary_interval": 9.0}) == {
        "listening": {"turn_end": "fast"},
        "healing": {"canary_interval": 9.0},
    }
    with pytest.raises(BenchError, match="no option turn_start"):
        fill_in(FORM, {"turn_start": "fast"})


async def test_a_peer_that_cannot_be_installed_has_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report says so, and goes on with the others."""

    async def refuse() -> tuple[Package, ...]:
        raise NotInstalled("no network")

    async def install() -> tuple[Package, ...]:
        return (Package("wyoming-openai", "1.2.3"),)

    class Home(House):
        """Has everything that is asked for."""

        def __init__(self) -> None:
            """Nothing is started."""

        async def add_spark_audio(self, face: str, options: object, *, magpie: bool) -> Engines:
            return Engines(f"stt.{face}", f"tts.{face}" if magpie else None)

        async def add_wyoming(self) -> Engines:
            return Engines("stt.wyoming", "tts.wyoming")

        async def add_pipeline(self, name: str, stt: str, tts: str) -> str:
            return f"{stt} {tts}"

    monkeypatch.setattr(turn, "_openai", refuse)
    monkeypatch.setattr(turn, "_wyoming", install)
    monkeypatch.setattr(turn, "home_assistant_version", lambda: "2026.10.4")
    ways = await turn.set_up(Home(), turn.QUICK)
    assert list(ways.hearing) == [*(f"{OURS}, {name}" for name in turn.VARIANTS), "Wyoming with wyoming-openai"]
    assert list(ways.hearing.values())[1] == "stt.spark1 tts.spark0"
    assert ways.speaking == {OURS: "stt.spark0 tts.spark0", "Wyoming with wyoming-openai": "stt.wyoming tts.wyoming"}
    assert [(each.name, each.version) for each in ways.packages[2:]] == [
        ("core's OpenAI integration", "not measured, it cannot be installed here: no network"),
        ("Wyoming with wyoming-openai: wyoming-openai", "1.2.3"),
    ]


async def test_what_uv_cannot_do_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In its own words, or because it is not there."""
    monkeypatch.setattr(environments, "TOOLS", tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NotInstalled, match="cannot be started"):
        await turn_peers.install_wyoming_openai()
    uv = tmp_path / "bin/uv"
    uv.parent.mkdir()
    uv.write_text("#!/bin/sh\necho Downloading\necho no such package >&2\nexit 2\n")
    uv.chmod(0o755)
    monkeypatch.setattr(turn_peers, "WYOMING_OPENAI", tmp_path / "none")
    with pytest.raises(NotInstalled, match=r"^no such package$"):
        await turn_peers.install_wyoming_openai()
    with pytest.raises(NotInstalled, match="no integration tea_kettle"):
        await turn_peers.install_integration("tea_kettle")


@pytest.fixture
async def backend(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[str]:
    """The speech server, which takes no time here."""
    monkeypatch.setattr(turn_backend, "RECOGNITION", 0.0)
    monkeypatch.setattr(turn_backend, "FIRST_AUDIO", 0.0)
    app = web.Application()
    app.add_routes(Backend().routes())
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def test_the_speech_server_is_a_spark(backend: str) -> None:
    """Spark Audio finds two NIMs on every path but that of OpenAI's contract."""
    async with ClientSession() as session:
        transport = Transport(session, f"{backend}/any")
        assert (await identify_parakeet(transport)).dialect is PARAKEET_NIM
        assert (await identify_magpie(transport)).dialect is MAGPIE_NIM


@pytest.mark.parametrize("audio_format", ["wav", "mp3", "flac"])
async def test_the_speech_server_speaks_openai(backend: str, audio_format: str) -> None:
    """To OpenAI's own client; as long as the text takes to say, in every format."""
    client = openai.AsyncOpenAI(api_key="any", base_url=f"{backend}/openai/v1", max_retries=0)
    async with client:
        assert len((await client.models.list()).data) == 2
        first = await client.audio.transcriptions.create(model="any", file=("a.wav", b"RIFF"))
        again = await client.audio.transcriptions.create(model="any", file=("a.wav", b"RIFF"))
        assert is_complete(first.text, "en")
        assert first.text != again.text
        sound = await client.audio.speech.create(
            model="any", voice="alloy", input="x" * 26, response_format=audio_format
        )
    assert len(await asyncio.to_thread(decoded, sound.content)) / 32_000 == pytest.approx(2.0, abs=0.15)
    async with ClientSession() as session, session.get(f"{backend}/bench/requests") as response:
        assert [(each["face"], each["kind"]) for each in await response.json()] == [
            *(("openai", "transcription"),) * 2,
            ("openai", "speech"),
        ]


def decoded(sound: bytes) -> bytes:
    """16 kHz s16le mono."""
    command = ("ffmpeg", "-v", "error", "-i", "pipe:0", "-f", "s16le", "-ac", "1", "-ar", "16000", "pipe:1")
    return subprocess.run(command, input=sound, capture_output=True, check=True).stdout


async def test_one_turn_of_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a real Home Assistant, without peers: those are fetched from the network."""

    async def refuse() -> tuple[Package, ...]:
        raise NotInstalled("no network")

    monkeypatch.setattr(turn, "_openai", refuse)
    monkeypatch.setattr(turn, "_wyoming", refuse)
    report = await turn.measure(TINY)
    packages, hearing, speaking = report.tables
    assert [row[0] for row in packages.rows[:2]] == ["Home Assistant", OURS]
    ((way, asked, noticed, transcript, sound, requests),) = hearing.rows
    assert way == HEARD_EARLY
    assert asked.median < noticed.median < transcript.median < sound.median
    assert int(requests[-1]) >= 1
    ((*_, first, stall),) = speaking.rows
    assert first.median > 0
    assert stall.median >= 0
    assert "not measured" in as_text(report)
