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

type Answer = Callable[[Mapping[str, str]], web.Response]
"""What a server answers to the fields of an upload; the length of its recording is among them, `seconds`."""


def openai(text: str = TEXT) -> FakeServer:
    """OpenAI's contract as written: which times come is what `timestamp_granularities[]` says, segments if nothing."""
    return FakeServer(
        {
            ("GET", "/v1/models"): json({"object": "list", "data": [{"id": "whisper-1"}, {"id": "parakeet-tdt-0.6b"}]}),
            ("GET", "/health"): json({"status": "ok"}),
            ("POST", TRANSCRIPTIONS): form_answer(lambda form: web.json_response(contract(form, text))),
        }
    )


def contract(form: Mapping[str, str], text: str = TEXT, *, language: str = "english") -> dict[str, object]:
    """What OpenAI's contract answers to a form."""
    if form.get("response_format") != "verbose_json":
        return {"text": text}
    wanted = form.get("timestamp_granularities[]", "segment").split(",")
    answer: dict[str, object] = {"task": "transcribe", "language": language, "duration": 2.0, "text": text}
    if "segment" in wanted:
        answer["segments"] = [segment(0.08, 1.6, text)]
    if "word" in wanted:
        answer["words"] = [{"word": word, "start": start, "end": end} for word, start, end in WORDS]
    return answer


def nim() -> FakeServer:
    """NVIDIA's NIM: the routes for speaking are there as well, a model list is not."""

    def answer(form: Mapping[str, str]) -> web.Response:
        if "language" not in form and "model" not in form:
            return detail("Either language or model is required", 400)
        if form.get("response_format", "json") != "json":
            return detail("Unsupported response_format", 400)
        return web.json_response({"text": f"{TEXT} "})

    return FakeServer(
        {
            ("GET", "/v1/health/live"): json({"status": "live"}),
            ("GET", "/v1/health/ready"): json({"object": "health.response", "message": "ready", "status": "ready"}),
            ("GET", "/v1/audio/list_voices"): json({}),
            ("POST", "/v1/audio/synthesize"): json({"detail": "Model not found for language"}, status=400),
            ("POST", "/v1/audio/synthesize_online"): json({"detail": "Model not found for language"}, status=400),
            ("POST", TRANSCRIPTIONS): form_answer(answer),
        }
    )


def nemo_speech() -> FakeServer:
    """NVIDIA NeMo-Speech.cpp: a POST route is 404 for GET; words, but no segments."""

    def answer(form: Mapping[str, str]) -> web.Response:
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
            ("POST", TRANSCRIPTIONS): form_answer(answer),
        }
    )


def xr_ai() -> FakeServer:
    """NVIDIA xr-ai stt-server: whatever is asked for, it answers text."""
    model = {"id": "nvidia/parakeet-tdt-0.6b-v3", "object": "model", "owned_by": "local"}
    return FakeServer(
        {
            ("GET", "/health"): json({"status": "ok"}),
            ("GET", "/v1/models"): json({"object": "list", "data": [model]}),
            ("POST", TRANSCRIPTIONS): form_answer(lambda _: web.json_response({"text": TEXT})),
        }
    )


def achetronic() -> FakeServer:
    """achetronic/parakeet: one segment, counted from the bytes; the language is what the caller said, else English.

    More than 400 s are its own fault.
    """

    def answer(form: Mapping[str, str]) -> web.Response:
        if float(form["seconds"]) > 400:
            message = f"Transcription failed: audio too long: {form['seconds']}s exceeds the 400s limit"
            return web.json_response({"error": {"message": message, "type": "server_error"}}, status=500)
        if form.get("response_format") != "verbose_json":
            return web.json_response({"text": TEXT})
        about = {"task": "transcribe", "language": form.get("language", "en"), "duration": 2.0}
        return web.json_response({**about, "text": TEXT, "segments": [segment(0.0, 2.0)]})

    nvidia = {"object": "model", "created": 1700000000, "owned_by": "nvidia"}
    refused = {"error": {"message": "Method not allowed", "type": "invalid_request_error"}}
    return FakeServer(
        {
            ("GET", "/health"): json({"status": "ok"}),
            ("GET", "/v1/models"): json(
                {"object": "list", "data": [{"id": "parakeet-tdt-0.6b", **nvidia}, {"id": "whisper-1", **nvidia}]}
            ),
            ("GET", TRANSCRIPTIONS): json(refused, status=405),
            ("POST", TRANSCRIPTIONS): form_answer(answer),
        }
    )


