"""Open WebUI's own requests, byte for byte as its `routers/audio` makes them, and what it makes of the answers.

docs/open-webui.md names the version.
"""

import base64
from collections.abc import AsyncGenerator
from http import HTTPStatus

import pytest
from aiohttp import ClientPayloadError, ClientResponse, ClientResponseError, FormData
from spark_engine.speech.audio import write_wav

from tests.fakes import faults, magpie, parakeet
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import json
from tests.helpers.proxy.recordings import recorded, tone
from tests.helpers.proxy.running_proxy import Proxy, StartProxy

KEY = "house-key"
BEARER = {"Authorization": f"Bearer {KEY}"}
SENTENCE = {"input": "The kitchen light is on.", "voice": "alloy", "model": "magpie"}
BASES = ["/v1", "", "/v1/", "/v1/v1"]


@pytest.fixture(name="locked")
async def proxy_with_a_key(start_proxy: StartProxy) -> Proxy:
    """As it stands in proxy/compose.yaml."""
    return await start_proxy(api_key=(KEY,))


async def chunks(data: bytes) -> AsyncGenerator[bytes]:
    """A file as Open WebUI reads it: in pieces, so that the request has no length."""
    for start in range(0, len(data), 64 * 1024):
        yield data[start : start + 64 * 1024]


def recording(data: bytes, extension: str, language: str | None = None) -> FormData:
    """Its form: the model, perhaps a language, then the file without a type of its own."""
    form = FormData({"model": "parakeet"} | ({"language": language} if language else {}))
    form.add_field("file", chunks(data), filename=f"6f1a9c52-4f2c-4f66-9a0f-6a3f5a0c7a11.{extension}")
    return form


async def shown(response: ClientResponse) -> str:
    """What its users read of a speech request that failed: `raise_for_status` throws the body away."""
    with pytest.raises(ClientResponseError) as caught:
        response.raise_for_status()
    return f"External: {caught.value.status}, message={caught.value.message!r}"


@pytest.mark.parametrize("base", BASES)
async def test_speech_is_mp3(locked: Proxy, base: str) -> None:
    """No `response_format` is ever sent, and what is not mp3 would be converted once more, or refused."""
    async with locked.client.post(f"{locked.url}{base}/audio/speech", json=SENTENCE, headers=BEARER) as response:
        assert (response.status, response.headers["Content-Type"]) == (HTTPStatus.OK, "audio/mpeg")
        assert (await response.read())[:1] == b"\xff"
    assert locked.magpie.posts(magpie.SYNTHESIZE_ONLINE)[0].fields["text"] == SENTENCE["input"]


async def test_additional_parameters_count(locked: Proxy) -> None:
    """They are laid over the body."""
    body = SENTENCE | {"language": "de-DE", "response_format": "opus", "speed": 1.1}
    async with locked.client.post(f"{locked.url}/v1/audio/speech", json=body, headers=BEARER) as response:
        assert (response.status, response.headers["Content-Type"]) == (HTTPStatus.OK, "audio/ogg")
    assert locked.magpie.posts(magpie.SYNTHESIZE_ONLINE)[0].fields["voice"].startswith("Magpie-Multilingual.DE-DE.")


@pytest.mark.parametrize("text", ["---", "* ", "| |", "🙂"])
async def test_what_cannot_be_spoken_does_not_end_the_reading(locked: Proxy, text: str) -> None:
    """Its reading stops at the first error."""
    body = SENTENCE | {"input": text}
    async with locked.client.post(f"{locked.url}/v1/audio/speech", json=body, headers=BEARER) as response:
        assert response.status == HTTPStatus.OK
        assert await response.read()


@pytest.mark.parametrize("base", BASES)
async def test_a_dictation_becomes_text(locked: Proxy, base: str) -> None:
    """It looks for JSON with `text`."""
    form = recording(recorded("webm", "libopus", live=True), "webm")
    async with locked.client.post(f"{locked.url}{base}/audio/transcriptions", data=form, headers=BEARER) as response:
        assert response.status == HTTPStatus.OK
        assert (await response.json())["text"] == parakeet.TEXT


