"""Every way in which a server can break, on real sockets, and the error it must become."""

import asyncio
import socket
from typing import override

import pytest
from aiohttp import ClientSession, TCPConnector, web
from aiohttp.abc import AbstractResolver, ResolveResult
from spark_engine.errors import Busy, Rejected, ServerFault, SparkError, TimedOut, Unauthorized, Unreachable
from spark_engine.models import Audio, Json
from spark_engine.servers import transport as transport_module
from spark_engine.servers.bodies import JOINED, AudioFile, form_body, json_body
from spark_engine.servers.deadlines import Deadlines
from spark_engine.servers.transport import Transport

from tests.fakes import faults
from tests.fakes.magpie import in_pieces
from tests.fakes.server import FakeServer, Handler, data, json, running, text

PING = form_body({"text": "hello"})

WIRE_FAULTS = [
    (faults.silent, TimedOut),
    (faults.headers_then_nothing, TimedOut),
    (faults.drip, TimedOut),
    (faults.reset_before_answer, ServerFault),
    (faults.reset_within_body, ServerFault),
    (faults.close_without_answer, ServerFault),
    (faults.short_content_length, ServerFault),
    (faults.not_http, ServerFault),
]


@pytest.mark.parametrize(("fault", "error"), WIRE_FAULTS, ids=lambda item: item.__name__)
async def test_a_broken_answer_becomes_the_right_error(
    session: ClientSession, fault: faults.Fault, error: type[SparkError]
) -> None:
    async with faults.serving(fault) as url:
        with pytest.raises(error):
            await Transport(session, url).post("/x", PING, deadline=0.2)


@pytest.mark.parametrize(("fault", "error"), WIRE_FAULTS, ids=lambda item: item.__name__)
async def test_a_broken_stream_becomes_the_right_error(
    session: ClientSession, fault: faults.Fault, error: type[SparkError]
) -> None:
    """Streamed answers, the endless drip included: it is never idle, so the longest wait ends it."""
    deadlines = Deadlines(streamed_in_all=0.2)
    async with faults.serving(fault) as url:
        with pytest.raises(error):
            async for _ in Transport(session, url, deadlines=deadlines).stream("/x", PING, idle=0.2):
                pass


@pytest.mark.parametrize("url", ["http://no-such-host.invalid:9000", faults.refused()])
async def test_no_connection_is_unreachable(session: ClientSession, url: str) -> None:
    """Refused, or no such host; the sentence names where."""
    with pytest.raises(Unreachable, match=r"No connection to (127\.0\.0\.1|no-such-host\.invalid):\d+"):
        await Transport(session, url).get("/x", deadline=5)


class NeverFound(AbstractResolver):
    """A resolver that does not answer, as one whose server is off."""

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        await asyncio.Event().wait()
        raise AssertionError

    @override
    async def close(self) -> None:
        pass


@pytest.mark.parametrize("streamed", [False, True])
async def test_no_connection_in_time_is_unreachable(*, streamed: bool) -> None:
    """No server has taken it: that is no evidence of one that hangs."""
    async with ClientSession(connector=TCPConnector(resolver=NeverFound())) as session:
        transport = Transport(session, "http://spark.test:9000/v1")
        with pytest.raises(Unreachable, match=r"^No connection to spark\.test:9000 was made in time\.$") as raised:
            if streamed:
                async for _ in transport.stream("/x", PING, idle=0.05):
                    pass
            else:
                await transport.get("/x", deadline=0.05)
    assert raised.value.said == "timed out"


async def test_the_words_of_the_server_alone(session: ClientSession) -> None:
    """For callers with sentences of their own, within which no full stop is wanted."""
    answers = [
        (json({"detail": "License expired."}, status=403), "License expired"),
        (json({}, status=401), "Unauthorized"),
        (json({}, status=301, headers={"Location": "https://spark.test/"}), "https://spark.test/"),
        (json({"error": "CUDA error: unknown error"}, status=500), "CUDA error: unknown error"),
        (json({"error": "CUDA out of memory"}, status=500), "CUDA out of memory"),
    ]
    for answer, words in answers:
        async with running(FakeServer({("GET", "/x"): answer})) as server:
            with pytest.raises(SparkError) as raised:
                await Transport(session, server.url).get("/x", deadline=5)
        assert raised.value.quoted == words
    with pytest.raises(Unreachable) as refused:
        await Transport(session, faults.refused()).get("/x", deadline=5)
    assert refused.value.quoted == "Connection refused"
    assert TimedOut("The server did not answer in time.").quoted == "The server did not answer in time"


async def test_tls_to_a_server_without_tls_is_unreachable(session: ClientSession) -> None:
    """A wrong scheme is a common typing error."""
    async with running(FakeServer()) as fake:
        with pytest.raises(Unreachable):
            await Transport(session, fake.url.replace("http:", "https:")).get("/x", deadline=5)


