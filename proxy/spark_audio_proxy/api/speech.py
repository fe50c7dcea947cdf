"""`POST /v1/audio/speech`: text in, audio out as it is synthesised."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, closing
from dataclasses import dataclass

from aiohttp import web
from spark_engine.healing.pool import MagpiePool
from spark_engine.models import Json, SpeechStyle
from spark_engine.speech.voices import find_voice

from spark_audio_proxy.app_state import ENCODERS, JOURNAL, SETTINGS, SPARK, SPEAKING, UPLOADS
from spark_audio_proxy.config import Settings
from spark_audio_proxy.journal import AudioPassed, InputTaken
from spark_audio_proxy.problems import Problem, bad_request
from spark_audio_proxy.streamed_answer import StreamedAnswer
from spark_audio_proxy.transcode.coder import Coder
from spark_audio_proxy.transcode.encode import FORMATS, AudioFormat, find_format
from spark_audio_proxy.uploads.form import body_chunks, body_length, read_json, read_whole

from .transcriptions import wanted_language

LARGEST_REQUEST = 4 << 20
"""Bytes of JSON: the longest text in the widest characters, and room for `instructions`."""

SLOWEST, FASTEST = 0.25, 4.0


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """A valid request. What Magpie cannot do (`instructions`) has been dropped."""

    text: str
    voice: str | None
    language: str | None
    audio_format: AudioFormat
    speed: float
    as_events: bool


def read_request(document: Json, settings: Settings) -> SpeechRequest:
    """Check a request body. Raises Problem 400 naming the field."""
    if not isinstance(document, dict):
        raise bad_request("The body must be a JSON object.")
    text = document.get("input")
    if not isinstance(text, str):
        raise bad_request("`input` must be the text to speak.", "input", "missing_required_parameter")
    if len(text) > settings.max_characters:
        raise bad_request(
            f"`input` has {len(text)} characters; the limit is {settings.max_characters}.", "input", "string_too_long"
        )
    name = document.get("response_format") or "mp3"
    audio_format = find_format(name) if isinstance(name, str) else None
    if audio_format is None:
        raise bad_request(f"`response_format` must be one of {', '.join(FORMATS)}.", "response_format")
    stream_format = document.get("stream_format") or "audio"
    if stream_format not in ("audio", "sse"):
        raise bad_request("`stream_format` must be audio or sse.", "stream_format")
    return SpeechRequest(
        text=text,
        voice=_voice(document.get("voice")),
        language=wanted_language(document.get("language")),
        audio_format=audio_format,
        speed=_speed(document.get("speed")),
        as_events=stream_format == "sse",
    )


def _voice(value: Json) -> str | None:
    name = value.get("id") if isinstance(value, dict) else value
    if name is not None and not isinstance(name, str):
        raise bad_request('`voice` must be a name or {"id": name}.', "voice")
    return name or None


def _speed(value: Json) -> float:
    if value is None:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not SLOWEST <= value <= FASTEST:
        raise bad_request(f"`speed` must be a number from {SLOWEST} to {FASTEST:.0f}.", "speed")
    return float(value)


async def speech(request: web.Request) -> web.StreamResponse:
    """Speak. Errors before the first sound are error objects; after it the connection is cut."""
    magpie = request.app[SPARK].magpie
    if magpie is None:
        raise Problem(404, "This proxy has no Magpie: no text can be spoken.", "model", "model_not_found")
    settings = request.app[SETTINGS]
    wanted = read_request(await _read_json(request), settings)
    request.app[JOURNAL].tell(InputTaken(characters=len(wanted.text)))
    await _check_voice(magpie, wanted, settings)
    gate = request.app[SPEAKING]
    with gate.place():
        async with gate.turn(), aclosing(_encoded(request, wanted)) as pieces:
            # The first sound decides between an error object and a stream.
            first = await anext(pieces)
            return await _stream(request, wanted, first, pieces)


async def _read_json(request: web.Request) -> Json:
    """Return the body; while it is read and understood, its bytes count as in flight."""
    with request.app[UPLOADS].share() as share:
        return read_json(await read_whole(body_chunks(request, LARGEST_REQUEST), share, body_length(request)))


async def _check_voice(magpie: MagpiePool, wanted: SpeechRequest, settings: Settings) -> None:
    if wanted.voice and settings.unknown_voice == "reject":
        known = await magpie.voices()
        if find_voice(known, wanted.voice, wanted.language) is None:
            raise bad_request(
                f"Voice {wanted.voice[:100]!r} not found; GET /v1/audio/voices lists all.", "voice", "voice_not_found"
            )


async def _encoded(request: web.Request, wanted: SpeechRequest) -> AsyncGenerator[bytes]:
    """Yield bytes of the wanted format, none of them empty. What takes time runs off the event loop."""
    style = SpeechStyle(wanted.voice, wanted.language)

    async def run[*Ts](work: Callable[[*Ts], bytes], *arguments: *Ts) -> bytes:
        if _is_trivial(wanted):
            return work(*arguments)
        return await asyncio.get_running_loop().run_in_executor(request.app[ENCODERS], work, *arguments)

    with closing(Coder(wanted.audio_format, wanted.speed)) as coder:
        async with aclosing(request.app[SPARK].speak(wanted.text, style, speed=wanted.speed)) as spoken:
            async for audio in spoken:
                request.app[JOURNAL].tell(AudioPassed("spoken", audio.seconds))
                if piece := await run(coder.encode, audio):
                    yield piece
        if rest := await run(coder.finish):
            yield rest


def _is_trivial(wanted: SpeechRequest) -> bool:
    """Return whether encoding is only a header in front of the samples: less work than handing it to a thread."""
    return wanted.audio_format.name == "wav" and wanted.speed == 1.0


class _Stream(StreamedAnswer):
    """Its headers leave together with the first sound, in one packet."""

    _send_headers_immediately = False


async def _stream(
    request: web.Request, wanted: SpeechRequest, first: bytes, pieces: AsyncGenerator[bytes]
) -> web.StreamResponse:
    wrap: Callable[[bytes], bytes] = _event if wanted.as_events else bytes
    content_type = "text/event-stream" if wanted.as_events else wanted.audio_format.content_type
    response = _Stream(headers={"Content-Type": content_type, "X-Accel-Buffering": "no"})
    await response.prepare(request)
    await response.write(wrap(first))
    async for piece in pieces:
        await response.write(wrap(piece))
    if wanted.as_events:
        await response.write(_data({"type": "speech.audio.done", "usage": _NO_TOKENS}))
    return response


_NO_TOKENS = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}


def _event(audio: bytes) -> bytes:
    return _data({"type": "speech.audio.delta", "audio": base64.b64encode(audio).decode()})


def _data(document: object) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"
