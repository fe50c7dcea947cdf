"""Every family of servers: told from the others, and asked as it wants to be asked."""

import logging
from collections.abc import Callable

import pytest
from aiohttp import ClientSession
from spark_engine.models import Json, SpeechStyle, Transcript
from spark_engine.servers.magpie import Magpie
from spark_engine.servers.magpie_dialects import OPENAI, MagpieServer
from spark_engine.servers.magpie_readers import DEFAULT_VOICE, Repertoire
from spark_engine.servers.parakeet import Parakeet
from spark_engine.servers.parakeet_readers import read_groxaxo
from spark_engine.servers.transport import Transport

from tests.fakes import magpie, parakeet
from tests.fakes.magpie import SPEECH, spoken
from tests.fakes.parakeet import TEXT, TRANSCRIPTIONS
from tests.fakes.server import FakeServer, Handler, json, running, text
from tests.helpers.engine.families import (
    EACH_HEARING,
    EACH_SPEAKING,
    HEARING,
    RECORDING,
    SENTENCE,
    SPEAKING,
    TEXT_ALONE,
    Hearing,
    Speaking,
    say,
)


@EACH_HEARING
async def test_a_family_that_hears_is_recognised_and_logged(
    session: ClientSession, caplog: pytest.LogCaptureFixture, family: Hearing
) -> None:
    """By its pages alone, and with the model that will hear."""
    caplog.set_level(logging.INFO)
    async with running(family.fake()) as fake:
        server = await Parakeet(Transport(session, fake.url)).server()
        assert f"Parakeet at {fake.url} speaks {family.dialect}, model {family.model or 'unnamed'}" in caplog.messages
    assert (server.dialect.name, server.model) == (family.dialect, family.model)


@EACH_HEARING
@pytest.mark.parametrize("times", [False, True], ids=["text", "times"])
async def test_a_family_that_hears_is_asked_as_it_wants(
    session: ClientSession, family: Hearing, *, times: bool
) -> None:
    """Exactly these fields, and times only where the server measures them."""
    async with running(family.fake()) as fake:
        transcript = await Parakeet(Transport(session, fake.url)).transcribe(RECORDING, language="en-GB", times=times)
    asked, *again = fake.posts(TRANSCRIPTIONS)
    assert asked.fields == (family.timed if times else family.plain)
    assert [repeated.fields for repeated in again] == ([family.plain] if times and family.refuses_times else [])
    assert transcript == (family.transcript if times else TEXT_ALONE)


@EACH_HEARING
async def test_a_family_gives_no_times_that_it_does_not_declare(session: ClientSession, family: Hearing) -> None:
    """Callers refuse early on the strength of it."""
    async with running(family.fake()) as fake:
        dialect = (await Parakeet(Transport(session, fake.url)).server()).dialect
    assert dialect.gives_segments or family.transcript.segments is None
    assert dialect.gives_words or family.transcript.words is None
    assert bool(dialect.timed) == (dialect.gives_segments or dialect.gives_words)


async def test_language_is_left_to_the_server_where_it_may_be(session: ClientSession) -> None:
    """A NIM requires one."""
    for family in HEARING.values():
        async with running(family.fake()) as fake:
            await Parakeet(Transport(session, fake.url)).transcribe(RECORDING)
        expected = "multi" if family.dialect == "nim" else None
        assert fake.posts(TRANSCRIPTIONS)[0].fields.get("language") == expected


@EACH_SPEAKING
async def test_a_family_that_speaks_is_recognised_and_logged(
    session: ClientSession, caplog: pytest.LogCaptureFixture, dialect: str, family: Speaking
) -> None:
    """With all its voices, each once."""
    caplog.set_level(logging.INFO)
    async with running(family.fake()) as fake:
        server = await Magpie(Transport(session, fake.url)).server()
        assert f"Magpie at {fake.url} speaks {dialect}, {family.voices} voices" in caplog.messages
    assert (server.dialect.name, server.model, len(server.voices)) == (dialect, family.model, family.voices)


@EACH_SPEAKING
async def test_a_family_that_speaks_is_asked_as_it_wants(
    session: ClientSession, dialect: str, family: Speaking
) -> None:
    """Exactly these fields, and every sample comes back at the server's rate, none of a header among them."""
    async with running(family.fake()) as fake:
        pieces = await say(session, fake, SpeechStyle(voice="sofia", language="de-AT"))
    (asked,) = fake.posts(family.path)
    assert asked.fields == family.fields, dialect
    assert {piece.sample_rate for piece in pieces} == {family.sample_rate}
    assert b"".join(piece.pcm for piece in pieces) == spoken(SENTENCE, family.sample_rate)


