"""`POST /v1/audio/transcriptions`: any recording in, its transcript out."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Never

from aiohttp import web
from spark_engine.errors import SparkError
from spark_engine.healing.pool import ParakeetPool
from spark_engine.models import SAMPLE_RATE, Audio, AudioSource, Transcript
from spark_engine.speech.names import respelled, vocabulary

from spark_audio_proxy.api import transcript_formats as formats
from spark_audio_proxy.api.keywords import read_keywords
from spark_audio_proxy.api.live_words import Understood, transcribe_live, while_it_runs
from spark_audio_proxy.app_state import DECODERS, HEARING, JOURNAL, SETTINGS, SPARK
from spark_audio_proxy.config import Settings
from spark_audio_proxy.journal import AudioPassed, InputTaken
from spark_audio_proxy.problems import Problem, bad_request, error_object, note_told, problem_for
from spark_audio_proxy.realtime.deltas import Deltas
from spark_audio_proxy.streamed_answer import StreamedAnswer
from spark_audio_proxy.transcode.decode import Block
from spark_audio_proxy.transcode.decoders import COPIED
from spark_audio_proxy.transcode.mixer import Channel, check_channels
from spark_audio_proxy.transcode.passthrough import in_blocks, read_head, samples_of
from spark_audio_proxy.uploads.form import Form, Upload, received_form, wanted_language
from spark_audio_proxy.uploads.streamed_upload import StreamedUpload
from spark_audio_proxy.uploads.windows import Window, bytes_in, check_length, cut_windows

LOGGER = logging.getLogger(__name__)

RESPONSE_FORMATS = ("json", "text", "verbose_json", "srt", "vtt", "diarized_json")
WITH_TIMES = ("verbose_json", "srt", "vtt")
GRANULARITIES = ("segment", "word")
CHANNELS = ("mix", "separate")

SHORTEST = 0.1
"""Seconds below which OpenAI refuses a recording, too."""

LEFT_OUT = "X-Spark-Audio-Left-Out-Seconds"
"""The header of an answer that lacks what could not be decoded."""

SEPARATE = (Channel.LEFT, Channel.RIGHT)

_YES = ("true", "1", "yes", "on")


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """A valid request. `language` is a BCP-47 tag or None."""

    upload: Upload
    response_format: str
    granularities: tuple[str, ...]
    language: str | None
    as_events: bool
    channels: tuple[Channel | None, ...] = (None,)
    """What is heard one by one: None is all channels mixed."""
    keywords: tuple[str, ...] = ()
    """Names that may be in the recording."""

    @property
    def times(self) -> bool:
        """Return whether the answer tells when something was said, or is in the order in which it was."""
        return self.response_format in WITH_TIMES or len(self.channels) > 1


def read_request(form: Form) -> TranscriptionRequest:
    """Check a form. Raises Problem 400 naming the field."""
    if form.upload is None:
        raise bad_request("`file` is missing: send the recording as a file.", "file", "missing_required_parameter")
    response_format = form.choice("response_format", RESPONSE_FORMATS)
    granularities = _granularities(form.given("timestamp_granularities"))
    if granularities and response_format != "verbose_json":
        raise bad_request("`timestamp_granularities` needs response_format verbose_json.", "timestamp_granularities")
    as_events = (form.first("stream") or "").lower() in _YES
    channels = _read_channels(form.choice("channels", CHANNELS), response_format, as_events=as_events)
    return TranscriptionRequest(
        upload=form.upload,
        response_format=response_format,
        granularities=granularities or ("segment",),
        language=wanted_language(form.first("language")),
        as_events=as_events,
        channels=channels,
        keywords=read_keywords(form),
    )


def _granularities(values: Sequence[str]) -> tuple[str, ...]:
    """Return what is asked for: one value or several, in a list of JSON or separated by commas, or nothing.

    Raises Problem 400 for anything else.
    """
    words = [word.lower().removesuffix("s") for value in values for word in re.findall(r"[^\s,;\[\]\"']+", value)]
    if unknown := set(words) - set(GRANULARITIES):
        raise bad_request(
            f"`timestamp_granularities` knows segment and word, not {min(unknown)[:50]!r}.",
            "timestamp_granularities",
        )
    return tuple(dict.fromkeys(words))


def _read_channels(value: str, response_format: str, *, as_events: bool) -> tuple[Channel | None, ...]:
    if value == "mix":
        if response_format == "diarized_json":
            message = (
                "Parakeet cannot tell voices apart: `diarized_json` needs channels=separate, for a speaker on each."
            )
            raise bad_request(message, "response_format")
        return (None,)
    if as_events:
        raise bad_request("With channels=separate the answer cannot be streamed: leave out `stream`.", "stream")
    return SEPARATE


async def translations(_: web.Request) -> Never:
    """`POST /v1/audio/translations`: Parakeet writes down what it hears in the language that it hears."""
    raise bad_request("Parakeet does not translate; use /v1/audio/transcriptions.", code="unsupported_endpoint")


async def transcriptions(request: web.Request) -> web.StreamResponse:
    """Transcribe, window by window."""
    app = request.app
    parakeet = app[SPARK].parakeet
    if parakeet is None:
        raise Problem(404, "This proxy has no Parakeet: nothing can be transcribed.", "model", "model_not_found")
    async with received_form(request) as form:
        wanted = read_request(form)
        with app[HEARING].place():
            if wanted.as_events:
                return await _stream(request, _transcribed(request, parakeet, wanted, None))
            heard = [
                formats.join([part async for part in _transcribed(request, parakeet, wanted, channel)], channel)
                for channel in wanted.channels
            ]
            return _answer(formats.merge(heard), wanted)


async def _transcribed(
    request: web.Request, parakeet: ParakeetPool, wanted: TranscriptionRequest, channel: Channel | None
) -> AsyncGenerator[formats.Part]:
    no_words = bad_request("This Parakeet server gives no word times.", "timestamp_granularities", "unsupported")
    wants_words = "word" in wanted.granularities
    if wants_words and not (await parakeet.server()).dialect.gives_words:
        raise no_words
    gate, journal = request.app[HEARING], request.app[JOURNAL]

    async def ask(audio: AudioSource, *, first: bool = True, understood: Understood | None = None) -> Transcript:
        # A turn for each window: neither a long recording nor one that still arrives makes all others wait.
        async with gate.turn(first=first):
            if understood and (live := await transcribe_live(parakeet, audio, wanted.language, understood)):
                return live
            return await parakeet.transcribe(audio, language=wanted.language, times=wanted.times, hints=wanted.keywords)

    names = await asyncio.to_thread(vocabulary, wanted.keywords, wanted.language or "en") if wanted.keywords else None
    longest = await _longest_window(parakeet, request.app[SETTINGS])
    async with aclosing(_windows(request, wanted.upload, longest, channel)) as windows:
        async for window in windows:
            start, left_out = (window.start, window.left_out) if isinstance(window, Window) else (0.0, 0.0)
            seconds = window.audio.seconds
            if start == 0 and seconds < SHORTEST:
                raise bad_request(f"The recording is shorter than {SHORTEST} seconds.", "file", "audio_too_short")
            journal.tell(InputTaken(seconds=seconds))
            hear = window.ask if isinstance(window, StreamedUpload) else partial(_whole, window.audio)
            asked = partial(ask, first=start == 0)
            del window
            if wanted.as_events and parakeet.hears_live:
                async with aclosing(while_it_runs(partial(_live, hear, asked))) as readings:
                    async for transcript in readings:
                        yield formats.Part(start, seconds, transcript, is_final=False)
            else:
                transcript = await hear(asked)
            del hear
            journal.tell(AudioPassed("heard", seconds))
            # Of an unknown server only its answer tells.
            if wants_words and transcript.words is None and transcript.text:
                raise no_words
            if names:
                transcript = await respelled(transcript, names)
            yield formats.Part(start, seconds, transcript, left_out)


type Call = Callable[[AudioSource], Awaitable[Transcript]]


def _whole(audio: AudioSource, call: Call) -> Awaitable[Transcript]:
    """Ask with a recording that is there, as `StreamedUpload.ask` does with one that still arrives."""
    return call(audio)


def _live(
    hear: Callable[[Call], Awaitable[Transcript]], ask: Callable[..., Awaitable[Transcript]], understood: Understood
) -> Awaitable[Transcript]:
    """Ask, and be told all words so far."""
    return hear(partial(ask, understood=understood))


async def _longest_window(parakeet: ParakeetPool, settings: Settings) -> float:
    """Return seconds of audio that one request may hold, by the settings and by what the server can take."""
    try:
        longest = (await parakeet.server()).dialect.longest
    except SparkError:
        # The request that follows tells what is wrong, or finds another server.
        longest = None
    return settings.window if longest is None else min(longest, settings.window)


async def _windows(
    request: web.Request, upload: Upload, longest: float, channel: Channel | None
) -> AsyncGenerator[Window | StreamedUpload]:
    """Yield the recording in windows of at most `longest` seconds, none of them kept here.

    One that fits into a window and still arrives is yielded as it is. Raises Problem 400 for what is no audio.
    """
    settings: Settings = request.app[SETTINGS]
    try:
        with upload.data.getbuffer() as data:
            head = upload.head or read_head(data)
        if head and head.passes:
            check_channels(1, channel)
        if head and head.announced and upload.rest:
            check_length(head.announced, settings.max_audio)
            arriving = _samples(upload.data, head.start, upload.rest)
            if head.announced <= bytes_in(longest):
                yield StreamedUpload(head.announced, arriving)
                return
            windows = cut_windows((Block(piece) async for piece in arriving), longest, settings.max_audio)
        elif head and (samples := samples_of(upload.data.getbuffer(), head)) is not None:
            if len(samples) <= min(COPIED, bytes_in(min(longest, settings.max_audio))):
                yield Window(0.0, Audio(bytes(samples), SAMPLE_RATE))
                return
            windows = cut_windows(in_blocks(samples), longest, settings.max_audio)
        else:
            blocks = request.app[DECODERS].decode(upload.data, channel, keep=channel is SEPARATE[0])
            windows = cut_windows(blocks, longest, settings.max_audio)
        async with aclosing(windows):
            async for window in windows:
                yield window
                del window
    except ValueError as err:
        raise bad_request(str(err), "file", "invalid_audio") from err


async def _samples(beginning: BytesIO, start: int, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Yield the samples of a file that still arrives, which begin at `start`."""
    yield beginning.getvalue()[start:]
    async for block in rest:
        yield block


