"""What a server tells is bounded where it is read, and no secret of ours comes back from it."""

import json as encoder
from collections.abc import Mapping

import pytest
from aiohttp import ClientSession, web
from spark_engine.errors import ServerFault, SparkError, Unauthorized
from spark_engine.healing.restart import parse_hook
from spark_engine.models import SpeechStyle, Voice
from spark_engine.servers.magpie import LARGEST_SPEECH, Magpie
from spark_engine.servers.magpie_readers import DEFAULT_VOICE, read_nim, read_openai, read_pipecat
from spark_engine.servers.probe import MOST_NAMES, Answers, as_name, names
from spark_engine.servers.refusals import hiding
from spark_engine.servers.transport import LARGEST_PAGE, LONGEST_NAME, Reply, Transport
from spark_engine.speech.audio import wav_header

from tests.fakes import magpie
from tests.fakes.server import FakeServer, data, json, running

SECRET = "hunter2/of+the=house"


def answers(**documents: object) -> Answers:
    """What a server answers, by the last part of the path."""
    replies: Mapping[str, Reply | SparkError] = {
        f"/v1/audio/{name}": Reply(200, "application/json", encoder.dumps(document).encode())
        for name, document in documents.items()
    }
    return Answers(replies)


@pytest.mark.parametrize("rate", [1, 7_999, 96_001, 100_000_000])
async def test_a_rate_that_no_speech_has_is_a_fault(session: ClientSession, rate: int) -> None:
    """100 MHz would make gigabytes of what is fast enough to be plausible."""
    fake = magpie.openai()
    fake.answers["POST", "/v1/audio/speech"] = data(wav_header(rate) + bytes(400_000), "audio/wav")
    async with running(fake):
        with pytest.raises(ServerFault, match=f"claims {rate} samples"):
            [audio async for audio in Magpie(Transport(session, fake.url)).synthesize("Hello.", SpeechStyle())]


@pytest.mark.parametrize("rate", [8_000, 22_050, 96_000])
async def test_rates_of_telephones_and_studios_are_taken(session: ClientSession, rate: int) -> None:
    fake = magpie.openai()
    fake.answers["POST", "/v1/audio/speech"] = data(wav_header(rate) + bytes(rate), "audio/wav")
    async with running(fake):
        said = [audio async for audio in Magpie(Transport(session, fake.url)).synthesize("Hello.", SpeechStyle())]
    assert {audio.sample_rate for audio in said} == {rate}


async def test_an_utterance_is_bounded_in_bytes(session: ClientSession) -> None:
    """However long its text may take to speak."""
    fake = magpie.openai()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(wav_header(96_000))
        while True:
            await response.write(bytes(1 << 20))

    fake.answers["POST", "/v1/audio/speech"] = answer
    taken = 0
    async with running(fake):
        with pytest.raises(ServerFault, match="does not stop speaking"):
            async for audio in Magpie(Transport(session, fake.url)).synthesize("word " * 1000, SpeechStyle()):
                taken += audio.size
    assert taken <= LARGEST_SPEECH


@pytest.mark.parametrize("rate", [0, -1, 100_000_000, True, 7.5, "22050", None])
def test_a_rate_on_a_page_is_bounded_as_well(rate: object) -> None:
    assert read_pipecat(answers(config={"voices": ["a"], "sample_rate": rate})).sample_rates == (22_000,)


def test_voices_are_bounded_in_number_and_length() -> None:
    """And in their order: the first ones count."""
    many = [f"voice-{number}" for number in range(3 * MOST_NAMES)]
    groups = {"en": {"voices": many[: 2 * MOST_NAMES]}, "de": {"voices": many}, "odd": {"voices": "x" * 100_000}}
    for read in (read_nim(answers(list_voices=groups)), read_openai(answers(voices={"voices": many}))):
        assert [voice.name for voice in read.voices] == many[:MOST_NAMES]
    long = "x" * (LONGEST_NAME + 1)
    listed: list[object] = [long, {"id": long}, {"id": 5}, {"id": "Aria"}, "", "Leo", None]
    assert read_openai(answers(voices={"voices": listed})).voices == (Voice("Aria", "Aria"), Voice("Leo", "Leo"))
    assert read_openai(answers(voices={"voices": [long]})).voices == (DEFAULT_VOICE,)


