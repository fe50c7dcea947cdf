"""Setting up a Home Assistant over its public interfaces, against a server that plays one."""

import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tests.helpers.tools.scripted_home import answering, playing
from tools.stack.errors import ToolError
from tools.stack.folders import free_port
from tools.stack.home import FLOWS, Home, fill_in
from tools.stack.home_assistant import Account, HomeAssistant
from tools.stack.http import Json, items, new_session, number, pick, text
from tools.stack.processes import temporary_processes

ACCOUNT = Account("demo", "secret")
URLS = {"parakeet_url": "http://p", "magpie_url": "http://m"}
FORM = {"type": "form", "flow_id": "1", "data_schema": [{"name": "parakeet_url"}], "errors": {}}


@asynccontextmanager
async def home(*routes: web.RouteDef) -> AsyncGenerator[Home]:
    """One whose process does nothing."""
    async with playing(*routes) as client, temporary_processes() as processes:
        idle = await processes.start("Idle", sys.executable, "-c", "import signal; signal.pause()")
        yield Home(client, idle, ACCOUNT)


async def test_config_flow_is_answered_field_by_field() -> None:
    """The flow gets the URLs it asks for, and nothing it does not."""
    given = []

    async def submit(request: web.Request) -> web.Response:
        given.append(await request.json())
        entry = {"type": "create_entry", "result": {"entry_id": "abc"}}
        return web.json_response(FORM if len(given) == 1 else entry)

    menu = {"type": "menu", "flow_id": "1", "menu_options": ["direct", "proxy"]}
    async with home(web.post(FLOWS, answering(200, menu)), web.post(f"{FLOWS}/1", submit)) as new:
        assert await new.add("spark_audio", URLS) == "abc"
    assert given == [{"next_step_id": "direct"}, {"parakeet_url": "http://p"}]


@pytest.mark.parametrize(
    ("status", "answer", "complaint"),
    [
        (200, FORM | {"errors": {"magpie_url": "cannot_connect"}}, "refuses .*http://m.*cannot_connect"),
        (200, {"type": "abort", "reason": "already_configured"}, "ended early: already_configured"),
        (400, {"errors": {"magpie_url": "not a URL"}}, "answered 400 to /api/config.*not a URL"),
    ],
)
async def test_config_flow_that_fails_is_shown(status: int, answer: object, complaint: str) -> None:
    """What the flow objects to is what the user reads."""
    routes = (web.post(FLOWS, answering(200, FORM)), web.post(f"{FLOWS}/1", answering(status, answer)))
    async with home(*routes) as new:
        with pytest.raises(ToolError, match=complaint):
            await new.add("spark_audio", URLS)


SECTIONS: Sequence[Json] = [
    {"name": "listening", "schema": [{"name": "turn_end"}, {"name": "deadline"}]},
    {"name": "healing", "schema": [{"name": "canary_interval"}]},
]


def test_a_form_is_filled_in_where_its_fields_are() -> None:
    """What it has no field for is not swallowed: another thing would be measured."""
    assert fill_in(SECTIONS, {"turn_end": "fast", "canary_interval": 9.0}) == {
        "listening": {"turn_end": "fast"},
        "healing": {"canary_interval": 9.0},
    }
    with pytest.raises(ToolError, match="no option turn_start"):
        fill_in(SECTIONS, {"turn_start": "fast"})


async def test_home_assistant_that_is_not_there() -> None:
    """Not up yet while starting; an error afterwards."""
    async with new_session() as session:
        client = HomeAssistant(session, f"http://127.0.0.1:{free_port()}")
        assert await client.is_up() is None
        with pytest.raises(ToolError, match=r"gave no answer to /api/states/light\.kitchen_light"):
            await client.state("light.kitchen_light")


def test_answers_that_lack_something_say_what() -> None:
    """A path into JSON gives the value, or a sentence with the path in it."""
    answer: Json = {"stt_output": {"text": "hello", "words": ["hello"]}}
    assert text(answer, "stt_output", "text") == "hello"
    assert items(answer, "stt_output", "words") == ["hello"]
    assert pick(answer, "stt_output", "text", "deeper") is None
    for read, complaint in (
        (text, r"lacks stt_output\.language"),
        (items, r"lacks the list stt_output\.language"),
        (number, r"lacks the number stt_output\.language"),
    ):
        with pytest.raises(ToolError, match=complaint):
            read(answer, "stt_output", "language")
