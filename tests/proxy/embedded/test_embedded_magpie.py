"""The embedded Magpie's HTTP contract, around an engine without a model."""

import asyncio
from collections.abc import AsyncGenerator
from itertools import repeat

import pytest
from aiohttp import ClientPayloadError, ClientSession, FormData
from embedded_spark.magpie import LONGEST_TEXT
from embedded_spark.speakers import VOICES
from embedded_spark.wav import read_wav

from tests.fakes.engines import TIMEOUT, FakeSynthesizer, Gate, playing

SYNTHESIZE = "/v1/audio/synthesize"
ONLINE = "/v1/audio/synthesize_online"
ARIA = "Magpie-Multilingual.EN-US.Aria"
FIRST = b"\x01\x00" * 400
SECOND = b"\x02\x00" * 300


@pytest.fixture
async def client() -> AsyncGenerator[ClientSession]:
    """A client session, closed after the test."""
    async with ClientSession() as client:
        yield client


def fields(**values: str) -> FormData:
    """A multipart form."""
    form = FormData(default_to_multipart=True)
    for name, value in values.items():
        form.add_field(name, value)
    return form


async def test_synthesize_answers_with_a_wav_file(client: ClientSession) -> None:
    """All sentences in one file, at the rate asked for."""
    async with (
        playing() as spark,
        client.post(spark.magpie_url + SYNTHESIZE, data=fields(text="Hi.", sample_rate_hz="44100")) as response,
    ):
        recording = read_wav(await response.read())
        assert (response.status, response.content_type) == (200, "audio/wav")
    assert (recording.sample_rate, recording.channels, bytes(recording.pcm)) == (44_100, 1, FIRST + SECOND)


async def test_online_sends_each_sentence_as_it_comes(client: ClientSession) -> None:
    """The second sentence is not begun before the client has the first."""
    gate = Gate()
    async with (
        playing(synthesizer=FakeSynthesizer(sentences=(FIRST, gate, SECOND))) as spark,
        client.post(spark.magpie_url + ONLINE, data=fields(text="Hi.")) as response,
    ):
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert await response.content.readexactly(len(FIRST)) == FIRST
        gate.opened.set()
        assert await response.content.read() == SECOND


@pytest.mark.parametrize("path", [SYNTHESIZE, ONLINE])
async def test_the_form_reaches_the_engine(client: ClientSession, path: str) -> None:
    """Voice, rate and text as they were sent."""
    fake = FakeSynthesizer()
    form = fields(
        text="Hä?", language="en-US", voice=f"{ARIA}.Sad", encoding="LINEAR_PCM", sample_rate_hz="16000", other="x"
    )
    async with playing(synthesizer=fake) as spark, client.post(spark.magpie_url + path, data=form) as response:
        assert response.status == 200
    assert fake.asked == [("Hä?", VOICES[f"{ARIA}.Sad"], 16_000)]


@pytest.mark.parametrize("multipart", [True, False])
async def test_text_is_all_that_is_needed(client: ClientSession, *, multipart: bool) -> None:
    """The defaults; a URL-encoded form does as well."""
    fake = FakeSynthesizer()
    form = fields(text="Hi.") if multipart else FormData({"text": "Hi."})
    async with playing(synthesizer=fake) as spark, client.post(spark.magpie_url + SYNTHESIZE, data=form) as response:
        assert response.status == 200
    assert fake.asked == [("Hi.", VOICES[ARIA], 22_050)]


@pytest.mark.parametrize("path", [SYNTHESIZE, ONLINE])
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"language": "en-us"}, "Mapping failed. Check that all pronunciations are specified properly."),
        ({"language": "de-DE"}, "Mapping failed. Check that all pronunciations are specified properly."),
        ({"voice": "Magpie-Multilingual.EN-US.Nobody"}, "EN-US.Nobody"),
        ({"voice": "magpie-multilingual.en-us.aria"}, "not known"),
        ({"encoding": "OGGOPUS"}, "LINEAR_PCM"),
        ({"sample_rate_hz": "24000"}, "24000"),
        ({"sample_rate_hz": "-1"}, "-1"),
        ({"text": "x" * (LONGEST_TEXT + 1)}, "maximum input length"),
    ],
)
async def test_what_it_cannot_speak_is_refused(
    client: ClientSession, path: str, values: dict[str, str], reason: str
) -> None:
    """In the NIM's shape, before the engine is asked."""
    fake = FakeSynthesizer()
    async with (
        playing(synthesizer=fake) as spark,
        client.post(spark.magpie_url + path, data=fields(**{"text": "Hi."} | values)) as response,
    ):
        assert response.status == 400
        assert reason in (await response.json())["detail"]
    assert not fake.asked


