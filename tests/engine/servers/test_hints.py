"""Words that a recogniser should expect: sent to the families that take them, in their own words."""

import json as jsonlib

import pytest
from aiohttp import ClientSession, web
from spark_engine.errors import Rejected
from spark_engine.servers.hints import MOST_HINTS, as_contexts, as_keywords, as_prompt
from spark_engine.servers.parakeet import Parakeet
from spark_engine.servers.transport import Transport

from tests.fakes.openai_parakeet import crispasr
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import json, running
from tests.helpers.engine.families import EACH_HEARING, RECORDING, Hearing

NAMES = ("Kallax lamp", "Friedas Zimmer, oben")
JOINED = "Kallax lamp, Friedas Zimmer  oben"

TAKEN = {
    "spark audio": {"keywords": JOINED},
    "crispasr": {"hotwords": JOINED},
    "parakeet-api": {"hotwords": JOINED},
    "nemo-speech.cpp": {"speech_contexts": jsonlib.dumps([{"phrases": list(NAMES), "boost": 2.5}])},
}


@EACH_HEARING
async def test_a_family_gets_them_as_it_takes_them(session: ClientSession, family: Hearing) -> None:
    """Exactly these fields, and nothing for the others."""
    async with running(family.fake()) as fake:
        await Parakeet(Transport(session, fake.url)).transcribe(RECORDING, language="en-GB", hints=NAMES)
    [asked] = fake.posts(TRANSCRIPTIONS)
    assert asked.fields == {**family.plain, **TAKEN.get(family.dialect, {})}


@pytest.mark.parametrize("status", [400, 422])
async def test_a_server_that_refuses_them_is_not_sent_them_again(session: ClientSession, status: int) -> None:
    async with running(crispasr()) as fake:
        parakeet = Parakeet(Transport(session, fake.url))

        async def answer(request: web.Request) -> web.Response:
            refused = "hotwords" in fake.posts(TRANSCRIPTIONS)[-1].fields
            return web.json_response({"text": "yes"}, status=status if refused else 200)

        fake.answers["POST", TRANSCRIPTIONS] = answer
        for _ in range(2):
            assert (await parakeet.transcribe(RECORDING, hints=NAMES)).text == "yes"
    assert ["hotwords" in asked.fields for asked in fake.posts(TRANSCRIPTIONS)] == [True, False, False]


async def test_any_other_refusal_is_the_requests(session: ClientSession) -> None:
    async with running(crispasr()) as fake:
        fake.answers["POST", TRANSCRIPTIONS] = json({}, status=413)
        with pytest.raises(Rejected):
            await Parakeet(Transport(session, fake.url)).transcribe(RECORDING, hints=NAMES)
    assert len(fake.posts(TRANSCRIPTIONS)) == 1


@pytest.mark.parametrize(
    ("model", "fields"),
    [("whisper-1", {"prompt": JOINED}), ("gpt-4o-transcribe", {"prompt": JOINED}), ("parakeet-tdt", {}), (None, {})],
)
def test_a_prompt_is_for_models_that_read_it(model: str | None, fields: dict[str, str]) -> None:
    assert as_prompt(NAMES, model) == fields


def test_a_ctc_model_wants_more() -> None:
    assert '"boost": 9.0' in str(as_contexts(NAMES, "parakeet-ctc-1.1b")["speech_contexts"])


def test_there_are_only_so_many() -> None:
    many = [f"name {number}" for number in range(MOST_HINTS + 50)]
    assert str(as_keywords(many, None)["keywords"]).count(",") == MOST_HINTS - 1
