"""Keys: a caller without one gets nothing, and no log, answer or message tells one."""

import asyncio
import hmac
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, FormData, web
from spark_audio_proxy import middlewares
from spark_audio_proxy.app_state import SETTINGS
from spark_audio_proxy.config import SettingsError, read_settings
from spark_audio_proxy.logs import JsonFormatter, TextFormatter
from spark_engine.healing.health import State

from tests.fakes import magpie, parakeet
from tests.fakes.magpie import SYNTHESIZE_ONLINE
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, running
from tests.fakes.server import json as answering
from tests.helpers.proxy.healing import RESTART, dog_of, hook, until
from tests.helpers.proxy.raw_http import ask, request
from tests.helpers.proxy.recordings import recorded
from tests.helpers.proxy.running_proxy import StartProxy
from tests.helpers.proxy.settings import ProxySettings

SPEAK = {"input": "Meet me at the harbour."}
BEARER = {"Authorization": "Bearer first"}


@pytest.mark.parametrize(("equal", "sent", "status"), [(True, "wrong", 200), (False, "first", 401)])
async def test_keys_are_compared_in_constant_time_and_in_no_other_way(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch, sent: str, status: int, *, equal: bool
) -> None:
    """What hmac says is what counts, and it is asked about every key, the first of which may be right already."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(given: bytes, key: bytes) -> bool:
        compared.append((given, key))
        return equal

    proxy = await start_proxy(api_key=("first", "second"))
    monkeypatch.setattr(hmac, "compare_digest", compare)
    headers = {"Authorization": f"Bearer {sent}"}
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json=SPEAK, headers=headers) as response:
        assert response.status == status
    assert compared == [(sent.encode(), b"first"), (sent.encode(), b"second")]
    assert vars(middlewares)["hmac"] is hmac


@pytest.mark.parametrize(
    "path",
    [
        "/v1/audio/speech?api_key=first&key=first&token=first&authorization=Bearer%20first",
        "/v1/audio/speech;key=first",
        "/first/v1/audio/speech",
        "//first@127.0.0.1/v1/audio/speech",
    ],
)
@pytest.mark.parametrize("header", ["X-Api-Key: first", "Cookie: key=first", "Proxy-Authorization: Bearer first"])
async def test_a_key_in_any_other_place_is_no_key_and_is_not_logged(
    start_proxy: StartProxy, path: str, header: str, caplog: pytest.LogCaptureFixture
) -> None:
    """URLs end up in logs, and cookies are sent by browsers on their own."""
    caplog.set_level(logging.DEBUG)
    proxy = await start_proxy(api_key=("first",))
    caplog.clear()
    answer = await ask(proxy.url, request("POST", path, header, "Content-Length: 2", body=b"{}"))
    assert answer.status == 401
    assert proxy.magpie.posts(SYNTHESIZE_ONLINE) == []
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("spark")]
    assert lines
    assert not [line for line in lines if "first" in line]


async def test_a_wrong_key_is_not_logged_and_not_repeated(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be the right one of another place, or nearly the right one of this."""
    caplog.set_level(logging.DEBUG)
    proxy = await start_proxy(api_key=("first",))
    headers = {"Authorization": "Bearer hunter2"}
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json=SPEAK, headers=headers) as response:
        assert (response.status, "hunter2" in await response.text()) == (401, False)
    assert "hunter2" not in caplog.text


SECRETS: ProxySettings = {
    "api_key": ("secret-api", "secret-other"),
    "parakeet_token": "secret-parakeet",
    "magpie_token": "secret-magpie",
    "parakeet_restart_token": "secret-hook",
    "llm_key": "secret-llm",
}

ENDPOINTS = [
    *("/", "/healthz", "/readyz", "/api/status", "/metrics", "/v1/models", "/v1/audio/voices", "/v1/audio/models"),
    *("/v1/models/none", "/none"),
]


def refusing(server: FakeServer, path: str) -> FakeServer:
    """A server that repeats the token that it refuses, as some do."""

    async def answer(asked: web.Request) -> web.StreamResponse:
        token = asked.headers["Authorization"]
        return await answering({"error": {"message": f"Wrong key: {token}"}}, status=401)(asked)

    server.answers["POST", path] = answer
    return server