@pytest.mark.parametrize(
    ("values", "detail"),
    [
        ({}, {"type": "missing", "loc": ["body", "text"], "msg": "Field required", "input": None}),
        ({"text": ""}, {"type": "missing", "loc": ["body", "text"], "msg": "Field required", "input": None}),
        (
            {"text": "Hi.", "sample_rate_hz": "fast"},
            {
                "type": "int_parsing",
                "loc": ["body", "sample_rate_hz"],
                "msg": "Input should be a valid integer, unable to parse string as an integer",
                "input": "fast",
            },
        ),
    ],
)
async def test_a_field_that_is_wrong_is_listed(
    client: ClientSession, values: dict[str, str], detail: dict[str, object]
) -> None:
    """422 with FastAPI's list."""
    async with (
        playing() as spark,
        client.post(spark.magpie_url + ONLINE, data=fields(**values)) as response,
    ):
        assert (response.status, await response.json()) == (422, {"detail": [detail]})


@pytest.mark.parametrize("path", [SYNTHESIZE, ONLINE])
async def test_nothing_to_speak_is_refused(client: ClientSession, path: str) -> None:
    """No empty audio with status 200."""
    async with (
        playing(synthesizer=FakeSynthesizer(sentences=())) as spark,
        client.post(spark.magpie_url + path, data=fields(text="...")) as response,
    ):
        assert (response.status, await response.json()) == (
            400,
            {"detail": "The text holds nothing that can be spoken."},
        )


@pytest.mark.slow
async def test_a_form_that_is_too_large_is_refused(client: ClientSession) -> None:
    """Text is small."""
    async with playing() as spark:
        for form in (fields(text="x" * 2_000_000), FormData({"text": "x" * 2_000_000})):
            async with client.post(spark.magpie_url + SYNTHESIZE, data=form) as response:
                assert response.status == 413
                assert "detail" in await response.json()


@pytest.mark.parametrize("path", [SYNTHESIZE, ONLINE])
async def test_an_engine_that_fails_at_once_is_an_error(client: ClientSession, path: str) -> None:
    """Even the stream has its status still to send."""

    def fail() -> None:
        raise RuntimeError("no phonemes")

    async with (
        playing(synthesizer=FakeSynthesizer(sentences=(fail,))) as spark,
        client.post(spark.magpie_url + path, data=fields(text="Hi.")) as response,
    ):
        assert (response.status, await response.json()) == (500, {"detail": "Inference failed."})


async def test_a_stream_that_fails_breaks(client: ClientSession) -> None:
    """Half the speech must not look like the whole."""

    def fail() -> None:
        raise RuntimeError("no phonemes")

    async with (
        playing(synthesizer=FakeSynthesizer(sentences=(FIRST, fail))) as spark,
        client.post(spark.magpie_url + ONLINE, data=fields(text="Hi.")) as response,
    ):
        assert response.status == 200
        with pytest.raises(ClientPayloadError):
            await response.read()


async def test_a_listener_that_leaves_ends_the_speech(client: ClientSession) -> None:
    """However much is left to say. No other thread cleans up in the model, which may be at work."""
    fake = FakeSynthesizer(sentences=repeat(FIRST * 10_000))
    async with playing(synthesizer=fake) as spark:
        async with client.post(spark.magpie_url + ONLINE, data=fields(text="Hi.")) as response:
            await response.content.readexactly(len(FIRST))
            response.close()
        assert await asyncio.to_thread(fake.left.wait, TIMEOUT)
    assert fake.left_on.startswith("speech-engine")


async def test_a_slow_listener_does_not_delay_others(client: ClientSession) -> None:
    """Sentences of several requests take turns, so the second request is done while the first still listens."""
    long = FakeSynthesizer(sentences=(b"\x01\x00" * 4_000_000, SECOND))
    async with (
        playing(synthesizer=long) as spark,
        client.post(spark.magpie_url + ONLINE, data=fields(text="Hi.")) as slow,
    ):
        async with client.post(spark.magpie_url + SYNTHESIZE, data=fields(text="Hi.")) as quick:
            assert len(await quick.read()) > 8_000_000
        assert len(await slow.read()) == 8_000_600


async def test_voices_are_english_speakers(client: ClientSession) -> None:
    """Under the NIM's names, with emotions for some."""
    async with playing() as spark, client.get(spark.magpie_url + "/v1/audio/list_voices") as response:
        assert response.status == 200
        listed = (await response.json())["en-US"]["voices"]
    assert listed[:2] == [ARIA, f"{ARIA}.Neutral"]
    assert {name.split(".")[2] for name in listed} == {"Aria", "Jason", "Leo", "Mia", "Sofia"}
    assert f"{ARIA}.Fearful" in listed
    assert "Magpie-Multilingual.EN-US.Leo.Fearful" not in listed


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [("GET", "/v1/audio/speech", 404, "Not Found"), ("GET", SYNTHESIZE, 405, "Method Not Allowed")],
)
async def test_unknown_routes_are_refused_in_the_same_shape(
    client: ClientSession, method: str, path: str, status: int, detail: str
) -> None:
    """Routing errors too."""
    async with playing() as spark, client.request(method, spark.magpie_url + path) as response:
        assert (response.status, await response.json()) == (status, {"detail": detail})
