"""The relay to a language model server: what was sent arrives as it was, what is ours to keep stays here."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from multidict import CIMultiDict

from tests.fakes.server import FakeServer, data, running
from tests.helpers.documents import at, items
from tests.helpers.proxy.callers import calling
from tests.helpers.proxy.raw_http import Answer, ask, request
from tests.helpers.proxy.running_proxy import Proxy, StartProxy

CHAT = "/v1/chat/completions"
KEY = "sk-hunter2/of+the=house"
WORDS = json.dumps({"choices": [{"message": {"content": "Hello. " * 200}}]}).encode()


async def answer_words(request: web.Request) -> web.Response:
    """Words, packed where the caller takes that."""
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return web.Response(body=gzip.compress(WORDS), headers={"Content-Encoding": "gzip"})
    return web.Response(body=WORDS)


@asynccontextmanager
async def relaying(start_proxy: StartProxy, **answers: object) -> AsyncGenerator[tuple[Proxy, FakeServer]]:
    """A proxy in front of a language model server with a key."""
    async with running(FakeServer({("POST", CHAT): answer_words, ("GET", "/v1/models"): answer_words})) as llm:
        yield await start_proxy(llm_url=llm.url, llm_key=KEY), llm


def headers_of(llm: FakeServer) -> CIMultiDict[str]:
    """What the last request came with."""
    return CIMultiDict(llm.asked[-1].headers)


def chat(*headers: str) -> bytes:
    """A request as written here."""
    return request("POST", CHAT, "Content-Length: 2", *headers, body=b"{}")


async def test_nothing_is_added_to_what_a_caller_sends(start_proxy: StartProxy) -> None:
    """No encoding that it did not ask for, no name of a client: only what the new connection needs, and our key."""
    async with relaying(start_proxy) as (proxy, llm):
        assert (await ask(proxy.url, chat())).body == WORDS.decode()
        assert {name.lower() for name in headers_of(llm)} == {"host", "content-length", "authorization"}
        await ask(proxy.url, chat("User-Agent: my-robot/1", "Accept: text/event-stream", "Accept-Encoding: br"))
        sent = headers_of(llm)
        assert (sent["User-Agent"], sent["Accept"], sent["Accept-Encoding"]) == (
            "my-robot/1",
            "text/event-stream",
            "br",
        )


async def test_what_comes_packed_goes_on_packed(start_proxy: StartProxy) -> None:
    """To a caller who takes that, with the header that says so."""
    async with (
        relaying(start_proxy) as (proxy, _),
        proxy.client.post(
            proxy.url + CHAT, data=b"{}", headers={"Accept-Encoding": "gzip"}, auto_decompress=False
        ) as response,
    ):
        assert response.headers["Content-Encoding"] == "gzip"
        packed = await response.read()
    assert gzip.decompress(packed) == WORDS
    assert int(response.headers["Content-Length"]) == len(packed)


async def test_a_packed_request_arrives_whole(start_proxy: StartProxy) -> None:
    """It is unpacked on its way in, so that it must not be called packed."""
    async with relaying(start_proxy) as (proxy, llm):
        body = gzip.compress(b'{"model": "m"}')
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        async with proxy.client.post(proxy.url + CHAT, data=body, headers=headers) as response:
            assert response.status == 200
        assert llm.asked[-1].fields == {"model": "m"}
        assert "Content-Encoding" not in headers_of(llm)


@pytest.mark.parametrize(
    "ours",
    [
        ["Expect: 100-continue"],
        ["Connection: X-Hop, x-other", "X-Hop: 1", "X-Other: 2"],
        ["Connection: close, X-Hop", "Connection: X-Other", "X-Hop: 1", "X-Other: 2"],
        ["Keep-Alive: timeout=5", "TE: trailers", "Proxy-Connection: keep-alive", "Trailer: X-Sum", "Upgrade: h2c"],
        ["Proxy-Authorization: Basic x", "Cookie: a=b", "Authorization: Bearer ours", "api-key: ours"],
    ],
)
async def test_what_belongs_to_one_connection_stays_here(start_proxy: StartProxy, ours: list[str]) -> None:
    async with relaying(start_proxy) as (proxy, llm):
        answer = await ask(proxy.url, chat(*ours, "X-Kept: yes"))
        assert answer.status == 200 or answer.head.startswith("HTTP/1.1 100")
        sent = headers_of(llm)
        assert sent["X-Kept"] == "yes"
        names = {line.partition(":")[0].lower() for line in ours} - {"connection", "authorization"}
        assert not names & {name.lower() for name in sent}
        assert sent["Authorization"] == f"Bearer {KEY}"


async def test_a_connection_header_cannot_take_our_key_away(start_proxy: StartProxy) -> None:
    """Nor the length of the body."""
    async with relaying(start_proxy) as (proxy, llm):
        await ask(proxy.url, chat("Connection: authorization, content-length, host"))
        assert headers_of(llm)["Authorization"] == f"Bearer {KEY}"


async def test_what_belongs_to_the_other_connection_stays_there(start_proxy: StartProxy) -> None:
    async def answer(_: web.Request) -> web.Response:
        headers = {"Connection": "X-Hop", "X-Hop": "1", "Keep-Alive": "5", "Proxy-Authenticate": "Basic", "X-Kept": "1"}
        return web.Response(body=WORDS, headers=headers)

    async with relaying(start_proxy) as (proxy, llm):
        llm.answers["POST", CHAT] = answer
        async with proxy.client.post(proxy.url + CHAT, data=b"{}") as response:
            assert response.headers["X-Kept"] == "1"
            assert not {"X-Hop", "Keep-Alive", "Proxy-Authenticate"} & set(response.headers)


def refusing(body: bytes, status: int = 401, **headers: str) -> FakeServer:
    """A server that repeats the key that it refuses, wherever it can."""

    async def answer(_: web.Request) -> web.Response:
        told = {"WWW-Authenticate": f"Bearer {KEY}", "X-Debug": f"got {KEY.upper()}"} | headers
        return web.Response(status=status, reason=f"bad token {KEY}", body=body, headers=told)

    return FakeServer({("POST", CHAT): answer, ("GET", "/v1/models"): answer})


def deflate(body: bytes) -> bytes:
    """With the header of zlib, as servers do."""
    return zlib.compress(body)


SAID = json.dumps({"error": {"message": f"bad key {KEY}", "code": 7}}).encode()


@pytest.mark.parametrize("status", [200, 400, 401, 403, 500])
@pytest.mark.parametrize(
    ("body", "headers", "rest"),
    [
        (SAID, {}, "bad key"),
        (SAID.replace(b"/", b"\\/"), {}, "bad key"),
        (gzip.compress(SAID), {"Content-Encoding": "gzip"}, "bad key"),
        (deflate(SAID), {"Content-Encoding": "deflate"}, "bad key"),
        (SAID, {"Content-Encoding": "br"}, "cannot be read"),
        (SAID, {"Content-Encoding": "gzip"}, "cannot be read"),
        (gzip.compress(bytes(3 << 20)), {"Content-Encoding": "gzip"}, "cannot be read"),
        (b"x" * (2 << 20), {}, "cannot be read"),
        (f"Schlüssel {KEY}".encode("latin-1"), {}, "Schl"),
        (b"", {}, ""),
    ],
)
async def test_our_key_never_reaches_a_caller(
    start_proxy: StartProxy,
    caplog: pytest.LogCaptureFixture,
    status: int,
    body: bytes,
    headers: dict[str, str],
    rest: str,
) -> None:
    """Not in the reason phrase, not in headers, not in an error's body, packed or not; and not in the log."""
    if status == 200:
        body, headers, rest = WORDS, {}, "Hello."
    async with running(refusing(body, status, **headers)) as llm:
        proxy = await start_proxy(llm_url=llm.url, llm_key=KEY)
        answer = await asked(proxy)
        async with proxy.client.get(f"{proxy.url}/v1/models") as response:
            assert len(items(await response.json(), "data")) == 2
    assert answer.status == status
    assert rest in answer.body
    everything = f"{answer.head} {answer.body} {caplog.text}".lower()
    assert "hunter2" not in everything
    if rest == "bad key" and b"\\/" not in body:
        assert json.loads(answer.body) == {"error": {"message": "bad key ...", "code": 7}}


