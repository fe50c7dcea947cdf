"""More fake servers that hear: those on OpenAI's contract, and what each makes of it."""

from collections.abc import Mapping

from aiohttp import web

from tests.fakes.parakeet import TEXT, TRANSCRIPTIONS, WORDS, contract, form_answer, openai, segment
from tests.fakes.server import FakeServer, Handler, json, text


def spark_audio() -> FakeServer:
    """Our own proxy: its models have names."""
    model = {"id": "parakeet-tdt-0.6b", "object": "model", "created": 1_735_689_600, "owned_by": "nvidia"}
    fake = openai()
    fake.answers["GET", "/v1/models"] = json({"object": "list", "data": [{**model, "name": "Parakeet"}]})
    return fake


def martin() -> FakeServer:
    """mARTin-B78's image with a NeMo of this year: no segments, and no words whatever is asked for."""

    def answer(form: Mapping[str, str]) -> web.Response:
        if form.get("response_format") != "verbose_json":
            return web.json_response({"text": TEXT})
        about = {"task": "transcribe", "language": form.get("language", "auto"), "duration": 2.0}
        return web.json_response({**about, "text": TEXT, "segments": []})

    nvidia = {"object": "model", "created": 1723593600, "owned_by": "nvidia", "permission": []}
    ids = ("parakeet-tdt-0.6b-v3", "whisper-1")
    return FakeServer(
        {
            ("GET", "/"): json({"service": "parakeet-asr", "model": "nvidia/parakeet-tdt-0.6b-v3", "device": "cuda"}),
            ("GET", "/health"): json({"status": "ready", "device": "cuda", "gpu_memory": {"total_gb": 119.7}}),
            ("GET", "/v1/models"): json({"object": "list", "data": [{"id": name, **nvidia} for name in ids]}),
            ("POST", TRANSCRIPTIONS): form_answer(answer),
            ("POST", "/v1/audio/translations"): form_answer(answer),
        }
    )


def parakeet_api() -> FakeServer:
    """parakeet-api: no model list; its words are spread evenly, its language is what the caller said, else English."""

    def answer(form: Mapping[str, str]) -> web.Response:
        if form.get("response_format") != "verbose_json":
            return web.json_response({"text": TEXT})
        about = {"task": "transcribe", "language": form.get("language", "en"), "duration": 2.0}
        words = [{"word": word, "start": 0.4 * i, "end": 0.4 * (i + 1)} for i, (word, *_) in enumerate(WORDS)]
        return web.json_response({**about, "text": TEXT, "words": words, "segments": [segment(0.0, 2.0)]})

    return FakeServer(
        {
            ("GET", "/"): json({"message": "Parakeet API is running", "docs": "/docs"}),
            ("GET", "/health"): json({"status": "healthy"}),
            ("POST", TRANSCRIPTIONS): form_answer(answer),
            ("POST", f"{TRANSCRIPTIONS}/raw"): json({"detail": "No audio data provided"}, status=400),
        }
    )


def parakeet_cpp() -> FakeServer:
    """parakeet.cpp's server: no model list, real words on demand, one segment, always "en"."""

    def answer(form: Mapping[str, str]) -> web.Response:
        return web.json_response(contract(form, language="en"))

    return FakeServer(
        {
            ("GET", "/health"): json({"status": "ok"}),
            ("GET", TRANSCRIPTIONS): text("", status=404),
            ("POST", TRANSCRIPTIONS): form_answer(answer),
        }
    )


def crispasr() -> FakeServer:
    """CrispASR: 404 for the GET of a route for POST, and 400 for speech where its model cannot speak."""
    model = {"id": "parakeet-tdt-0.6b-v3-q4_k.gguf", "object": "model", "owned_by": "crispasr", "backend": "parakeet"}
    unknown = json({"error": "not found. Use POST /v1/audio/transcriptions"}, status=404)
    message = "loaded backend 'parakeet' does not support TTS (no CAP_TTS); load a TTS backend via POST /load"
    no_speech = json({"error": {"message": message, "type": "invalid_request_error", "param": None}}, status=400)
    return FakeServer(
        {
            ("GET", "/"): unknown,
            ("GET", "/health"): json({"status": "ok", "backend": "parakeet"}),
            ("GET", "/v1/models"): json({"object": "list", "data": [model]}),
            ("GET", "/v1/voices"): no_speech,
            ("GET", "/v1/audio/voices"): no_speech,
            ("GET", TRANSCRIPTIONS): unknown,
            ("GET", "/v1/audio/speech"): unknown,
            ("POST", TRANSCRIPTIONS): form_answer(lambda form: web.json_response(contract(form))),
            ("POST", "/v1/audio/speech"): no_speech,
        }
    )


