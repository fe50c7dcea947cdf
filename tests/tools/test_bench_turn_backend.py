"""The bench of a voice turn: its speech server, as Spark Audio and OpenAI's own client see it."""

import asyncio
import subprocess
from collections.abc import AsyncGenerator

import openai
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from spark_engine.servers.magpie import Magpie
from spark_engine.servers.magpie_dialects import NIM as MAGPIE_NIM
from spark_engine.servers.parakeet_dialects import NIM as PARAKEET_NIM
from spark_engine.servers.parakeet_dialects import identify as identify_parakeet
from spark_engine.servers.transport import Transport
from spark_engine.speech.turn_end import is_complete

from bench import turn_backend
from bench.turn_backend import Backend


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
        assert (await Magpie(transport).server()).dialect is MAGPIE_NIM


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
