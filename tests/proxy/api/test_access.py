"""Who may ask, from where, and what the log keeps of it."""

import logging

import pytest
from aiohttp import FormData
from spark_engine.speech.audio import write_wav

from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.helpers.proxy.recordings import tone
from tests.helpers.proxy.running_proxy import Proxy, StartProxy

SPEECH = {"input": "Meet me at the harbour.", "voice": "alloy"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": "Basic first"}, 401),
        ({"Authorization": "first"}, 401),
        ({"Authorization": "Bearer gr\xfc\xdfe"}, 401),
        ({"Authorization": "Bearer first"}, 200),
        ({"authorization": "bearer second"}, 200),
    ],
)
async def test_speech_needs_one_of_the_keys(start_proxy: StartProxy, headers: dict[str, str], status: int) -> None:
    """401 in OpenAI's shape."""
    proxy = await start_proxy(api_key=("first", "second"))
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json=SPEECH, headers=headers) as response:
        assert response.status == status
        if status == 401:
            error = (await response.json())["error"]
            assert (error["type"], error["code"]) == ("authentication_error", "invalid_api_key")


async def test_a_key_in_the_query_is_no_key(start_proxy: StartProxy) -> None:
    """Queries end up in logs."""
    proxy = await start_proxy(api_key=("first",))
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech?api_key=first&key=first", json=SPEECH) as response:
        assert response.status == 401


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/audio/voices", "/v1/audio/models", "/v1/models/Magpie-Multilingual"]
)
async def test_lists_are_open_unless_they_are_closed(start_proxy: StartProxy, path: str) -> None:
    """Open WebUI asks for them without a key."""
    proxy = await start_proxy(api_key=("first",))
    async with proxy.client.get(proxy.url + path) as response:
        assert response.status == 200
    closed = await start_proxy(api_key=("first",), protect_lists=True)
    async with closed.client.get(closed.url + path) as response:
        assert response.status == 401
    async with closed.client.get(closed.url + path, headers={"Authorization": "Bearer first"}) as response:
        assert response.status == 200


async def test_a_refused_upload_is_not_read(start_proxy: StartProxy) -> None:
    """Callers without a key cost no memory."""
    proxy = await start_proxy(api_key=("first",))
    form = FormData()
    form.add_field("file", write_wav(tone(1)), filename="a.wav")
    async with proxy.client.post(f"{proxy.url}/v1/audio/transcriptions", data=form) as response:
        assert response.status == 401
    assert proxy.parakeet.posts(TRANSCRIPTIONS) == []


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/models", 404, "unknown_url"),
        ("GET", "/v1/audio/speech", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/v1/../../etc/passwd", 404, "unknown_url"),
        ("GET", "/v1/readyz", 404, "unknown_url"),
    ],
)
async def test_a_wrong_url_is_an_error_object_too(proxy: Proxy, method: str, path: str, status: int, code: str) -> None:
    async with proxy.client.request(method, proxy.url + path) as response:
        error = (await response.json())["error"]
        assert (response.status, error["code"], error["type"]) == (status, code, "invalid_request_error")
        assert (status == 405) == ("Allow" in response.headers)


async def test_other_origins_are_answered_where_they_are_named(start_proxy: StartProxy) -> None:
    """Preflight and answer, streams and errors included."""
    proxy = await start_proxy(cors_origins=("https://chat.example",), api_key=("first",))
    origin = {"Origin": "https://chat.example"}
    asking = origin | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with proxy.client.options(f"{proxy.url}/v1/audio/speech", headers=asking) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Headers"] == "authorization"
    for key, status in (("first", 200), ("wrong", 401)):
        headers = origin | {"Authorization": f"Bearer {key}"}
        async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json=SPEECH, headers=headers) as response:
            assert response.status == status
            assert response.headers["Access-Control-Allow-Origin"] == "https://chat.example"


async def test_no_other_origin_is_answered(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(cors_origins=("https://chat.example",))
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    async with proxy.client.options(f"{proxy.url}/v1/audio/speech", headers=headers) as response:
        error = (await response.json())["error"]
        assert (response.status, error["code"]) == (403, "foreign_origin")
        assert "--cors-origins (SPARK_AUDIO_CORS_ORIGINS)" in error["message"]
        assert "Access-Control-Allow-Origin" not in response.headers
    async with proxy.client.get(f"{proxy.url}/v1/models", headers=headers) as response:
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_the_log_keeps_the_request_and_not_what_was_said(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    """One line: method, route, status, time, id. No text, no transcript, no key."""
    caplog.set_level(logging.DEBUG, "spark_audio_proxy")
    caplog.set_level(logging.DEBUG, "spark_engine")
    proxy = await start_proxy(api_key=("hunter2",))
    headers = {"Authorization": "Bearer hunter2", "X-Request-ID": "id-1"}
    async with proxy.client.post(f"{proxy.url}/v1//audio/speech", json=SPEECH, headers=headers) as response:
        await response.read()
    form = FormData()
    form.add_field("file", write_wav(tone(1)), filename="a.wav")
    async with proxy.client.post(f"{proxy.url}/v1/audio/transcriptions", data=form, headers=headers) as response:
        await response.read()
    access = [record.getMessage() for record in caplog.records if record.name == "spark_audio_proxy.access"]
    assert [line.split(" ")[:3] for line in access] == [
        ["POST", "/v1/audio/speech", "200"],
        ["POST", "/v1/audio/transcriptions", "200"],
    ]
    assert all(line.endswith("id=id-1") for line in access)
    logged = " ".join(record.getMessage() for record in caplog.records)
    assert not {word for word in ("harbour", "kitchen", "hunter2") if word in logged}
