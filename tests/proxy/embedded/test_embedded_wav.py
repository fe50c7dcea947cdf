"""The WAV files that the embedded Parakeet takes."""

import struct

import pytest
from embedded_spark.wav import UnsupportedAudio, read_wav, write_wav

PCM = b"\x00\x01" * 16_000
SECOND = write_wav(PCM, 16_000)


def chunk(name: bytes, body: bytes) -> bytes:
    """A RIFF chunk."""
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def wave(*chunks: bytes) -> bytes:
    """A WAV file of these chunks."""
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def layout(tag: int = 1, channels: int = 1, sample_rate: int = 16_000, bits: int = 16, more: bytes = b"") -> bytes:
    """A `fmt ` chunk."""
    width = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, sample_rate, sample_rate * width, width, bits) + more)


PCM_IN_EXTENSIBLE = struct.pack("<HHIH", 22, 16, 4, 1) + b"\0" * 14
FLOAT_IN_EXTENSIBLE = struct.pack("<HHIH", 22, 32, 4, 3) + b"\0" * 14
DATA = chunk(b"data", PCM)


@pytest.mark.parametrize(
    ("wav", "frames", "channels", "sample_rate"),
    [
        (SECOND, 16_000, 1, 16_000),
        (write_wav(b"", 8_000), 0, 1, 8_000),
        (wave(layout(channels=2, sample_rate=44_100), DATA), 8_000, 2, 44_100),
        (wave(chunk(b"LIST", b"odd"), layout(), chunk(b"fact", b"1234"), DATA), 16_000, 1, 16_000),
        (wave(layout(0xFFFE, more=PCM_IN_EXTENSIBLE), DATA), 16_000, 1, 16_000),
        (wave(layout(), DATA, chunk(b"LIST", b"after")), 16_000, 1, 16_000),
        (wave(layout(), b"data\xff\xff\xff\xff" + PCM), 16_000, 1, 16_000),
        (SECOND[:-3], 15_998, 1, 16_000),
        (wave(layout(channels=2), chunk(b"data", PCM[:-2])), 7_999, 2, 16_000),
    ],
)
def test_wav_files_are_read(wav: bytes, frames: int, channels: int, sample_rate: int) -> None:
    """With any chunks around the samples, of unknown length, cut off."""
    recording = read_wav(wav)
    assert (recording.channels, recording.sample_rate) == (channels, sample_rate)
    assert len(recording.pcm) == frames * channels * 2
    assert recording.duration == frames / sample_rate
    assert PCM.startswith(bytes(recording.pcm))


@pytest.mark.parametrize(
    ("wav", "reason"),
    [
        (b"", "not a WAV file"),
        (b"RIFF", "not a WAV file"),
        (b"RIFF\0\0\0\0AVI " + DATA, "not a WAV file"),
        (wave(), "no samples"),
        (wave(layout()), "no samples"),
        (wave(DATA, layout()), "before their format"),
        (wave(chunk(b"fmt ", b"\1\0\1\0"), DATA), "cut off"),
        (wave(layout(bits=8), DATA), "not 16-bit PCM"),
        (wave(layout(bits=24), DATA), "not 16-bit PCM"),
        (wave(layout(3, bits=32), DATA), "not 16-bit PCM"),
        (wave(layout(7), DATA), "not 16-bit PCM"),
        (wave(layout(0xFFFE, bits=32, more=FLOAT_IN_EXTENSIBLE), DATA), "not 16-bit PCM"),
        (wave(layout(0xFFFE), DATA), "not 16-bit PCM"),
        (wave(layout(channels=0), DATA), "0 channels"),
        (wave(layout(channels=6), DATA), "6 channels"),
        (wave(layout(sample_rate=0), DATA), "sample rate of 0 Hz"),
        (wave(layout(sample_rate=400_000_000), DATA), "sample rate of 400000000 Hz"),
    ],
)
def test_other_audio_is_refused(wav: bytes, reason: str) -> None:
    """By name of what is wrong with it."""
    with pytest.raises(UnsupportedAudio, match=reason):
        read_wav(wav)
