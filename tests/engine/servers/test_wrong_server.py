"""A server of another kind is named as what it is; one that only looks like another kind is not."""

import logging
from collections.abc import Callable

import pytest
from aiohttp import ClientSession
from spark_engine.errors import Rejected, ServerFault, SparkError, Unauthorized, WrongServer
from spark_engine.models import SpeechStyle
from spark_engine.servers.magpie import Magpie
from spark_engine.servers.parakeet import Parakeet
from spark_engine.servers.transport import Transport

from tests.fakes import magpie, parakeet, strangers
from tests.fakes.magpie import SPEECH
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, Handler, json, running, text
from tests.helpers.engine.families import HEARING, RECORDING, SPEAKING, TEXT_ALONE, detail, say

STRANGERS = [
    (strangers.web_page, "the web page “Open WebUI”"),
    (strangers.open_webui, "the web page “Open WebUI”"),
    (strangers.home_page, "a web page"),
    (strangers.ollama, "Ollama"),
    (strangers.home_assistant, "Home Assistant"),
    (strangers.vllm_without_speech, "a server of language models (vLLM)"),
    (strangers.crispasr_translating, "CrispASR with another model"),
    (strangers.llama_cpp, "a server of language models (llama.cpp)"),
]

BOTH = ("openai", "spark audio", "nemo-speech.cpp", "speaches", "localai", "vox")
"""Servers that may hear and speak."""

UNCERTAIN = ("nim", "vllm", "crispasr", "parakeet.cpp")
"""Servers whose pages do not tell whether they hear."""


@pytest.mark.parametrize(("fake", "kind"), STRANGERS)
async def test_a_stranger_is_named(session: ClientSession, fake: Callable[[], FakeServer], kind: str) -> None:
    """In one sentence, for either service."""
    async with running(fake()) as server:
        with pytest.raises(WrongServer) as hearing:
            await Parakeet(Transport(session, server.url)).transcribe(RECORDING)
        with pytest.raises(WrongServer) as speaking:
            await Magpie(Transport(session, server.url)).voices()
    assert hearing.value.message == f"This is {kind}, not a Parakeet."
    assert speaking.value.message == f"This is {kind}, not a Magpie."


@pytest.mark.parametrize("name", [name for name in SPEAKING if name not in BOTH])
async def test_a_magpie_where_a_parakeet_was_expected(session: ClientSession, name: str) -> None:
    """The two URLs were swapped."""
    fake = SPEAKING[name].fake()
    if name.startswith("nim"):
        fake.answers["POST", TRANSCRIPTIONS] = detail("Model not found for language", 400)
    async with running(fake):
        with pytest.raises(WrongServer, match=rf"^This is a Magpie \({name}\), not a Parakeet\.$"):
            await Parakeet(Transport(session, fake.url)).transcribe(RECORDING)


@pytest.mark.parametrize("name", [name for name in HEARING if name not in (*BOTH, *UNCERTAIN)])
async def test_a_parakeet_where_a_magpie_was_expected(session: ClientSession, name: str) -> None:
    """The two URLs were swapped."""
    fake = HEARING[name].fake()
    async with running(fake):
        with pytest.raises(WrongServer, match=rf"^This is a Parakeet \({HEARING[name].dialect}\), not a Magpie\.$"):
            await say(session, fake, SpeechStyle())


@pytest.mark.parametrize(("fake", "kind"), [(parakeet.openai, "hears"), (magpie.openai, "speaks")])
async def test_swapped_servers_of_no_known_family(
    session: ClientSession, fake: Callable[[], FakeServer], kind: str
) -> None:
    """Their routes tell what they do."""
    async with running(fake()) as server:
        with pytest.raises(WrongServer, match=f"This is a server that {kind}, not"):
            if kind == "hears":
                await Magpie(Transport(session, server.url)).voices()
            else:
                await Parakeet(Transport(session, server.url)).transcribe(RECORDING)


@pytest.mark.parametrize(("fake", "kind"), STRANGERS)
async def test_what_hears_and_speaks_behind_the_pages_of_a_stranger(
    session: ClientSession, fake: Callable[[], FakeServer], kind: str
) -> None:
    """A gateway may send some paths to one server and all others to another: it is asked, not judged by its pages."""
    server = fake()
    server.answers["POST", TRANSCRIPTIONS] = json({"text": TEXT_ALONE.text})
    server.answers["POST", SPEECH] = magpie.openai_speech
    if isinstance(server, strangers.Everywhere):
        server = FakeServer(
            {**server.answers, **dict.fromkeys([("GET", "/v1/models"), ("GET", "/health")], strangers.PAGE)}
        )
    async with running(server):
        assert await Parakeet(Transport(session, server.url)).transcribe(RECORDING) == TEXT_ALONE, kind
        assert await say(session, server, SpeechStyle())


