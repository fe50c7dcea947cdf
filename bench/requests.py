"""The requests that are sent, each as the upstream takes it and as the proxy takes it."""

import random
from dataclasses import dataclass, replace

from spark_engine.models import SAMPLE_RATE, SAMPLE_WIDTH, Audio
from spark_engine.servers.bodies import AudioFile, Body, form_body, json_body
from spark_engine.speech.audio import wav_header, write_wav

from . import upstream
from .load import Request

BYTES_PER_SECOND = SAMPLE_RATE * SAMPLE_WIDTH
"""Of a recording as Parakeet wants it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The same wish, said to the upstream and to the proxy."""

    direct: Request
    proxied: Request


def recording(seconds: float) -> bytes:
    """A WAV file as Parakeet wants it, 16 kHz s16le mono; noise, so that nothing in it is easier than speech."""
    noise = random.Random(0).randbytes(round(seconds * SAMPLE_RATE) * SAMPLE_WIDTH)  # noqa: S311 - samples, no secret
    return write_wav(Audio(noise, SAMPLE_RATE))


def transcription(wav: bytes, line: float | None = None) -> Pair:
    """OpenAI's form, which both of them take; sent at so many bytes a second."""
    body = form_body(
        {"model": "whisper-1", "language": "en-US"},
        AudioFile("file", "speech.wav", "audio/wav", b"", Audio(wav, SAMPLE_RATE)),
    )
    request = replace(_request(upstream.TRANSCRIPTIONS, body), line=line)
    return Pair(request, request)


def speech(text: str) -> Pair:
    """A NIM's form, answered with PCM; and OpenAI's JSON, answered with WAV."""
    voice = "Magpie-Multilingual.EN-US.Aria"
    rate = str(upstream.SAMPLE_RATE)
    form = {"text": text, "language": "en-US", "voice": voice, "encoding": "LINEAR_PCM", "sample_rate_hz": rate}
    wish = json_body({"model": "tts-1", "input": text, "voice": voice, "response_format": "wav"})
    return Pair(
        _request(upstream.SYNTHESIZE_ONLINE, form_body(form)),
        _request("/v1/audio/speech", wish, preamble=len(wav_header(upstream.SAMPLE_RATE))),
    )


def _request(path: str, body: Body, preamble: int = 0) -> Request:
    return Request(path, {"Content-Type": body.content_type}, body.held() or b"", preamble)
