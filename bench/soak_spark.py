"""The Spark that is soaked: embedded, its engines tell what they were given, and connections to it can be cut."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, suppress

from embedded_spark import EmbeddedSpark
from embedded_spark.engines import Delivery, Line
from embedded_spark.garbage import SECONDS_PER_CHARACTER
from embedded_spark.wav import Recording
from spark_engine.healing.canary import canary_clip
from yarl import URL

from .spark import SENTENCE

PIECE = 0.25
"""Seconds of speech in one piece."""

PACE = 25.0
"""How many times faster than it sounds speech is made: there has to be a middle in which it can break."""

RECOGNITION = 0.02
"""Seconds for a recording."""

_LOUD = b"\x00\x10"
_BLOCK = 1 << 16


class CountingRecognizer:
    """Hears how many samples a recording has, so that a piece that is lost is missed; and the canary's words."""

    def hear(self, recording: Recording) -> Generator[tuple[Line, ...]]:
        """One line."""
        time.sleep(RECOGNITION)
        is_canary = recording.pcm == canary_clip().pcm
        words = SENTENCE if is_canary else f"{len(recording.pcm) // 2 // recording.channels} samples"
        yield (Line(words, 0.0, recording.duration),)


class PacedSynthesizer:
    """Speaks a sound of the right length, piece by piece."""

    def speak(self, text: str, delivery: Delivery, sample_rate: int) -> Generator[bytes]:  # noqa: ARG002 - the protocol
        """s16le mono PCM at `sample_rate` Hz."""
        left, size = round(SECONDS_PER_CHARACTER * len(text) * sample_rate), round(PIECE * sample_rate)
        while left > 0:
            time.sleep(PIECE / PACE)
            yield _LOUD * min(size, left)
            left -= size


def soaked_spark(start_delay: float) -> EmbeddedSpark:
    """On free ports; not started yet. A restart takes `start_delay` seconds."""
    return EmbeddedSpark(load_recognizer=CountingRecognizer, load_synthesizer=PacedSynthesizer, start_delay=start_delay)


class Relay:
    """Stands between the proxy and one server, and cuts an answer in its middle when it is told to."""

    def __init__(self, url: str) -> None:
        """`url` is the server's."""
        self.cuts: list[float] = []
        """When, in monotonic seconds."""
        self._server = URL(url)
        self._is_armed = False
        self._tasks: set[asyncio.Task[None]] = set()

    def arm(self) -> None:
        """Cut the next answer to a POST: a reset, as from a process that crashes."""
        self._is_armed = True

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[str]:
        """The URL to be asked instead."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        try:
            yield f"http://{host}:{port}"
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            there, back = await asyncio.open_connection(self._server.host, self._server.port)
        except OSError:
            writer.transport.abort()
            return
        connection = _Relayed(self, (reader, writer), (there, back))
        with suppress(asyncio.CancelledError):
            await connection.run()

    def take_cut(self) -> bool:
        """Whether this answer is the one to be cut."""
        if not self._is_armed:
            return False
        self._is_armed = False
        self.cuts.append(time.monotonic())
        return True


type _Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Relayed:
    """One connection and its continuation."""

    def __init__(self, relay: Relay, client: _Stream, server: _Stream) -> None:
        self._relay = relay
        self._client, self._server = client, server
        self._is_inference = False

    async def run(self) -> None:
        """Until one side ends; what breaks on one side breaks on the other."""
        pumps = [asyncio.create_task(self._ask()), asyncio.create_task(self._answer())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for _, writer in (self._client, self._server):
                writer.transport.abort()

    async def _ask(self) -> None:
        (reader, _), (_, writer) = self._client, self._server
        while data := await reader.read(_BLOCK):
            if data.startswith((b"POST ", b"GET ")):
                self._is_inference = data.startswith(b"POST ")
            writer.write(data)
            await writer.drain()

    async def _answer(self) -> None:
        (reader, _), (_, writer) = self._server, self._client
        while data := await reader.read(_BLOCK):
            if self._is_inference and self._relay.take_cut():
                writer.write(data[: len(data) // 2])
                await writer.drain()
                _reset(writer)
                return
            writer.write(data)
            await writer.drain()
        # An end is passed on once all is written.
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST."""
    sock: socket.socket = writer.get_extra_info("socket")
    if sock.fileno() != -1:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
