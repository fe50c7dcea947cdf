"""Which servers say that they have unloaded their model: told by a page, without waking it."""

from collections.abc import Callable

import pytest
from aiohttp import ClientSession
from spark_engine.errors import SparkError
from spark_engine.servers.magpie import Magpie
from spark_engine.servers.parakeet import Parakeet
from spark_engine.servers.transport import Transport

from tests.fakes import magpie, openai_parakeet, parakeet
from tests.fakes.server import FakeServer, Handler, json, running, text
from tests.helpers.engine.families import HEARING, SPEAKING

SPEACHES_MODEL = "istupakov/parakeet-tdt-0.6b-v3-onnx"

LOADED_STT = {"name": "parakeet", "tag": "tdt-0.6b-v3", "type": "stt", "ref_count": 0}
LOADED_TTS = {"name": "magpie", "tag": "357m", "type": "tts", "ref_count": 0}

FAKES = [*(family.fake for family in HEARING.values()), *(family.fake for family in SPEAKING.values())]

PAGES: list[tuple[Callable[[], FakeServer], str, object, bool]] = [
    (parakeet.runparakeet, "/healthz", {"loaded": False, "idle_unload_seconds": 300}, True),
    (parakeet.runparakeet, "/healthz", {"loaded": True, "idle_unload_seconds": 300}, False),
    (parakeet.runparakeet, "/healthz", {"loaded": None, "idle_unload_seconds": 300}, False),
    (parakeet.speaches, "/api/ps", {"models": []}, True),
    (parakeet.speaches, "/api/ps", {"models": ["Systran/faster-whisper-small"]}, True),
    (parakeet.speaches, "/api/ps", {"models": ["Systran/faster-whisper-small", SPEACHES_MODEL]}, False),
    (parakeet.speaches, "/api/ps", {}, False),
    (parakeet.speaches, "/v1/models", {"data": []}, False),
    (openai_parakeet.vox, "/v1/models/loaded", {"models": []}, True),
    (openai_parakeet.vox, "/v1/models/loaded", {"models": [{**LOADED_STT, "tag": "another"}]}, True),
    (openai_parakeet.vox, "/v1/models/loaded", {"models": [LOADED_TTS]}, True),
    (openai_parakeet.vox, "/v1/models/loaded", {"models": [LOADED_TTS, LOADED_STT]}, False),
    (openai_parakeet.vox, "/v1/models/loaded", {"detail": "x"}, False),
    (openai_parakeet.localai, "/system", {"backends": [], "loaded_models": []}, True),
    (openai_parakeet.localai, "/system", {"loaded_models": [{"id": "parakeet-cpp"}]}, False),
    (openai_parakeet.localai, "/system", {"loaded_models": None}, True),
    (magpie.vox, "/v1/models/loaded", {"models": [LOADED_STT]}, True),
    (magpie.vox, "/v1/models/loaded", {"models": [LOADED_STT, LOADED_TTS]}, False),
    (magpie.localai, "/system", {"loaded_models": [{"id": "parakeet-cpp"}]}, True),
    (magpie.localai, "/system", {"loaded_models": [{"id": "magpie-tts-cpp"}]}, False),
]


@pytest.mark.parametrize(("fake", "path", "page", "asleep"), PAGES)
async def test_a_server_says_that_it_sleeps(
    session: ClientSession, fake: Callable[[], FakeServer], path: str, page: object, *, asleep: bool
) -> None:
    """For the model that we ask for; and nothing is sent that would wake it."""
    server = fake()
    server.answers["GET", path] = json(page)
    async with running(server):
        client = Magpie if fake.__module__ == magpie.__name__ else Parakeet
        assert await client(Transport(session, server.url)).is_asleep() is asleep
    assert {asked.method for asked in server.asked} == {"GET"}


@pytest.mark.parametrize("answer", [text("<html>"), json([]), json({"error": "not here"})])
async def test_a_page_that_tells_nothing_is_no_sleep(session: ClientSession, answer: Handler) -> None:
    """The canary shows how the server is."""
    for fake, path in ((openai_parakeet.localai, "/system"), (openai_parakeet.vox, "/v1/models/loaded")):
        server = fake()
        server.answers["GET", path] = answer
        async with running(server):
            assert not await Parakeet(Transport(session, server.url)).is_asleep()


@pytest.mark.parametrize("answer", [json({}, status=401), json({}, status=404), text("no", status=500)])
async def test_a_page_that_cannot_be_read_is_an_error(session: ClientSession, answer: Handler) -> None:
    """LocalAI shows its own to administrators alone."""
    server = openai_parakeet.localai()
    server.answers["GET", "/system"] = answer
    async with running(server):
        with pytest.raises(SparkError):
            await Parakeet(Transport(session, server.url)).is_asleep()


@pytest.mark.parametrize("fake", FAKES)
async def test_servers_that_cannot_tell_are_awake(session: ClientSession, fake: Callable[[], FakeServer]) -> None:
    """As all fakes are, to begin with."""
    async with running(fake()) as server:
        client = Magpie if fake.__module__ == magpie.__name__ else Parakeet
        assert not await client(Transport(session, server.url)).is_asleep()
