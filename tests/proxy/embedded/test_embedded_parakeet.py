"""The embedded Parakeet's HTTP contract, around an engine without a model."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from itertools import chain, repeat
from threading import Event

import pytest
from aiohttp import ClientSession, FormData
from aiohttp.test_utils import TestServer
from embedded_spark.engines import ADMITTED, Engine, Line
from embedded_spark.parakeet import UPLOAD_LIMIT, create_parakeet_app
from embedded_spark.wav import write_wav

from tests.fakes.engines import TIMEOUT, FakeRecognizer, Gate, playing

TRANSCRIPTIONS = "/v1/audio/transcriptions"
SECOND = write_wav(b"\x00\x01" * 16_000, 16_000)

type Answer = tuple[int, Mapping[str, str], dict[str, object]]


@pytest.fixture
async def client() -> AsyncGenerator[ClientSession]:
    """A client session, closed after the test."""
    async with ClientSession() as client:
        yield client


def upload(wav: bytes = SECOND, fields: Mapping[str, str] | None = None) -> FormData:
    """A form with a file."""
    form = FormData(fields or {})
    form.add_field("file", wav, filename="speech.wav", content_type="audio/wav")
    return form


async def transcribe(client: ClientSession, url: str, form: FormData) -> Answer:
    """Post a form to be transcribed."""
    async with client.post(url + TRANSCRIPTIONS, data=form) as response:
        return response.status, response.headers, await response.json()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"model": "parakeet-tdt-0.6b-v3", "prompt": "lights", "temperature": "0"},
        {"language": "en", "response_format": "json"},
        {"language": "en-US", "timestamp_granularities[]": "segment"},
        {"language": "EN_gb", "timestamp_granularities": "segment"},
        {"language": "", "response_format": ""},
    ],
)
async def test_json_holds_the_text_alone(client: ClientSession, fields: dict[str, str]) -> None:
    """Lines are joined by a space; fields that change nothing are taken."""
    async with playing() as spark:
        status, _, body = await transcribe(client, spark.parakeet_url, upload(fields=fields))
    assert (status, body) == (200, {"text": "Hello. World."})


async def test_text_is_plain(client: ClientSession) -> None:
    async with (
        playing() as spark,
        client.post(spark.parakeet_url + TRANSCRIPTIONS, data=upload(fields={"response_format": "text"})) as response,
    ):
        assert response.content_type == "text/plain"
        assert await response.text() == "Hello. World.\n"


async def test_verbose_json_holds_the_times(client: ClientSession) -> None:
    """One segment per line, the recording's own length, and nothing the model does not give."""
    async with playing() as spark:
        _, _, body = await transcribe(client, spark.parakeet_url, upload(fields={"response_format": "verbose_json"}))
    assert body == {
        "task": "transcribe",
        "language": "english",
        "duration": 1.0,
        "text": "Hello. World.",
        "segments": [
            {"id": 0, "seek": 0, "start": 0.1, "end": 0.5, "text": "Hello."},
            {"id": 1, "seek": 0, "start": 0.6, "end": 0.9, "text": "World."},
        ],
    }


@pytest.mark.parametrize(("answer_format", "segments"), [("json", None), ("verbose_json", [])])
async def test_no_speech_is_an_empty_text(client: ClientSession, answer_format: str, segments: object) -> None:
    """Silence is an answer, not an error."""
    async with playing(FakeRecognizer(pieces=((), ()))) as spark:
        status, _, body = await transcribe(
            client, spark.parakeet_url, upload(fields={"response_format": answer_format})
        )
    assert (status, body["text"], body.get("segments")) == (200, "", segments)


@pytest.mark.parametrize(
    ("fields", "param", "reason"),
    [
        ({"language": "de"}, "language", "English only"),
        ({"language": "english"}, "language", "English only"),
        ({"response_format": "srt"}, "response_format", "json, text, verbose_json"),
        ({"timestamp_granularities[]": "word"}, "timestamp_granularities[]", "segments only"),
        ({"timestamp_granularities": "word"}, "timestamp_granularities", "segments only"),
    ],
)
async def test_what_it_cannot_do_is_refused(
    client: ClientSession, fields: dict[str, str], param: str, reason: str
) -> None:
    """OpenAI's error object, naming the field."""
    fake = FakeRecognizer()
    async with playing(fake) as spark:
        status, _, body = await transcribe(client, spark.parakeet_url, upload(fields=fields))
    error = body["error"]
    assert isinstance(error, dict)
    assert reason in error.pop("message")
    assert (status, error) == (400, {"type": "invalid_request_error", "param": param, "code": None})
    assert not fake.recordings


