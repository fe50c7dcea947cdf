"""`POST /v1/audio/speech`: text in, audio out as it is synthesised."""

import base64
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing
from dataclasses import dataclass

from aiohttp import web
from spark_engine.models import Json

from spark_audio_proxy.app_state import JOURNAL, SETTINGS, SPEAKING, UPLOADS
from spark_audio_proxy.config import Settings
from spark_audio_proxy.journal import InputTaken
from spark_audio_proxy.problems import bad_request
from spark_audio_proxy.speaking import SpeechWish, admission, check_voice, magpie_of, read_wish, spoken, too_long
from spark_audio_proxy.streamed_answer import StreamedAnswer
from spark_audio_proxy.uploads.form import body_chunks, body_length, read_json, read_whole

LARGEST_REQUEST = 4 << 20
"""Bytes of JSON: the longest text in the widest characters, and room for `instructions`."""


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """A valid request."""

    text: str
    wish: SpeechWish
    as_events: bool


def read_request(document: Json, settings: Settings) -> SpeechRequest:
    """Check a request body. Raises Problem 400 naming the field."""
    if not isinstance(document, dict):
        raise bad_request("The body must be a JSON object.")
    text = document.get("input")
    if not isinstance(text, str):
        raise bad_request("`input` must be the text to speak.", "input", "missing_required_parameter")
    if len(text) > settings.max_characters:
        raise too_long("input", len(text), settings)
    wish = read_wish(document, "mp3")
    stream_format = document.get("stream_format") or "audio"
    if stream_format not in ("audio", "sse"):
        raise bad_request("`stream_format` must be audio or sse.", "stream_format")
    return SpeechRequest(text, wish, stream_format == "sse")


async def speech(request: web.Request) -> web.StreamResponse:
    """Speak. Errors before the first sound are error objects; after it the connection is cut."""
    magpie = magpie_of(request)
    settings = request.app[SETTINGS]
    wanted = read_request(await _read_json(request), settings)
    request.app[JOURNAL].tell(InputTaken(characters=len(wanted.text)))
    await check_voice(magpie, wanted.wish, settings)
    with ExitStack() as places:
        admit = admission(request.app[SPEAKING], places)
        async with aclosing(spoken(request, wanted.wish, wanted.text, admit=admit)) as pieces:
            # The first sound decides between an error object and a stream.
            first = await anext(pieces)
            return await _stream(request, wanted, first, pieces)


async def _read_json(request: web.Request) -> Json:
    """Return the body; while it is read and understood, its bytes count as in flight."""
    with request.app[UPLOADS].share() as share:
        return read_json(await read_whole(body_chunks(request, LARGEST_REQUEST), share, body_length(request)))


class _Stream(StreamedAnswer):
    """Its headers leave together with the first sound, in one packet."""

    _send_headers_immediately = False


async def _stream(
    request: web.Request, wanted: SpeechRequest, first: bytes, pieces: AsyncGenerator[bytes]
) -> web.StreamResponse:
    wrap: Callable[[bytes], bytes] = _event if wanted.as_events else bytes
    content_type = "text/event-stream" if wanted.as_events else wanted.wish.audio_format.content_type
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