def test_names_are_short_text() -> None:
    assert [as_name(value) for value in ("a", "", None, 5, "x" * LONGEST_NAME, "x" * (LONGEST_NAME + 1))] == [
        "a",
        *(None, None, None),
        "x" * LONGEST_NAME,
        None,
    ]
    assert names({"a": 1}) == ()


async def test_a_page_is_read_so_far_and_no_further(session: ClientSession) -> None:
    fake = FakeServer({("GET", "/x"): data(b"[" + b" " * LARGEST_PAGE + b"]", "application/json")})
    async with running(fake):
        with pytest.raises(ServerFault, match="exceeds 4 MiB"):
            await Transport(session, fake.url).get("/x", deadline=60)


@pytest.mark.parametrize("document", [b'{"a":' * 50_000, b"[" + b"[]," * 300_000 + b"1]", b"1" * 5_000])
async def test_a_document_that_costs_too_much_is_none(session: ClientSession, document: bytes) -> None:
    fake = FakeServer({("GET", "/x"): data(document, "application/json")})
    async with running(fake):
        reply = await Transport(session, fake.url).get("/x", deadline=60)
        with pytest.raises(ServerFault, match="answered with application/json where JSON was expected"):
            reply.json()


def shown(err: SparkError) -> str:
    """All that a person or a log could see of an error."""
    return f"{err} {err!r} {err.__cause__}"


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 418, 422, 429, 500, 503, 599])
@pytest.mark.parametrize(
    "body",
    [
        "",
        f"bad token Bearer {SECRET}",
        '{"error": {"message": "bad token Bearer hunter2\\/of+the=house"}}',
        '{"detail": "hunter2\\u002fof+the=house is wrong"}',
        f'{{"error": "CUDA error for {SECRET}"}}',
        f'{{"message": "{SECRET.upper()}"}}',
        '{"error": "?token=hunter2%2Fof%2Bthe%3Dhouse"}',
        f'{{"detail": [{{"loc": [], "msg": "{"x" * 190} {SECRET}"}}]}}',
        f"<html>{SECRET}</html>",
    ],
)
async def test_our_token_never_comes_back(session: ClientSession, status: int, body: str) -> None:
    """Servers repeat what they refuse: in the reason phrase, in the body, in headers."""

    async def answer(_: web.Request) -> web.Response:
        headers = {"WWW-Authenticate": f"Bearer {SECRET}", "Retry-After": SECRET, "Location": f"/{SECRET}"}
        return web.Response(status=status, reason=f"bad token Bearer {SECRET}", text=body, headers=headers)

    fake = FakeServer({("GET", "/x"): answer})
    async with running(fake):
        with pytest.raises(SparkError) as raised:
            await Transport(session, fake.url, SECRET).get("/x", deadline=5)
    assert not [word for word in ("hunter2", "house", "HUNTER2") if word in shown(raised.value)]


async def test_nor_in_what_a_page_tells(session: ClientSession) -> None:
    """Names of models are shown to people, and so is the kind of an answer that is no JSON."""
    fake = FakeServer({("GET", "/x"): json({"model": SECRET}), ("GET", "/y"): data(b"?", "text/hunter2")})
    async with running(fake):
        transport = Transport(session, fake.url, SECRET)
        assert (await transport.get("/x", deadline=5)).json() == {"model": "..."}
        fake.answers["GET", "/y"] = data(b"?", f"x-{SECRET.partition('/')[0]}/y")
        with pytest.raises(ServerFault, match="answered with something else where"):
            (await transport.get("/y", deadline=5)).json()


async def test_a_reason_phrase_is_not_passed_on(session: ClientSession) -> None:
    """What the status means is said instead."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=401, reason="x" * 4_000)

    async with running(FakeServer({("GET", "/x"): answer})) as fake:
        with pytest.raises(Unauthorized, match=r"refuses the key \(401\): Unauthorized$"):
            await Transport(session, fake.url).get("/x", deadline=5)


async def test_a_hook_that_repeats_its_token(session: ClientSession) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=403, reason=f"no {SECRET}")

    async with running(FakeServer({("POST", "/restart"): answer})) as fake:
        reply = await parse_hook(session, f"{fake.url}/restart", SECRET).restart()
    assert reply.detail == "The restart target answered 403 Forbidden."


def test_nothing_is_hidden_where_there_is_no_secret() -> None:
    assert hiding(None)("text") == hiding("")("text") == "text"
