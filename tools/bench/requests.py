"""What is sent: recordings, texts, and requests as the upstream takes them and as the proxy takes them."""

import itertools
import random
import subprocess
from dataclasses import dataclass, replace

from spark_engine.models import SAMPLE_RATE, SAMPLE_WIDTH, Audio
from spark_engine.servers.bodies import AudioFile, Body, form_body, json_body
from spark_engine.speech.audio import wav_header, write_wav

from tools.stack.errors import ToolError

from . import upstream
from .load import Request

BYTES_PER_SECOND = SAMPLE_RATE * SAMPLE_WIDTH
"""Of a recording as Parakeet wants it."""

SENTENCES = (
    "The kitchen light is on and it is warm outside.",
    "The front door stays shut until a visitor rings.",
    "In the garden the apples are ripe, and the wasps have noticed.",
    "Tomorrow it will rain in the morning.",
    "The train is late again, so dinner has to wait.",
    "The children left the window in the hall open all night.",
)

_MINUTE = 60.0
"""Seconds that are encoded as MP3; what is longer is made of copies, as MP3 allows."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The same wish, said to the upstream and to the proxy."""

    direct: Request
    proxied: Request


def make_wav(seconds: float) -> bytes:
    """Return a WAV file as Parakeet wants it, 16 kHz s16le mono; noise, so that nothing in it is easier than speech."""
    return write_wav(Audio(_noise(seconds), SAMPLE_RATE))


def _noise(seconds: float) -> bytes:
    return random.Random(0).randbytes(round(seconds * SAMPLE_RATE) * SAMPLE_WIDTH)  # noqa: S311 - samples, no secret


def make_mp3(seconds: float) -> bytes:
    """Return 44.1 kHz mono at 64 kbit/s, as phones record, of noise: up to a minute, or whole minutes.

    Blocking; raises ToolError where ffmpeg cannot make it, ValueError for a length between.
    """
    if seconds > _MINUTE and seconds % _MINUTE:
        raise ValueError(f"{seconds} s are no whole minutes")
    source = ("-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", "pipe:0")
    codec = ("-c:a", "libmp3lame", "-b:a", "64k", "-ar", "44100", "-write_xing", "0", "-id3v2_version", "0")
    command = ("ffmpeg", "-v", "error", *source, *codec, "-f", "mp3", "pipe:1")
    noise = _noise(min(seconds, _MINUTE))
    try:
        made = subprocess.run(command, input=noise, capture_output=True, check=True).stdout  # noqa: S603 - our own words
    except (OSError, subprocess.CalledProcessError) as err:
        raise ToolError(f"ffmpeg made no mp3: {err}.") from err
    return made * max(1, int(seconds / _MINUTE))


def make_text(characters: int) -> str:
    """Return so many characters of sentences, the last one cut where it must be."""
    text = ""
    for sentence in itertools.cycle(SENTENCES):
        text += f" {sentence}" if text else sentence
        if len(text) >= characters:
            return f"{text[: characters - 1].rstrip()}.".ljust(characters, ".")
    raise AssertionError


def transcription(wav: bytes, line: float | None = None) -> Pair:
    """Return OpenAI's form, which both of them take; sent at so many bytes a second."""
    body = form_body(
        {"model": "whisper-1", "language": "en-US"},
        AudioFile("file", "speech.wav", "audio/wav", b"", Audio(wav, SAMPLE_RATE)),
    )
    request = replace(_request(upstream.TRANSCRIPTIONS, body), line=line)
    return Pair(request, request)


def speech(text: str) -> Pair:
    """Return a NIM's form, answered with PCM; and OpenAI's JSON, answered with WAV."""
    voice = upstream.VOICES[0]
    rate = str(upstream.SAMPLE_RATE)
    form = {"text": text, "language": "en-US", "voice": voice, "encoding": "LINEAR_PCM", "sample_rate_hz": rate}
    wish = json_body({"model": "tts-1", "input": text, "voice": voice, "response_format": "wav"})
    return Pair(
        _request(upstream.SYNTHESIZE_ONLINE, form_body(form)),
        _request("/v1/audio/speech", wish, preamble=len(wav_header(upstream.SAMPLE_RATE))),
    )


def _request(path: str, body: Body, preamble: int = 0) -> Request:
    return Request(path, {"Content-Type": body.content_type}, body.held() or b"", preamble)