CUDA = "CUDA error: an illegal memory access was encountered"


@pytest.mark.parametrize(
    ("handler", "error", "message"),
    [
        (json({"detail": CUDA}, status=422), ServerFault, "CUDA failure"),
        (json({"detail": CUDA}, status=500), ServerFault, "CUDA failure"),
        (json({"error": {"message": "CUBLAS_STATUS_EXECUTION_FAILED"}}, status=400), ServerFault, "CUBLAS_STATUS"),
        (text("Internal Server Error", status=500), ServerFault, r"failed \(500\): Internal Server Error"),
        (text("<html>Bad Gateway</html>", status=502), ServerFault, r"failed \(502\): Bad Gateway"),
        (json({"detail": "Model is not ready"}, status=503), Busy, "Model is not ready"),
        (json({"detail": "slow down"}, status=429), Busy, "slow down"),
        (json({"error": "bad key"}, status=401), Unauthorized, "bad key"),
        (json({}, status=403), Unauthorized, "Forbidden"),
        (json({"detail": [{"msg": "field required", "loc": ["text"]}]}, status=422), Rejected, "field required"),
        (json({"error": {"message": "no such model", "type": "x"}}, status=404), Rejected, "no such model"),
        (json({"error": {"message": None}}, status=400), Rejected, "Bad Request"),
        (text("", status=301), Rejected, "redirects"),
        (
            json({"detail": [{"msg": "too long", "loc": ["text"], "input": "out of memory"}]}, status=422),
            Rejected,
            "too long",
        ),
    ],
)
async def test_a_status_becomes_the_right_error(
    session: ClientSession, handler: Handler, error: type[SparkError], message: str
) -> None:
    """With the server's own words, whatever shape they come in."""
    async with running(FakeServer({("POST", "/x"): handler})) as fake:
        with pytest.raises(error, match=message):
            await Transport(session, fake.url).post("/x", PING, deadline=5)
        with pytest.raises(error, match=message):
            async for _ in Transport(session, fake.url).stream("/x", PING, idle=5):
                pass


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("86400", 86_400.0), ("soon", None), ("", None), ("-1", None), ("9" * 400, None)],
    ids=["seconds", "a day", "a word", "nothing", "the past", "400 digits"],
)
async def test_the_servers_retry_after_is_kept(session: ClientSession, header: str, seconds: float | None) -> None:
    """Seconds only; anything else is no promise."""
    busy = json({"detail": "loading"}, status=503, headers={"Retry-After": header})
    async with running(FakeServer({("GET", "/x"): busy})) as fake:
        with pytest.raises(Busy) as caught:
            await Transport(session, fake.url).get("/x", deadline=5)
        assert caught.value.retry_after == seconds


async def test_a_web_page_is_no_json(session: ClientSession) -> None:
    """Status 200 and HTML: the wrong port."""
    async with faults.serving(faults.html) as url:
        reply = await Transport(session, url).get("/x", deadline=5)
        with pytest.raises(ServerFault, match="text/html where JSON"):
            reply.json()


NESTED = "[" * 200_000 + "]" * 200_000


@pytest.mark.parametrize("nested", [NESTED, '{"text":' * 200_000, "1" * 5_000])
async def test_json_that_cannot_be_read_is_a_fault(session: ClientSession, nested: str) -> None:
    """Too deep, too long a number: the server's fault, and no other kind of error."""
    async with running(FakeServer({("GET", "/x"): text(nested, content_type="application/json")})) as fake:
        reply = await Transport(session, fake.url).get("/x", deadline=5)
        with pytest.raises(ServerFault, match="where JSON was expected"):
            reply.json()
    async with running(FakeServer({("GET", "/x"): text(nested, status=500)})) as fake:
        with pytest.raises(ServerFault, match="failed"):
            await Transport(session, fake.url).get("/x", deadline=5)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b'"a \\ud800 b"', "a ? b"),
        (b'"a \\uDFFF b"', "a ? b"),
        (b'"a \xed\xa0\x80 b"', "a ? b"),
        (b'{"\\udc00": [1.5, null, "\\ud83d\\ude00"]}', {"?": [1.5, None, "\N{GRINNING FACE}"]}),
        (b'"a \\\\ud800 b"', "a \\ud800 b"),
        (b'"\xed\x95\x9c"', "\N{HANGUL SYLLABLE HAN}"),
    ],
)
async def test_a_lone_surrogate_is_replaced(session: ClientSession, sent: bytes, read: Json) -> None:
    """No text may hold one, and none can be sent on; pairs, and text that looks like one, stay."""
    async with running(FakeServer({("GET", "/x"): data(sent, "application/json")})) as fake:
        assert (await Transport(session, fake.url).get("/x", deadline=5)).json() == read


