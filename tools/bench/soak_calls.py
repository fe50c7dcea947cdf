"""The kinds of traffic of a soak: how each is asked for, and whether what came back is whole."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from aiohttp import ClientError, ClientResponse, ClientSession, FormData
from yarl import URL

from tools.stack.wedge import MAGPIE, PARAKEET

from .requests import SENTENCES, make_mp3, make_wav, transcription
from .soak_answers import (
    Incomplete,
    Told,
    check_speech,
    check_transcript,
    document_of,
    heard_events,
    read_events,
    spoken_events,
    text_of,
)

STATUS_SECONDS = 4.0
"""How long the status page is looked at."""

CODEC_ADDS = 0.2
"""Seconds that an mp3 may sound longer than what it was made of."""


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


type Judged = tuple[Outcome, str]
type Check = Callable[[bytes], None]
"""Raises Incomplete or Told for an answer that is not whole."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request at `at` seconds. `size` from 0 to 1: how long its text or recording is, of what its kind allows.

    A caller who says half of it stays for so many seconds.
    """

    at: float
    kind: Kind
    size: float
    stays: float = 0.0


type Asker = Callable[[ClientSession, str, Ask], Awaitable[Judged]]
"""Makes a request to the proxy at a URL."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of traffic: how often it comes, which service has to work for it (None: it lists what both know)."""

    name: str
    weight: int
    service: str | None
    make: Asker


@dataclass(frozen=True, slots=True)
class Call:
    """A request and how it ended; moments in monotonic seconds, `detail` says what was wrong."""

    kind: Kind
    sent: float
    ended: float
    outcome: Outcome
    detail: str = ""


async def call(session: ClientSession, url: str, ask: Ask) -> Call:
    """Make the request and judge the answer."""
    sent = time.monotonic()
    try:
        outcome, detail = await ask.kind.make(session, url, ask)
    except Incomplete as err:
        outcome, detail = Outcome.LOST, str(err)
    except Told as err:
        outcome, detail = Outcome.BROKEN_OFF, str(err)
    except TimeoutError:
        outcome, detail = Outcome.OTHER, "no answer in time"
    except (ClientError, ConnectionError) as err:
        outcome, detail = Outcome.BROKEN_OFF, type(err).__name__
    return Call(ask.kind, sent, time.monotonic(), outcome, detail)


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


def speak(audio_format: str, *, events: bool = False, leaves: bool = False) -> Asker:
    """Return what asks for speech; with `leaves` it goes once the speech has begun."""

    async def ask_for(session: ClientSession, url: str, ask: Ask) -> Judged:
        sentences = make_sentences(ask.size)
        wish = {"model": "tts-1", "input": " ".join(sentences), "voice": "alloy", "response_format": audio_format}
        wish |= {"stream_format": "sse"} if events else {}
        async with session.post(f"{url}/v1/audio/speech", json=wish) as response:
            if leaves and response.status == 200:
                await response.content.readany()
                response.close()
                return Outcome.LEFT, ""
            return await judge(
                response, lambda body: check_speech(spoken_events(body) if events else body, audio_format, sentences)
            )

    return ask_for


def transcribe(name: str, least: int, most: int, *, events: bool = False) -> Asker:
    """Return what asks for a transcript of `least` to `most` seconds of wav or mp3."""

    async def ask_for(session: ClientSession, url: str, ask: Ask) -> Judged:
        seconds = round(least + ask.size * (most - least))
        form = FormData({"model": "whisper-1"})
        if events:
            form.add_field("stream", "true")
        content = await asyncio.to_thread(_recording, name, seconds)
        form.add_field("file", content, filename=f"recording.{name}", content_type=f"audio/{name}")

        def check(body: bytes) -> None:
            text = heard_events(body) if events else text_of(body)
            check_transcript(text, seconds, codec_adds=CODEC_ADDS if name == "mp3" else 0.0)

        async with session.post(f"{url}/v1/audio/transcriptions", data=form) as response:
            return await judge(response, check)

    return ask_for


def get(path: str, is_whole: Callable[[object], bool]) -> Asker:
    """Return what asks for a JSON page."""

    def check(body: bytes) -> None:
        if not is_whole(document_of(body)):
            raise Incomplete(f"{path} is not whole")

    async def ask_for(session: ClientSession, url: str, _: Ask) -> Judged:
        async with session.get(url + path) as response:
            return await judge(response, check)

    return ask_for


async def watch_status(session: ClientSession, url: str, _: Ask) -> Judged:
    """Look at the status page's events for a while: the status has to come at once."""
    seen = b""
    async with session.get(f"{url}/api/events") as response:
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


def upload(part: Callable[[bytes, bytes, float], bytes]) -> Asker:
    """Return what sends a part of an upload (of its head, its body, by size), stays, and goes without a word."""

    async def send(_: ClientSession, url: str, ask: Ask) -> Judged:
        request, address = transcription(_recording("wav", 5)).proxied, URL(url)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        try:
            writer.write(part(request.head(address), request.body, ask.size))
            await writer.drain()
            with suppress(TimeoutError):
                # A caller who is told to go by then goes.
                async with asyncio.timeout(ask.stays):
                    await reader.read()
        finally:
            writer.transport.abort()
        return Outcome.LEFT, ""

    return send


def _half(head: bytes, body: bytes, size: float) -> bytes:
    """Nothing, half of the head or half of the body."""
    return (b"", head[: len(head) // 2], head + body[: len(body) // 2])[int(size * 2.999)]


def make_sentences(size: float) -> tuple[str, ...]:
    """Return one sentence to six, the same for the same size from 0 to 1."""
    chance = random.Random(size)  # noqa: S311 - a choice that must be the same each time
    return tuple(chance.sample(SENTENCES, 1 + int(size * (len(SENTENCES) - 1e-9))))


@cache
def _recording(name: str, seconds: int) -> bytes:
    return make_mp3(seconds) if name == "mp3" else make_wav(seconds)


def _lists(name: str, least: int, most: int = 1000) -> Callable[[object], bool]:
    def is_whole(page: object) -> bool:
        entries = page.get(name) if isinstance(page, dict) else None
        return isinstance(entries, list) and least <= len(entries) <= most and all("id" in each for each in entries)

    return is_whole


HEALTH = Kind("healthz", 4, None, get("/healthz", lambda page: page == {"status": "ok"}))
HALF_OPEN = Kind("says half of it and no more", 1, None, upload(_half))
KINDS = (
    Kind("speech, mp3", 4, MAGPIE, speak("mp3")),
    Kind("speech, wav", 4, MAGPIE, speak("wav")),
    Kind("speech, events", 2, MAGPIE, speak("wav", events=True)),
    Kind("transcription, short wav", 6, PARAKEET, transcribe("wav", 1, 8)),
    Kind("transcription, long wav", 2, PARAKEET, transcribe("wav", 15, 60)),
    Kind("transcription, mp3", 2, PARAKEET, transcribe("mp3", 2, 20)),
    Kind("transcription, events", 2, PARAKEET, transcribe("wav", 15, 40, events=True)),
    Kind("models", 1, None, get("/v1/models", _lists("data", 2, 2))),
    Kind("voices", 1, None, get("/v1/audio/voices", _lists("voices", 1))),
    Kind("status page's events", 1, None, watch_status),
    HEALTH,
    Kind("leaves within its upload", 1, None, upload(lambda head, body, size: head + body[: round(len(body) * size)])),
    Kind("leaves within the speech", 1, MAGPIE, speak("mp3", leaves=True)),
    HALF_OPEN,
)