def groxaxo() -> FakeServer:
    """groxaxo: no model list, unknown models refused, "words" that are pieces of words; segments end with the audio."""

    def answer(form: Mapping[str, str]) -> web.Response:
        if form.get("model", GROXAXO_MODEL) not in GROXAXO_MODELS:
            return detail(f"Unknown model {form['model']!r}. Available models: {sorted(GROXAXO_MODELS)}", 400)
        if form.get("response_format") != "verbose_json":
            return web.json_response({"text": TEXT})
        *pieces, last = [{"start": start, "end": end, "word": word} for word, start, end in PIECES]
        pieces.append({**last, "end": 2.0})
        words = pieces if form.get("timestamp_granularities[]") == "word" else None
        about = {"task": "transcribe", "language": "auto", "duration": 2.0, "text": TEXT}
        return web.json_response({**about, "segments": [segment(0.08, 2.0)], "words": words})

    health = {"status": "healthy", "ready": True, "models": list(GROXAXO_MODELS), "loaded": []}
    return FakeServer(
        {
            ("GET", "/health"): json({**health, "default_model": GROXAXO_MODELS[1], "cpu": {}}),
            ("GET", "/healthz"): json({"status": "ok"}),
            ("POST", TRANSCRIPTIONS): form_answer(answer),
            ("POST", f"{TRANSCRIPTIONS}/batch"): json({"detail": "No files provided"}, status=400),
        }
    )


GROXAXO_MODEL = "parakeet-tdt-0.6b-v3"
GROXAXO_MODELS = (GROXAXO_MODEL, "istupakov/parakeet-tdt-0.6b-v3-onnx", "grikdotnet/parakeet-tdt-0.6b-fp16")


def groxaxo_flask() -> FakeServer:
    """groxaxo's older server: no words at all, and every language is "english"."""

    def answer(form: Mapping[str, str]) -> web.Response:
        if form.get("response_format") != "verbose_json":
            return web.json_response({"text": TEXT}, headers={"X-Job-ID": "1"})
        about = {"task": "transcribe", "language": "english", "duration": 2.0, "text": TEXT}
        return web.json_response({**about, "segments": [segment(0.08, 1.6)]})

    health = {"status": "healthy", "models": [GROXAXO_MODEL], "default_model": GROXAXO_MODEL, "speedup": "20.7x"}
    return FakeServer(
        {
            ("GET", "/"): text("<html>Parakeet</html>", content_type="text/html"),
            ("GET", "/health"): json(health),
            ("POST", TRANSCRIPTIONS): form_answer(answer),
        }
    )


def shadowfita() -> FakeServer:
    """Shadowfita: no models, no formats, NeMo's names for times."""

    def answer(form: Mapping[str, str]) -> web.Response:
        if form.get("should_chunk") != "false":
            # Its chunker calls what is not there any more.
            return detail("Internal server error", 500)
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

    handler = form_answer(answer)
    return FakeServer(
        {
            ("GET", "/healthz"): json({"status": "ok"}),
            ("POST", "/transcribe"): handler,
            ("POST", "/audio/transcriptions"): handler,
            ("POST", TRANSCRIPTIONS): handler,
        }
    )


def runparakeet(model: str = "nvidia/parakeet-tdt-0.6b-v3", *, loaded: bool = True) -> FakeServer:
    """RunParakeet: 404 for any model but its own; its one segment lasts from 0 to 0. Unloads its model after a rest."""

    def answer(form: Mapping[str, str]) -> web.Response:
        if form.get("model", model) != model:
            return detail(f"Unknown model '{form['model']}'", 404)
        base = {"text": TEXT, "model": model, "language": form.get("language", "unknown"), "created": 1}
        if form.get("response_format") == "verbose_json":
            base |= {"duration": None, "segments": [segment(0.0, 0.0)]}
        return web.json_response(base)

    status = {"status": "ok", "model_name": model, "loaded": loaded, "idle_unload_seconds": 300, "last_loaded": None}
    item = {"id": model, "object": "model", "owned_by": "nvidia", "created": 0, "permission": []}
    return FakeServer(
        {
            ("GET", "/"): text("<html>RunParakeet</html>", content_type="text/html"),
            ("GET", "/healthz"): json(status),
            ("GET", "/v1/models"): json({"object": "list", "data": [item]}),
            ("POST", TRANSCRIPTIONS): form_answer(answer),
        }
    )


