"""Speech and silence as a microphone sends them, for the realtime door."""

import base64
from array import array
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

import av
from spark_audio_proxy.transcode.encode import audio_frame
from spark_engine.models import SAMPLE_RATE
from spark_engine.speech.audio import read_wav


@cache
def words() -> bytes:
    """A second of real speech: 16 kHz s16le mono."""
    return read_wav((files("spark_engine.healing") / "canary.wav").read_bytes()).pcm


def silence(seconds: float) -> bytes:
    """Silence with the noise of a converter, 16 kHz s16le mono."""
    return array("h", [(number * 7919) % 11 - 5 for number in range(round(seconds * SAMPLE_RATE))]).tobytes()


def at_24_khz(pcm: bytes) -> bytes:
    """16 kHz PCM as OpenAI's clients send it."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=24_000)
    frames = [*resampler.resample(audio_frame(pcm, SAMPLE_RATE)), *resampler.resample(None)]
    return b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in frames)


def base64_chunks(pcm: bytes, size: int = 4800) -> Iterator[str]:
    """The audio of as many `input_audio_buffer.append` events as it takes."""
    for at in range(0, len(pcm), size):
        yield base64.b64encode(pcm[at : at + size]).decode()
