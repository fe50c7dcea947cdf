"""Each way to break on the wire, seen from Assist: the right event, one line in the log, and the next turn works."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress

import pytest
from aiohttp import ClientPayloadError
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator
from yarl import URL

from custom_components.spark_audio.spark_engine.servers.deadlines import Deadlines
from tests.fakes import faults
from tests.fakes.server import FakeServer
from tests.helpers.integration.hearing import SPEECH, warnings
from tests.helpers.integration.pipeline import create_pipeline, run_pipeline, run_text
from tests.helpers.integration.player import decode
from tests.helpers.integration.set_up import entry_for, set_up
from tests.helpers.integration.speaking import TEXT, cached

pytestmark = [pytest.mark.usefixtures("assist", "socket_enabled"), pytest.mark.slow]

FAULTS = (
    *(faults.silent, faults.headers_then_nothing, faults.drip, faults.reset_before_answer, faults.reset_within_body),
    *(faults.close_without_answer, faults.short_content_length, faults.cut_without_length, faults.html),
    faults.not_http,
)


class Wire:
    """The way to a server in good health, which can be made to break."""

    def __init__(self, server: FakeServer) -> None:
        """Nothing is broken yet."""
        self._server = URL(server.url)
        self._connections: set[asyncio.Task[None]] = set()
        self.fault: faults.Fault | None = None

    async def breaks(self, fault: faults.Fault | None) -> None:
        """Break like this from now on, or not at all; connections that were kept alive are gone either way."""
        self.fault = fault
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if self.fault:
                await self.fault(reader, writer)
                return
            there_reader, there = await asyncio.open_connection(self._server.host, self._server.port)
            try:
                await asyncio.gather(_pump(reader, there), _pump(there_reader, writer))
            finally:
                there.transport.abort()
        finally:
            self._connections.discard(task)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


@asynccontextmanager
async def wire_to(server: FakeServer) -> AsyncGenerator[tuple[Wire, str]]:
    """A wire and its URL."""
    wire = Wire(server)
    async with faults.serving(wire.carry) as url:
        yield wire, url


SHORT = Deadlines(
    page=0.1,
    transcription=0.1,
    transcription_per_second=0.0,
    speech_idle=0.1,
    buffered_speech_idle=0.1,
    streamed_in_all=0.2,
)


@contextmanager
def impatient(entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Have short deadlines, for what never answers."""
    with monkeypatch.context() as patch:
        for member in entry.runtime_data.spark.members:
            patch.setattr(member.client.transport, "deadlines", SHORT)
        yield


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_hearing(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    parakeet: FakeServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: faults.Fault,
) -> None:
    """An error of the pipeline before the run ends: without it satellites wait for ever."""
    async with wire_to(parakeet) as (wire, url):
        entry = entry_for(parakeet_url=url)
        assert await set_up(hass, entry)
        ws = await hass_ws_client()
        pipeline = await create_pipeline(ws, tts_engine=None, tts_language=None)
        await wire.breaks(fault)
        with impatient(entry, monkeypatch):
            run = await run_pipeline(ws, pipeline, SPEECH)
        assert run.names[-2:] == ["error", "run-end"]
        assert run.error == "stt-stream-failed"
        lines = warnings(caplog)
        # What else a server turned out to be is said once, too.
        assert len(lines) == (2 if fault is faults.html else 1)
        assert all(line.exc_info is None and "\n" not in line.getMessage() for line in lines)

        await wire.breaks(None)
        # A server that is certainly another one is not asked before a canary has passed.
        for name in entry.runtime_data.data:
            await entry.runtime_data.async_check(name)
        assert (await run_pipeline(ws, pipeline, SPEECH)).heard == "Turn on the kitchen light."


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_speaking(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    hass_client: ClientSessionGenerator,
    magpie: FakeServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: faults.Fault,
) -> None:
    """The player is not told that all was well, nothing broken is kept, and the same words can be heard afterwards."""
    async with wire_to(magpie) as (wire, url):
        entry = entry_for(magpie_url=url)
        assert await set_up(hass, entry)
        ws, client = await hass_ws_client(), await hass_client()
        pipeline = await create_pipeline(ws, stt_engine=None, stt_language=None)
        await wire.breaks(fault)
        with impatient(entry, monkeypatch):
            run = await run_text(ws, pipeline, TEXT)
            assert run.names[-2:] == ["tts-end", "run-end"]
            response = await client.get(run.data("tts-end")["tts_output"]["url"])
            if response.status == 200:
                with pytest.raises(ClientPayloadError):
                    await response.read()
            else:
                assert response.status == 500
            await hass.async_block_till_done(wait_background_tasks=True)
        # Home Assistant logs it, for the speech and for each listener; we do not repeat it.
        # (asyncio tells of a slow machine.)
        told = [record for record in caplog.records if record.levelno >= logging.WARNING and record.name != "asyncio"]
        messages = [record.getMessage() for record in told]
        assert [message.partition(":")[0] for message in messages] == [
            f"Error getting audio for {TEXT}",
            "Error streaming tts",
        ]
        assert all("Magpie" in message for message in messages)
        assert not any(record.exc_info for record in told)
        assert cached(hass) == []

        await wire.breaks(None)
        run = await run_text(ws, pipeline, TEXT)
        response = await client.get(run.data("tts-end")["tts_output"]["url"])
        assert response.status == 200
        assert await decode(await response.read())
        await hass.async_block_till_done(wait_background_tasks=True)
