"""Fake Parakeet servers: each family as its documentation and source describe it, what it refuses included."""

from collections.abc import Callable, Mapping

from aiohttp import web

from tests.fakes.server import FakeServer, Handler, json, text

TRANSCRIPTIONS = "/v1/audio/transcriptions"

TEXT = "Turn on the kitchen light."
WORDS = (("Turn", 0.08, 0.32), ("on", 0.32, 0.48), ("the", 0.48, 0.64), ("kitchen", 0.64, 1.12), ("light.", 1.12, 1.6))
PIECES = (
    *(("T", 0.08, 0.16), ("urn", 0.16, 0.32), ("on", 0.32, 0.48), ("the", 0.48, 0.64)),
    *(("k", 0.64, 0.8), ("it", 0.8, 0.96), ("chen", 0.96, 1.12), ("light", 1.12, 1.44), (".", 1.44, 1.6)),
)

CUDA = "CUDA error: an illegal memory access was encountered\nSearch for cudaErrorIllegalAddress in the documentation."

type Answer = Callable[[Mapping[str, object]], web.Response]


def openai(text: str = TEXT) -> FakeServer:
    """OpenAI's contract as written."""
    return FakeServer(
        {
            ("GET", "/v1/models"): json({"object": "list", "data": [{"id": "whisper-1"}, {"id": "parakeet-tdt-0.6b"}]}),
            ("GET", "/health"): json({"status": "ok"}),
            ("POST", TRANSCRIPTIONS): json({"text": text}),
        }
    )


def nim() -> FakeServer:
    """NVIDIA's NIM: the routes for speaking are there as well, a model list is not."""

    def answer(form: Mapping[str, object]) -> web.Response:
        if "language" not in form and "model" not in form:
            return _detail("Either language or model is required", 400)
        if form.get("response_format", "json") != "json":
            return _detail("Unsupported response_format", 400)
        return web.json_response({"text": f"{TEXT} "})

    return FakeServer(
        {
            ("GET", "/v1/health/live"): json({"status": "live"}),
            ("GET", "/v1/health/ready"): json({"object": "health.response", "message": "ready", "status": "ready"}),
            ("GET", "/v1/audio/list_voices"): json({}),
            ("POST", "/v1/audio/synthesize"): json({"detail": "Model not found for language"}, status=400),
            ("POST", "/v1/audio/synthesize_online"): json({"detail": "Model not found for language"}, status=400),
            ("POST", TRANSCRIPTIONS): _form(answer),
        }
    )


def nemo_speech() -> FakeServer:
    """NVIDIA NeMo-Speech.cpp: a POST route is 404 for GET; words, but no segments."""

    def answer(form: Mapping[str, object]) -> web.Response:
        if form.get("response_format") != "verbose_json":
            return web.json_response({"text": TEXT})
        words = [{"word": word, "start": start, "end": end, "confidence": 0.98} for word, start, end in WORDS]
        about = {"task": "transcribe", "language": form.get("language", ""), "duration": 2.0}
        return web.json_response({"text": TEXT, **about, "words": words})

    local = {"object": "model", "owned_by": "local", "device": "cuda"}
    models = [
        {"id": "diarization", **local, "capability": "diarization"},
        {"id": "fastconformer", **local, "capability": "transcription"},
    ]
    unknown = json({"error": {"message": "API route not found", "type": "invalid_request_error"}}, status=404)
    return FakeServer(
        {
            ("GET", "/health"): json({"status": "ok", "version": "0.1.0"}),
            ("GET", "/ready"): json({"ready": True, "device": "cuda", "capabilities": ["asr", "diar"]}),
            ("GET", "/v1/models"): json({"object": "list", "data": models}),
            ("GET", TRANSCRIPTIONS): unknown,
            ("POST", TRANSCRIPTIONS): _form(answer),
        }
    )


def xr_ai() -> FakeServer:
    """NVIDIA xr-ai stt-server: whatever is asked for, it answers text."""
    model = {"id": "nvidia/parakeet-tdt-0.6b-v3", "object": "model", "owned_by": "local"}
    return FakeServer(
        {
            ("GET", "/health"): json({"status": "ok"}),
            ("GET", "/v1/models"): json({"object": "list", "data": [model]}),
            ("POST", TRANSCRIPTIONS): _form(lambda _: web.json_response({"text": TEXT})),
        }
    )