LOCALAI_PAGES: Mapping[tuple[str, str], Handler] = {
    ("GET", "/"): text("<html><title>LocalAI</title></html>", content_type="text/html"),
    ("GET", "/healthz"): text("OK"),
    ("GET", "/.well-known/localai.json"): json({"version": "v4.6.0", "endpoints": {}, "capabilities": {}}),
    ("GET", "/v1/models"): json(
        {"object": "list", "data": [{"id": "qwen3-8b", "object": "model"}, {"id": "parakeet-cpp", "object": "model"}]}
    ),
    ("GET", "/v1/models/capabilities"): json(
        {
            "object": "list",
            "data": [
                {"id": "qwen3-8b", "object": "model", "capabilities": ["chat", "completion"]},
                {"id": "piper-voice", "object": "model", "capabilities": ["tts"]},
                {"id": "magpie-tts-cpp", "object": "model", "capabilities": ["tts"]},
                {"id": "parakeet-cpp", "object": "model", "capabilities": ["transcript"]},
            ],
        }
    ),
    ("GET", "/system"): json(
        {"backends": ["parakeet-cpp"], "loaded_models": [{"id": "parakeet-cpp"}, {"id": "magpie-tts-cpp"}]}
    ),
}
"""What LocalAI shows, whichever of its models is meant."""


def localai() -> FakeServer:
    """LocalAI: a model is required, words have the key `text`, and there are lists even where nothing is in them."""

    def answer(form: Mapping[str, str]) -> web.Response:
        if form.get("model") != "parakeet-cpp":
            return web.json_response({"error": {"message": "Bad Request", "code": 400, "type": ""}}, status=400)
        if form.get("response_format") != "verbose_json":
            return web.json_response({"text": TEXT, "segments": [], "words": []})
        words = [{"text": word, "start": start, "end": end} for word, start, end in WORDS]
        asked = "word" in form.get("timestamp_granularities[]", "")
        return web.json_response({"text": TEXT, "segments": [segment(0.08, 1.6)], "words": words if asked else []})

    return FakeServer({**LOCALAI_PAGES, ("POST", TRANSCRIPTIONS): form_answer(answer)})


VOX_PAGES: Mapping[tuple[str, str], Handler] = {
    ("GET", "/v1/health"): json({"status": "ok"}),
    ("GET", "/v1/models"): json(
        {
            "models": [
                {"name": "kokoro:v1", "type": "tts", "format": "onnx", "architecture": "kokoro"},
                {"name": "magpie:357m", "type": "tts", "format": "gguf", "architecture": "magpie"},
                {"name": "whisper:large", "type": "stt", "format": "ct2", "architecture": "whisper"},
                {"name": "parakeet:tdt-0.6b-v3", "type": "stt", "format": "onnx", "architecture": "parakeet"},
            ]
        }
    ),
    ("GET", "/v1/models/loaded"): json(
        {
            "models": [
                {"name": "parakeet", "tag": "tdt-0.6b-v3", "type": "stt", "device": "cuda", "ref_count": 0},
                {"name": "magpie", "tag": "357m", "type": "tts", "device": "cuda", "ref_count": 0},
            ]
        }
    ),
    ("GET", "/v1/audio/voices"): json({"voices": []}),
}
"""What vox-runtime shows, whichever of its models is meant. Its voices are those of the models that are loaded."""


def vox() -> FakeServer:
    """vox-runtime: words and segments as they are asked for."""

    def answer(form: Mapping[str, str]) -> web.Response:
        return web.json_response(contract(form, language="en"))

    return FakeServer({**VOX_PAGES, ("POST", TRANSCRIPTIONS): form_answer(answer)})


def vllm() -> FakeServer:
    """vLLM: text alone, and 400 for segments, which only its Whisper measures."""
    model = {"id": "nvidia/parakeet-tdt-0.6b-v3", "object": "model", "created": 1, "owned_by": "vllm", "root": "x"}

    def answer(form: Mapping[str, str]) -> web.Response:
        if form.get("response_format") == "verbose_json":
            message = "Currently do not support verbose_json for parakeet"
            return web.json_response({"error": {"message": message, "type": "BadRequestError"}}, status=400)
        return web.json_response({"text": TEXT, "usage": {"type": "duration", "seconds": 2}})

    return FakeServer(
        {
            ("GET", "/health"): text(""),
            ("GET", "/version"): json({"version": "0.12.0"}),
            ("GET", "/v1/models"): json({"object": "list", "data": [model]}),
            ("POST", TRANSCRIPTIONS): form_answer(answer),
        }
    )