def _answer(heard: formats.Heard, wanted: TranscriptionRequest) -> web.Response:
    response = _formatted(heard, wanted)
    if heard.left_out:
        _log_left_out(heard)
        response.headers[LEFT_OUT] = f"{heard.left_out:.2f}"
    return response


def _log_left_out(heard: formats.Heard) -> None:
    LOGGER.warning(
        "%.2f s of a recording could not be decoded and were left out; %.2f s were heard", heard.left_out, heard.seconds
    )


def _formatted(heard: formats.Heard, wanted: TranscriptionRequest) -> web.Response:
    match wanted.response_format:
        case "text":
            return web.Response(text=heard.text + "\n")
        case "srt":
            return web.Response(text=formats.as_srt(heard), content_type="application/x-subrip")
        case "vtt":
            return web.Response(text=formats.as_vtt(heard), content_type="text/vtt")
        case "verbose_json":
            return web.json_response(formats.as_verbose_json(heard, wanted.language, wanted.granularities))
        case "diarized_json":
            return web.json_response(formats.as_diarized_json(heard))
    return web.json_response(formats.as_json(heard))


async def _stream(request: web.Request, parts: AsyncGenerator[formats.Part]) -> web.StreamResponse:
    """Server-sent events: deltas for each window as soon as it is heard, or while it is; the whole at the end."""
    response = StreamedAnswer(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    async with aclosing(parts):
        # Waited for before the headers go out: what is wrong from the start keeps its status.
        part: formats.Part | None = await anext(parts)
        await response.prepare(request)
        heard: list[formats.Part] = []
        deltas = Deltas()
        try:
            while part:
                text, is_first = part.transcript.text, not deltas.sent
                delta = deltas.final(text) if part.is_final else deltas.so_far(text)
                await _send_delta(response, delta, " " if heard and is_first else "")
                if part.is_final:
                    heard.append(part)
                    deltas = Deltas()
                part = await anext(parts, None)
        except (SparkError, Problem) as err:
            problem = err if isinstance(err, Problem) else problem_for(err)
            note_told(request, problem)
            await _send(response, error_object(problem))
            return response
    whole = formats.join(heard)
    if whole.left_out:
        _log_left_out(whole)
    done = {"type": "transcript.text.done", "text": whole.text, "usage": formats.usage(whole)}
    await _send(response, done | formats.left_out(whole))
    return response


async def _send_delta(response: web.StreamResponse, text: str, before: str = "") -> None:
    if text:
        await _send(response, {"type": "transcript.text.delta", "delta": before + text})


async def _send(response: web.StreamResponse, document: object) -> None:
    await response.write(b"data: " + json.dumps(document).encode() + b"\n\n")