def achetronic() -> FakeServer:
    """achetronic/parakeet: one segment, counted from the bytes; the language is what the caller said, else English."""

    def answer(form: Mapping[str, object]) -> web.Response:
        if form.get("response_format") != "verbose_json":
            return web.json_response({"text": TEXT})
        about = {"task": "transcribe", "language": form.get("language", "en"), "duration": 2.0}
        return web.json_response({**about, "text": TEXT, "segments": [_segment(0.0, 2.0)]})

    nvidia = {"object": "model", "created": 1700000000, "owned_by": "nvidia"}
    refused = {"error": {"message": "Method not allowed", "type": "invalid_request_error"}}
    return FakeServer(
        {
            ("GET", "/health"): json({"status": "ok"}),
            ("GET", "/v1/models"): json(
                {"object": "list", "data": [{"id": "parakeet-tdt-0.6b", **nvidia}, {"id": "whisper-1", **nvidia}]}
            ),
            ("GET", TRANSCRIPTIONS): json(refused, status=405),
            ("POST", TRANSCRIPTIONS): _form(answer),
        }
    )


def groxaxo() -> FakeServer:
    """groxaxo: no model list, unknown models refused, and "words" that are pieces of words."""

    def answer(form: Mapping[str, object]) -> web.Response:
        if form.get("model", GROXAXO_MODEL) != GROXAXO_MODEL:
            return _detail(f"Unknown model {form['model']!r}. Available models: ['{GROXAXO_MODEL}']", 400)
        if form.get("response_format") != "verbose_json":
            return web.json_response({"text": TEXT})
        pieces = [{"start": start, "end": end, "word": word} for word, start, end in PIECES]
        words = pieces if form.get("timestamp_granularities[]") == "word" else None
        about = {"task": "transcribe", "language": "auto", "duration": 2.0, "text": TEXT}
        return web.json_response({**about, "segments": [_segment(0.08, 1.6)], "words": words})

    health = {"status": "healthy", "ready": True, "models": [GROXAXO_MODEL], "loaded": [GROXAXO_MODEL]}
    return FakeServer(
        {
            ("GET", "/health"): json({**health, "default_model": GROXAXO_MODEL, "cpu": {}}),
            ("GET", "/healthz"): json({"status": "ok"}),
            ("POST", TRANSCRIPTIONS): _form(answer),
            ("POST", f"{TRANSCRIPTIONS}/batch"): json({"detail": "No files provided"}, status=400),
        }
    )


GROXAXO_MODEL = "parakeet-tdt-0.6b-v3"


def groxaxo_flask() -> FakeServer:
    """groxaxo's older server: no words at all, and every language is "english"."""

    def answer(form: Mapping[str, object]) -> web.Response:
        if form.get("response_format") != "verbose_json":
            return web.json_response({"text": TEXT}, headers={"X-Job-ID": "1"})
        about = {"task": "transcribe", "language": "english", "duration": 2.0, "text": TEXT}
        return web.json_response({**about, "segments": [_segment(0.08, 1.6)]})

    health = {"status": "healthy", "models": [GROXAXO_MODEL], "default_model": GROXAXO_MODEL, "speedup": "20.7x"}
    return FakeServer(
        {
            ("GET", "/"): text("<html>Parakeet</html>", content_type="text/html"),
            ("GET", "/health"): json(health),
            ("POST", TRANSCRIPTIONS): _form(answer),
        }
    )


def shadowfita() -> FakeServer:
    """Shadowfita: no models, no formats, NeMo's names for times."""

    def answer(form: Mapping[str, object]) -> web.Response:
        if form.get("should_chunk") != "false":
            # Its chunker calls what is not there any more.
            return _detail("Internal server error", 500)
        if form.get("include_timestamps") != "true":
            return web.json_response({"text": TEXT, "timestamps": None})
        offsets = {"start_offset": 1, "end_offset": 4}
        times = {
            "timestep": [1, 2, 4],
            "char": [{"char": ["T"], **offsets, "start": 0.08, "end": 0.16}],
            "word": [{"word": word, **offsets, "start": start, "end": end} for word, start, end in WORDS],
            "segment": [{"segment": TEXT, **offsets, "start": 0.08, "end": 1.6}],
        }
        return web.json_response({"text": TEXT, "timestamps": times})

    handler = _form(answer)
    return FakeServer(
        {
            ("GET", "/healthz"): json({"status": "ok"}),
            ("POST", "/transcribe"): handler,
            ("POST", "/audio/transcriptions"): handler,
            ("POST", TRANSCRIPTIONS): handler,
        }
    )


