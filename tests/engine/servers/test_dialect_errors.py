"""What goes wrong at each family, and whose fault it is."""

import pytest
from aiohttp import ClientSession
from spark_engine.errors import Busy, Rejected, ServerFault, SparkError, Unauthorized, WrongServer
from spark_engine.models import SpeechStyle
from spark_engine.servers.parakeet import Parakeet
from spark_engine.servers.transport import Transport

from tests.fakes import magpie, parakeet
from tests.fakes.magpie import in_pieces
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, Handler, data, running
from tests.helpers.engine.families import HEARING, RECORDING, SPEAKING, detail, error, say


@pytest.mark.parametrize("name", HEARING)
async def test_a_wedge_while_hearing_is_the_servers_fault(session: ClientSession, name: str) -> None:
    """Whatever status and sentence the family finds for it."""
    fake = HEARING[name].fake()
    fake.answers["POST", TRANSCRIPTIONS] = parakeet.WEDGED[name]
    async with running(fake):
        with pytest.raises(ServerFault):
            await Parakeet(Transport(session, fake.url)).transcribe(RECORDING)


@pytest.mark.parametrize("name", SPEAKING)
async def test_a_wedge_while_speaking_is_the_servers_fault(session: ClientSession, name: str) -> None:
    """Whatever status and sentence the family finds for it."""
    fake, path = SPEAKING[name].fake(), SPEAKING[name].path
    fake.answers["POST", path] = magpie.WEDGED[name]
    async with running(fake):
        with pytest.raises(ServerFault):
            await say(session, fake, SpeechStyle())


@pytest.mark.parametrize(
    ("name", "answer", "kind", "said"),
    [
        ("nim", detail("Bad Request: audio too long", 400), Rejected, "audio too long"),
        ("nim", detail("Model not found for language", 400), Rejected, "Model not found"),
        ("nim", detail("loading", 503), Busy, "loading"),
        ("nemo-speech.cpp", error("missing or invalid bearer token", 401), Unauthorized, "bearer token"),
        ("nemo-speech.cpp", error("this build does not include ASR", 501), ServerFault, "does not include ASR"),
        ("nemo-speech.cpp", error("Payload too large", 413), Rejected, "too large"),
        ("achetronic", error("Unsupported or malformed audio: x", 400), Rejected, "malformed audio"),
        ("achetronic", error("Invalid API key", 401), Unauthorized, "Invalid API key"),
        ("groxaxo", detail("Model is not ready", 503), Busy, "not ready"),
        ("groxaxo", detail("audio duration exceeds limit", 413), Rejected, "exceeds limit"),
        ("groxaxo", detail("Audio could not be decoded", 415), Rejected, "could not be decoded"),
        ("shadowfita", detail("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", 422), ServerFault, "CUDNN"),
        ("shadowfita", detail([{"loc": ["body", "file"], "msg": "Field required"}], 422), Rejected, "Field required"),
        ("shadowfita", detail("Invalid audio format: x", 415), Rejected, "Invalid audio format"),
        ("runparakeet", detail("Empty audio payload", 400), Rejected, "Empty audio"),
        ("speaches", detail("Model 'x' is not installed locally.", 404), Rejected, "not installed"),
    ],
)
async def test_errors_while_hearing(
    session: ClientSession, name: str, answer: Handler, kind: type[SparkError], said: str
) -> None:
    """The request's fault, the server's, or no time now: with the server's own sentence."""
    fake = HEARING[name].fake()
    fake.answers["POST", TRANSCRIPTIONS] = answer
    async with running(fake):
        with pytest.raises(kind, match=said):
            await Parakeet(Transport(session, fake.url)).transcribe(RECORDING)


@pytest.mark.parametrize(
    ("name", "answer", "kind", "said"),
    [
        ("nim", detail("Mapping failed. Check that all pronunciations", 400), Rejected, "Mapping failed"),
        ("nim", detail("loading", 503), Busy, "loading"),
        ("nemo-speech.cpp", error("speaker is outside the model speaker range", 400), Rejected, "speaker range"),
        ("nemo-speech.cpp", error("this build does not include TTS", 501), ServerFault, "does not include TTS"),
        ("xr-ai shim", detail("NIM request timed out", 504), ServerFault, "timed out"),
        ("pipecat", detail("Model not loaded", 503), Busy, "not loaded"),
        ("pipecat", detail("Unknown language 'xx'", 400), Rejected, "Unknown language"),
        ("spark audio", error("Magpie is being restarted.", 503), Busy, "being restarted"),
        ("xr-ai", data(b"", "audio/wav"), ServerFault, "0.00 s of audio"),
        ("pipecat", in_pieces(bytes(1000)), ServerFault, "0.02 s of audio"),
    ],
)
async def test_errors_while_speaking(
    session: ClientSession, name: str, answer: Handler, kind: type[SparkError], said: str
) -> None:
    """The request's fault, the server's, or no time now: with the server's own sentence."""
    fake = SPEAKING[name].fake()
    fake.answers["POST", SPEAKING[name].path] = answer
    async with running(fake):
        with pytest.raises(kind, match=said):
            await say(session, fake, SpeechStyle())


async def test_a_server_that_hears_over_websocket_only_says_so(session: ClientSession) -> None:
    """No fault: no restart will help."""
    async with running(parakeet.pipecat()) as fake:
        with pytest.raises(
            WrongServer, match=r"^This is the Nemotron container of pipecat, which hears over WebSocket"
        ):
            await Parakeet(Transport(session, fake.url)).transcribe(RECORDING)
    assert fake.posts(TRANSCRIPTIONS) == []


async def test_a_server_that_does_not_speak_says_so(session: ClientSession) -> None:
    """No fault: no restart will help."""
    async with running(FakeServer()) as fake:
        with pytest.raises(Rejected, match="does not answer like any Magpie") as raised:
            await say(session, fake, SpeechStyle())
    assert raised.value.status == 404
