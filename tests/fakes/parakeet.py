"""Fake Parakeet servers: each dialect as facts/upstreams.md describes it."""

from tests.fakes.server import FakeServer, json

TRANSCRIPTIONS = "/v1/audio/transcriptions"


def openai(text: str = "Turn on the kitchen light.") -> FakeServer:
    """OpenAI's contract as written."""
    return FakeServer(
        {
            ("GET", "/v1/models"): json({"object": "list", "data": [{"id": "whisper-1"}, {"id": "parakeet-tdt-0.6b"}]}),
            ("GET", "/health"): json({"status": "ok"}),
            ("POST", TRANSCRIPTIONS): json({"text": text}),
        }
    )