def runparakeet(model: str = "nvidia/parakeet-tdt-0.6b-v3") -> FakeServer:
    """RunParakeet: 404 for any model but its own; its one segment lasts from 0 to 0."""

    def answer(form: Mapping[str, object]) -> web.Response:
        if form.get("model", model) != model:
            return _detail(f"Unknown model '{form['model']}'", 404)
        base = {"text": TEXT, "model": model, "language": form.get("language", "unknown"), "created": 1}
        if form.get("response_format") == "verbose_json":
            base |= {"duration": None, "segments": [_segment(0.0, 0.0)]}
        return web.json_response(base)

    status = {"status": "ok", "model_name": model, "loaded": False, "idle_unload_seconds": 300, "last_loaded": None}
    item = {"id": model, "object": "model", "owned_by": "nvidia", "created": 0, "permission": []}
    return FakeServer(
        {
            ("GET", "/"): text("<html>RunParakeet</html>", content_type="text/html"),
            ("GET", "/healthz"): json(status),
            ("GET", "/v1/models"): json({"object": "list", "data": [item]}),
            ("POST", TRANSCRIPTIONS): _form(answer),
        }
    )


def speaches() -> FakeServer:
    """speaches: models of all kinds, one of them required; a Parakeet fails at anything but text."""
    parakeet = "istupakov/parakeet-tdt-0.6b-v3-onnx"

    def answer(form: Mapping[str, object]) -> web.Response:
        if "model" not in form:
            return web.json_response({"detail": [{"loc": ["body", "model"], "msg": "Field required"}]}, status=422)
        if form["model"] != parakeet:
            return _detail(f"Model '{form['model']}' is not installed locally.", 404)
        if form.get("response_format", "json") not in ("json", "text"):
            return web.Response(text="Internal Server Error", status=500)
        return web.json_response({"text": TEXT, "logprobs": None})

    asr, tts = "automatic-speech-recognition", "text-to-speech"
    tasks = {"rhasspy/parakeet-voice": tts, "Systran/faster-whisper-small": asr, parakeet: asr}
    items = [
        {"id": name, "created": 1, "object": "model", "owned_by": "x", "task": task} for name, task in tasks.items()
    ]
    return FakeServer(
        {
            ("GET", "/health"): json({"message": "OK"}),
            ("GET", "/v1/models"): json({"data": items, "object": "list"}),
            ("POST", TRANSCRIPTIONS): _form(answer),
            ("POST", "/v1/audio/speech"): json({"detail": "no"}, status=404),
        }
    )


def pipecat() -> FakeServer:
    """pipecat's Nemotron container, its server for hearing: a health page and a WebSocket."""

    async def websocket(request: web.Request) -> web.StreamResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        return response

    return FakeServer(
        {
            ("GET", "/health"): json({"status": "healthy", "model_loaded": True}),
            ("GET", "/"): websocket,
        }
    )


WEDGED: Mapping[str, Handler] = {
    "nim": json({"detail": "Failed to connect to remote host: connect: Connection refused (111)"}, status=500),
    "nemo-speech.cpp": json({"error": {"message": "ggml_cuda failed", "type": "server_error"}}, status=500),
    "xr-ai": json({"detail": "transcription failed"}, status=500),
    "achetronic": json(
        {"error": {"message": "Transcription failed: CUDA failure 700", "type": "server_error"}}, status=500
    ),
    "groxaxo": text("Internal Server Error", status=500),
    "groxaxo flask": json({"error": "Internal server error", "details": "CUBLAS failure 13"}, status=500),
    "shadowfita": json({"detail": CUDA}, status=422),
    "runparakeet": text("Internal Server Error", status=500),
    "speaches": text("Internal Server Error", status=500),
    "openai": json({"error": {"message": CUDA, "type": "invalid_request_error"}}, status=400),
}
"""What each family answers to a transcription once its GPU is gone; its health page stays as it was."""


def _form(answer: Answer) -> Handler:
    """A handler for an upload, which has to be a WAV file."""

    async def handle(request: web.Request) -> web.Response:
        form = await request.post()
        file = form.get("file")
        if not isinstance(file, web.FileField):
            return _detail("No file provided", 400)
        file.file.seek(0)
        if file.file.read(4) != b"RIFF":
            return _detail("Audio could not be decoded", 415)
        return answer(form)

    return handle


def _detail(message: str, status: int) -> web.Response:
    return web.json_response({"detail": message}, status=status)


def _segment(start: float, end: float) -> dict[str, object]:
    figures = {"temperature": 0.0, "avg_logprob": 0.0, "compression_ratio": 0.0, "no_speech_prob": 0.0}
    return {"id": 0, "seek": 0, "start": start, "end": end, "text": TEXT, "tokens": [], **figures}