async def test_no_answer_and_no_line_tells_a_key(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even to those who have the key; not by a server that repeats ours; not with a restart on the way."""
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    restarts = hook()
    async with running(restarts), running(FakeServer()) as llm:
        settings: ProxySettings = {**SECRETS, "llm_url": llm.url}
        settings["parakeet_restart_url"] = restarts.url + RESTART + "?secret-path"
        speaking = refusing(magpie.nim(), SYNTHESIZE_ONLINE)
        proxy = await start_proxy(speaking=speaking, **settings | {"watch": True, "metrics": True})
        headers = {"Authorization": "Bearer secret-other"}

        async def tell(method: str, path: str, *, json: object = None, data: FormData | None = None) -> int:
            url = proxy.url + path
            async with proxy.client.request(method, url, headers=headers, json=json, data=data) as response:
                told.append(f"{response.reason} {dict(response.headers)} {await response.text()}")
                return response.status

        await until(dog_of(proxy), State.HEALTHY)
        assert await tell("POST", "/v1/audio/speech", json=SPEAK) == 502
        refusing(proxy.parakeet, TRANSCRIPTIONS)
        form = FormData()
        form.add_field("file", recorded("mp3", "libmp3lame"), filename="a.mp3")
        assert await tell("POST", TRANSCRIPTIONS, data=form) == 502
        assert await tell("POST", "/api/services/parakeet/check") == 200
        assert await tell("POST", "/api/services/parakeet/restart") == 202
        for path in ENDPOINTS:
            await tell("GET", path)
        told.append(str(proxy.app[SETTINGS]))
    (restarted,) = restarts.posts(RESTART)
    assert restarted.headers["Authorization"] == "Bearer secret-hook"
    assert proxy.parakeet.posts(TRANSCRIPTIONS)[-1].headers["Authorization"] == "Bearer secret-parakeet"
    assert any("Wrong key: Bearer ..." in text for text in told)
    own = [record.getMessage() for record in caplog.records if record.name.startswith("spark")]
    assert not [text for text in [*told, *own] if "secret" in text]


def test_printed_settings_hide_keys() -> None:
    """A command's arguments may hold one, too."""
    for service in ("PARAKEET", "MAGPIE"):
        for kind in ("TOKEN", "RESTART_URL", "RESTART_TOKEN", "RESTART_DOCKER", "RESTART_COMMAND", "RESTART_SSH"):
            value = "http://hunter2/" if kind == "RESTART_URL" else "hunter2"
            given = {"SPARK_AUDIO_MAGPIE_URL": "http://spark:9000", f"SPARK_AUDIO_{service}_{kind}": value}
            assert "hunter2" not in repr(read_settings([], given)), kind


async def test_a_password_where_none_belongs_is_not_repeated(start_proxy: StartProxy) -> None:
    """The sentence that ends the start is read in a log."""
    target = "http://user:hunter2@spark.local:2375/x#y"
    each: list[ProxySettings] = [
        {"parakeet_restart_docker": target},
        {"parakeet_restart_ssh": target},
        {"parakeet_restart_url": target, "parakeet_restart_token": "hunter2"},
    ]
    for wrong in each:
        with pytest.raises(SettingsError) as raised:
            await start_proxy(**wrong | {"watch": True})
        assert "hunter2" not in str(raised.value)


HUNTER = "hunter2-hunter2-hunter2"

FORGED = "x\r\n2026-01-01 00:00:00,000 INFO forged: \x1b[31m all is well \x85\u2028"


@asynccontextmanager
async def program(url: str, folder: Path, log_format: str) -> AsyncGenerator[tuple[str, list[str]]]:
    """The whole proxy as a process of its own: its URL, and what it has logged once it has ended."""
    settings = {
        "PARAKEET_URL": url,
        "PORT": "0",
        "WATCH": "off",
        "API_KEY": HUNTER,
        "LOG_FORMAT": log_format,
        "STATE_DIR": str(folder),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "spark_audio_proxy"),
        env=os.environ | {f"SPARK_AUDIO_{name}": value for name, value in settings.items()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    logged: list[str] = []
    try:
        yield (await process.stdout.readline()).decode().split()[-1], logged
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = await process.communicate()
        logged += errors.decode().split("\n")[:-1]


@pytest.mark.slow
@pytest.mark.parametrize("log_format", ["json", "text"])
async def test_no_caller_and_no_server_can_write_into_the_log(tmp_path: Path, log_format: str) -> None:
    """One line each, no key in it, and no colours: of requests that are none, of URLs, of a server's own words."""
    hears = parakeet.openai()
    hears.answers["POST", TRANSCRIPTIONS] = answering({"detail": FORGED}, status=500)
    async with running(hears), program(hears.url, tmp_path, log_format) as (url, logged):
        key = f"Authorization: Bearer {HUNTER}"
        for text in (
            request("GET", "/v1/models", key + "\0"),
            request("GET", "/v1/models", key.replace(":", "")),
            request("GET", f"/v1/models?key={HUNTER}").replace(b"HTTP/1.1", b"HTTP/9.9.9"),
            request("GET", "/v1/models/x%0d%0aINFO%20forged:%20%1b[31m", key),
            request("GET", "/%0aforged%e2%80%a8", key),
            request("GET", "/" + "a" * 20_000, key),
            request("FORGED", "/v1/models", key),
            request("GET", "/v1/models", key, "X-Request-ID: forged: all is well"),
        ):
            await ask(url, text)
        async with ClientSession(headers={"Authorization": f"Bearer {HUNTER}"}) as client:
            form = FormData()
            form.add_field("file", recorded("mp3", "libmp3lame"), filename="a.mp3")
            async with client.post(url + TRANSCRIPTIONS, data=form) as response:
                assert response.status == 503
    assert not [line for line in logged if "hunter2" in line]
    assert not [line for line in logged if not line.isprintable()]
    if log_format == "json":
        assert all(json.loads(line)["level"] for line in logged)
        messages = [json.loads(line)["message"] for line in logged]
    else:
        assert all(line.startswith("20") for line in logged)
        messages = [line.partition(": ")[2] for line in logged]
    assert sum("forged" in line for line in messages) == 1
    assert not [line for line in messages if line.startswith("forged")]
    assert sum(line.startswith("A request that is not HTTP was refused") for line in messages) == 4


def test_a_line_is_one_line() -> None:
    """Whatever is in the message; a traceback comes after it."""
    record = logging.LogRecord("a", logging.INFO, "a.py", 1, "GET %s", ("/\r\n\x1b[31m\x85\u2028\x00",), None)
    line = TextFormatter().format(record)
    assert line.endswith(r"a: GET /\r\n\x1b[31m\x85\u2028\x00")
    assert len(line.splitlines()) == len(JsonFormatter().format(record).splitlines()) == 1
