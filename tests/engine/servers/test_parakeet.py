"""Hearing: what goes to Parakeet and what is made of its answer."""

import pytest
from aiohttp import ClientSession
from spark_engine.errors import Busy, Rejected, ServerFault, Unauthorized, Unreachable
from spark_engine.models import Audio, Segment, Transcript, Word
from spark_engine.servers.parakeet import Parakeet
from spark_engine.servers.transport import Transport
from spark_engine.speech.audio import read_wav, silence

from tests.fakes import faults, parakeet
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, Handler, json, running, text

SPEECH = Audio(bytes(range(256)) * 125, 16_000)

VERBOSE = {
    "text": " Turn on the light. ",
    "language": "english",
    "duration": 1.0,
    "segments": [{"id": 0, "start": 0, "end": 0.9, "text": " Turn on the light."}],
    "words": [{"word": "Turn", "start": 0.1, "end": 0.3}],
}


async def test_clean_wav_goes_in_and_text_comes_out(session: ClientSession) -> None:
    """16 kHz mono, the samples untouched, the Parakeet among the models named."""
    async with running(parakeet.openai()) as fake:
        transcript = await Parakeet(Transport(session, fake.url)).transcribe(SPEECH, language="en-GB")
    (asked,) = fake.posts(TRANSCRIPTIONS)
    assert transcript == Transcript("Turn on the kitchen light.")
    assert asked.fields == {"response_format": "json", "model": "parakeet-tdt-0.6b", "language": "en"}
    assert read_wav(asked.file or b"") == SPEECH


async def test_times_come_where_they_are_asked_for(session: ClientSession) -> None:
    """Segments and words as the server gave them, text trimmed."""
    fake = parakeet.openai()
    fake.answers["POST", TRANSCRIPTIONS] = json(VERBOSE)
    async with running(fake):
        transcript = await Parakeet(Transport(session, fake.url)).transcribe(SPEECH, times=True)
    assert fake.posts(TRANSCRIPTIONS)[0].fields["response_format"] == "verbose_json"
    assert transcript == Transcript(
        text="Turn on the light.",
        language="english",
        segments=(Segment("Turn on the light.", 0.0, 0.9),),
        words=(Word("Turn", 0.1, 0.3),),
    )


async def test_the_server_is_probed_once_and_again_when_told_to_forget(session: ClientSession) -> None:
    """Another image may have been started meanwhile."""
    async with running(parakeet.openai()) as fake:
        client = Parakeet(Transport(session, fake.url))
        await client.transcribe(SPEECH)
        await client.transcribe(SPEECH)
        assert len([asked for asked in fake.asked if asked.path == "/v1/models"]) == 1
        client.identification.forget()
        await client.transcribe(SPEECH)
        assert len([asked for asked in fake.asked if asked.path == "/v1/models"]) == 2


async def test_any_other_sample_rate_is_refused_here(session: ClientSession) -> None:
    """A programming error, not the server's."""
    with pytest.raises(ValueError, match="16000 Hz, not 22050 Hz"):
        await Parakeet(Transport(session, "http://127.0.0.1:1")).transcribe(silence(1, 22_050))


@pytest.mark.parametrize(
    "answer",
    [
        json({"transcription": "hello"}),
        json(["hello"]),
        json({"text": None}),
    ],
)
async def test_an_answer_without_a_transcript_is_the_servers_fault(session: ClientSession, answer: Handler) -> None:
    """Never a KeyError."""
    fake = parakeet.openai()
    fake.answers["POST", TRANSCRIPTIONS] = answer
    async with running(fake):
        with pytest.raises(ServerFault, match="no transcript"):
            await Parakeet(Transport(session, fake.url)).transcribe(SPEECH, times=True)


async def test_a_server_that_is_no_parakeet_says_so(session: ClientSession) -> None:
    async with running(FakeServer({("GET", "/"): text("hello")})) as fake:
        with pytest.raises(Rejected, match="Not Found"):
            await Parakeet(Transport(session, fake.url)).transcribe(SPEECH)


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({("GET", path): json({}, status=401) for path in ("/v1/models", "/health", "/v1/health/ready")}, Unauthorized),
        (
            {
                ("GET", "/v1/models"): json({"detail": "loading"}, status=503),
                ("POST", TRANSCRIPTIONS): json({"detail": "loading"}, status=503),
            },
            Busy,
        ),
    ],
)
async def test_probing_reports_what_all_pages_say(
    session: ClientSession, answers: dict[tuple[str, str], Handler], error: type[Exception]
) -> None:
    """A refused key, or a model that is still loading."""
    async with running(FakeServer(answers)) as fake:
        with pytest.raises(error):
            await Parakeet(Transport(session, fake.url)).transcribe(SPEECH)


async def test_a_refused_connection_is_unreachable(session: ClientSession) -> None:
    with pytest.raises(Unreachable):
        await Parakeet(Transport(session, faults.refused())).transcribe(SPEECH)