async def test_a_lone_surrogate_in_an_error_is_replaced(session: ClientSession) -> None:
    refused = data(b'{"detail": "no \\ud800 model"}', "application/json", status=400)
    async with running(FakeServer({("GET", "/x"): refused})) as fake:
        with pytest.raises(Rejected, match=r"no \? model"):
            await Transport(session, fake.url).get("/x", deadline=5)


async def test_an_answer_cut_at_close_is_found_by_its_content(session: ClientSession) -> None:
    """HTTP itself cannot tell."""
    async with faults.serving(faults.cut_without_length) as url:
        reply = await Transport(session, url).get("/x", deadline=5)
        with pytest.raises(ServerFault):
            reply.json()


async def test_an_endless_answer_is_not_kept(session: ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded."""
    monkeypatch.setattr(transport_module, "LARGEST_ANSWER", 1000)
    async with running(FakeServer({("POST", "/x"): data(bytes(1001), "audio/wav")})) as fake:
        with pytest.raises(ServerFault, match="exceeds"):
            await Transport(session, fake.url).post("/x", json_body({}), deadline=5)


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
async def test_a_pasted_url_may_end_in_v1(session: ClientSession, suffix: str) -> None:
    """People paste what their other client wanted."""
    async with running(FakeServer({("GET", "/v1/models"): json({"data": []})})) as fake:
        await Transport(session, fake.url + suffix).get("/v1/models", deadline=5)
        assert [asked.path for asked in fake.asked] == ["/v1/models"]


async def test_the_token_goes_along_and_nowhere_else(session: ClientSession) -> None:
    """As a bearer token; not into what is logged."""
    async with running(FakeServer({("GET", "/x"): json({})})) as fake:
        transport = Transport(session, fake.url, "secret")
        await transport.get("/x", deadline=5)
        assert fake.asked[0].headers["Authorization"] == "Bearer secret"
        assert "secret" not in repr(transport)


async def test_a_form_arrives_as_written(session: ClientSession) -> None:
    """Values may hold anything, line ends and quotes included."""
    odd = 'Größe "5"\r\nContent-Disposition: form-data; name="voice"\r\n\r\nevil'
    async with running(FakeServer({("POST", "/x"): json({})})) as fake:
        body = form_body(
            {"text": odd, "empty": ""}, AudioFile("file", "audio.wav", "audio/wav", b"", Audio(b"RIFF\r\n--x", 16_000))
        )
        await Transport(session, fake.url).post("/x", body, deadline=5)
        assert fake.asked[0].fields == {"text": odd, "empty": ""}
        assert (fake.asked[0].file, fake.asked[0].file_name) == (b"RIFF\r\n--x", "audio.wav")


@pytest.mark.parametrize("size", [JOINED // 2, 3 * JOINED], ids=["in one piece", "in parts"])
async def test_a_file_of_any_size_arrives_whole_and_announced(session: ClientSession, size: int) -> None:
    """A long one is not copied; servers that know no chunks are told how long it is all the same."""
    samples = Audio(bytes(range(256)) * (size // 256), 16_000)
    file = AudioFile("file", "audio.wav", "audio/wav", b"header", samples)
    body = form_body({"model": "x"}, file)
    async with running(FakeServer({("POST", "/x"): json({})})) as fake:
        await Transport(session, fake.url).post("/x", body, deadline=5)
        (asked,) = fake.asked
    assert asked.file == file.header + samples.pcm
    assert asked.headers["Content-Length"] == str(body.size) == str(len(body.held() or b""))
    assert "Transfer-Encoding" not in asked.headers
    assert any(part is samples for part in body.parts)


async def test_json_arrives_as_written(session: ClientSession) -> None:
    async with running(FakeServer({("POST", "/x"): json({})})) as fake:
        await Transport(session, fake.url).post("/x", json_body({"input": "Größe"}), deadline=5)
        assert fake.asked[0].fields == {"input": "Größe"}
        assert fake.asked[0].headers["Content-Type"] == "application/json"


def dying_after(answers: int) -> tuple[FakeServer, list[str]]:
    """A server that answers so many requests and then hangs up once on each new one."""
    log: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        log.append("asked")
        if len(log) == answers + 1 and request.transport is not None:
            request.transport.close()
        return web.json_response({})

    return FakeServer({("POST", "/x"): answer}), log


async def test_a_stale_connection_costs_one_repeat(session: ClientSession) -> None:
    """It had been idle, and the server closed it: the request was never served, so it is sent again."""
    fake, log = dying_after(1)
    async with running(fake):
        transport = Transport(session, fake.url, deadlines=Deadlines(stale_after=0.0))
        await transport.post("/x", PING, deadline=5)
        await transport.post("/x", PING, deadline=5)
    assert len(log) == 3


@pytest.mark.parametrize("answers", [0, 1], ids=["fresh connection", "connection just used"])
async def test_what_cuts_its_connection_is_sent_once(session: ClientSession, answers: int) -> None:
    """It may have ended the process: a server that was just asked has not closed an idle connection."""
    fake, log = dying_after(answers)
    async with running(fake):
        transport = Transport(session, fake.url)
        for _ in range(answers):
            await transport.post("/x", PING, deadline=5)
        with pytest.raises(ServerFault) as caught:
            await transport.post("/x", PING, deadline=5)
    assert caught.value.killed
    assert len(log) == answers + 1


async def test_a_repeat_that_is_cut_as_well_is_the_last(session: ClientSession) -> None:
    """The process dies of it each time."""

    async def die(request: web.Request) -> web.Response:
        log.append("asked")
        if len(log) > 1 and request.transport is not None:
            request.transport.close()
        return web.json_response({})

    log: list[str] = []
    async with running(FakeServer({("POST", "/x"): die})) as fake:
        transport = Transport(session, fake.url, deadlines=Deadlines(stale_after=0.0))
        await transport.post("/x", PING, deadline=5)
        with pytest.raises(ServerFault) as caught:
            await transport.post("/x", PING, deadline=5)
    assert caught.value.killed
    assert len(log) == 3


async def test_a_host_that_uses_its_session_itself_is_not_disturbed(session: ClientSession) -> None:
    """It is Home Assistant's, and has other users: one mark for all transports, none for their requests."""
    async with running(FakeServer({("GET", "/x"): json({})})) as fake:
        for _ in range(3):
            await Transport(session, fake.url).get("/x", deadline=5)
        async with session.get(fake.url + "/x") as response:
            assert response.status == 200
    assert len(session.trace_configs) == 1


@pytest.mark.parametrize("size", [JOINED // 2, 3 * JOINED], ids=["in one piece", "in parts"])
async def test_a_repeat_takes_no_other_stale_connection(session: ClientSession, size: int) -> None:
    """The server went away and closed all of them: that is no connection, and not a server that breaks."""
    arrived, go = asyncio.Barrier(3), asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        if not go.is_set():
            await arrived.wait()
            go.set()
        return web.json_response({})

    body = form_body({}, AudioFile("file", "audio.wav", "audio/wav", b"", Audio(bytes(size), 16_000)))
    async with running(FakeServer({("POST", "/x"): answer})) as fake:
        transport = Transport(session, fake.url)
        await asyncio.gather(*(transport.post("/x", PING, deadline=5) for _ in range(3)))
    with pytest.raises(Unreachable):
        await transport.post("/x", body, deadline=5)


async def test_the_first_request_is_never_repeated(session: ClientSession) -> None:
    """On a fresh connection a hang-up is the server's own doing."""
    fake, log = dying_after(0)
    async with running(fake):
        with pytest.raises(ServerFault, match="without an answer"):
            await Transport(session, fake.url).post("/x", PING, deadline=5)
    assert len(log) == 1


async def test_leaving_a_stream_closes_its_connection(session: ClientSession) -> None:
    """A cut stream would poison the next request on that connection."""
    async with running(FakeServer({("POST", "/x"): in_pieces(b"12", b"34", bytes(1 << 20))})) as fake:
        transport = Transport(session, fake.url)
        stream = transport.stream("/x", PING, idle=5)
        assert await anext(stream)
        await stream.aclose()
        assert b"".join([piece async for piece in transport.stream("/x", PING, idle=5)])[:4] == b"1234"


async def test_a_connection_is_opened_once_before_it_is_needed(session: ClientSession) -> None:
    """The next request goes through it; while it is open no other one is opened."""
    connections = set()

    async def answer(request: web.Request) -> web.Response:
        connections.add(request.transport)
        return web.json_response({})

    async with running(FakeServer({("HEAD", "/"): answer, ("POST", "/x"): answer})) as server:
        transport = Transport(session, server.url)
        await transport.warm()
        await transport.warm()
        await transport.post("/x", PING, deadline=5)
        assert [asked.method for asked in server.asked] == ["HEAD", "POST"]
        assert len(connections) == 1
        await Transport(session, server.url, deadlines=Deadlines(connection_kept=0.0)).warm()
        assert [asked.method for asked in server.asked] == ["HEAD", "POST", "HEAD"]


@pytest.mark.parametrize("fault", [faults.close_without_answer, faults.not_http])
async def test_warming_up_raises_no_error(session: ClientSession, fault: faults.Fault) -> None:
    """The request that follows tells what is wrong."""
    async with faults.serving(fault) as url:
        await Transport(session, url).warm()
    await Transport(session, faults.refused()).warm()
