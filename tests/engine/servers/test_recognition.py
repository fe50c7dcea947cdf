"""Recognition by what only one family has: whatever gateways and frameworks answer to a GET of a route for POST."""

from collections.abc import Callable

import pytest
from aiohttp import ClientSession, web
from spark_engine.errors import Busy, Rejected, Unauthorized
from spark_engine.models import SpeechStyle
from spark_engine.servers.magpie import Magpie
from spark_engine.servers.parakeet import Parakeet
from spark_engine.servers.parakeet_dialects import FAMILIES
from spark_engine.servers.transport import Transport

from tests.fakes import magpie, openai_parakeet, parakeet
from tests.fakes.magpie import SPEECH
from tests.fakes.parakeet import TEXT, TRANSCRIPTIONS
from tests.fakes.server import FakeServer, Handler, json, running, text
from tests.helpers.engine.families import (
    EACH_HEARING,
    EACH_SPEAKING,
    JSON,
    RECORDING,
    TEXT_ALONE,
    VERBOSE,
    Hearing,
    Speaking,
    detail,
    say,
)

SHADOWFITA_API = {"openapi": "3.1.0", "info": {"title": "STT"}, "paths": {"/transcribe": {"post": {}}}}


def behind(fake: FakeServer, answer: Handler) -> FakeServer:
    """The server behind a gateway that answers this to every GET that its routes are not for, and to HEAD."""
    gateway = FakeServer(dict(fake.answers))
    for path in {path for _, path in fake.answers}:
        gateway.answers.setdefault(("GET", path), answer)
        gateway.answers.setdefault(("HEAD", path), answer)
    return gateway


@EACH_HEARING
async def test_a_family_that_hears_behind_a_gateway(session: ClientSession, family: Hearing) -> None:
    """404 in place of 405: only the description of its API is left of Shadowfita."""
    fake = behind(family.fake(), detail("Not Found", 404))
    if family.dialect == "shadowfita":
        fake.answers["GET", "/openapi.json"] = json(SHADOWFITA_API)
    async with running(fake):
        client = Parakeet(Transport(session, fake.url))
        assert (await client.server()).dialect.name == family.dialect
        assert (await client.transcribe(RECORDING, language="en-GB")).text == TEXT


@EACH_SPEAKING
async def test_a_family_that_speaks_behind_a_gateway(session: ClientSession, dialect: str, family: Speaking) -> None:
    """404 in place of 405: an empty request asks whether the route is there."""
    fake = behind(family.fake(), detail("Not Found", 404))
    if dialect == "nim offline":
        fake.answers["GET", "/openapi.json"] = json({"paths": {"/v1/audio/synthesize": {"post": {}}}})
    async with running(fake):
        assert (await Magpie(Transport(session, fake.url)).server()).dialect.name == dialect
        assert await say(session, fake, SpeechStyle())


@EACH_HEARING
async def test_a_web_page_on_every_other_path_changes_nothing(session: ClientSession, family: Hearing) -> None:
    """Some gateways show one in place of a 404."""
    fake = family.fake()

    class Gateway(FakeServer):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            if request.method == "GET" and ("GET", request.path) not in self.answers:
                return web.Response(text="<html>", content_type="text/html")
            return await super().handle(request)

    async with running(Gateway(dict(fake.answers))) as gateway:
        client = Parakeet(Transport(session, gateway.url))
        found = (await client.server()).dialect.name
    # Nothing but a 405 tells of it.
    assert found == ("openai" if family.dialect == "shadowfita" else family.dialect)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_gateway_that_refuses_all_pages_may_pass_requests(session: ClientSession, status: int) -> None:
    """Where nothing tells, a POST asks."""

    class Gateway(FakeServer):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            if request.method != "POST":
                return web.json_response({"error": {"message": "not for you"}}, status=status)
            return await super().handle(request)

    answers = {**parakeet.openai().answers, ("POST", SPEECH): magpie.openai_speech}
    async with running(Gateway(answers)) as fake:
        client = Parakeet(Transport(session, fake.url))
        assert await client.transcribe(RECORDING) == TEXT_ALONE
        assert await say(session, fake, SpeechStyle())
        for path in (TRANSCRIPTIONS, SPEECH):
            del fake.answers["POST", path]
        with pytest.raises(Unauthorized):
            await client.transcribe(RECORDING)
        with pytest.raises(Unauthorized):
            await Magpie(Transport(session, fake.url)).voices()


async def test_a_key_that_is_wrong_is_told(session: ClientSession) -> None:
    """Also where the health page needs none: a model list that is kept from us is not an empty one."""
    for path in ("/v1/models", "/api/ps"):
        fake = parakeet.speaches()
        fake.answers["GET", path] = json({"detail": "wrong key"}, status=403)
        async with running(fake):
            client = Parakeet(Transport(session, fake.url))
            if path == "/v1/models":
                with pytest.raises(Unauthorized):
                    await client.server()
            else:
                assert (await client.server()).dialect.name == "speaches"


