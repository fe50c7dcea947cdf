"""One request of each kind, sent to the proxy; what came back is judged, and every 200 is looked into."""

import asyncio
import random
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from aiohttp import ClientError, ClientResponse, ClientSession, FormData
from yarl import URL

from .requests import SENTENCES, make_mp3, make_wav
from .soak_answers import (
    Incomplete,
    Told,
    check_speech,
    check_transcript,
    document_of,
    heard_events,
    read_events,
    spoken_events,
)
from .soak_plan import HEARING, Ask, Kind

STATUS_SECONDS = 4.0
"""How long the status page is looked at."""

LENGTHS = {Kind.SHORT: (1, 8), Kind.EVENTS: (15, 40), Kind.LONG: (15, 60), Kind.COMPRESSED: (2, 20)}
"""Seconds of the shortest and of the longest recording."""

CODEC_ADDS = 0.2
"""Seconds that an mp3 may sound longer than what it was made of."""

SPEECH, TRANSCRIPTIONS = "/v1/audio/speech", "/v1/audio/transcriptions"


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


type Judged = tuple[Outcome, str]
type Check = Callable[[bytes], None]
"""Raises Incomplete or Told for an answer that is not whole."""

LEFT: Judged = (Outcome.LEFT, "")


async def judge(response: ClientResponse, check: Check = lambda _: None) -> Judged:
    """Return what an answer is; `check` looks into a 200. Raises what `check` does."""
    body = await response.read()
    if response.status == 200:
        check(body)
        return Outcome.WHOLE, ""
    said = body[:200].decode(errors="replace")
    if "Retry-After" in response.headers and response.status in (429, 503):
        return Outcome.HELD if response.status == 503 else Outcome.BUSY, said
    return Outcome.OTHER, f"{response.status}: {said}"


