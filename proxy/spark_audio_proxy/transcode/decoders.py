"""Recordings, decoded in processes of their own (`decoder.py`): the proxy's end of the line."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
from asyncio import IncompleteReadError, StreamReader
from collections.abc import AsyncGenerator
from io import BytesIO

from .decode import Block
from .decoder import DONE, HEAD, MIX, REFUSED
from .mixer import Channel

LOGGER = logging.getLogger(__name__)

PATIENCE = 30.0
"""Seconds without a sign of a decoder after which it is killed: it has a limit of its own, for processor time."""

COPIED = 1 << 20
"""Bytes that are copied at once, in the event loop: less than handing them to a thread takes.

A thread cannot be stopped, either: it would go on writing to a file number that means another file by then.
"""

_SECRETS = "SPARK_AUDIO_"


class Decoders:
    """Decodes recordings, `at_once` of them at the same time and all others in between."""

    def __init__(self, at_once: int, patience: float = PATIENCE) -> None:
        """Start nothing yet: the first recording does, or `start`. `patience` is in seconds."""
        self._patience = patience
        self._turns = asyncio.Semaphore(at_once)
        self._handing_over = asyncio.Lock()
        self._requests: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> socket.socket:
        """Start the process that starts all others: it takes some tenths of a second to load libav."""
        self._requests, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # It gets no keys.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
        with other:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                (sys.executable, "-m", "spark_audio_proxy.transcode.decoder", str(other.fileno())),
                env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
                stdin=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
            )
        return self._requests

    @property
    def process_id(self) -> int:
        """Return the id of the process that was started. Raises RuntimeError where none was."""
        if self._process is None:
            raise RuntimeError("not started")
        return self._process.pid

    def close(self) -> None:
        """End it. Recordings that are being decoded end where nothing reads them."""
        if self._requests is not None:
            self._requests.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._requests = self._process = None

    async def decode(
        self, file: BytesIO, channel: Channel | None = None, *, keep: bool = False
    ) -> AsyncGenerator[Block]:
        """Yield what can be decoded; as `decode.decode`. Who closes this kills the decoder.

        The file is empty from the first block on, so that the recording is in memory once; not with `keep`.
        Raises ValueError, with a sentence for the user, where there is nothing to hear.
        """
        if not file.getbuffer():
            raise ValueError("The audio file is empty.")
        recording = os.memfd_create("recording", os.MFD_CLOEXEC)
        try:
            # Meanwhile it is in memory twice: never more than one.
            async with self._handing_over:
                await _copy(file, recording)
                if not keep:
                    file.truncate(0)
            answer = self._ask(recording, channel.value if channel else MIX)
        finally:
            os.close(recording)
        reader, writer = await asyncio.open_unix_connection(sock=answer)
        try:
            while (block := await self._next(reader)) is not None:
                yield block
        finally:
            writer.transport.abort()

    def _ask(self, recording: int, channel: str) -> socket.socket:
        """Return the socket for the answer."""
        answer, other = socket.socketpair()
        answer.setblocking(False)
        with other:
            files = [recording, other.fileno()]
            try:
                socket.send_fds(self._started(), [channel.encode()], files)
            except OSError:
                LOGGER.warning("The process that decodes recordings has ended; it is started anew")
                self.close()
                socket.send_fds(self._started(), [channel.encode()], files)
        return answer

    def _started(self) -> socket.socket:
        if self._requests is None:
            return self.start()
        return self._requests

    async def _next(self, reader: StreamReader) -> Block | None:
        """Return the next block, None at the end."""
        try:
            async with self._turns, asyncio.timeout(self._patience):
                kind, size, left_out = HEAD.unpack(await reader.readexactly(HEAD.size))
                content = await reader.readexactly(size)
        except (IncompleteReadError, ConnectionError, TimeoutError) as err:
            LOGGER.warning("The decoder of a recording was stopped: it took too much time or memory, or failed")
            raise ValueError("The recording cannot be decoded: that takes too much time or memory.") from err
        if kind == REFUSED:
            raise ValueError(content.decode())
        return None if kind == DONE else Block(content, left_out)


async def _copy(file: BytesIO, to: int) -> None:
    """Write all of a file, and let others have the event loop in between."""
    with file.getbuffer() as data:
        for start in range(0, len(data), COPIED):
            if start:
                await asyncio.sleep(0)
            _write(to, data[start : start + COPIED])


def _write(file: int, data: memoryview) -> None:
    while data:
        data = data[os.write(file, data) :]
