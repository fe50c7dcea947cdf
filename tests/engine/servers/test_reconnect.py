"""A server that is loading is not taken for another, and one that was away is looked at afresh."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from spark_engine.errors import Busy, Rejected, ServerFault, SparkError, TimedOut, Unauthorized, Unreachable
from spark_engine.models import SpeechStyle
from spark_engine.servers.deadlines import Deadlines
from spark_engine.servers.magpie import Magpie
from spark_engine.servers.parakeet import Parakeet
from spark_engine.servers.transport import Transport
from yarl import URL

from tests.fakes import faults, magpie, parakeet
from tests.fakes.magpie import LIST_VOICES, SPEECH, SYNTHESIZE, SYNTHESIZE_ONLINE
from tests.fakes.parakeet import TEXT, TRANSCRIPTIONS
from tests.fakes.server import FakeServer, Handler, json, running, text
from tests.helpers.engine.families import HEARING, RECORDING, SENTENCE, SPEAKING, detail, error, probes

LOADING = detail("loading", 503)

PARAKEET_PAGES = ("/v1/models", "/v1/health/ready", "/health", "/healthz", "/transcribe", "/")
MAGPIE_PAGES = (LIST_VOICES, SYNTHESIZE_ONLINE, SPEECH, "/v1/models", "/v1/audio/config", "/v1/audio/voices", "/health")


@pytest.mark.parametrize("name", HEARING)
async def test_a_parakeet_that_is_loading_is_not_taken_for_another(session: ClientSession, name: str) -> None:
    """503 on everything, as a gateway in front answers; then what it really is."""
    fake = HEARING[name].fake()
    loaded = dict(fake.answers)
    for path in (*PARAKEET_PAGES, *(path for method, path in loaded if method == "GET")):
        fake.answers["GET", path] = LOADING
    async with running(fake):
        client = Parakeet(Transport(session, fake.url))
        with pytest.raises(Busy, match="loading"):
            await client.server()
        fake.answers = loaded
        assert (await client.server()).dialect.name == HEARING[name].dialect


@pytest.mark.parametrize("name", SPEAKING)
async def test_a_magpie_that_is_loading_is_not_taken_for_another(session: ClientSession, name: str) -> None:
    """503 on everything, as a gateway in front answers; then what it really is."""
    fake = SPEAKING[name].fake()
    loaded = dict(fake.answers)
    for path in (*MAGPIE_PAGES, *(path for method, path in loaded if method == "GET")):
        fake.answers["GET", path] = LOADING
    async with running(fake):
        client = Magpie(Transport(session, fake.url))
        with pytest.raises(Busy, match="loading"):
            await client.server()
        fake.answers = loaded
        assert (await client.server()).dialect.name == name


@pytest.mark.parametrize(
    ("fake", "path"), [(magpie.nim, LIST_VOICES), (magpie.xr_ai_shim, "/health"), (magpie.openai, "/v1/audio/voices")]
)
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (LOADING, Busy),
        (detail("no key", 401), Unauthorized),
        (text("Internal Server Error", status=500), ServerFault),
    ],
)
async def test_voices_that_cannot_be_listed_now(
    session: ClientSession, fake: Callable[[], FakeServer], path: str, answer: Handler, kind: type[SparkError]
) -> None:
    """Told as it is, and asked for again."""
    server = fake()
    healthy = server.answers.get(("GET", path))
    server.answers["GET", path] = answer
    async with running(server):
        client = Magpie(Transport(session, server.url))
        with pytest.raises(kind):
            await client.voices()
        if healthy:
            server.answers["GET", path] = healthy
        else:
            del server.answers["GET", path]
        assert await client.voices()


async def test_a_magpie_without_voices_is_asked_again(session: ClientSession) -> None:
    """Its model is loaded after its routes are there."""
    fake = magpie.nim()
    fake.answers["GET", LIST_VOICES] = json({})
    async with running(fake):
        client = Magpie(Transport(session, fake.url))
        assert await client.voices() == ()
        fake.answers["GET", LIST_VOICES] = json({"en-US": {"voices": ["Aria"]}})
        assert [voice.name for voice in await client.voices()] == ["Aria"]


async def test_a_key_that_the_model_list_asks_for(session: ClientSession) -> None:
    """The health page needs no key, and tells too little."""
    fake = parakeet.openai()
    fake.answers["GET", "/v1/models"] = error("missing or invalid bearer token", 401)
    fake.answers["GET", "/v1/health/ready"] = json({"status": "ready"})
    async with running(fake):
        with pytest.raises(Unauthorized):
            await Parakeet(Transport(session, fake.url)).server()


async def test_a_page_that_hangs_leaves_it_open(session: ClientSession) -> None:
    """A busy event loop must not make a server another one."""
    quick = Deadlines(page=0.2)
    async with faults.serving(faults.silent) as url:
        for client in (
            Parakeet(Transport(session, url, deadlines=quick)),
            Magpie(Transport(session, url, deadlines=quick)),
        ):
            with pytest.raises(TimedOut):
                await client.server()


async def test_a_redirect_is_told(session: ClientSession) -> None:
    """The user can enter the other URL."""
    moved = json({}, status=301, headers={"Location": "https://spark.invalid"})
    async with running(FakeServer({("GET", path): moved for path in (*MAGPIE_PAGES, SYNTHESIZE)})) as fake:
        with pytest.raises(Rejected, match="redirects"):
            await Magpie(Transport(session, fake.url)).server()


async def hang_up(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@asynccontextmanager
async def running_at(fake: FakeServer, port: int) -> AsyncGenerator[None]:
    """The fake, on a port that another one had before."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.handle)
    server = TestServer(app, host="127.0.0.1", port=port)
    await server.start_server()
    try:
        yield
    finally:
        await server.close()


