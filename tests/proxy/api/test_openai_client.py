"""The official `openai` Python client against the proxy: every endpoint, format and error."""

from io import BytesIO
from typing import Literal

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.audio import TranscriptionTextDoneEvent
from spark_engine.speech.audio import write_wav

from tests.fakes import faults, magpie, parakeet
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import json
from tests.helpers.proxy.recordings import recorded, tone
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.speech import SECONDS, TEXT, seconds_in

WAV = ("recording.wav", write_wav(tone(1.5)))


def client_of(proxy: Proxy, key: str = "any") -> AsyncOpenAI:
    """A client that does not retry, so that each error is seen once."""
    return AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key=key, max_retries=0)


async def test_models(proxy: Proxy) -> None:
    async with client_of(proxy) as client:
        models = [model.id async for model in client.models.list()]
        assert models == ["parakeet-tdt-0.6b", "Magpie-Multilingual"]
        assert (await client.models.retrieve("Magpie-Multilingual")).owned_by == "nvidia"
        assert (await client.models.retrieve("nvidia/none")).id == "nvidia/none"


@pytest.mark.parametrize("name", ["mp3", "opus", "aac", "flac", "wav"])
async def test_speech_in_every_format(proxy: Proxy, name: Literal["mp3", "opus", "aac", "flac", "wav"]) -> None:
    """Streamed, as the client does it."""
    async with (
        client_of(proxy) as client,
        client.audio.speech.with_streaming_response.create(
            model="tts-1",
            voice="nova",
            input=TEXT,
            response_format=name,
        ) as response,
    ):
        audio = b"".join([piece async for piece in response.iter_bytes()])
    assert seconds_in(audio) == pytest.approx(SECONDS, abs=0.06)


async def test_speech_as_pcm(proxy: Proxy) -> None:
    async with client_of(proxy) as client:
        answer = await client.audio.speech.create(model="tts-1", voice="nova", input=TEXT, response_format="pcm")
    assert len(answer.content) / 48_000 == pytest.approx(SECONDS, abs=0.01)


async def test_transcription_as_json(proxy: Proxy) -> None:
    async with client_of(proxy) as client:
        answer = await client.audio.transcriptions.create(model="whisper-1", file=WAV, language="en")
    assert answer.text == "Turn on the kitchen light."
    assert answer.usage is not None
    assert answer.usage.type == "duration"
    assert answer.usage.seconds == 1.5


async def test_a_browsers_webm_under_a_false_name(proxy: Proxy) -> None:
    """As Open WebUI sends it in a call."""
    webm = ("recording.wav", recorded("webm", "libopus", live=True))
    async with client_of(proxy) as client:
        assert (await client.audio.transcriptions.create(model="whisper-1", file=webm)).text


@pytest.mark.parametrize(
    ("name", "start"), [("text", "Turn on"), ("srt", "1\n00:00:00,080 --> 00:00:01,600\nTurn on"), ("vtt", "WEBVTT")]
)
async def test_transcription_as_text(proxy: Proxy, name: Literal["text", "srt", "vtt"], start: str) -> None:
    """The client hands these over as plain strings."""
    async with client_of(proxy) as client:
        answer = await client.audio.transcriptions.create(
            model="whisper-1",
            file=WAV,
            response_format=name,
        )
    assert str(answer).startswith(start)


async def test_transcription_with_times(start_proxy: StartProxy) -> None:
    hearing = parakeet.openai()
    words = [{"word": "Hello", "start": 0.0, "end": 0.4}]
    hearing.answers["POST", TRANSCRIPTIONS] = json(
        {"text": "Hello", "segments": [{"start": 0.0, "end": 0.4, "text": "Hello"}], "words": words}
    )
    proxy = await start_proxy(hearing)
    async with client_of(proxy) as client:
        answer = await client.audio.transcriptions.create(
            model="whisper-1", file=WAV, response_format="verbose_json", timestamp_granularities=["word", "segment"]
        )
    assert answer.words is not None
    assert answer.segments is not None
    assert (answer.words[0].word, answer.segments[0].end, answer.duration) == ("Hello", 0.4, 1.5)


async def test_transcription_as_events(proxy: Proxy) -> None:
    async with client_of(proxy) as client:
        stream = await client.audio.transcriptions.create(model="whisper-1", file=WAV, stream=True)
        events = [event async for event in stream]
    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]
    assert isinstance(events[-1], TranscriptionTextDoneEvent)
    assert events[-1].text == "Turn on the kitchen light."


async def test_errors_are_of_the_clients_own_kind(start_proxy: StartProxy) -> None:
    """With message, param, code and request id."""
    proxy = await start_proxy(api_key=("first",))
    async with client_of(proxy, "first") as client:
        with pytest.raises(openai.BadRequestError, match="speed") as caught:
            await client.audio.speech.create(model="t", voice="alloy", input="Hi", speed=9)
        assert (caught.value.param, bool(caught.value.request_id)) == ("speed", True)
        with pytest.raises(openai.BadRequestError, match="not audio"):
            await client.audio.transcriptions.create(model="w", file=("a.wav", BytesIO(b"text")))
        with pytest.raises(openai.BadRequestError, match="does not translate"):
            await client.audio.translations.create(model="w", file=WAV)
    async with client_of(proxy, "wrong") as client:
        with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
            await client.audio.speech.create(model="t", voice="alloy", input="Hi")


async def test_a_service_that_is_off_is_an_internal_server_error_and_not_retried(start_proxy: StartProxy) -> None:
    """The client would sleep for half a minute in silence otherwise."""
    proxy = await start_proxy(magpie_url=faults.refused())
    async with AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key="any", max_retries=2) as client:
        with pytest.raises(openai.InternalServerError, match="No connection"):
            await client.audio.speech.create(model="t", voice="alloy", input="Hi")


async def test_a_stream_that_breaks_raises_in_the_client(start_proxy: StartProxy) -> None:
    """Half a sentence is not an answer."""
    speaking = magpie.nim()
    speaking.answers["POST", magpie.SYNTHESIZE_ONLINE] = magpie.in_pieces(magpie.spoken(TEXT), then_reset=True)
    proxy = await start_proxy(speaking=speaking)
    async with client_of(proxy) as client:
        with pytest.raises(Exception, match=r"peer closed|Connection|incomplete"):
            await client.audio.speech.create(model="t", voice="alloy", input=TEXT, response_format="wav")
