"""The last requests without their content: what is kept of each, and what is not."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from aiohttp import ClientResponse, web
from spark_audio_proxy.config import SettingsError, read_settings
from spark_audio_proxy.journal import InputTaken, RequestServed
from spark_audio_proxy.realtime.limits import Limits
from spark_audio_proxy.request_history import RequestHistory
from spark_engine.models import Json
from spark_engine.speech.audio import write_wav

from tests.fakes import parakeet
from tests.fakes import server as fakes
from tests.fakes.magpie import SECONDS_PER_CHARACTER
from tests.helpers.proxy.callers import calling, dictation, hang_up_when, outcomes, speaking
from tests.helpers.proxy.forms import send, upload
from tests.helpers.proxy.healing import watched
from tests.helpers.proxy.realtime import realtime
from tests.helpers.proxy.recordings import tone
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.spoken import words

type Document = dict[str, Json]

SECRET = "The safe is behind the painting."
KEY = "a-key-of-sixteen-characters"


async def listed(proxy: Proxy, **headers: str) -> list[Document]:
    """The requests of the document, newest first."""
    async with proxy.client.get(f"{proxy.url}/api/requests", headers=headers) as response:
        assert response.status == 200
        return cast("list[Document]", (await response.json())["requests"])


async def spoken(proxy: Proxy, text: str, **headers: str) -> int:
    """Ask for speech; return the status once the request was written down."""
    told = outcomes(proxy.app)
    async with proxy.client.post(
        f"{proxy.url}/v1/audio/speech", json={"input": text, "voice": "Mia", "response_format": "wav"}, headers=headers
    ) as response:
        await response.read()
    await told.get()
    return response.status


async def heard(proxy: Proxy, seconds: float, **fields: str) -> None:
    """Ask for a transcript, until the request was written down."""
    told = outcomes(proxy.app)
    await send(proxy, upload(write_wav(tone(seconds)), name="painting.wav", **fields))
    await told.get()


async def test_off_keeps_nothing(proxy: Proxy) -> None:
    await spoken(proxy, SECRET)
    async with proxy.client.get(f"{proxy.url}/api/requests") as response:
        assert await response.json() == {"kept": 0, "requests": []}


async def test_what_is_kept_of_a_request(start_proxy: StartProxy, tmp_path: Path) -> None:
    """When, what, how long, how much, how it ended, and which server; nothing of what was said or written."""
    proxy = await watched(start_proxy, tmp_path, request_history=10)
    await spoken(proxy, SECRET)
    await heard(proxy, 1.5)
    hears, speaks = await listed(proxy)
    assert [hears["endpoint"], speaks["endpoint"]] == ["/v1/audio/transcriptions", "/v1/audio/speech"]
    assert (hears["server"], hears["audio_seconds"], hears["characters"]) == ("parakeet", 1.5, None)
    assert (speaks["server"], speaks["characters"]) == ("magpie", len(SECRET))
    assert speaks["audio_seconds"] == pytest.approx(len(SECRET) * SECONDS_PER_CHARACTER, rel=0.1)
    for request in (hears, speaks):
        assert (request["outcome"], request["status"], request["code"]) == ("ok", 200, None)
        assert isinstance(request["seconds"], float)
        assert str(request["at"]).endswith("+00:00")
    assert set(hears) == {
        *("at", "endpoint", "seconds", "audio_seconds", "characters", "outcome", "status", "code", "server")
    }
    text = json.dumps([hears, speaks])
    assert not [word for word in (SECRET, parakeet.TEXT, "painting", "Mia", "127.0.0.1") if word in text]


async def test_lists_the_page_and_health_checks_are_not_kept(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(request_history=10)
    for path in ("/", "/healthz", "/v1/models", "/v1/audio/voices", "/api/status", "/anything/else"):
        async with proxy.client.get(proxy.url + path) as response:
            await response.read()
    await spoken(proxy, SECRET)
    assert [request["endpoint"] for request in await listed(proxy)] == ["/v1/audio/speech"]


async def test_only_so_many_are_kept(start_proxy: StartProxy) -> None:
    """The oldest go."""
    proxy = await start_proxy(request_history=2)
    for length in (3, 4, 5):
        await spoken(proxy, "a" * length)
    assert [request["characters"] for request in await listed(proxy)] == [5, 4]


async def test_a_refused_key_is_kept_without_it(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(request_history=10, api_key=(KEY,))
    assert await spoken(proxy, SECRET, Authorization="Bearer another-key-of-a-stranger") == 401
    (request,) = await listed(proxy, Authorization=f"Bearer {KEY}")
    assert (request["outcome"], request["status"], request["code"]) == ("rejected", 401, "invalid_api_key")
    assert (request["server"], request["characters"]) == (None, None)
    assert "stranger" not in json.dumps(request)


@pytest.mark.parametrize(("fields", "status"), [({}, 503), ({"stream": "true"}, 503)])
async def test_a_fault_is_kept_with_what_was_asked(
    start_proxy: StartProxy, tmp_path: Path, fields: dict[str, str], status: int
) -> None:
    proxy = await watched(start_proxy, tmp_path, request_history=10)
    proxy.parakeet.answers["POST", parakeet.TRANSCRIPTIONS] = fakes.json({"detail": "CUDA error"}, status=500)
    await heard(proxy, 1.5, **fields)
    (request,) = await listed(proxy)
    assert (request["outcome"], request["status"], request["code"]) == ("failed", status, "upstream_fault")
    assert (request["audio_seconds"], request["server"]) == (1.5, "parakeet")


async def test_a_stream_that_ends_in_an_error_has_failed(start_proxy: StartProxy, tmp_path: Path) -> None:
    """Although it began with 200."""
    proxy = await watched(start_proxy, tmp_path, request_history=10, window=10.0)
    first = iter([fakes.json({"text": "First."})])

    async def once(request: web.Request) -> web.StreamResponse:
        return await next(first, fakes.json({"detail": "CUDA error"}, status=500))(request)

    proxy.parakeet.answers["POST", parakeet.TRANSCRIPTIONS] = once
    await heard(proxy, 15.0, stream="true")
    (request,) = await listed(proxy)
    assert (request["outcome"], request["status"], request["code"]) == ("failed", 200, "upstream_fault")


async def test_a_caller_who_leaves_is_gone(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(request_history=10)
    told = outcomes(proxy.app)
    async with calling(proxy.url, speaking(SECRET)) as caller:
        hang_up_when(proxy.app, "spoken", caller.hang_up)
        await told.get()
    (request,) = await listed(proxy)
    assert (request["outcome"], request["status"]) == ("gone", 499)


async def test_a_realtime_session_is_one_request(start_proxy: StartProxy, tmp_path: Path) -> None:
    """With the audio of all of its turns, and the last thing that went wrong."""
    proxy = await watched(start_proxy, tmp_path, request_history=10, limits=Limits(patience=0))
    told = outcomes(proxy.app)
    async with realtime(proxy) as client:
        await client.set_up()
        for _ in range(2):
            await client.say(words())
            await client.send("input_audio_buffer.commit")
            await client.until("conversation.item.input_audio_transcription.completed")
    await told.get()
    async with realtime(proxy) as client:
        await client.send("nonsense")
        await client.error()
    await told.get()
    wrong, right = await listed(proxy)
    assert (right["endpoint"], right["outcome"], right["status"]) == ("/v1/realtime", "ok", 101)
    assert right["audio_seconds"] == pytest.approx(2 * len(words()) / 32_000, abs=0.05)
    assert right["server"] == "parakeet"
    assert (wrong["outcome"], wrong["code"], wrong["audio_seconds"]) == ("rejected", "unknown_event", None)


async def test_a_turn_that_fails_is_told(start_proxy: StartProxy, tmp_path: Path) -> None:
    proxy = await watched(start_proxy, tmp_path, request_history=10, limits=Limits(patience=0))
    proxy.parakeet.answers["POST", parakeet.TRANSCRIPTIONS] = fakes.json({"detail": "CUDA error"}, status=500)
    told = outcomes(proxy.app)
    async with realtime(proxy) as client:
        await client.set_up()
        await client.say(words())
        await client.send("input_audio_buffer.commit")
        await client.until("conversation.item.input_audio_transcription.failed")
    await told.get()
    (request,) = await listed(proxy)
    assert (request["outcome"], request["code"]) == ("failed", "upstream_fault")
    assert request["audio_seconds"] == pytest.approx(len(words()) / 32_000, abs=0.05)


@asynccontextmanager
async def events(proxy: Proxy) -> AsyncGenerator[ClientResponse]:
    """The stream of events."""
    async with proxy.client.get(f"{proxy.url}/api/events") as response:
        yield response


async def next_event(response: ClientResponse, *names: str) -> tuple[str, Document]:
    """The next event with one of these names, and its document."""
    name = ""
    while name not in names:
        line = (await response.content.readline()).decode()
        assert line
        if line.startswith("event: "):
            name = line[7:].strip()
    return name, json.loads((await response.content.readline())[6:])


async def test_events_tell_the_list_at_first_and_then_each_request(start_proxy: StartProxy, tmp_path: Path) -> None:
    """Each once, in the order in which they ended."""
    proxy = await watched(start_proxy, tmp_path, request_history=10)
    await spoken(proxy, "one")
    async with events(proxy) as response:
        _, document = await next_event(response, "requests")
        assert document == {"kept": 10, "requests": await listed(proxy)}
        for text in ("three", "fifteen"):
            await spoken(proxy, text)
            _, request = await next_event(response, "request", "requests")
            assert request["characters"] == len(text)


async def test_events_say_nothing_of_requests_where_none_are_kept(start_proxy: StartProxy, tmp_path: Path) -> None:
    proxy = await watched(start_proxy, tmp_path)
    async with events(proxy) as response:
        await spoken(proxy, "one")
        name, _ = await next_event(response, "status", "request", "requests")
        assert name == "status"


def test_a_reader_that_was_away_gets_what_is_still_kept() -> None:
    """Two were added since the first, one is kept."""
    history = RequestHistory(1, lambda: None, clock=lambda: 1_700_000_000.0)
    seen = history.count
    for seconds in (1.0, 2.0):
        with history.noting():
            history.tell(RequestServed("/v1/audio/speech", "ok", seconds, 200, None))
    assert [request.seconds for request in history.since(seen)] == [2.0]
    assert history.since(history.count) == []
    assert history.since(seen)[0].to_json()["at"] == "2023-11-14T22:13:18.000+00:00"


async def test_what_happens_beside_a_request_is_not_its_own() -> None:
    """Each task's events are those of its own request."""
    history = RequestHistory(5, lambda: None)

    async def serve(characters: int, begun: asyncio.Event, other: asyncio.Event) -> None:
        with history.noting():
            history.tell(InputTaken(characters=characters))
            begun.set()
            await other.wait()
            history.tell(RequestServed("/v1/audio/speech", "ok", 1.0, 200, None))

    first, second = asyncio.Event(), asyncio.Event()
    await asyncio.gather(serve(1, first, second), serve(2, second, first))
    assert sorted(request.characters or 0 for request in history.since(0)) == [1, 2]


@pytest.mark.parametrize("value", ["-1", "1001", "many"])
def test_the_count_is_bounded(value: str) -> None:
    settings = ["--parakeet-url", "http://spark.local:8000", "--request-history", value]
    with pytest.raises(SettingsError, match="SPARK_AUDIO_REQUEST_HISTORY"):
        read_settings(settings, {})


async def test_a_dictation_that_was_hung_up_keeps_its_length(start_proxy: StartProxy) -> None:
    """It was asked for before the caller left."""
    proxy = await start_proxy(request_history=10)
    told = outcomes(proxy.app)
    async with calling(proxy.url, await dictation("true")) as caller:
        hang_up_when(proxy.app, "heard", caller.hang_up)
        await told.get()
    (request,) = await listed(proxy)
    assert request["audio_seconds"] == 1.5