@pytest.mark.parametrize(
    ("data", "headers", "status", "reason"),
    [
        (FormData({"model": "x"}), {}, 400, "no uploaded file"),
        (b"{}", {"Content-Type": "application/json"}, 400, "no uploaded file"),
        (b"", {}, 400, "no uploaded file"),
        (FormData({"file": "not an upload"}), {}, 400, "no uploaded file"),
        (b"junk", {"Content-Type": "multipart/form-data; boundary=x"}, 400, "damaged"),
        (b"junk", {"Content-Type": "multipart/form-data"}, 400, "damaged"),
        (
            b'--x\r\nContent-Disposition: form-data; name="language"\r\n\r\n\xff\r\n--x--\r\n',
            {"Content-Type": "multipart/form-data; boundary=x"},
            400,
            "damaged",
        ),
        (
            b"--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x--\r\n",
            {"Content-Type": "multipart/form-data; boundary=x"},
            400,
            "no field",
        ),
        (upload(b""), {}, 415, "not a WAV file"),
        (upload(b"OggS" + SECOND[4:]), {}, 415, "not a WAV file"),
    ],
)
async def test_what_is_no_upload_is_refused(
    client: ClientSession, data: FormData | bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    """Whatever arrives, the answer is OpenAI's error object."""
    async with (
        playing() as spark,
        client.post(spark.parakeet_url + TRANSCRIPTIONS, data=data, headers=headers) as response,
    ):
        assert response.status == status
        assert reason in (await response.json())["error"]["message"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/nothing", 404), ("GET", TRANSCRIPTIONS, 405)])
async def test_unknown_routes_are_refused_in_the_same_shape(
    client: ClientSession, method: str, path: str, status: int
) -> None:
    """Routing errors too; 405 says what is allowed."""
    async with playing() as spark, client.request(method, spark.parakeet_url + path) as response:
        assert (response.status, response.headers.get("Allow")) == (status, "POST" if status == 405 else None)
        assert (await response.json())["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("chunked", [None, True])
async def test_a_large_upload_is_refused(client: ClientSession, *, chunked: bool | None) -> None:
    """Whether its length is announced or not."""
    engine = Engine(FakeRecognizer)
    await engine.load()
    async with TestServer(create_parakeet_app(engine, upload_limit=20_000), handler_cancellation=True) as server:
        url = server.make_url(TRANSCRIPTIONS)
        async with client.post(url, data=upload(), chunked=chunked) as response:
            assert response.status == 413
            assert "20000 bytes" in (await response.json())["error"]["message"]
    await engine.close()


async def test_an_upload_announced_too_large_is_refused_before_it_comes() -> None:
    """The caller need not send 100 MiB in vain."""
    async with playing() as spark:
        host, port = spark.parakeet_url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST {TRANSCRIPTIONS} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {UPLOAD_LIMIT + 1}\r\n\r\n"
        writer.write(head.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        writer.close()


async def test_the_model_names_itself(client: ClientSession) -> None:
    """No Parakeet is claimed where there is none."""
    async with playing() as spark, client.get(spark.parakeet_url + "/v1/models") as response:
        models = await response.json()
    assert models["object"] == "list"
    assert [model["id"] for model in models["data"]] == ["moonshine-tiny-en"]


async def test_a_short_recording_does_not_wait_for_a_long_one(client: ClientSession) -> None:
    """It is heard between two pieces of one that would never end."""
    begun = Event()
    fake = FakeRecognizer(pieces=chain((begun.set,), repeat(())))
    async with playing(fake) as spark:
        endless = asyncio.create_task(transcribe(client, spark.parakeet_url, upload()))
        assert await asyncio.to_thread(begun.wait, TIMEOUT)
        fake.pieces = ((Line("Short.", 0, 1),),)
        _, _, body = await transcribe(client, spark.parakeet_url, upload())
        assert not endless.done()
        endless.cancel()
    assert body == {"text": "Short."}
    assert fake.events == ["begin", "begin", "end"]


async def test_a_client_that_leaves_is_not_waited_for(client: ClientSession) -> None:
    """Its recording, which would never end, is given up between two pieces, and the next one is heard."""
    begun = Event()
    fake = FakeRecognizer(pieces=chain((begun.set,), repeat(())))
    async with playing(fake) as spark:
        leaving = asyncio.create_task(transcribe(client, spark.parakeet_url, upload()))
        assert await asyncio.to_thread(begun.wait, TIMEOUT)
        leaving.cancel()
        assert await asyncio.to_thread(fake.left.wait, TIMEOUT)
        # No other thread may clean up in a model that is at work.
        assert fake.left_on.startswith("speech-engine")
        fake.pieces = ((Line("Next.", 0, 1),),)
        status, _, body = await transcribe(client, spark.parakeet_url, upload())
    assert (status, body) == (200, {"text": "Next."})
    assert fake.events == ["begin", "begin", "end"]


async def test_the_queue_is_bounded(client: ClientSession) -> None:
    """One request more than there are places is told to come back."""
    gate = Gate()
    async with playing(FakeRecognizer(pieces=(gate, (Line("Hello.", 0, 1),)))) as spark:
        url = spark.parakeet_url
        requests = {asyncio.create_task(transcribe(client, url, upload())) for _ in range(ADMITTED + 1)}
        refused, waiting = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
        gate.opened.set()
        served = await asyncio.gather(*waiting)
    [(status, headers, body)] = [request.result() for request in refused]
    assert (status, headers["Retry-After"]) == (429, "5")
    assert isinstance(body["error"], dict)
    assert body["error"]["type"] == "rate_limit_error"
    assert [status for status, _, _ in served] == [200] * ADMITTED


async def test_a_failing_engine_fails_one_request(client: ClientSession, caplog: pytest.LogCaptureFixture) -> None:
    """The cause goes to the log and not to the caller."""

    def fail() -> None:
        fake.pieces = ((Line("Hello.", 0, 1),),)
        raise RuntimeError("segment 7")

    fake = FakeRecognizer(pieces=(fail,))
    async with playing(fake) as spark:
        failed, _, body = await transcribe(client, spark.parakeet_url, upload())
        served, _, _ = await transcribe(client, spark.parakeet_url, upload())
    assert (failed, served) == (500, 200)
    assert body == {"error": {"message": "Inference failed.", "type": "server_error", "param": None, "code": None}}
    assert "segment 7" in caplog.text