def speaches() -> FakeServer:
    """speaches: models of all kinds, one of them required; a Parakeet fails at anything but text.

    It unloads a model after a rest, and speaks as well, with other models than Magpie.
    """
    parakeet = "istupakov/parakeet-tdt-0.6b-v3-onnx"

    def answer(form: Mapping[str, str]) -> web.Response:
        if "model" not in form:
            return web.json_response({"detail": [{"loc": ["body", "model"], "msg": "Field required"}]}, status=422)
        if form["model"] != parakeet:
            return detail(f"Model '{form['model']}' is not installed locally.", 404)
        if form.get("response_format", "json") not in ("json", "text"):
            return web.Response(text="Internal Server Error", status=500)
        return web.json_response({"text": TEXT, "logprobs": None, "usage": None})

    asr, tts = "automatic-speech-recognition", "text-to-speech"
    tasks = {"rhasspy/parakeet-voice": tts, "Systran/faster-whisper-small": asr, parakeet: asr}
    items = [
        {"id": name, "created": 1, "object": "model", "owned_by": "x", "task": task} for name, task in tasks.items()
    ]
    return FakeServer(
        {
            ("GET", "/health"): json({"message": "OK"}),
            ("GET", "/v1/models"): json({"data": items, "object": "list"}),
            ("GET", "/api/ps"): json({"models": [parakeet]}),
            ("POST", TRANSCRIPTIONS): form_answer(answer),
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
    "spark audio": json({"error": {"message": "Parakeet failed.", "type": "server_error"}}, status=500),
    "dgx-spark-parakeet-asr": json({"detail": f"Transcription failed: {CUDA}"}, status=500),
    "parakeet-api": json({"detail": "Sherpa-onnx transcription failed"}, status=500),
    "crispasr": json({"error": {"message": f"ggml: {CUDA}", "type": "invalid_request_error"}}, status=400),
    "localai": json({"error": {"message": "rpc error: code = Unavailable", "code": 500, "type": ""}}, status=500),
    "vox": json({"detail": "Internal transcription error"}, status=500),
    "vllm": json({"error": {"message": "EngineCore encountered an issue", "type": "InternalServerError"}}, status=500),
    "parakeet.cpp": json({"error": {"message": "transcription failed", "type": "server_error"}}, status=500),
    "openai": json({"error": {"message": CUDA, "type": "invalid_request_error"}}, status=400),
}
"""What each family answers to a transcription once its GPU is gone; its health page stays as it was."""


def form_answer(answer: Answer) -> Handler:
    """A handler for an upload, which has to be a WAV file."""

    async def handle(request: web.Request) -> web.Response:
        form = await request.post()
        file = form.get("file")
        if not isinstance(file, web.FileField):
            return detail("No file provided", 400)
        file.file.seek(0)
        recording = file.file.read()
        if recording[:4] != b"RIFF":
            return detail("Audio could not be decoded", 415)
        fields = {name: ",".join(map(str, form.getall(name))) for name in form if name != "file"}
        return answer({**fields, "seconds": str((len(recording) - 44) / 32_000)})

    return handle


def detail(message: str, status: int) -> web.Response:
    """FastAPI's error."""
    return web.json_response({"detail": message}, status=status)


def segment(start: float, end: float, text: str = TEXT) -> dict[str, object]:
    """A segment as Whisper's."""
    figures = {"temperature": 0.0, "avg_logprob": 0.0, "compression_ratio": 0.0, "no_speech_prob": 0.0}
    return {"id": 0, "seek": 0, "start": start, "end": end, "text": text, "tokens": [], **figures}
