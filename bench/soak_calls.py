"""One request of each kind, sent to the proxy; what came back is judged, and every 200 is looked into."""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from aiohttp import ClientError, ClientSession, FormData
from yarl import URL

from .requests import recording
from .scale_work import SENTENCES, make_mp3
from .soak_answers import (
    Incomplete,
    Told,
    check_speech,
    check_transcript,
    heard_events,
    read_events,
    spoken_events,
)
from .soak_plan import Ask, Kind

STATUS_SECONDS = 4.0
"""How long somebody looks at the status page."""

_SPEECH, _TRANSCRIPTIONS = "/v1/audio/speech", "/v1/audio/transcriptions"


class Outcome(StrEnum):
    """How a request ended."""

    WHOLE = "whole"
    """200, and all of it is there."""
    LEFT = "left on purpose"
    HELD = "503 with Retry-After"
    BUSY = "429 with Retry-After"
    BROKEN_OFF = "broken off"
    """After it had begun, visibly: the connection was cut, or the stream said so."""
    LOST = "lost or truncated"
    """200 with an end like any other, and something is missing."""
    OTHER = "anything else"


@dataclass(frozen=True, slots=True)
class Call:
    """A request and how it ended; moments in monotonic seconds, `detail` says what was wrong."""

    kind: Kind
    sent: float
    ended: float
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def call(session: ClientSession, url: str, ask: Ask) -> Call:
    """Make the request and judge the answer."""
    sent = time.monotonic()
    try:
        outcome, detail = await _ASKERS[ask.kind](session, url, ask)
    except Incomplete as err:
        outcome, detail = Outcome.LOST, str(err)
    except Told as err:
        outcome, detail = Outcome.BROKEN_OFF, str(err)
    except TimeoutError:
        outcome, detail = Outcome.OTHER, "no answer in time"
    except (ClientError, ConnectionError) as err:
        outcome, detail = Outcome.BROKEN_OFF, type(err).__name__
    return Call(ask.kind, sent, time.monotonic(), outcome, detail)


type _Judged = tuple[Outcome, str]
type _Asker = Callable[[ClientSession, str, Ask], Awaitable[_Judged]]

_WHOLE: _Judged = (Outcome.WHOLE, "")
_LEFT: _Judged = (Outcome.LEFT, "")


def judge(answer: Answer, check: Callable[[bytes], None]) -> _Judged:
    """What an answer is; `check` looks into a 200. Raises what `check` does."""
    if answer.status == 200:
        check(answer.body)
        return _WHOLE
    said = answer.body[:200].decode(errors="replace")
    if "Retry-After" in answer.headers and answer.status in (429, 503):
        return Outcome.HELD if answer.status == 503 else Outcome.BUSY, said
    return Outcome.OTHER, f"{answer.status}: {said}"


async def _get(session: ClientSession, url: str, path: str, check: Callable[[bytes], None]) -> _Judged:
    async with session.get(url + path) as response:
        return judge(Answer(response.status, response.headers, await response.read()), check)


async def _post_speech(session: ClientSession, url: str, wish: object, check: Callable[[bytes], None]) -> _Judged:
    async with session.post(url + _SPEECH, json=wish) as response:
        return judge(Answer(response.status, response.headers, await response.read()), check)


async def _speech(session: ClientSession, url: str, ask: Ask) -> _Judged:
    sentences = make_sentences(ask.size)
    audio_format = "mp3" if ask.kind is Kind.SPEECH_MP3 else "wav"

    def check(body: bytes) -> None:
        audio = spoken_events(body) if ask.kind is Kind.SPEECH_EVENTS else body
        check_speech(audio, audio_format, sentences)

    wish = _wish(sentences, audio_format)
    if ask.kind is Kind.SPEECH_EVENTS:
        wish["stream_format"] = "sse"
    return await _post_speech(session, url, wish, check)


def make_sentences(size: float) -> tuple[str, ...]:
    """One sentence to six, the same for the same size from 0 to 1. Pure."""
    chance = random.Random(size)  # noqa: S311 - a choice that must be the same each time
    return tuple(chance.sample(SENTENCES, 1 + int(size * (len(SENTENCES) - 1e-9))))


def _wish(sentences: tuple[str, ...], audio_format: str) -> dict[str, object]:
    return {"model": "tts-1", "input": " ".join(sentences), "voice": "alloy", "response_format": audio_format}


_LENGTHS = {Kind.SHORT: (1, 8), Kind.EVENTS: (15, 40), Kind.LONG: (15, 60), Kind.COMPRESSED: (2, 20)}
"""Seconds of the shortest and of the longest recording."""

CODEC_ADDS = 0.2
"""Seconds that an mp3 may sound longer than what it was made of."""


