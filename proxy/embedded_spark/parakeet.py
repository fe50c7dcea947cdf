"""The embedded Parakeet: OpenAI's contract for transcriptions, as far as one English model can keep it."""

import re
import time
from functools import partial

from aiohttp import web

from .engines import Engine, Line, Recognizer
from .forms import Form, read_form
from .refusals import Refusal, answer_refusals
from .wav import read_wav

MODEL = "moonshine-tiny-en"
UPLOAD_LIMIT = 100 * 1024 * 1024
FORMATS = ("json", "text", "verbose_json")
ENGLISH = re.compile(r"en([-_][a-z]{2,4})*", re.IGNORECASE)


def create_parakeet_app(engine: Engine[Recognizer], *, upload_limit: int = UPLOAD_LIMIT) -> web.Application:
    """Return the server as an application; `upload_limit` in bytes."""
    app = web.Application(middlewares=[answer_refusals(_render)])
    app.router.add_get("/health", partial(_health, engine))
    app.router.add_get("/v1/models", partial(_models, int(time.time())))
    app.router.add_post("/v1/audio/transcriptions", partial(_transcribe, engine, upload_limit))
    return app


def _render(refusal: Refusal) -> web.Response:
    """OpenAI's error object."""
    match refusal.status:
        case 429:
            kind = "rate_limit_error"
        case status if status >= 500:
            kind = "server_error"
        case _:
            kind = "invalid_request_error"
    error = {"message": refusal.message, "type": kind, "param": refusal.param, "code": None}
    return web.json_response({"error": error}, status=refusal.status, headers=refusal.headers)


async def _health(engine: Engine[Recognizer], _: web.Request) -> web.Response:
    if engine.ready:
        return web.json_response({"status": "ok"})
    return web.json_response({"status": "loading"}, status=503)


async def _models(created: int, _: web.Request) -> web.Response:
    model = {"id": MODEL, "object": "model", "created": created, "owned_by": "moonshine-ai"}
    return web.json_response({"object": "list", "data": [model]})


async def _transcribe(engine: Engine[Recognizer], upload_limit: int, request: web.Request) -> web.Response:
    with engine.admit():
        form = await read_form(request, upload_limit)
        answer_format = _check(form)
        recording = read_wav(form.files["file"])
        lines = [line async for piece in engine.steps(lambda recognizer: recognizer.hear(recording)) for line in piece]
    text = " ".join(line.text for line in lines)
    match answer_format:
        case "text":
            return web.Response(text=f"{text}\n")
        case "verbose_json":
            return web.json_response(_verbose(text, lines, recording.duration))
        case _:
            return web.json_response({"text": text})


def _check(form: Form) -> str:
    """Return the format to answer in. Raises Refusal for what this server cannot do."""
    if "file" not in form.files:
        raise Refusal(400, "The form has no uploaded file named 'file'.", "file")
    answer_format = form.text("response_format") or "json"
    if answer_format not in FORMATS:
        raise Refusal(400, f"response_format must be one of {', '.join(FORMATS)}.", "response_format")
    language = form.text("language")
    if language and not ENGLISH.fullmatch(language):
        raise Refusal(400, f"This server transcribes English only, not language '{language}'.", "language")
    # Python clients name a list's fields with brackets, others without.
    for name in ("timestamp_granularities[]", "timestamp_granularities"):
        if any(granularity != "segment" for granularity in form.texts.get(name, ())):
            raise Refusal(400, "This server times segments only: it has no word times to give.", name)
    return answer_format


def _verbose(text: str, lines: list[Line], duration: float) -> dict[str, object]:
    """OpenAI's verbose_json, without the figures that this model does not give."""
    return {
        "task": "transcribe",
        "language": "english",
        "duration": round(duration, 3),
        "text": text,
        "segments": [
            {"id": number, "seek": 0, "start": round(line.start, 3), "end": round(line.end, 3), "text": line.text}
            for number, line in enumerate(lines)
        ],
    }
