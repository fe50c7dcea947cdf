"""Speech that is not transcribed: failing servers, and runs that end before their answer."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from aiohttp import web
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.spark_audio.spark_engine.servers.deadlines import Deadlines
from tests.fakes import faults
from tests.fakes import server as fake
from tests.fakes.server import FakeServer, Handler
from tests.helpers.integration.deadlines import shorten
from tests.helpers.integration.hearing import METADATA, POST, SPEECH, engine_entity, warnings
from tests.helpers.integration.pipeline import create_pipeline, run_pipeline
from tests.helpers.integration.set_up import answered_before, entry_for, set_up

FAILS: dict[str, Handler] = {
    "CUDA": fake.json({"detail": "CUDA error: an illegal memory access was encountered"}, status=422),
    "500": fake.text("Internal Server Error", status=500),
    "loading": fake.json({"detail": "Model is not ready"}, status=503),
    "refuses key": fake.json({"detail": "no"}, status=401),
    "refuses request": fake.json({"detail": "bad"}, status=400),
    "no JSON": fake.text("<html>It works!</html>", content_type="text/html"),
    "no transcript": fake.json({"segments": []}),
}


@pytest.mark.parametrize("answer", FAILS.values(), ids=FAILS.keys())
async def test_parakeet_fails(
    hass_ws_client: WebSocketGenerator,
    entry: MockConfigEntry,
    parakeet: FakeServer,
    caplog: pytest.LogCaptureFixture,
    answer: Handler,
) -> None:
    """The user is told that it failed, and the log says why in one line without a traceback."""
    parakeet.answers[POST] = answer
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws), SPEECH)
    assert run.error == "stt-stream-failed"
    assert run.data("error")["message"] == "speech-to-text failed"
    [line] = warnings(caplog)
    assert line.exc_info is None
    assert "\n" not in line.getMessage()


async def test_parakeet_recovers(
    hass_ws_client: WebSocketGenerator, entry: MockConfigEntry, parakeet: FakeServer
) -> None:
    healthy, parakeet.answers[POST] = parakeet.answers[POST], FAILS["CUDA"]
    ws = await hass_ws_client()
    pipeline = await create_pipeline(ws)
    assert (await run_pipeline(ws, pipeline, SPEECH)).error == "stt-stream-failed"
    parakeet.answers[POST] = healthy
    assert (await run_pipeline(ws, pipeline, SPEECH)).heard == "Turn on the kitchen light."


async def test_parakeet_is_off(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    assist: None,
    socket_enabled: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Pipelines keep their engine, and say that it failed rather than that there is none."""
    assert await set_up(hass, await answered_before(hass, entry_for(parakeet_url=faults.refused())))
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws, tts_engine=None, tts_language=None), SPEECH)
    assert run.error == "stt-stream-failed"
    [line] = warnings(caplog)
    assert "No connection to 127.0.0.1" in line.getMessage()


@pytest.mark.parametrize("fault", [faults.silent, faults.headers_then_nothing, faults.drip])
async def test_parakeet_hangs(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    assist: None,
    socket_enabled: None,
    monkeypatch: pytest.MonkeyPatch,
    fault: faults.Fault,
) -> None:
    """A time-out is an error of the pipeline, told before the run ends: a TimeoutError would be swallowed there."""
    shorten(monkeypatch, Deadlines(page=0.05, transcription=0.05, transcription_per_second=0.0))
    async with faults.serving(fault) as url:
        assert await set_up(hass, await answered_before(hass, entry_for(parakeet_url=url)))
        ws = await hass_ws_client()
        run = await run_pipeline(ws, await create_pipeline(ws, tts_engine=None, tts_language=None), SPEECH)
    assert run.names[-2:] == ["error", "run-end"]
    assert run.error == "stt-stream-failed"


async def test_cancelled_run(hass: HomeAssistant, assist: None, socket_enabled: None) -> None:
    """Cancelling a run cancels the request, and is no error."""
    reached, gone = asyncio.Event(), asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not (await reader.readuntil(b"\r\n\r\n")).startswith(b"POST"):
            # The connection that is opened beforehand is asked for something, too.
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        reached.set()
        while await reader.read(1 << 16):
            pass
        gone.set()

    async def speech() -> AsyncGenerator[bytes]:
        yield SPEECH

    async with faults.serving(hold) as url:
        assert await set_up(hass, await answered_before(hass, entry_for(parakeet_url=url)))
        run = asyncio.create_task(engine_entity(hass).async_process_audio_stream(METADATA, speech()))
        await reached.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        await gone.wait()


async def test_reloaded_in_the_middle(hass: HomeAssistant, entry: MockConfigEntry, parakeet: FakeServer) -> None:
    """A command that is being heard while the entry is loaded anew gets its answer all the same."""
    reached, answered = asyncio.Event(), asyncio.Event()
    healthy = parakeet.answers[POST]

    async def hold(request: web.Request) -> web.StreamResponse:
        reached.set()
        await answered.wait()
        return await healthy(request)

    async def speech() -> AsyncGenerator[bytes]:
        yield SPEECH

    parakeet.answers[POST] = hold
    run = asyncio.create_task(engine_entity(hass).async_process_audio_stream(METADATA, speech()))
    await reached.wait()
    assert await hass.config_entries.async_reload(entry.entry_id)
    answered.set()
    assert (await run).text == "Turn on the kitchen light."
