"""Fake servers of other kinds, which people enter by mistake: what they show on the pages that tell."""

from aiohttp import web

from tests.fakes.server import FakeServer, json, text

PAGE = text("<!doctype html><html><head><title>\n  Open WebUI </title></head></html>", content_type="text/html")


class Everywhere(FakeServer):
    """A server that shows one page on every path, whatever the method."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Record the request and show the page."""
        self.answers[request.method, request.path] = self.answers["GET", "/"]
        return await super().handle(request)


def web_page() -> FakeServer:
    """A web application that routes in the browser: its page, with status 200, wherever one looks."""
    return Everywhere({("GET", "/"): PAGE})


def open_webui() -> FakeServer:
    """A web application with a few pages for programs, as Open WebUI has them."""
    return FakeServer(
        {
            ("GET", "/"): PAGE,
            ("GET", "/health"): json({"status": True}),
            ("GET", "/manifest.json"): json({"name": "Open WebUI", "short_name": "Open WebUI"}),
            ("GET", "/api/version"): json({"version": "0.9.2"}),
            ("GET", "/v1/audio/transcriptions"): PAGE,
            ("GET", "/v1/audio/speech"): PAGE,
        }
    )


def home_page() -> FakeServer:
    """A web server with a home page and nothing else."""
    return FakeServer({("GET", "/"): text("<html>It works!</html>", content_type="text/html")})


def ollama() -> FakeServer:
    """Ollama: its model list is OpenAI's."""
    models = [{"id": "llama3.2:latest", "object": "model", "created": 1, "owned_by": "library"}]
    return FakeServer(
        {
            ("GET", "/"): text("Ollama is running"),
            ("GET", "/api/version"): json({"version": "0.20.1"}),
            ("GET", "/v1/models"): json({"object": "list", "data": models}),
        }
    )


def home_assistant() -> FakeServer:
    """Home Assistant: its API wants a token, its manifest does not."""
    return FakeServer(
        {
            ("GET", "/"): text("<html><title>Home Assistant</title></html>", content_type="text/html"),
            ("GET", "/manifest.json"): json({"name": "Home Assistant", "short_name": "Home Assistant"}),
            ("GET", "/api/"): text("401: Unauthorized", status=401),
        }
    )


def vllm_without_speech() -> FakeServer:
    """vLLM with a language model: the route for transcriptions is there in some versions."""
    models = [{"id": "Qwen/Qwen3-8B", "object": "model", "owned_by": "vllm", "max_model_len": 8192}]
    refused = {"error": {"message": "The model does not support Transcriptions API", "type": "BadRequestError"}}
    return FakeServer(
        {
            ("GET", "/health"): text(""),
            ("GET", "/version"): json({"version": "0.12.0"}),
            ("GET", "/v1/models"): json({"object": "list", "data": models}),
            ("POST", "/v1/audio/transcriptions"): json(refused, status=400),
        }
    )


def crispasr_translating() -> FakeServer:
    """CrispASR with a model that translates text."""
    model = {"id": "m2m100.gguf", "object": "model", "owned_by": "crispasr", "backend": "m2m100"}
    refused = json({"error": {"message": "loaded backend 'm2m100' does not support this"}}, status=400)
    return FakeServer(
        {
            ("GET", "/health"): json({"status": "ok", "backend": "m2m100"}),
            ("GET", "/v1/models"): json({"object": "list", "data": [model]}),
            ("GET", "/v1/audio/speech"): json({"error": "not found"}, status=404),
            ("POST", "/v1/audio/speech"): refused,
            ("POST", "/v1/audio/transcriptions"): refused,
        }
    )


def llama_cpp() -> FakeServer:
    """llama.cpp's server."""
    models = [{"id": "gemma.gguf", "object": "model", "created": 1, "owned_by": "llamacpp"}]
    return FakeServer(
        {
            ("GET", "/health"): json({"status": "ok"}),
            ("GET", "/v1/models"): json({"object": "list", "data": models}),
        }
    )
