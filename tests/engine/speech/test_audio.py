"""WAV headers as real encoders write them, and PCM that arrives in pieces."""

import contextlib
import io
import struct
import sys
import tracemalloc
import wave
from collections.abc import Callable
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spark_engine.models import Audio
from spark_engine.speech.audio import (
    WIDE,
    SampleFramer,
    WavFormat,
    WavReader,
    read_wav,
    shortest_plausible_speech,
    silence,
    wav_header,
    widened,
    write_wav,
)

SPEECH = Audio(bytes(range(256)) * 40, 16_000)


def chunk(name: bytes, data: bytes) -> bytes:
    """A RIFF chunk, padded to an even length."""
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def wav_with(*chunks: bytes) -> bytes:
    """A RIFF WAVE file of these chunks."""
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def fmt(encoding: int = 1, channels: int = 1, rate: int = 16_000, bits: int = 16) -> bytes:
    """A `fmt ` chunk."""
    width = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", encoding, channels, rate, rate * width, width, bits))


def test_the_standard_library_reads_what_we_write() -> None:
    with wave.open(io.BytesIO(write_wav(SPEECH))) as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) == (16_000, 1, 2)
        assert reader.readframes(reader.getnframes()) == SPEECH.pcm


def test_we_read_what_the_standard_library_writes() -> None:
    """A plain 44-byte header."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(22_050)
        writer.writeframes(SPEECH.pcm)
    assert read_wav(buffer.getvalue()) == Audio(SPEECH.pcm, 22_050)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_placeholder_size_means_everything_that_comes(size: int) -> None:
    """Encoders that stream write one of these; OpenAI does."""
    header = bytearray(wav_header(16_000))
    struct.pack_into("<I", header, 40, size)
    assert read_wav(bytes(header) + SPEECH.pcm) == SPEECH


def test_a_header_for_streaming_never_says_zero() -> None:
    """Several readers take 0 literally and read nothing."""
    riff, data = struct.unpack_from("<I", wav_header(16_000), 4)[0], struct.unpack_from("<I", wav_header(16_000), 40)[0]
    assert (riff, data) == (0xFFFFFFFF, 0xFFFFFFFF)


def test_chunks_around_the_samples_are_passed_over() -> None:
    """PyAV writes LIST before the samples, editors write their own after them."""
    file = wav_with(chunk(b"LIST", b"INFOodd"), fmt(), chunk(b"data", SPEECH.pcm), chunk(b"junk", b"no samples"))
    assert read_wav(file) == SPEECH
    reader = WavReader()
    assert reader.feed(file) == SPEECH.pcm
    assert file[reader.header_size :].startswith(SPEECH.pcm)


def test_the_extensible_format_is_read_through() -> None:
    """0xFFFE hides the real encoding in the GUID."""
    body = struct.pack("<HHIIHHHHIH14s", 0xFFFE, 1, 16_000, 32_000, 2, 16, 22, 16, 4, 1, bytes(14))
    assert read_wav(wav_with(chunk(b"fmt ", body), chunk(b"data", SPEECH.pcm))) == SPEECH


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"just some text, no sound at all", "does not start with RIFF"),
        (b"RIFF\x10\0\0\0AVI LIST", "RIFF without WAVE"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "ends within the header"),
        (b"", "ends within the header"),
        (wav_with(chunk(b"data", b"\0\0")), "no fmt chunk"),
        (wav_with(chunk(b"fmt ", b"\1\0"), chunk(b"data", b"\0\0")), "fmt chunk too short"),
        (wav_with(fmt(rate=0), chunk(b"data", b"\0\0")), "sample rate of 0"),
        (wav_with(fmt(channels=2), chunk(b"data", b"\0\0\0\0")), "not 16-bit mono"),
        (wav_with(fmt(encoding=3, bits=32), chunk(b"data", b"\0\0\0\0")), "not 16-bit mono"),
        (b"RIFF\x10\0\0\0WAVE" + chunk(b"LIST", bytes(2 << 20)), "no sample data within the first MiB"),
    ],
)
def test_what_is_wrong_is_said(file: bytes, reason: str) -> None:
    """Never an IndexError or a struct.error."""
    with pytest.raises(ValueError, match=reason):
        read_wav(file)


@given(st.data())
def test_any_cut_gives_the_same_samples(data: st.DataObject) -> None:
    """HTTP cuts where it likes."""
    file = wav_with(chunk(b"LIST", b"abc"), fmt(), chunk(b"data", SPEECH.pcm[:101]), chunk(b"tail", b"12345"))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(file)), max_size=8)))
    reader = WavReader()
    pieces = [file[start:end] for start, end in zip([0, *cuts], [*cuts, len(file)], strict=True)]
    assert b"".join(map(reader.feed, pieces)) == SPEECH.pcm[:101]


@given(garbage=st.binary(max_size=200), looks_right=st.booleans())
def test_garbage_raises_nothing_but_value_error(*, garbage: bytes, looks_right: bool) -> None:
    with contextlib.suppress(ValueError):
        read_wav(b"RIFF\x10\0\0\0WAVEfmt " + garbage if looks_right else garbage)


@given(st.lists(st.binary(max_size=9)))
def test_split_samples_are_rejoined(pieces: list[bytes]) -> None:
    """Only whole samples leave, in order, and at most one byte stays behind."""
    framer = SampleFramer()
    framed = [framer.feed(piece) for piece in pieces]
    assert all(len(piece) % 2 == 0 for piece in framed)
    whole = b"".join(pieces)
    assert b"".join(framed) == whole[: len(whole) // 2 * 2]


def test_silence_has_the_length_asked_for() -> None:
    assert silence(0.25, 22_050).seconds == pytest.approx(0.25, abs=1 / 22_050)
    assert set(silence(0.25, 16_000).pcm) == {0}


def test_long_text_has_a_longer_minimum_than_a_word() -> None:
    """One word may be over in a tenth of a second; forty characters may not."""
    assert shortest_plausible_speech("Yes.") == 0.05
    assert shortest_plausible_speech("x" * 100) == pytest.approx(1.925)


@given(st.lists(st.integers(-32_768, 32_767)))
def test_wide_samples_are_the_same_sound(samples: list[int]) -> None:
    """Each 16-bit sample is the upper end of a 64-bit one."""
    wide = widened(struct.pack(f"<{len(samples)}h", *samples))
    assert struct.unpack(f"<{len(samples)}q", wide) == tuple(sample << 48 for sample in samples)


def test_a_header_tells_the_width() -> None:
    """Bytes per sample in the format, and from them the bytes per second."""
    reader = WavReader()
    assert reader.feed(wav_header(44_100, sample_width=WIDE) + bytes(8)) == bytes(8)
    assert (reader.format, reader.announced) == (WavFormat(1, 1, 44_100, 64), None)
    assert struct.unpack_from("<IH", wav_header(44_100, sample_width=WIDE), 28) == (44_100 * 8, 8)


def calls_made(work: Callable[[], object]) -> int:
    """How many functions it calls, written in Python or in C: what it costs, without a clock."""
    calls = 0

    def count(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize("content", [b"", b"xy"])
def test_a_head_costs_no_more_than_its_bytes(content: bytes, piece: int) -> None:
    """However many chunks it has, and in whatever pieces it comes: none of them is looked at twice."""

    def read(chunks: int) -> int:
        file = b"RIFF\x10\0\0\0WAVE" + chunk(b"fake", content) * chunks + fmt() + chunk(b"data", b"\1\0")
        reader = WavReader()
        calls = calls_made(lambda: [reader.feed(file[at : at + piece]) for at in range(0, len(file), piece)])
        assert reader.header_size == len(file) - 2
        return calls

    assert read(2000) < 2.1 * read(1000)


def test_what_is_skipped_is_not_kept() -> None:
    """A chunk of a megabyte that comes in small pieces."""
    reader = WavReader()
    reader.feed(b"RIFF\x10\0\0\0WAVE" + struct.pack("<4sI", b"LIST", 900_000))
    tracemalloc.start()
    for _ in range(90_000):
        reader.feed(bytes(10))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000
    assert reader.feed(fmt() + chunk(b"data", b"\1\0")) == b"\1\0"
