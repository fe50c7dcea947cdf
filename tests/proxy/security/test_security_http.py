"""What is no HTTP, or not the kind that is served, gets OpenAI's error object like everything else."""

import pytest
from aiohttp import web
from spark_audio_proxy.app import create_app
from spark_audio_proxy.http_server import Runner

from tests.helpers.proxy.forms import error_in
from tests.helpers.proxy.raw_http import ask, request
from tests.helpers.proxy.settings import proxy_settings

HOST = b"Host: 127.0.0.1\r\nConnection: close\r\n"
POST = b"POST /v1/audio/speech HTTP/1.1\r\n" + HOST


@pytest.mark.parametrize(
    ("sent", "status", "message"),
    [
        (b"GET / HTTP/9.9\r\n" + HOST + b"\r\n", 400, "not valid HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "https"),
        (b"GET / HTTP/1.1\r\nno header\r\n" + HOST + b"\r\n", 400, "not valid HTTP"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "not valid HTTP"),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 400, "too long"),
        (POST + b"Content-Length: many\r\n\r\n", 400, "not valid HTTP"),
        (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "not valid HTTP"),
        (POST + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\nxx", 415, "Content-Encoding"),
    ],
)
async def test_what_is_no_http_gets_an_error_object(sent: bytes, status: int, message: str) -> None:
    runner = Runner(create_app(proxy_settings(watch=False)))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        answer = await ask(url, sent)
        assert (answer.status, "application/json" in answer.head) == (status, True)
        assert message in error_in(answer.body.encode())["message"]
        assert (await ask(url, request("GET", "/healthz"))).status == 200
    finally:
        await runner.cleanup()
