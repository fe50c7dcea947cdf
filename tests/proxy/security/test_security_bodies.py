"""Bodies meant to do harm: too large, endless, packed, nested, in too many parts; and text that would be more."""

import asyncio
import json
import logging
import zlib
from collections.abc import AsyncGenerator

import pytest
from spark_audio_proxy.api.speech import LARGEST_REQUEST
from spark_audio_proxy.uploads import form as form_module
from spark_audio_proxy.uploads.multipart_reader import LARGEST_FIELD, MOST_PARTS
from spark_engine.servers.documents import MOST_VALUES

from tests.fakes import magpie
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer
from tests.helpers.proxy.forms import part, send, upload
from tests.helpers.proxy.raw_http import ask, request
from tests.helpers.proxy.recordings import recorded
from tests.helpers.proxy.running_proxy import Proxy, StartProxy

SPEECH, HEARING = "/v1/audio/speech", "/v1/audio/transcriptions"
BOTH = [SPEECH, HEARING]
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=x1"}


async def post(
    proxy: Proxy, path: str, body: bytes | AsyncGenerator[bytes], headers: dict[str, str]
) -> tuple[int, str]:
    """Status and message."""
    async with proxy.client.post(proxy.url + path, data=body, headers=headers) as response:
        document = await response.json()
        return response.status, document["error"]["message"] if "error" in document else ""


async def pieces(piece: bytes, number: int) -> AsyncGenerator[bytes]:
    """A body of unknown length."""
    for _ in range(number):
        yield piece


@pytest.mark.parametrize("path", BOTH)
async def test_a_length_that_is_too_large_is_refused_before_the_body_comes(start_proxy: StartProxy, path: str) -> None:
    """By its announcement: nothing has been sent yet."""
    proxy = await start_proxy(max_upload=LARGEST_REQUEST)
    head = request("POST", path, "Content-Type: application/json", f"Content-Length: {LARGEST_REQUEST + 1}")
    reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
    writer.write(head)
    assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("path", BOTH)
async def test_a_body_of_unknown_length_is_refused_once_it_is_too_large(start_proxy: StartProxy, path: str) -> None:
    """It never ends; the answer comes all the same."""
    proxy = await start_proxy(max_upload=LARGEST_REQUEST)
    body = pieces(b" " * (1 << 16), 2 * LARGEST_REQUEST >> 16)
    assert (await post(proxy, path, body, JSON))[0] == 413


@pytest.mark.slow
@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_packed_body_counts_unpacked(start_proxy: StartProxy, path: str, coding: str) -> None:
    """A quarter of a megabyte that becomes 256."""
    proxy = await start_proxy(max_upload=LARGEST_REQUEST)
    body = zlib.compress(bytes(1 << 28), wbits=31 if coding == "gzip" else 15)
    assert len(body) < 1 << 19
    assert (await post(proxy, path, body, JSON | {"Content-Encoding": coding}))[0] == 413