@pytest.mark.parametrize(
    ("fake", "language", "expected"),
    [
        (magpie.nemo_speech, "es-US", "es-ES"),
        (magpie.nemo_speech, "ja-JP", "en-US"),
        (magpie.nemo_speech, None, "en-US"),
        (magpie.pipecat, "zh-CN", "zh"),
        (magpie.pipecat, "hi-IN", "en"),
    ],
)
async def test_a_language_is_spelled_as_the_server_spells_it(
    session: ClientSession, fake: Callable[[], FakeServer], language: str | None, expected: str
) -> None:
    """The server refuses any other spelling."""
    async with running(fake()) as server:
        await say(session, server, SpeechStyle(language=language))
    assert server.posts(SPEECH)[0].fields["language"] == expected


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        ({"voices": ["Aria", "Leo", "Aria"]}, ["Aria", "Leo"]),
        ({"voices": [{"id": "Aria"}, {"id": "nova", "alias_of": "Aria"}, {"name": "nobody"}, 7]}, ["Aria"]),
        ({"voices": []}, ["default"]),
        ({"voices": "all"}, ["default"]),
        (["Aria"], ["default"]),
    ],
)
async def test_voice_lists_of_other_servers(session: ClientSession, listed: object, names: list[str]) -> None:
    """Names or objects; one voice without a name where there is no list."""
    fake = magpie.openai()
    fake.answers["GET", "/v1/audio/voices"] = json(listed)
    async with running(fake):
        voices = await Magpie(Transport(session, fake.url)).voices()
    assert [voice.name for voice in voices] == names


@pytest.mark.parametrize(
    ("dialect", "path", "page", "sample_rate"),
    [
        ("pipecat", "/v1/audio/config", {"voices": [], "sample_rate": 0}, 22_000),
        ("nemo-speech.cpp", "/v1/models", {"data": [{"id": "magpietts", "capability": "speech"}]}, None),
        ("xr-ai shim", "/health", {"service": "nim-model-adapter", "configuration": None}, 44_100),
    ],
)
async def test_a_family_that_tells_little_still_speaks(
    session: ClientSession, dialect: str, path: str, page: object, sample_rate: int | None
) -> None:
    """With a voice of its own choice, at its usual rate."""
    fake = SPEAKING[dialect].fake()
    fake.answers["GET", path] = json(page)
    async with running(fake):
        server = await Magpie(Transport(session, fake.url)).server()
    request = server.request(SENTENCE, SpeechStyle(voice="alloy"))
    assert (server.dialect.name, server.voices, request.sample_rate) == (dialect, (DEFAULT_VOICE,), sample_rate)
    assert b"voice" not in (request.body.held() or b"voice")


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/health", json({"status": "healthy", "model_loaded": True})),
        ("/healthz", json({"status": "ok"})),
        ("/healthz", json({"error": "Unsupported path"}, status=501)),
        ("/v1/health/ready", json({"status": "ready"})),
        ("/v1/models", json({"data": [{"id": "x", "object": "model", "owned_by": "local", "created": 1}]})),
        ("/v1/models", json({"data": [{"id": "parakeet-tdt-0.6b", "object": "model", "owned_by": "nvidia"}]})),
        ("/v1/models", text("<html>", content_type="text/html")),
        ("/", json({"detail": "log in"}, status=401)),
    ],
)
async def test_a_server_that_only_looks_like_a_family_is_not_one(
    session: ClientSession, path: str, page: Handler
) -> None:
    """One page in common is not enough."""
    fake = parakeet.openai()
    fake.answers["GET", path] = page
    async with running(fake):
        client = Parakeet(Transport(session, fake.url))
        assert (await client.server()).dialect.name == "openai"
        assert await client.transcribe(RECORDING) == TEXT_ALONE


async def test_a_voice_list_tells_a_server_that_speaks(session: ClientSession) -> None:
    """Some answer 404 to a GET of a route for POST."""
    fake = magpie.openai()
    fake.answers["GET", SPEECH] = json({"detail": "Not Found"}, status=404)
    fake.answers["GET", "/v1/audio/voices"] = json({"voices": ["Aria"]})
    async with running(fake):
        assert await say(session, fake, SpeechStyle())
    assert fake.posts(SPEECH)[0].fields["voice"] == "Aria"


def test_a_region_of_its_own_is_kept() -> None:
    """Where a server tells regions apart."""
    server = MagpieServer(OPENAI, Repertoire(languages=("en-US", "EN_gb", "de")))
    assert [server.language(tag) for tag in ("en-GB", "en-AU", "de-AT", "fr")] == ["EN_gb", "en-US", "de", "en-US"]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["Turn", "on", "the", "kitchen"],
        ["Turn", "on", "the", "kitchen", "light.", "."],
        ["Turno", "n", "the", "kitchen", "light."],
        ["Turn", "on", "the", "kitchen", "lemon."],
    ],
)
def test_pieces_that_do_not_add_up_are_no_words(words: list[str]) -> None:
    """Rather none than wrong ones."""
    pieces: list[Json] = [{"word": word, "start": 0.0, "end": 1.0} for word in words]
    assert read_groxaxo({"text": TEXT, "words": pieces, "segments": None}) == Transcript(TEXT)


def test_silence_has_no_words_and_still_says_so() -> None:
    """Not the same as a server without words."""
    assert read_groxaxo({"text": "", "words": []}).words == ()