@pytest.mark.parametrize("name", HEARING)
async def test_another_parakeet_on_the_same_port(session: ClientSession, name: str) -> None:
    """After a refused connection, the next call probes again."""
    async with running(parakeet.openai()) as first:
        client = Parakeet(Transport(session, first.url))
        await client.transcribe(RECORDING)
    with pytest.raises(Unreachable):
        await client.transcribe(RECORDING)
    second = HEARING[name].fake()
    async with running_at(second, URL(first.url).port or 0):
        await client.transcribe(RECORDING, language="en-GB")
    assert second.posts(TRANSCRIPTIONS)[0].fields == HEARING[name].plain


@pytest.mark.parametrize("name", SPEAKING)
async def test_another_magpie_on_the_same_port(session: ClientSession, name: str) -> None:
    """After a refused connection, the next call probes again."""
    async with running(magpie.nim()) as first:
        client = Magpie(Transport(session, first.url))
        assert [audio async for audio in client.synthesize(SENTENCE, SpeechStyle())]
    with pytest.raises(Unreachable):
        assert [audio async for audio in client.synthesize(SENTENCE, SpeechStyle())]
    second, style = SPEAKING[name].fake(), SpeechStyle(voice="sofia", language="de-AT")
    async with running_at(second, URL(first.url).port or 0):
        assert [audio async for audio in client.synthesize(SENTENCE, style)]
    assert second.posts(SPEAKING[name].path)[0].fields == SPEAKING[name].fields


@pytest.mark.parametrize(
    ("answer", "times_probed"),
    [
        (hang_up, 2),
        (detail("Not Found", 404), 2),
        (detail("Method Not Allowed", 405), 2),
        (LOADING, 1),
        (detail("bad", 400), 1),
        (text("Internal Server Error", status=500), 1),
        (parakeet.WEDGED["shadowfita"], 1),
        (json({"hello": "world"}), 1),
    ],
    ids=["hangs up", "404", "405", "503", "400", "500", "CUDA", "no transcript"],
)
async def test_what_makes_a_client_probe_again(session: ClientSession, answer: Handler, times_probed: int) -> None:
    """A lost connection or a lost route: not an error that the same server may well give."""
    hearing, speaking = parakeet.openai(), magpie.nim()
    healthy = hearing.answers["POST", TRANSCRIPTIONS], speaking.answers["POST", SYNTHESIZE_ONLINE]
    async with running(hearing), running(speaking):
        ears, mouth = Parakeet(Transport(session, hearing.url)), Magpie(Transport(session, speaking.url))
        await ears.server()
        await mouth.server()
        hearing.answers["POST", TRANSCRIPTIONS] = speaking.answers["POST", SYNTHESIZE_ONLINE] = answer
        with pytest.raises(SparkError):
            await ears.transcribe(RECORDING)
        with pytest.raises(SparkError):
            assert [audio async for audio in mouth.synthesize(SENTENCE, SpeechStyle())]
        hearing.answers["POST", TRANSCRIPTIONS], speaking.answers["POST", SYNTHESIZE_ONLINE] = healthy
        await ears.transcribe(RECORDING)
        assert [audio async for audio in mouth.synthesize(SENTENCE, SpeechStyle())]
    assert (probes(hearing), probes(speaking)) == (times_probed, times_probed)


async def test_another_model_is_found_where_only_its_name_is_accepted(session: ClientSession) -> None:
    """RunParakeet answers 404 to any other name: the one failed request is the last."""
    async with running(parakeet.runparakeet("parakeet-v2")) as fake:
        client = Parakeet(Transport(session, fake.url))
        await client.transcribe(RECORDING)
        fake.answers = parakeet.runparakeet("parakeet-v3").answers
        with pytest.raises(Rejected, match="Unknown model 'parakeet-v2'"):
            await client.transcribe(RECORDING)
        assert (await client.transcribe(RECORDING)).text == TEXT
    assert fake.posts(TRANSCRIPTIONS)[-1].fields["model"] == "parakeet-v3"


async def test_callers_that_come_at_once_share_one_probe(session: ClientSession) -> None:
    """Home Assistant makes many requests when it starts."""
    async with running(parakeet.openai()) as fake:
        client = Parakeet(Transport(session, fake.url))
        await asyncio.gather(*(client.transcribe(RECORDING) for _ in range(5)))
    assert probes(fake) == 1
