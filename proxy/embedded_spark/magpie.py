"""The embedded Magpie: the HTTP contract of NVIDIA's text-to-speech NIM.

Two routes speak: one answers with a complete WAV file, the other with bare s16le mono PCM as it comes into being.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from .engines import Delivery, Engine, Synthesizer
from .forms import Form, read_form
from .refusals import Refusal, answer_refusals
from .speakers import DEFAULT_VOICE, LANGUAGE, VOICES
from .wav import write_wav

LOGGER = logging.getLogger(__name__)

LONGEST_TEXT = 2_000
FORM_LIMIT = 1024 * 1024
SAMPLE_RATES = (8_000, 16_000, 22_050, 44_100)
"""In Hz. 24,000 is missing because the NIM refuses it."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What to speak, and how; the sample rate in Hz."""

    text: str
    delivery: Delivery
    sample_rate: int


class InvalidField(Refusal):
    """A field that fails the NIM's own validation, which answers with a list where other refusals have a string."""

    def __init__(self, name: str, kind: str, message: str, value: str | None) -> None:
        """`kind` is pydantic's name of the error."""
        super().__init__(422, message)
        self.detail = [{"type": kind, "loc": ["body", name], "msg": message, "input": value}]


def create_magpie_app(engine: Engine[Synthesizer]) -> web.Application:
    """Return the server as an application."""
    app = web.Application(middlewares=[answer_refusals(_render)], client_max_size=FORM_LIMIT)
    app.router.add_get("/v1/health/live", _live)
    app.router.add_get("/v1/health/ready", partial(_ready, engine))
    app.router.add_get("/v1/audio/list_voices", partial(_list_voices, engine))
    app.router.add_post("/v1/audio/synthesize", partial(_synthesize, engine))
    app.router.add_post("/v1/audio/synthesize_online", partial(_synthesize_online, engine))
    return app


def _render(refusal: Refusal) -> web.Response:
    detail = refusal.detail if isinstance(refusal, InvalidField) else refusal.message
    return web.json_response({"detail": detail}, status=refusal.status, headers=refusal.headers)


async def _live(_: web.Request) -> web.Response:
    return web.json_response({"status": "live"})


async def _ready(engine: Engine[Synthesizer], _: web.Request) -> web.Response:
    if engine.ready:
        return web.json_response({"status": "ready"})
    return web.json_response({"status": "loading"}, status=503)


async def _list_voices(engine: Engine[Synthesizer], _: web.Request) -> web.Response:
    with engine.admit():
        return web.json_response({LANGUAGE: {"voices": list(VOICES)}})


async def _synthesize(engine: Engine[Synthesizer], request: web.Request) -> web.Response:
    with engine.admit():
        utterance = _read_utterance(await read_form(request, FORM_LIMIT))
        pcm = b"".join([sentence async for sentence in _speak(engine, utterance)])
    if not pcm:
        raise _nothing_to_speak()
    return web.Response(body=write_wav(pcm, utterance.sample_rate), content_type="audio/wav")


async def _synthesize_online(engine: Engine[Synthesizer], request: web.Request) -> web.StreamResponse:
    with engine.admit():
        utterance = _read_utterance(await read_form(request, FORM_LIMIT))
        async with aclosing(_speak(engine, utterance)) as sentences:
            # The status goes out with the first sentence, so that it can still tell of a failure.
            first = await anext(sentences, b"")
            if not first:
                raise _nothing_to_speak()
            response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
            await response.prepare(request)
            await response.write(first)
            await _send(sentences, response, request)
    return response


async def _send(sentences: AsyncGenerator[bytes], response: web.StreamResponse, request: web.Request) -> None:
    """Send the rest; where it fails, break the connection, so that half the speech is not taken for the whole."""
    try:
        async for sentence in sentences:
            await response.write(sentence)
        await response.write_eof()
    except ConnectionError:
        raise
    except Exception:
        LOGGER.exception("Inference failed within a stream")
        if request.transport is not None:
            request.transport.abort()


def _speak(engine: Engine[Synthesizer], utterance: Utterance) -> AsyncGenerator[bytes]:
    return engine.steps(
        lambda synthesizer: synthesizer.speak(utterance.text, utterance.delivery, utterance.sample_rate)
    )


def _read_utterance(form: Form) -> Utterance:
    """Return what the form asks for. Raises Refusal, InvalidField."""
    text = form.text("text")
    if text is None:
        raise InvalidField("text", "missing", "Field required", None)
    sample_rate = _read_sample_rate(form.text("sample_rate_hz") or "22050")
    if (encoding := form.text("encoding") or "LINEAR_PCM") != "LINEAR_PCM":
        raise Refusal(400, f"Encoding {encoding} is not supported: only LINEAR_PCM is.")
    if (form.text("language") or LANGUAGE) != LANGUAGE:
        raise Refusal(400, "Mapping failed. Check that all pronunciations are specified properly.")
    voice = form.text("voice") or DEFAULT_VOICE
    if voice not in VOICES:
        raise Refusal(400, f"Voice {voice} is not known: see /v1/audio/list_voices.")
    if len(text) > LONGEST_TEXT:
        raise Refusal(400, f"Text of {len(text)} characters exceeds the maximum input length of {LONGEST_TEXT}.")
    return Utterance(text, VOICES[voice], sample_rate)


def _read_sample_rate(value: str) -> int:
    try:
        sample_rate = int(value)
    except ValueError as err:
        message = "Input should be a valid integer, unable to parse string as an integer"
        raise InvalidField("sample_rate_hz", "int_parsing", message, value) from err
    if sample_rate not in SAMPLE_RATES:
        raise Refusal(
            400, f"Sample rate {sample_rate} is not supported: use one of {', '.join(map(str, SAMPLE_RATES))}."
        )
    return sample_rate


def _nothing_to_speak() -> Refusal:
    return Refusal(400, "The text holds nothing that can be spoken.")
