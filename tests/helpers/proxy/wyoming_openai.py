"""The program `wyoming-openai` in front of a proxy, and a satellite that speaks to it.

https://github.com/roryeckel/wyoming_openai/blob/v0.8.0/src/wyoming_openai/handler.py
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.helpers.repository import ROOT
from tools.stack.folders import free_port
from tools.stack.http import Json, text
from tools.stack.processes import temporary_processes
from tools.stack.wyoming import read_event, write_event

PYTHON = ROOT / ".venv-wyoming-openai/bin/python"
HOST = "127.0.0.1"
MODEL = "gpt-live-transcribe"
FORMAT: dict[str, Json] = {"rate": 16_000, "width": 2, "channels": 1}
FRAME = 2048
"""Bytes in one event, as Home Assistant sends them."""


@asynccontextmanager
async def running(url: str, key: str = "any") -> AsyncGenerator[int]:
    """Yield the port at which it listens, in front of the proxy at `url`, with a model that it asks in realtime."""
    port = free_port()
    async with temporary_processes() as processes:
        program = await processes.start(
            "wyoming-openai",
            *(PYTHON, "-m", "wyoming_openai", "--uri", f"tcp://{HOST}:{port}", "--languages", "en"),
            *("--stt-openai-url", f"{url}/v1", "--stt-openai-key", key, "--stt-backend", "OPENAI"),
            *("--stt-realtime-models", MODEL),
        )
        await program.reached(port)
        yield port


class Satellite:
    """One command, from its first sound to what was understood."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Begin to speak."""
        self._reader, self._writer = reader, writer
        write_event(writer, "transcribe", {"name": MODEL, "language": "en"})
        write_event(writer, "audio-start", FORMAT)

    def say(self, pcm: bytes) -> None:
        """Speak 16 kHz s16le mono PCM."""
        for at in range(0, len(pcm), FRAME):
            write_event(self._writer, "audio-chunk", FORMAT, pcm[at : at + FRAME])

    def end(self) -> None:
        """Stop speaking."""
        write_event(self._writer, "audio-stop", {})

    async def told(self, kind: str) -> str:
        """Return the text of the next event of that kind."""
        while (event := await read_event(self._reader))[0] != kind:
            pass
        return text(event[1], "text")


@asynccontextmanager
async def satellite(port: int) -> AsyncGenerator[Satellite]:
    """A satellite that begins to speak."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        yield Satellite(reader, writer)
    finally:
        writer.close()