@pytest.mark.parametrize(
    ("fake", "path", "empty"),
    [
        (parakeet.speaches, "/v1/models", {"data": [], "object": "list"}),
        (parakeet.openai, "/v1/models", {"data": [], "object": "list"}),
        (openai_parakeet.localai, "/v1/models/capabilities", {"data": []}),
        (openai_parakeet.vox, "/v1/models", {"models": []}),
    ],
)
async def test_a_list_that_grows_is_asked_again(
    session: ClientSession, fake: Callable[[], FakeServer], path: str, empty: object
) -> None:
    """The server was started before its model was there."""
    server = fake()
    full = server.answers["GET", path]
    server.answers["GET", path] = json(empty)
    async with running(server):
        client = Parakeet(Transport(session, server.url))
        assert (await client.server()).model is None
        server.answers["GET", path] = full
        name = (await client.server()).model
        assert "parakeet" in str(name)
        before = len(server.asked)
        await client.server()
    assert len(server.asked) == before


async def test_a_parakeet_that_is_installed_later_is_noticed(session: ClientSession) -> None:
    """Until then, what is there hears."""
    fake = parakeet.speaches()
    full, whisper = fake.answers["GET", "/v1/models"], "Systran/faster-whisper-small"
    item = {"id": whisper, "object": "model", "task": "automatic-speech-recognition"}
    fake.answers["GET", "/v1/models"] = json({"data": [item]})
    async with running(fake):
        client = Parakeet(Transport(session, fake.url))
        assert (await client.server()).model == whisper
        fake.answers["GET", "/v1/models"] = full
        assert (await client.transcribe(RECORDING)).text == TEXT


async def test_without_any_model_nothing_is_sent(session: ClientSession) -> None:
    """No fault, and no mystery either."""
    fake = parakeet.speaches()
    fake.answers["GET", "/v1/models"] = json({"data": []})
    async with running(fake):
        with pytest.raises(Busy, match="lists no model that hears"):
            await Parakeet(Transport(session, fake.url)).transcribe(RECORDING)
    assert fake.posts(TRANSCRIPTIONS) == []


@pytest.mark.parametrize("status", [400, 422])
async def test_times_that_are_refused_are_asked_for_once(session: ClientSession, status: int) -> None:
    """vLLM; and a server that knows no words falls back to segments, which it is asked for from then on."""
    fake = parakeet.openai()
    good = fake.answers["POST", TRANSCRIPTIONS]
    refused: list[str] = ["word,segment"]

    async def answer(request: web.Request) -> web.StreamResponse:
        asked = fake.asked[-1].fields
        if asked.get("timestamp_granularities[]") in refused or asked["response_format"] in refused:
            return web.json_response({"error": {"message": "unsupported"}}, status=status)
        return await good(request)

    fake.answers["POST", TRANSCRIPTIONS] = answer
    async with running(fake):
        client = Parakeet(Transport(session, fake.url))
        for _ in range(2):
            assert (await client.transcribe(RECORDING, times=True)).segments
        assert [asked.fields["response_format"] for asked in fake.posts(TRANSCRIPTIONS)] == ["verbose_json"] * 3
        refused.append("verbose_json")
        for _ in range(2):
            assert await client.transcribe(RECORDING, times=True) == TEXT_ALONE
        asked = [asked.fields["response_format"] for asked in fake.posts(TRANSCRIPTIONS)[3:]]
    assert asked == [VERBOSE["response_format"], JSON["response_format"], JSON["response_format"]]


async def test_a_recording_that_is_refused_in_every_way(session: ClientSession) -> None:
    """The server's own sentence, and nothing is learned about times."""
    fake = parakeet.openai()
    good = fake.answers["POST", TRANSCRIPTIONS]
    fake.answers["POST", TRANSCRIPTIONS] = detail("too short", 400)
    async with running(fake):
        client = Parakeet(Transport(session, fake.url))
        with pytest.raises(Rejected, match="too short"):
            await client.transcribe(RECORDING, times=True)
        fake.answers["POST", TRANSCRIPTIONS] = good
        assert (await client.transcribe(RECORDING, times=True)).words


async def test_a_fault_is_not_asked_again(session: ClientSession) -> None:
    """Only a refusal is: a wedge would cost three times the wait."""
    fake = parakeet.openai()
    fake.answers["POST", TRANSCRIPTIONS] = text("Internal Server Error", status=500)
    async with running(fake):
        with pytest.raises(Exception, match="500"):
            await Parakeet(Transport(session, fake.url)).transcribe(RECORDING, times=True)
    assert len(fake.posts(TRANSCRIPTIONS)) == 1


def test_windows_stay_below_what_a_server_takes() -> None:
    """achetronic fails above 400 s, Shadowfita gets a whole window at once, a NIM and vLLM take 25 MB."""
    longest = {family.name: family.longest for family in FAMILIES if family.longest is not None}
    assert longest == {"achetronic": 390.0, "shadowfita": 60.0, "nim": 800.0, "vllm": 800.0}
