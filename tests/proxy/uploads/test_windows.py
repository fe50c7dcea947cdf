"""Long recordings in bounded memory, cut in pauses."""

import asyncio
from collections.abc import AsyncGenerator, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spark_audio_proxy.transcode.decode import Block
from spark_audio_proxy.uploads.windows import Window, cut_windows, quietest
from spark_engine.models import Audio

from tests.helpers.proxy.recordings import tone

SECOND = 32_000
"""Bytes of 16 kHz s16le mono."""


class Blocks:
    """PCM that is made when it is asked for, and counts how much was."""

    def __init__(self, seconds: int) -> None:
        """So many seconds of a quiet noise."""
        self.seconds, self.made = seconds, 0

    async def blocks(self) -> AsyncGenerator[Block]:
        """A second at a time."""
        block = b"\x01\x00\x02\x00" * (SECOND // 4)
        for _ in range(self.seconds):
            self.made += len(block)
            yield Block(block)


async def in_blocks(blocks: Iterable[bytes]) -> AsyncGenerator[Block]:
    """The same, held."""
    for block in blocks:
        yield Block(block)


async def windows_of(blocks: Iterable[bytes], seconds: float) -> list[Window]:
    """All windows."""
    return [window async for window in cut_windows(in_blocks(blocks), seconds, 1e6)]


def pcm_of(window: Window) -> bytes:
    """The samples of a window that is held in memory."""
    assert isinstance(window.audio, Audio)
    return window.audio.pcm


async def test_two_hours_never_hold_more_than_a_window() -> None:
    """Nothing is read ahead of what is needed, and nothing is lost."""
    blocks, cut = Blocks(2 * 3600), 0
    async for window in cut_windows(blocks.blocks(), 300.0, 4 * 3600.0):
        assert window.start == pytest.approx(cut / SECOND)
        cut += len(pcm_of(window))
        assert window.audio.seconds <= 300
        assert blocks.made - cut <= 301 * SECOND
    assert cut == 2 * 3600 * SECOND


@given(
    lengths=st.lists(st.integers(0, 40_000), max_size=12),
    seconds=st.floats(0.5, 3.0),
)
def test_windows_are_the_recording(lengths: list[int], seconds: float) -> None:
    """Whatever the blocks, the windows joined are what came in."""
    blocks = [bytes(range(256)) * (length // 256) for length in lengths]
    windows = asyncio.run(windows_of(blocks, seconds))
    assert b"".join(pcm_of(window) for window in windows) == b"".join(blocks)
    assert all(window.audio.seconds <= seconds + 1 / 16_000 for window in windows)


def test_the_cut_is_in_the_middle_of_the_pause() -> None:
    """Not at its edge, where a word begins."""
    pcm = bytearray(tone(30).pcm)
    pcm[20 * SECOND : 21 * SECOND] = bytes(SECOND)
    assert quietest(bytes(pcm)) / SECOND == pytest.approx(20.5, abs=0.45)
    assert all(sample == 0 for sample in pcm[quietest(bytes(pcm)) - 100 : quietest(bytes(pcm)) + 100])


def test_the_last_of_equal_pauses_is_taken() -> None:
    """A longer window gives the model more context; what lies far before the end is not looked at."""
    pcm = bytearray(tone(60).pcm)
    for second in (10, 45, 55):
        pcm[second * SECOND : (second + 1) * SECOND] = bytes(SECOND)
    assert 55 < quietest(bytes(pcm)) / SECOND < 56


async def test_a_window_ends_in_the_pause_that_was_found() -> None:
    """However the blocks were cut, and although only its end is looked at."""
    pcm = bytearray(tone(90).pcm)
    for second in (30, 52):
        pcm[second * SECOND : (second + 1) * SECOND] = bytes(SECOND)
    blocks = [bytes(pcm[at : at + 70_001]) for at in range(0, len(pcm), 70_001)]
    first, last = await windows_of(blocks, 60.0)
    assert len(pcm_of(first)) == quietest(bytes(pcm[: 60 * SECOND]))
    assert 52 < first.audio.seconds == last.start < 53


async def test_a_recording_that_exceeds_the_limit_is_refused_before_it_is_all_decoded() -> None:
    """A few kilobytes may unpack to days."""
    blocks = Blocks(3600)
    with pytest.raises(ValueError, match="longer than 60 seconds"):
        [window async for window in cut_windows(blocks.blocks(), 30.0, 60.0)]
    assert blocks.made == 61 * SECOND


async def test_a_window_tells_what_was_left_out_of_it() -> None:
    """Also behind its last samples."""

    async def damaged() -> AsyncGenerator[Block]:
        for left_out in (0.5, 0.0, 0.25):
            yield Block(bytes(SECOND), left_out)
        yield Block(b"", 2.0)

    windows = [window async for window in cut_windows(damaged(), 2.0, 60.0)]
    assert [window.left_out for window in windows] == [0.75, 2.0]
