"""How long a server is remembered: for good, for a while, or not at all."""

import asyncio
from dataclasses import dataclass, replace

import pytest
from aiohttp import ClientSession
from spark_engine.errors import ServerFault, Unreachable
from spark_engine.servers.identification import Identification, Keep
from spark_engine.servers.parakeet import Parakeet
from spark_engine.servers.transport import Transport

from tests.fakes import openai_parakeet, parakeet
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, json, running
from tests.helpers.engine.families import RECORDING, TEXT_ALONE, detail
from tests.helpers.engine.virtual_time import run


@dataclass(frozen=True)
class Found:
    """What a server was found out to be."""

    keep: Keep
    probes: int = 0


class Server:
    """Answers each probe with what it is then."""

    def __init__(self, keep: Keep) -> None:
        self.keep = keep
        self.probes = 0
        self.is_away = False
        self.identification = Identification[Found]("Parakeet", self.probe, a_while=60.0)

    async def probe(self) -> Found:
        """Count, and tell."""
        self.probes += 1
        if self.is_away:
            raise Unreachable("away")
        return Found(self.keep, self.probes)


async def probed(server: Server, *pauses: float) -> list[int]:
    """Return which probe each call was answered from, one call after each pause."""
    asked = []
    for pause in pauses:
        await asyncio.sleep(pause)
        asked.append((await server.identification.server()).probes)
    return asked


@pytest.mark.parametrize(
    ("keep", "answers"), [(Keep.ALWAYS, [1, 1, 1, 1, 1]), (Keep.A_WHILE, [1, 1, 1, 2, 2]), (Keep.NOT, [1, 2, 3, 4, 5])]
)
def test_how_long_a_server_is_remembered(keep: Keep, answers: list[int]) -> None:
    """Counted from the probe; uses do not prolong it."""
    assert run(probed(Server(keep), 0, 30, 29, 2, 58)) == answers


def test_what_is_learned_lasts_no_longer() -> None:
    """Else a server in use would never be asked again."""

    async def story() -> list[int]:
        server = Server(Keep.A_WHILE)
        first = await server.identification.server()
        await asyncio.sleep(59)
        server.identification.learned(first, replace(first, probes=100))
        return await probed(server, 0, 2)

    assert run(story()) == [100, 2]


def test_what_a_probe_cannot_tell_stays() -> None:
    """Its pages may fail because it is busy, and are not asked for with each request then; a new one is not known."""

    async def story() -> list[int]:
        server = Server(Keep.A_WHILE)
        server.is_away = True
        with pytest.raises(Unreachable):
            await server.identification.server()
        server.is_away = False
        answers = await probed(server, 0)
        server.is_away = True
        answers += await probed(server, 61, 30)
        server.is_away = False
        return answers + await probed(server, 29, 2)

    # The third probe fails.
    assert run(story()) == [2, 2, 2, 2, 4]


def test_a_lost_connection_ends_it_at_once() -> None:
    """Another server may have been started in its place."""

    async def story() -> list[int]:
        server = Server(Keep.A_WHILE)
        await server.identification.server()
        with pytest.raises(ServerFault), server.identification.forgetting():
            raise ServerFault("cut")
        return await probed(server, 0)

    assert run(story()) == [2]


def named_otherwise() -> FakeServer:
    """LocalAI, whose models are called as their owner likes, with one that has no times."""
    fake = openai_parakeet.localai()
    models = [{"id": "stt", "capabilities": ["transcript"]}]
    fake.answers["GET", "/v1/models/capabilities"] = json({"data": models})
    return fake


def without_a_list() -> FakeServer:
    """A server of OpenAI's contract whose list of models is there and empty."""
    fake = parakeet.openai()
    fake.answers["GET", "/v1/models"] = json({"object": "list", "data": []})
    return fake


@pytest.mark.parametrize("fake", [named_otherwise(), without_a_list()], ids=["no Parakeet", "empty list"])
async def test_a_server_that_hears_is_not_probed_for_each_recording(session: ClientSession, fake: FakeServer) -> None:
    """Ten pages beside each voice turn would be a burden; and what it refuses is remembered."""
    good = fake.answers["POST", TRANSCRIPTIONS] = json({"text": TEXT_ALONE.text})
    async with running(fake):
        client = Parakeet(Transport(session, fake.url))
        for _ in range(3):
            assert await client.transcribe(RECORDING) == TEXT_ALONE
        assert len({asked.path for asked in fake.asked if asked.method == "GET"}) == sum(
            asked.method == "GET" for asked in fake.asked
        )
        fake.answers["POST", TRANSCRIPTIONS] = good
        server = await client.server()
        client.identification.learned(server, replace(server, refused=len(server.dialect.timed)))
        await client.transcribe(RECORDING, times=True)
    assert fake.posts(TRANSCRIPTIONS)[-1].fields["response_format"] == "json"


async def test_a_model_that_is_named_otherwise_and_removed_is_looked_for_at_once(session: ClientSession) -> None:
    """404 for its name ends what is remembered."""
    fake = named_otherwise()
    async with running(fake):
        client = Parakeet(Transport(session, fake.url))
        assert (await client.server()).model == "stt"
        good = fake.answers["POST", TRANSCRIPTIONS]
        fake.answers["POST", TRANSCRIPTIONS] = detail("model stt not found", 404)
        fake.answers["GET", "/v1/models/capabilities"] = json(
            {"data": [{"id": "parakeet-cpp", "capabilities": ["transcript"]}]}
        )
        with pytest.raises(Exception, match="not found"):
            await client.transcribe(RECORDING)
        fake.answers["POST", TRANSCRIPTIONS] = good
        assert (await client.server()).model == "parakeet-cpp"