@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"}, {"Content-Encoding": "deflate"}])
async def test_a_packed_body_that_is_damaged_is_a_400(
    proxy: Proxy, path: str, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """And no traceback in our log."""
    status, message = await post(proxy, path, b"not packed at all", JSON | headers)
    assert (status, "damaged" in message) == (400, True)
    assert not [record for record in caplog.records if record.name.startswith("spark") and record.exc_info]


async def test_chunks_that_are_none_are_a_400(proxy: Proxy) -> None:
    """The frame of the body is broken, its head was fine."""
    head = request("POST", SPEECH, "Content-Type: application/json", "Transfer-Encoding: chunked")
    answer = await ask(proxy.url, head + b'5\r\n{"inp\r\nzz\r\n')
    assert answer.status == 400


@pytest.mark.parametrize("path", BOTH)
async def test_a_body_that_drips_is_given_up(proxy: Proxy, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Long before the pause between two pieces is over, which another byte would begin anew."""
    monkeypatch.setattr(form_module, "LONGEST_UPLOAD", 0.05)

    async def drip() -> AsyncGenerator[bytes]:
        yield b" "
        await asyncio.Event().wait()

    status, message = await post(proxy, path, drip(), JSON)
    assert (status, message) == (408, "The upload took longer than 0 s.")


@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" + b"[]," * MOST_VALUES + b"[]]", f"more than {MOST_VALUES} values"),
        (b"[" + b"0," * MOST_VALUES + b"0]", f"more than {MOST_VALUES} values"),
        (b'{"input": ' + b"9" * 10_000 + b"}", "not valid JSON"),
        (b'{"input": "\xff"}', "not valid JSON"),
    ],
    ids=["arrays", "objects", "no end", "lists", "numbers", "a long number", "no UTF-8"],
)
async def test_json_that_unfolds_is_a_400(
    proxy: Proxy, path: str, body: bytes, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A stack or a memory that would be full; and no traceback in the log."""
    status, said = await post(proxy, path, body, JSON)
    assert (status, message in said) == (400, True)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_field_of_a_json_form_may_be_nested_deeply(proxy: Proxy) -> None:
    """Shallow enough to be read, too deep to be walked through."""
    audio = b'{"input_audio": {"data": "UklGRg=="}, "x": '
    assert (await post(proxy, HEARING, audio + b"[" * 3000 + b"]" * 3000 + b"}", JSON))[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        part("x", b"") * (MOST_PARTS + 1),
        part("x", b"1").replace(b"\r\n\r\n", b"\r\n" + b"X-A: b\r\n" * 16 + b"\r\n"),
        part("x", b"1").replace(b"\r\n\r\n", b"\r\nX-A: " + b"b" * 10_000 + b"\r\n\r\n"),
        part("x" * 10_000, b"1"),
        part("x", bytes(LARGEST_FIELD + 1)),
        b"--x1\r\n" + b"a" * (1 << 20),
        b"x" * (1 << 20),
        b"--x1\r\n\r\n1\r\n",
        b"--x1\r\nContent-Disposition: attachment\r\n\r\n1\r\n",
    ],
    ids=["parts", "headers", "a header", "a name", "a field", "no line end", "no boundary", "no name", "no form-data"],
)
async def test_a_form_that_unfolds_is_refused(proxy: Proxy, body: bytes) -> None:
    """By its cause; what comes behind it is not looked at, a good recording included."""
    audio = part("file", recorded("mp3", "libmp3lame"), "a.mp3")
    status, message = await post(proxy, HEARING, body + audio + b"--x1--", FORM)
    assert status in (400, 413)
    assert "not a form" in message or "exceeds" in message
    assert proxy.parakeet.posts(TRANSCRIPTIONS) == []


@pytest.mark.parametrize("boundary", ["", '""', "x" * 5000, 'x"; boundary="y', "a\\\\b", "=", "x1; " + "a=b; " * 900])
async def test_a_content_type_may_be_anything(proxy: Proxy, boundary: str) -> None:
    head = request(
        "POST", HEARING, f"Content-Type: multipart/form-data; boundary={boundary}", "Content-Length: 2", body=b"--"
    )
    assert (await ask(proxy.url, head)).status == 400


async def test_what_is_refused_is_given_back(start_proxy: StartProxy) -> None:
    """Bytes in flight are free again after every kind of refusal."""
    proxy = await start_proxy(bytes_in_flight=3 << 20)
    for _ in range(3):
        assert (await post(proxy, HEARING, part("x", bytes(LARGEST_FIELD + 1)) + b"--x1--", FORM))[0] == 413
        assert (await post(proxy, HEARING, b"[" * 100_000, JSON))[0] == 400
    assert (await send(proxy, upload(recorded("mp3", "libmp3lame"))))[0] == 200


INJECTED = "en\r\nX-Evil: 1\r\n\r\nGET / HTTP/1.1"


@pytest.mark.parametrize("speaking", [magpie.nim, magpie.nemo_speech, magpie.openai, magpie.xr_ai])
@pytest.mark.parametrize("field", ["language", "voice", "model", "instructions", "response_format", "stream_format"])
async def test_line_ends_in_a_request_to_speak_stay_text(
    start_proxy: StartProxy, speaking: type[FakeServer], field: str
) -> None:
    """In the answer's head, and in what Magpie is asked."""
    proxy = await start_proxy(speaking=speaking())
    body = json.dumps({"input": "Hello.", field: INJECTED}).encode()
    async with proxy.client.post(proxy.url + SPEECH, data=body) as response:
        assert "X-Evil" not in response.headers
        assert "\n" not in (response.reason or "")
        refused = response.status
    assert refused == (400 if field in ("language", "response_format", "stream_format") else 200)
    assert not [asked for asked in proxy.magpie.asked if "X-Evil" in asked.headers or "X-Evil" in asked.path]


@pytest.mark.parametrize("field", ["language", "model", "prompt", "response_format", "timestamp_granularities[]"])
async def test_line_ends_in_a_request_to_hear_stay_text(proxy: Proxy, field: str) -> None:
    """As above, for Parakeet."""
    audio = part("file", recorded("mp3", "libmp3lame"), "a.mp3")
    body = part(field, INJECTED.encode()) + audio + b"--x1--"
    async with proxy.client.post(proxy.url + HEARING, data=body, headers=FORM) as response:
        assert "X-Evil" not in response.headers
        assert response.status == (200 if field in ("model", "prompt") else 400)
    assert not [asked for asked in proxy.parakeet.asked if "X-Evil" in asked.headers]


@pytest.mark.parametrize("speaking", [magpie.nim, magpie.nemo_speech, magpie.openai, magpie.xr_ai])
@pytest.mark.parametrize("field", ["input", "voice", "language", "model"])
async def test_half_a_character_is_no_crash(
    start_proxy: StartProxy, speaking: type[FakeServer], field: str, caplog: pytest.LogCaptureFixture
) -> None:
    """JSON can write half of a surrogate pair, UTF-8 cannot."""
    proxy = await start_proxy(speaking=speaking())
    body = b'{"input": "Hello.", "' + field.encode() + b'": "Good \\ud800 evening."}'
    async with proxy.client.post(proxy.url + SPEECH, data=body) as response:
        assert response.status in (200, 400)
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("given", ["a b", "a\tb", "x" * 129, "\xe9", ""])
async def test_a_request_id_that_is_no_word_is_replaced(proxy: Proxy, given: str) -> None:
    """It goes into headers and logs."""
    answer = await ask(proxy.url, request("GET", "/healthz", f"X-Request-ID: {given}"))
    (line,) = [line for line in answer.head.splitlines() if line.startswith("X-Request-ID: ")]
    assert len(line) == len("X-Request-ID: ") + 32


@pytest.mark.parametrize("head", ["X-Request-ID: a\r b", "X-Request-ID: a\nX-Evil: 1", "X-Request-ID: a\0b", "X Y: 1"])
async def test_a_header_that_is_none_is_no_request(proxy: Proxy, head: str) -> None:
    """What could be read in two ways is not read."""
    answer = await ask(proxy.url, request("GET", "/healthz", head))
    assert answer.status == 400


@pytest.mark.parametrize("path", ["/healthz", SPEECH, "/nowhere"])
async def test_an_expectation_that_is_unknown_is_refused(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """aiohttp does that before any middleware: the answer has its headers all the same, and the log no traceback."""
    proxy = await start_proxy()
    answer = await ask(proxy.url, request("POST", path, "Expect: 200-ok", "Content-Length: 0"))
    assert answer.status == 417
    assert "X-Request-ID: " in answer.head
    assert "nosniff" in answer.head
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_requests_sent_in_one_go_do_not_stop_all_others(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    """Anyone may send thousands of requests in a packet or two; another caller is served between them."""
    proxy = await start_proxy()
    caplog.set_level(logging.DEBUG, "spark_audio_proxy.access")
    host, _, port = proxy.url.removeprefix("http://").partition(":")
    many = await asyncio.open_connection(host, int(port))
    other = await asyncio.open_connection(host, int(port))
    many[1].write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 500)
    other[1].write(b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    await other[0].readuntil(b"\r\n\r\n")
    for _ in range(500):
        await many[0].readuntil(b'{"status": "ok"}')
    lines = [record.getMessage().split(" ")[1] for record in caplog.records if record.name.endswith(".access")]
    assert lines.index("/v1/models") < 250
    for _, writer in (many, other):
        writer.close()
        await writer.wait_closed()


async def test_a_head_of_the_news_ends(start_proxy: StartProxy) -> None:
    """It has no body, so nothing would ever show that its caller has gone."""
    proxy = await start_proxy()
    answer = await ask(proxy.url, request("HEAD", "/api/events"))
    assert (answer.status, answer.body) == (200, "")
