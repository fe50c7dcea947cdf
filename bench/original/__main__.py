"""A proxy of FastAPI and httpx in which everything is in memory before it goes on: uploads, forms, whole answers.

It has the routes that are measured and no more. One httpx client serves all requests, with httpx's usual limits. Run in
an environment of its own, with what `bench/proxy_peers.py` pins: `python -m bench.original --upstream URL`.
"""

# What it imports is not installed where types are checked.
# mypy: disable-error-code="import-not-found, untyped-decorator"

import argparse
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Annotated
from wave import open as open_wave

import httpx
import uvicorn
from fastapi import FastAPI, File, Form, Request, Response, UploadFile
from pydantic import BaseModel

SAMPLE_RATE = 22_050
"""Hz."""

DEADLINE = 300.0
"""Seconds that the upstream may take, and a request may wait for a connection to it."""


class Speech(BaseModel):
    """OpenAI's request for speech."""

    model: str = "tts-1"
    input: str
    voice: str = "Magpie-Multilingual.EN-US.Aria"
    response_format: str = "wav"


def create_app(upstream: str) -> FastAPI:
    """The proxy in front of a Spark."""

    @asynccontextmanager
    async def connected(app: FastAPI) -> AsyncGenerator[None]:
        async with httpx.AsyncClient(base_url=upstream, timeout=DEADLINE) as client:
            app.state.client = client
            yield

    app = FastAPI(lifespan=connected)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/v1/audio/transcriptions")
    async def transcriptions(
        request: Request,
        file: Annotated[UploadFile, File()],
        model: Annotated[str, Form()] = "whisper-1",
        language: Annotated[str, Form()] = "en-US",
    ) -> Response:
        recording = await file.read()
        answer = await request.app.state.client.post(
            "/v1/audio/transcriptions",
            data={"model": model, "language": language},
            files={"file": (file.filename, recording, file.content_type)},
        )
        return Response(answer.content, answer.status_code, media_type=answer.headers["Content-Type"])

    @app.post("/v1/audio/speech")
    async def speech(request: Request, wanted: Speech) -> Response:
        form = {
            "text": wanted.input,
            "language": "en-US",
            "voice": wanted.voice,
            "encoding": "LINEAR_PCM",
            "sample_rate_hz": str(SAMPLE_RATE),
        }
        answer = await request.app.state.client.post(
            "/v1/audio/synthesize_online", files={name: (None, value) for name, value in form.items()}
        )
        answer.raise_for_status()
        return Response(as_wav(answer.content), media_type="audio/wav")

    return app


def as_wav(pcm: bytes) -> bytes:
    """A WAV file of s16le mono PCM."""
    file = BytesIO()
    with open_wave(file, "wb") as wav:
        wav.setparams((1, 2, SAMPLE_RATE, 0, "NONE", "not compressed"))
        wav.writeframes(pcm)
    return file.getvalue()


def main() -> None:
    """Serve on a free port of loopback."""
    parser = argparse.ArgumentParser(prog="bench.original")
    parser.add_argument("--upstream", required=True, metavar="URL")
    app = create_app(parser.parse_args().upstream)
    # With its protocol named, so that asyncio sends small pieces at once (TCP_NODELAY), as it does by itself.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(1024)
        host, port = sock.getsockname()
        print(f"Original listening on http://{host}:{port}", flush=True)  # noqa: T201 - what the bench waits for
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[sock])


if __name__ == "__main__":
    main()