@pytest.mark.parametrize("path", [TRANSCRIPTIONS, SPEECH])
async def test_a_stranger_is_logged_once(session: ClientSession, caplog: pytest.LogCaptureFixture, path: str) -> None:
    """Not at every probe, of which there are many."""
    caplog.set_level(logging.INFO)
    async with running(strangers.ollama()) as fake:
        hearing, speaking = Parakeet(Transport(session, fake.url)), Magpie(Transport(session, fake.url))
        for _ in range(3):
            with pytest.raises(WrongServer):
                await (hearing.transcribe(RECORDING) if path == TRANSCRIPTIONS else speaking.voices())
    name, service = ("Parakeet", "Parakeet") if path == TRANSCRIPTIONS else ("Magpie", "Magpie")
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [f"{name} at {fake.url}: This is Ollama, not a {service}."]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (detail("Audio file might be corrupted or unsupported", 400), Rejected),
        (detail("Model not found for language", 400), Rejected),
        (text("Internal Server Error", status=500), SparkError),
        (detail("no key", 401), Unauthorized),
    ],
)
async def test_a_refusal_of_one_recording_makes_no_stranger(
    session: ClientSession, answer: Handler, error: type[SparkError]
) -> None:
    """A NIM that hears has the routes of one that speaks; and once it has heard something, it is a Parakeet."""
    fake = parakeet.nim()
    good = fake.answers["POST", TRANSCRIPTIONS]
    async with running(fake):
        client = Parakeet(Transport(session, fake.url))
        for listed in ({}, {"en-US": {"voices": ["Magpie.EN-US.Aria"]}}):
            fake.answers["GET", "/v1/audio/list_voices"] = json(listed)
            fake.answers["POST", TRANSCRIPTIONS] = answer
            with pytest.raises(error) as raised:
                await client.transcribe(RECORDING)
            assert not isinstance(raised.value, WrongServer)
            fake.answers["POST", TRANSCRIPTIONS] = good
            await client.transcribe(RECORDING)


async def test_a_server_that_cannot_do_it_in_this_build(session: ClientSession) -> None:
    """NeMo-Speech.cpp answers 501, which is no wedge and must not lead to a restart."""
    fake = magpie.nemo_speech()
    models = [{"id": "magpietts", "object": "model", "owned_by": "local", "capability": "speech", "voices": ["Aria"]}]
    fake.answers["GET", "/v1/models"] = json({"object": "list", "data": models})
    fake.answers["POST", TRANSCRIPTIONS] = json({"error": {"message": "this build does not include ASR"}}, status=501)
    async with running(fake):
        with pytest.raises(WrongServer, match=r"a Magpie \(nemo-speech\.cpp\)"):
            await Parakeet(Transport(session, fake.url)).transcribe(RECORDING)


async def test_another_server_at_the_same_address_is_noticed(session: ClientSession) -> None:
    """A container was replaced; the right one is taken up again as soon as it is back."""
    fake = parakeet.openai()
    right = dict(fake.answers)
    async with running(fake):
        client = Parakeet(Transport(session, fake.url))
        await client.transcribe(RECORDING)
        fake.answers = strangers.ollama().answers
        with pytest.raises(Rejected):
            await client.transcribe(RECORDING)
        with pytest.raises(WrongServer, match="Ollama"):
            await client.transcribe(RECORDING)
        fake.answers = right
        assert await client.transcribe(RECORDING) == TEXT_ALONE


async def test_a_server_that_nothing_tells_about_is_not_named(session: ClientSession) -> None:
    """Rather nothing than something wrong."""
    async with running(FakeServer({("GET", "/"): text("hello")})) as fake:
        with pytest.raises(Rejected, match="Not Found"):
            await Parakeet(Transport(session, fake.url)).transcribe(RECORDING)
        with pytest.raises(Rejected, match="does not answer like any Magpie"):
            await Magpie(Transport(session, fake.url)).voices()


async def test_a_magpie_whose_list_is_missing_is_no_parakeet(session: ClientSession) -> None:
    """What a page does not show is no evidence: a NIM has the same pages whatever it holds."""
    fake = magpie.nim()
    del fake.answers["GET", magpie.LIST_VOICES]
    async with running(fake):
        with pytest.raises(Rejected, match="does not answer like any Magpie"):
            await Magpie(Transport(session, fake.url)).voices()


async def test_a_server_with_a_page_for_people_is_no_web_page(session: ClientSession) -> None:
    """Its model list is what no web page has; that it does not know the model is another matter."""
    fake = parakeet.openai()
    fake.answers["GET", "/"] = strangers.PAGE
    fake.answers["POST", TRANSCRIPTIONS] = detail("Model 'parakeet-tdt-0.6b' is not installed", 404)
    async with running(fake):
        with pytest.raises(Rejected, match="is not installed"):
            await Parakeet(Transport(session, fake.url)).transcribe(RECORDING)


async def test_a_web_page_in_place_of_a_server_that_has_heard(session: ClientSession) -> None:
    """Its 200 is no fault of a GPU, and no restart would help."""
    fake = parakeet.xr_ai()
    async with running(fake):
        client = Parakeet(Transport(session, fake.url))
        await client.transcribe(RECORDING)
        fake.answers = {("GET", "/"): strangers.PAGE, ("POST", TRANSCRIPTIONS): strangers.PAGE}
        with pytest.raises(WrongServer, match="Open WebUI"):
            await client.transcribe(RECORDING)


@pytest.mark.parametrize("garbage", [json({"text": 7}), json({}), text("garbage")])
async def test_garbage_is_a_fault_and_no_stranger(session: ClientSession, garbage: Handler) -> None:
    """A wedged GPU may answer 200 with anything; its pages stay as they were."""
    for fake in (parakeet.xr_ai(), parakeet.openai(), parakeet.groxaxo()):
        fake.answers["POST", TRANSCRIPTIONS] = garbage
        async with running(fake):
            with pytest.raises(ServerFault):
                await Parakeet(Transport(session, fake.url)).transcribe(RECORDING)