async def _transcription(session: ClientSession, url: str, ask: Ask) -> _Judged:
    least, most = _LENGTHS[ask.kind]
    seconds = round(least + ask.size * (most - least))
    name = "mp3" if ask.kind is Kind.COMPRESSED else "wav"
    content = await asyncio.to_thread(_mp3 if name == "mp3" else _wav, seconds)

    def check(body: bytes) -> None:
        text = heard_events(body) if ask.kind is Kind.EVENTS else _text(body)
        check_transcript(text, seconds, at_most=seconds + (CODEC_ADDS if name == "mp3" else 0.0))

    form = FormData({"model": "whisper-1"})
    if ask.kind is Kind.EVENTS:
        form.add_field("stream", "true")
    form.add_field("file", content, filename=f"recording.{name}", content_type=f"audio/{name}")
    async with session.post(url + _TRANSCRIPTIONS, data=form) as response:
        return judge(Answer(response.status, response.headers, await response.read()), check)


@cache
def _wav(seconds: int) -> bytes:
    return recording(seconds)


@cache
def _mp3(seconds: int) -> bytes:
    return make_mp3(seconds)


def _text(body: bytes) -> str:
    match _document(body):
        case {"text": str(text)}:
            return text
    raise Incomplete("the transcript has no text")


def _document(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError as err:
        raise Incomplete("the answer is not JSON") from err


async def _models(session: ClientSession, url: str, _: Ask) -> _Judged:
    def check(body: bytes) -> None:
        match _document(body):
            case {"data": [{"id": str()}, {"id": str()}]}:
                return
        raise Incomplete("not both models are listed")

    return await _get(session, url, "/v1/models", check)


async def _voices(session: ClientSession, url: str, _: Ask) -> _Judged:
    def check(body: bytes) -> None:
        match _document(body):
            case {"voices": [{"id": str()}, *_]}:
                return
        raise Incomplete("no voice is listed")

    return await _get(session, url, "/v1/audio/voices", check)


async def _health(session: ClientSession, url: str, _: Ask) -> _Judged:
    def check(body: bytes) -> None:
        if _document(body) != {"status": "ok"}:
            raise Incomplete("it does not say that it is well")

    return await _get(session, url, "/healthz", check)


async def _status(session: ClientSession, url: str, _: Ask) -> _Judged:
    """Look at the page for a while: the status has to come at once."""
    seen = b""
    async with session.get(f"{url}/api/events") as response:
        if response.status != 200:
            return judge(Answer(response.status, response.headers, await response.read()), lambda _: None)
        try:
            async with asyncio.timeout(STATUS_SECONDS):
                async for piece in response.content.iter_any():
                    seen += piece
        except TimeoutError:
            pass
        response.close()
    match list(read_events(seen[: seen.rfind(b"\n\n") + 2])):
        case [{"services": [_, _]}, *_]:
            return _WHOLE
    raise Incomplete("the status did not come")


async def _leave_download(session: ClientSession, url: str, ask: Ask) -> _Judged:
    """Go once the speech has begun."""
    async with session.post(url + _SPEECH, json=_wish(make_sentences(ask.size), "mp3")) as response:
        if response.status != 200:
            return judge(Answer(response.status, response.headers, await response.read()), lambda _: None)
        await response.content.readany()
        response.close()
    return _LEFT


async def _leave_upload(_session: ClientSession, url: str, ask: Ask) -> _Judged:
    """Go within the recording, without a word."""
    head, body = _raw_upload(url)
    _reader, writer = await _connect(url)
    writer.write(head + body[: round(len(body) * ask.size)])
    await writer.drain()
    writer.transport.abort()
    return _LEFT


async def _half_open(_session: ClientSession, url: str, ask: Ask) -> _Judged:
    """Say nothing, half of the head or half of the body, and stay; who is told to go by then goes."""
    head, body = _raw_upload(url)
    said = (b"", head[: len(head) // 2], head + body[: len(body) // 2])[int(ask.size * 2.999)]
    reader, writer = await _connect(url)
    try:
        writer.write(said)
        await writer.drain()
        async with asyncio.timeout(ask.stays):
            await reader.read()
    except TimeoutError:
        pass
    finally:
        writer.transport.abort()
    return _LEFT


def _raw_upload(url: str) -> tuple[bytes, bytes]:
    body = (
        b'--soak\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
        + _wav(5)
        + b"\r\n--soak--\r\n"
    )
    head = (
        f"POST {_TRANSCRIPTIONS} HTTP/1.1\r\nHost: {URL(url).authority}\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: multipart/form-data; boundary=soak\r\n\r\n"
    )
    return head.encode(), body


async def _connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = URL(url)
    return await asyncio.open_connection(address.host, address.port)


_ASKERS: Mapping[Kind, _Asker] = {
    Kind.SPEECH_MP3: _speech,
    Kind.SPEECH_WAV: _speech,
    Kind.SPEECH_EVENTS: _speech,
    Kind.SHORT: _transcription,
    Kind.LONG: _transcription,
    Kind.COMPRESSED: _transcription,
    Kind.EVENTS: _transcription,
    Kind.MODELS: _models,
    Kind.VOICES: _voices,
    Kind.STATUS: _status,
    Kind.HEALTH: _health,
    Kind.LEAVES_UPLOAD: _leave_upload,
    Kind.LEAVES_DOWNLOAD: _leave_download,
    Kind.HALF_OPEN: _half_open,
}
