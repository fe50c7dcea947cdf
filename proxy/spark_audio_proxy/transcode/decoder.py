"""The process that decodes recordings: bytes of strangers never reach a decoder in the proxy's own process.

`python -m spark_audio_proxy.transcode.decoder FD` loads libav once, and forks a process for each recording, which takes
some milliseconds. FD is a Unix socket of messages. Each names a channel ("left", "right", or "mix" for all of them) and
brings two files: the recording, and a socket for the answer.

The answer is a row of messages: a head (`HEAD`) of kind, bytes and seconds left out, and so many bytes. The kinds are
`PCM` (16 kHz s16le mono), `REFUSED` (a sentence for the user) and `DONE`. One of the last two is the last message.
Where there is none, the process was stopped by its limits, or by a fault in a decoder. Closing the other end of the
answer kills the process, whatever it does.
"""

import gc
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from mmap import ACCESS_COPY, mmap
from pathlib import Path
from struct import Struct
from threading import Thread

from spark_engine.models import SAMPLE_RATE, SAMPLE_WIDTH
from spark_engine.speech.audio import silence, write_wav

from .decode import decode
from .libav_limits import limit_blocks
from .mixer import Channel

HEAD = Struct(">cId")
PCM, REFUSED, DONE = b"P", b"R", b"D"
MIX = "mix"

MESSAGE = 1 << 16
"""Bytes of PCM in a message, or a little more: two seconds. Each costs the proxy as much as a few kilobytes."""

SPARE_SECONDS = 5
"""Seconds of processor time that a recording may take before it has given any audio."""

SLOWEST = 20
"""Seconds of audio that a second of processor time has to give from then on: every codec gives some hundreds."""

MEMORY = 256 << 20
"""Bytes that a recording may take beside its own: some megabytes are needed."""


def main() -> None:
    """Start a process for each recording, until the other end of the socket is closed."""
    limit_blocks()
    # A signal to all processes of the proxy must not end the requests that are in flight: the proxy ends this one.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _warm_up()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        while True:
            channel, files, _, _ = socket.recv_fds(requests, 16, 2)
            if not files:
                return
            if not os.fork():
                requests.close()
                _decode_and_exit(channel.decode(), *files)
            for file in files:
                os.close(file)


def _warm_up() -> None:
    """Decode a moment of silence: what is loaded and built at the first use is there in every process after this."""
    for _ in decode(bytearray(write_wav(silence(0.1, 44_100)))):
        pass


def _decode_and_exit(channel: str, file: int, connection: int) -> None:
    try:
        with socket.socket(fileno=connection) as answer, mmap(file, 0, access=ACCESS_COPY) as recording:
            Thread(target=_end_with, args=(answer,), daemon=True).start()
            limit(len(recording))
            send_decoded(recording, channel, answer)
    finally:
        os._exit(0)


def _end_with(answer: socket.socket) -> None:
    """End this process once nothing reads its answer any more."""
    with suppress(OSError):
        answer.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def limit(size: int, seconds: int = SPARE_SECONDS) -> None:
    """Limit what this process may take for a recording of `size` bytes: memory, and seconds of processor time.

    Where a sandbox forbids that, the proxy's patience remains.
    """
    with suppress(OSError, ValueError):
        # What a fault in a decoder leaves behind would hold speech.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        pages = int(Path("/proc/self/statm").read_text().split()[5])
        most = pages * resource.getpagesize() + size + MEMORY
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    _allow_time(seconds)


def _allow_time(seconds: int) -> None:
    with suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))


def send_decoded(recording: bytearray | mmap, channel: str, answer: socket.socket) -> None:
    """Answer with what can be decoded; the recording's tags are overwritten. Blocking, as fast as it is read."""
    heard = allowed = left_out = 0.0
    pcm = bytearray()
    try:
        for block in decode(recording, None if channel == MIX else Channel(channel)):
            pcm += block.pcm
            left_out += block.left_out
            if len(pcm) < MESSAGE:
                continue
            answer.sendall(HEAD.pack(PCM, len(pcm), left_out) + pcm)
            heard += len(pcm) / SAMPLE_WIDTH / SAMPLE_RATE
            pcm.clear()
            left_out = 0.0
            if heard >= allowed + SLOWEST:
                allowed = heard
                _allow_time(SPARE_SECONDS + round(heard / SLOWEST))
    except ValueError as err:
        sentence = str(err).encode()
        answer.sendall(HEAD.pack(REFUSED, len(sentence), 0) + sentence)
    else:
        answer.sendall(HEAD.pack(PCM, len(pcm), left_out) + pcm + HEAD.pack(DONE, 0, 0))


if __name__ == "__main__":
    main()