async def asked(proxy: Proxy) -> Answer:
    """A request, and its answer as it came over the wire."""
    async with calling(proxy.url, chat()) as caller:
        while await caller.take(1 << 16):
            pass
        head, _, body = caller.taken.decode("latin-1").partition("\r\n\r\n")
        return Answer(int(head.split(" ")[1]), head, body)


class TestModels:
    """Anyone may ask for the list: it costs no more than a list may."""

    @pytest.mark.parametrize(
        "body",
        [
            b'{"data": [' + b" " * (2 << 20) + b"]}",
            b'{"data":' + b"[" * 10_000,
            b'{"data": [' + b"1," * 300_000 + b"1]}",
            b'{"data": [{"id": ' + b"1" * 5_000 + b"}]}",
            gzip.compress(bytes(64 << 20)),
        ],
        ids=["long", "deep", "many", "a number", "packed"],
    )
    async def test_a_list_that_costs_too_much_is_left_out(self, start_proxy: StartProxy, body: bytes) -> None:
        answer = data(body, "application/json")

        async def packed(_: web.Request) -> web.Response:
            return web.Response(body=body, headers={"Content-Encoding": "gzip"})

        async with running(FakeServer({("GET", "/v1/models"): packed if body[:1] == b"\x1f" else answer})) as llm:
            proxy = await start_proxy(llm_url=llm.url)
            async with proxy.client.get(f"{proxy.url}/v1/models") as response:
                assert len(items(await response.json(), "data")) == 2

    async def test_an_endless_list_is_not_read_to_its_end(self, start_proxy: StartProxy) -> None:
        sent, cut = 0, asyncio.Event()

        async def endless(request: web.Request) -> web.StreamResponse:
            nonlocal sent
            response = web.StreamResponse()
            await response.prepare(request)
            try:
                while True:
                    await response.write(bytes(1 << 16))
                    sent += 1 << 16
            finally:
                cut.set()

        async with running(FakeServer({("GET", "/v1/models"): endless})) as llm:
            proxy = await start_proxy(llm_url=llm.url)
            async with proxy.client.get(f"{proxy.url}/v1/models") as response:
                assert response.status == 200
            await cut.wait()
        assert sent < 32 << 20

    async def test_items_are_bounded_as_well(self, start_proxy: StartProxy) -> None:
        listed = [{"id": f"m{number}"} for number in range(2_000)]
        odd = [{"id": "x" * 1_000}, {"id": 5}, {}, "m", {"id": ""}]
        answer = data(json.dumps({"data": [*odd, *listed]}).encode(), "application/json")
        async with running(FakeServer({("GET", "/v1/models"): answer})) as llm:
            proxy = await start_proxy(llm_url=llm.url)
            async with proxy.client.get(f"{proxy.url}/v1/models") as response:
                models = items(await response.json(), "data")
        assert [at(item, "id") for item in models[2:]] == [f"m{number}" for number in range(1_000)]
