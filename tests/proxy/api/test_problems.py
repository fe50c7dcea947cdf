"""What callers get from an unexpected error, or from an error that aiohttp finds by itself."""

import json
import logging
from collections.abc import AsyncGenerator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from spark_audio_proxy.problems import answer_problems

type Client = TestClient[web.Request, web.Application]

SECRET = "what a user said"


async def fail(request: web.Request) -> web.StreamResponse:
    """Go wrong in the way that the path names."""
    match request.match_info["how"]:
        case "bug":
            raise LookupError(SECRET)
        case "elsewhere":
            raise web.HTTPFound("/there")
        case "long":
            raise web.HTTPRequestEntityTooLarge(10, 11)
    raise web.HTTPExpectationFailed(text="")


@pytest.fixture
async def client() -> AsyncGenerator[Client]:
    """A client of an application in which everything fails."""
    app = web.Application(middlewares=[answer_problems])
    app.router.add_get("/{how}", fail)
    async with TestClient(TestServer(app, host="127.0.0.1")) as client:
        yield client


async def test_a_bug_is_told_to_the_log_alone(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """The caller learns that it is the proxy's error, and no detail."""
    async with client.get("/bug") as response:
        assert response.status == 500
        text = await response.text()
    error = json.loads(text)["error"]
    assert (error["type"], error["message"]) == ("server_error", "Internal error; the proxy's log has the details.")
    assert SECRET not in text
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.getMessage() == "GET /bug failed"
    assert record.exc_info


async def test_what_aiohttp_refuses_is_an_error_object_as_well(client: Client) -> None:
    """With aiohttp's sentence, or the name of the status where there is none."""
    async with client.get("/long") as response:
        assert response.status == 413
        error = (await response.json())["error"]
    assert error["type"] == "invalid_request_error"
    assert error["message"] == "Maximum request body size 10 exceeded."
    async with client.get("/wordless") as response:
        assert (await response.json())["error"]["message"] == "Expectation Failed"


async def test_a_redirection_is_no_error(client: Client) -> None:
    async with client.get("/elsewhere", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "/there")
