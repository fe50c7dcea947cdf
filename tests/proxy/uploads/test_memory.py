"""What a proxy takes from the system, in a process of its own."""

import errno
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from spark_audio_proxy.process_limits import prepare
from spark_engine.speech.audio import wav_header

from tests.helpers.proxy.forms import part
from tools.bench.load import Request, run_block
from tools.bench.machine import used_memory
from tools.stack.processes import started

WINDOW = 300 * 32_000
"""Bytes of 16 kHz s16le mono that Parakeet gets at once."""

CODE = (
    "from resource import *; from spark_audio_proxy.process_limits import prepare; prepare();"
    " print(*getrlimit(RLIMIT_NOFILE))"
)


def recording(size: int, *, file_first: bool = False, sample_rate: int = 16_000) -> Request:
    """A form with a WAV file; with another sample rate, it has to be decoded."""
    pcm = bytes(range(256)) * (size // 256)
    parts = [part("model", b"x"), part("file", wav_header(sample_rate, len(pcm)) + pcm, "a.wav")]
    body = b"".join(reversed(parts) if file_first else parts) + b"--x1--\r\n"
    return Request("/v1/audio/transcriptions", {"Content-Type": "multipart/form-data; boundary=x1"}, body)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file_first", "sample_rate", "most"),
    [(False, 16_000, 2.5 * WINDOW), (True, 16_000, 12 * WINDOW), (True, 44_100, 12 * WINDOW)],
    ids=["heard while it comes", "held, since a field follows", "held, since it is decoded"],
)
async def test_a_long_recording_takes_no_more_than_it_must(
    tmp_path: Path, *, file_first: bool, sample_rate: int, most: float
) -> None:
    """Of ten windows two are there: the one that is heard and the next; or, once, all of them and two more."""
    long = recording(10 * WINDOW, file_first=file_first, sample_rate=sample_rate)
    async with started("tools.bench.upstream") as upstream:
        settings = ("--parakeet-url", upstream.url, "--state-dir", str(tmp_path), "--watch", "off")
        async with started("spark_audio_proxy", "--port", "0", *settings) as proxy:
            peaks = []
            for request in (recording(WINDOW // 50), long):
                block = await run_block(proxy.url, request, callers=1, each=1)
                assert [exchange.status for exchange in block.exchanges] == [200]
                peaks.append(used_memory(proxy.pid, "VmHWM"))
    assert peaks[1] - peaks[0] < most


@pytest.mark.parametrize("soft", [64, 256])
def test_it_may_have_as_many_connections_as_the_system_allows(soft: int) -> None:
    """Services are started with 1,024 open files and may have many more."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    shell = f"ulimit -Sn {soft}; exec {sys.executable} -c '{CODE}'"
    said = subprocess.run(["sh", "-c", shell], capture_output=True, check=True, text=True).stdout
    wanted, most = map(int, said.split())
    assert most == hard
    assert wanted == min(1 << 16, hard if hard != resource.RLIM_INFINITY else 1 << 16)


@pytest.mark.parametrize("refused", ["getrlimit", "setrlimit"])
def test_a_sandbox_that_refuses_stops_nothing(monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    """As our systemd unit does."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(resource, refused, refuse)
    prepare()