class Client:
    """Asks one proxy."""

    def __init__(self, session: ClientSession, url: str) -> None:
        """`url` is the proxy's."""
        self._session = session
        self._url = url

    async def call(self, ask: Ask) -> Call:
        """Make the request and judge the answer."""
        sent = time.monotonic()
        try:
            outcome, detail = await self._make(ask)
        except Incomplete as err:
            outcome, detail = Outcome.LOST, str(err)
        except Told as err:
            outcome, detail = Outcome.BROKEN_OFF, str(err)
        except TimeoutError:
            outcome, detail = Outcome.OTHER, "no answer in time"
        except (ClientError, ConnectionError) as err:
            outcome, detail = Outcome.BROKEN_OFF, type(err).__name__
        return Call(ask.kind, sent, time.monotonic(), outcome, detail)

    async def _make(self, ask: Ask) -> Judged:
        match ask.kind:
            case kind if kind in HEARING:
                return await self._transcribe(ask)
            case Kind.MODELS:
                return await self._get("/v1/models", _check_models)
            case Kind.VOICES:
                return await self._get("/v1/audio/voices", _check_voices)
            case Kind.HEALTH:
                return await self._get("/healthz", _check_health)
            case Kind.STATUS:
                return await self._watch_status()
            case Kind.LEAVES_UPLOAD:
                return await self._leave_upload(ask)
            case Kind.HALF_OPEN:
                return await self._say_half(ask)
            case _:
                return await self._speak(ask)

    async def _get(self, path: str, check: Check) -> Judged:
        async with self._session.get(self._url + path) as response:
            return await judge(response, check)

    async def _speak(self, ask: Ask) -> Judged:
        sentences = make_sentences(ask.size)
        is_wav, is_events = ask.kind is Kind.SPEECH_WAV, ask.kind is Kind.SPEECH_EVENTS
        audio_format = "wav" if is_wav or is_events else "mp3"

        def check(body: bytes) -> None:
            check_speech(spoken_events(body) if is_events else body, audio_format, sentences)

        wish = {"model": "tts-1", "input": " ".join(sentences), "voice": "alloy", "response_format": audio_format}
        if is_events:
            wish["stream_format"] = "sse"
        async with self._session.post(self._url + SPEECH, json=wish) as response:
            if ask.kind is Kind.LEAVES_DOWNLOAD and response.status == 200:
                # It goes once the speech has begun.
                await response.content.readany()
                response.close()
                return LEFT
            return await judge(response, check)

    async def _transcribe(self, ask: Ask) -> Judged:
        least, most = LENGTHS[ask.kind]
        seconds = round(least + ask.size * (most - least))
        name, is_events = "mp3" if ask.kind is Kind.COMPRESSED else "wav", ask.kind is Kind.EVENTS
        content = await asyncio.to_thread(_recording, name, seconds)

        def check(body: bytes) -> None:
            text = heard_events(body) if is_events else _text(body)
            check_transcript(text, seconds, codec_adds=CODEC_ADDS if name == "mp3" else 0.0)

        form = FormData({"model": "whisper-1"})
        if is_events:
            form.add_field("stream", "true")
        form.add_field("file", content, filename=f"recording.{name}", content_type=f"audio/{name}")
        async with self._session.post(self._url + TRANSCRIPTIONS, data=form) as response:
            return await judge(response, check)

    async def _watch_status(self) -> Judged:
        """Look at the page for a while: the status has to come at once."""
        seen = b""
        async with self._session.get(f"{self._url}/api/events") as response:
            if response.status != 200:
                return await judge(response)
            with suppress(TimeoutError):
                async with asyncio.timeout(STATUS_SECONDS):
                    async for piece in response.content.iter_any():
                        seen += piece
            response.close()
        match list(read_events(seen[: seen.rfind(b"\n\n") + 2])):
            case [{"services": [_, _]}, *_]:
                return Outcome.WHOLE, ""
        raise Incomplete("the status did not come")

    async def _leave_upload(self, ask: Ask) -> Judged:
        """Go within the recording, without a word."""
        head, body = _raw_upload(self._url)
        _, writer = await self._connect()
        writer.write(head + body[: round(len(body) * ask.size)])
        await writer.drain()
        writer.transport.abort()
        return LEFT

    async def _say_half(self, ask: Ask) -> Judged:
        """Say nothing, half of the head or half of the body, and stay; a caller who is told to go by then goes."""
        head, body = _raw_upload(self._url)
        said = (b"", head[: len(head) // 2], head + body[: len(body) // 2])[int(ask.size * 2.999)]
        reader, writer = await self._connect()
        try:
            writer.write(said)
            await writer.drain()
            with suppress(TimeoutError):
                async with asyncio.timeout(ask.stays):
                    await reader.read()
        finally:
            writer.transport.abort()
        return LEFT

    async def _connect(self) -> tuple[StreamReader, StreamWriter]:
        address = URL(self._url)
        return await asyncio.open_connection(address.host, address.port)


def make_sentences(size: float) -> tuple[str, ...]:
    """Return one sentence to six, the same for the same size from 0 to 1."""
    chance = random.Random(size)  # noqa: S311 - a choice that must be the same each time
    return tuple(chance.sample(SENTENCES, 1 + int(size * (len(SENTENCES) - 1e-9))))


@cache
def _recording(name: str, seconds: int) -> bytes:
    return make_mp3(seconds) if name == "mp3" else make_wav(seconds)


def _text(body: bytes) -> str:
    match document_of(body):
        case {"text": str(text)}:
            return text
    raise Incomplete("the transcript has no text")


def _check_models(body: bytes) -> None:
    match document_of(body):
        case {"data": [{"id": str()}, {"id": str()}]}:
            return
    raise Incomplete("not both models are listed")


def _check_voices(body: bytes) -> None:
    match document_of(body):
        case {"voices": [{"id": str()}, *_]}:
            return
    raise Incomplete("no voice is listed")


def _check_health(body: bytes) -> None:
    if document_of(body) != {"status": "ok"}:
        raise Incomplete("it does not say that it is well")


def _raw_upload(url: str) -> tuple[bytes, bytes]:
    """The head and the body of a transcription request."""
    body = (
        b'--soak\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
        + _recording("wav", 5)
        + b"\r\n--soak--\r\n"
    )
    head = (
        f"POST {TRANSCRIPTIONS} HTTP/1.1\r\nHost: {URL(url).authority}\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: multipart/form-data; boundary=soak\r\n\r\n"
    )
    return head.encode(), body