@pytest.mark.parametrize(("container", "codec"), [("webm", "libopus"), ("mp4", "aac")])
async def test_a_call_sends_what_it_calls_a_wav(locked: Proxy, container: str, codec: str) -> None:
    """Chromium's and Safari's recordings, both under the name recording.wav."""
    form = recording(recorded(container, codec), "wav", language="en")
    async with locked.client.post(f"{locked.url}/v1/audio/transcriptions", data=form, headers=BEARER) as response:
        assert (response.status, (await response.json())["text"]) == (HTTPStatus.OK, parakeet.TEXT)


async def test_request_format_json(locked: Proxy) -> None:
    """The other choice in its form."""
    audio = {"data": base64.b64encode(write_wav(tone(1))).decode(), "format": "wav"}
    body = {"model": "parakeet", "input_audio": audio}
    async with locked.client.post(f"{locked.url}/v1/audio/transcriptions", json=body, headers=BEARER) as response:
        assert (response.status, (await response.json())["text"]) == (HTTPStatus.OK, parakeet.TEXT)


async def test_silence_is_an_empty_text(start_proxy: StartProxy) -> None:
    hearing = parakeet.openai()
    hearing.answers["POST", TRANSCRIPTIONS] = json({"text": ""})
    proxy = await start_proxy(hearing)
    form = recording(write_wav(tone(1)), "wav")
    async with proxy.client.post(f"{proxy.url}/v1/audio/transcriptions", data=form) as response:
        assert (response.status, (await response.json())["text"]) == (HTTPStatus.OK, "")


async def test_lists_are_fetched_without_the_key(locked: Proxy) -> None:
    """Both keys of a voice are wanted, and only models that speak."""
    async with locked.client.get(f"{locked.url}/v1/audio/voices") as response:
        voices = {voice["id"]: voice["name"] for voice in (await response.json())["voices"]}
    assert voices["de-DE.Mia.Calm"] == "Mia · Calm (de-DE)"
    assert voices["alloy"]
    async with locked.client.get(f"{locked.url}/v1/audio/models") as response:
        assert [model["id"] for model in (await response.json())["models"]] == ["Magpie-Multilingual"]


async def test_a_wrong_key_is_shown(locked: Proxy) -> None:
    """As docs/open-webui.md quotes it."""
    wrong = {"Authorization": "Bearer none"}
    async with locked.client.post(f"{locked.url}/v1/audio/speech", json=SENTENCE, headers=wrong) as response:
        assert await shown(response) == "External: 401, message='Incorrect API key provided.'"
    form = recording(write_wav(tone(1)), "wav")
    async with locked.client.post(f"{locked.url}/v1/audio/transcriptions", data=form, headers=wrong) as response:
        assert (await response.json())["error"]["message"] == "Incorrect API key provided."


async def test_a_wrong_base_url_is_shown(proxy: Proxy) -> None:
    async with proxy.client.post(f"{proxy.url}/api/v3/audio/speech", json=SENTENCE) as response:
        assert await shown(response) == "External: 404, message='Unknown URL: POST /api/v3/audio/speech.'"


async def test_a_service_that_is_off_is_shown(start_proxy: StartProxy) -> None:
    """The reason phrase is the only place for a sentence."""
    proxy = await start_proxy(magpie_url=faults.refused())
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json=SENTENCE) as response:
        assert int(response.headers["Retry-After"]) > 0
        assert (await shown(response)).startswith("External: 503, message='No connection to 127.0.0.1:")


async def test_half_a_sentence_is_never_cached(start_proxy: StartProxy) -> None:
    """It caches what ended cleanly."""
    speaking = magpie.nim()
    speaking.answers["POST", magpie.SYNTHESIZE_ONLINE] = magpie.in_pieces(bytes(22_050), then_reset=True)
    proxy = await start_proxy(speaking=speaking)
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json=SENTENCE) as response:
        assert response.status == HTTPStatus.OK
        with pytest.raises(ClientPayloadError):
            await response.read()
