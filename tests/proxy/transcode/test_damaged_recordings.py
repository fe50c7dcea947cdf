"""Recordings that are damaged in the middle: what can be decoded is heard, and the log says what could not."""

import logging
from collections.abc import Callable
from io import BytesIO

import pytest
from spark_audio_proxy.transcode.decode import decode

from tests.helpers.proxy.recordings import recorded

SECONDS = 4.0


def hole(file: bytes) -> bytes:
    """The file with zeros in the middle, as a dropped block of a disk or a lost packet leaves it."""
    middle = len(file) // 2
    return file[:middle] + bytes(600) + file[middle + 600 :]


def noise(file: bytes) -> bytes:
    """The file with other bytes in the middle."""
    middle = len(file) // 2
    return file[:middle] + bytes((at * 89 + 7) % 256 for at in range(600)) + file[middle + 600 :]


@pytest.mark.parametrize("damage", [hole, noise])
@pytest.mark.parametrize(
    ("container", "codec", "left_out"),
    [("mp3", "libmp3lame", 0.3), ("mp4", "aac", 0.4), ("adts", "aac", 0.4)],
)
def test_what_is_behind_the_damage_is_heard(
    damage: Callable[[bytes], bytes], container: str, codec: str, left_out: float
) -> None:
    """No recording ends silently at its first bad packet."""
    heard = sum(map(len, decode(BytesIO(damage(recorded(container, codec, SECONDS)))))) / 32_000
    assert SECONDS - left_out <= heard <= SECONDS + 0.2


def test_the_log_says_what_was_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """Once for a recording, however many of its packets are bad."""
    file = bytearray(recorded("mp4", "aac", SECONDS))
    start = file.index(b"mdat") + 1000
    file[start : start + 4000] = bytes(4000)
    caplog.set_level(logging.WARNING)
    assert sum(map(len, decode(BytesIO(bytes(file)))))
    (line,) = caplog.messages
    assert "could not be decoded and were left out" in line
