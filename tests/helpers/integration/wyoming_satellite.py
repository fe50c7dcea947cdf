"""The program `wyoming-satellite`, with a microphone, a loudspeaker, a wake word and lights that the test has.

https://github.com/rhasspy/wyoming-satellite/blob/v1.0.0/wyoming_satellite/satellite.py
"""

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from wyoming.audio import AudioChunk
from wyoming.event import async_read_event, async_write_event
from wyoming.wake import Detection

from tests.helpers.repository import ROOT

from .loopback import HOST, serving
from .microphone import frame_by_frame

PYTHON = ROOT / ".venv-wyoming-satellite/bin/python"


class Satellite:
    """What the program's four services are told: it connects to each of them."""

    def __init__(self, taken: list[int]) -> None:
        """Nothing is heard yet. `taken` are the frames that the entity has taken."""
        self.events: list[str] = []
        """What its lights are told."""
        self.heard: list[str] = []
        """What its loudspeaker is told."""
        self.program: asyncio.subprocess.Process | None = None
        self._spoken = b""
        self._taken = taken
        self._is_streaming = asyncio.Event()
        self._wake = asyncio.Queue[str]()
        self._told = asyncio.Event()
        self.is_connected = asyncio.Event()

    def say(self, spoken: bytes) -> None:
        """Say the wake word and this (16 kHz s16le mono), and be silent then."""
        self._spoken = spoken
        self._wake.put_nowait("spark")

    def unplug(self) -> None:
        """End the program, as where its power is gone."""
        assert self.program is not None
        self.program.kill()

    async def told(self, event: str) -> None:
        """Wait until its lights were told this."""
        while event not in self.events:
            await self._told.wait()

    async def microphone(self, _reader: StreamReader, writer: StreamWriter) -> None:
        """Stream from the wake word on until the program stops."""
        while await self._is_streaming.wait():
            async for frame in frame_by_frame(self._spoken, self._taken, self._is_streaming.is_set):
                await async_write_event(AudioChunk(rate=16_000, width=2, channels=1, audio=frame).event(), writer)

    async def wake_word(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Detect the wake word when it is said."""
        await async_read_event(reader)
        self.is_connected.set()
        while name := await self._wake.get():
            await async_write_event(Detection(name=name).event(), writer)

    async def lights(self, reader: StreamReader, _writer: StreamWriter) -> None:
        """Be told of everything but sound."""
        while event := await async_read_event(reader):
            self.events.append(event.type)
            if event.type == "streaming-started":
                self._is_streaming.set()
            elif event.type == "streaming-stopped":
                self._is_streaming.clear()
            self._told.set()
            self._told = asyncio.Event()

    async def loudspeaker(self, reader: StreamReader, _writer: StreamWriter) -> None:
        """Be told of the sound of an answer."""
        while event := await async_read_event(reader):
            self.heard.append(event.type)


@asynccontextmanager
async def running(taken: list[int]) -> AsyncGenerator[tuple[Satellite, int]]:
    """Yield a satellite that waits for Home Assistant, and its port on the loopback."""
    satellite, port = Satellite(taken), _free_port()
    arguments = ["-m", "wyoming_satellite", "--no-zeroconf", "--name", "hall", "--uri", f"tcp://{HOST}:{port}"]
    services = {
        "mic": satellite.microphone,
        "wake": satellite.wake_word,
        "event": satellite.lights,
        "snd": satellite.loudspeaker,
    }
    async with AsyncExitStack() as stack:
        for name, service in services.items():
            at = await stack.enter_async_context(serving(service))
            arguments += [f"--{name}-uri", f"tcp://{HOST}:{at}"]
        program = satellite.program = await asyncio.create_subprocess_exec(PYTHON, *arguments)
        try:
            # It listens before it connects to any of the services.
            await satellite.is_connected.wait()
            yield satellite, port
        finally:
            with suppress(ProcessLookupError):
                program.kill()
            await program.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
