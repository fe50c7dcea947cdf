"""Real speech all the way: twenty sentences spoken in each format by the embedded Spark, and heard again."""

import re
from collections.abc import AsyncGenerator, Callable
from difflib import SequenceMatcher
from struct import pack

import pytest
import pytest_asyncio
from aiohttp import ClientSession, FormData
from aiohttp.test_utils import TestServer
from embedded_spark import EmbeddedSpark
from spark_audio_proxy.app import create_app
from spark_audio_proxy.transcode.encode import FORMATS
from spark_engine.models import Audio
from spark_engine.speech.audio import write_wav

from tests.helpers.proxy.settings import proxy_settings

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.engines]

SENTENCES = (
    "Turn on the kitchen light.",
    "Set the temperature in the bedroom to twenty degrees.",
    "What is the weather like tomorrow morning?",
    "Close the garage door and lock it.",
    "Remind me to call my mother this evening.",
    "Play some quiet music in the living room.",
    "The washing machine has finished.",
    "How long does it take to drive to the station?",
    "Please add milk and bread to the shopping list.",
    "Good night, and turn everything off.",
    "The front door was opened ten minutes ago.",
    "Start the coffee machine at seven.",
    "It is raining, so the windows should be closed.",
    "Dim the lights in the dining room.",
    "Who is standing at the door?",
    "The battery of the phone is almost empty.",
    "Open the curtains when the sun rises.",
    "There is a letter on the table in the hall.",
    "Tell me a story about a dragon.",
    "The train leaves from platform four.",
)

WORST_RATE = 0.08
"""Words in a hundred that may be heard wrong: the small stand-ins' own errors, the same in every format."""

WAVE_FORMATS = {"alaw": 6, "ulaw": 7}
"""G.711 in the header of a WAV file (RFC 2361)."""


def words(text: str) -> list[str]:
    """Lower case, no punctuation."""
    return re.findall(r"[a-z0-9']+", text.lower())


def word_errors(spoken: str, heard: str) -> int:
    """Words to replace, add or drop to get from one to the other."""
    matcher = SequenceMatcher(None, words(spoken), words(heard), autojunk=False)
    return sum(
        max(end_a - start_a, end_b - start_b)
        for tag, start_a, end_a, start_b, end_b in matcher.get_opcodes()
        if tag != "equal"
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="url")
async def embedded_proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[str]:
    """A proxy in front of real engines."""
    async with EmbeddedSpark() as spark:
        state = str(tmp_path_factory.mktemp("state"))
        settings = proxy_settings(parakeet_url=spark.parakeet_url, magpie_url=spark.magpie_url, state_dir=state)
        server = TestServer(create_app(settings), host="127.0.0.1")
        await server.start_server()
        yield str(server.make_url("/v1"))
        await server.close()


def as_recording(name: str, audio: bytes) -> bytes:
    """Bare samples are no recording: they get the header that says what they are."""
    if name == "pcm":
        return write_wav(Audio(audio, 24_000))
    if name not in WAVE_FORMATS:
        return audio
    head = pack("<4sIHHIIHH", b"fmt ", 16, WAVE_FORMATS[name], 1, 8000, 8000, 1, 8) + pack("<4sI", b"data", len(audio))
    return pack("<4sI4s", b"RIFF", 4 + len(head) + len(audio), b"WAVE") + head + audio


@pytest.mark.parametrize("name", list(FORMATS))
async def test_what_is_spoken_is_heard_again(
    url: str, name: str, record_property: Callable[[str, object], None]
) -> None:
    """The word error rate of each format, printed and bounded."""
    errors = 0
    async with ClientSession() as client:
        for sentence in SENTENCES:
            body = {"model": "tts-1", "input": sentence, "voice": "alloy", "response_format": name}
            async with client.post(f"{url}/audio/speech", json=body) as response:
                assert response.status == 200
                audio = await response.read()
            form = FormData()
            form.add_field("file", as_recording(name, audio), filename="recording")
            async with client.post(f"{url}/audio/transcriptions", data=form) as response:
                assert response.status == 200
                errors += word_errors(sentence, (await response.json())["text"])
    rate = errors / sum(len(words(sentence)) for sentence in SENTENCES)
    record_property("word_error_rate", rate)
    print(f"{name}: word error rate {rate:.1%}")  # noqa: T201 - shown with -s and on failure
    assert rate <= WORST_RATE
