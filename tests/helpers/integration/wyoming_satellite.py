"""A Wyoming satellite that streams from `say` on until the transcript comes, as `wyoming-satellite` does.

https://github.com/rhasspy/wyoming-satellite/blob/master/wyoming_satellite/satellite.py
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from wyoming.audio import AudioChunk
from wyoming.event import Event, async_read_event, async_write_event
from wyoming.info import Attribution, Info, Satellite
from wyoming.pipeline import PipelineStage, RunPipeline

from .satellite import FRAME

STOPS_THE_MICROPHONE = ("transcript", "error")

NOBODY = Attribution(name="", url="")


class WyomingSatellite:
    """A satellite with one microphone."""

    def __init__(self) -> None:
        """Wait for Home Assistant."""
        self.is_ready = asyncio.Event()
        self.is_answered = asyncio.Event()
        self.events: list[tuple[str, bool]] = []
        """Events, each with whether the microphone was still on when it came."""
        self._is_listening = False
        self._writer: asyncio.StreamWriter | None = None

    async def say(self, spoken: bytes) -> None:
        """Say this (16 kHz s16le mono) and be silent then. Returns when the answer was heard."""
        self._is_listening = True
        await self._send(RunPipeline(start_stage=PipelineStage.ASR, end_stage=PipelineStage.TTS).event())
        at = 0
        while self._is_listening:
            audio = spoken[at : at + len(FRAME)].ljust(len(FRAME), b"\0")
            await self._send(AudioChunk(rate=16_000, width=2, channels=1, audio=audio).event())
            at += len(FRAME)
            await asyncio.sleep(0)
        await self.is_answered.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection of Home Assistant's: the first asks what this is, the second stays."""
        while event := await async_read_event(reader):
            match event.type:
                case "describe":
                    me = Satellite(name="hall", attribution=NOBODY, installed=True, description=None, version=None)
                    await async_write_event(Info(satellite=me).event(), writer)
                case "run-satellite":
                    self._writer = writer
                    self.is_ready.set()
                case "ping":
                    await async_write_event(Event(type="pong", data=event.data), writer)
                case _:
                    self._on_event(event.type)
        writer.close()

    def _on_event(self, name: str) -> None:
        self.events.append((name, self._is_listening))
        if name in STOPS_THE_MICROPHONE:
            self._is_listening = False
        if name in {"audio-stop", "error"}:
            self.is_answered.set()

    async def _send(self, event: Event) -> None:
        assert self._writer is not None
        await async_write_event(event, self._writer)


@asynccontextmanager
async def running() -> AsyncGenerator[tuple[WyomingSatellite, int]]:
    """Yield a satellite and its port on the loopback."""
    satellite = WyomingSatellite()
    server = await asyncio.start_server(satellite.serve, "127.0.0.1", 0)
    try:
        yield satellite, server.sockets[0].getsockname()[1]
    finally:
        server.close()
