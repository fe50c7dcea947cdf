"""The speech server behind a voice turn: two faces, one on each path, with service times that never vary.

`/openai` speaks OpenAI's contract; every other first part of a path is a Parakeet and a Magpie NIM, so that one Home
Assistant can have several of them. It hears nothing, and says the canary's clip over and over. Run as a process of its
own: `python -m bench.turn_backend`.
"""

import asyncio
import itertools
import signal
import time
from collections.abc import Sequence
from functools import cache

import av
from aiohttp import web
from spark_audio_proxy.transcode.encode import FORMATS, audio_frame, create_encoder
from spark_engine.healing.canary import canary_clip
from spark_engine.models import SAMPLE_WIDTH

from .upstream import SECONDS_PER_CHARACTER, SYNTHESIZE_ONLINE, TRANSCRIPTIONS, VOICES, form_field

RECOGNITION = 0.3
"""Seconds from the last byte of a recording to its transcript."""

FIRST_AUDIO = 0.080
"""Seconds from a request for speech to its first sound."""

PIECE = 0.1
"""Seconds of sound in one piece; further ones follow at the pace that was set."""

OPENAI = "openai"
OPENAI_RATE = 24_000
LONGEST_SPEECH = 60.0


class Backend:
    """Both services, and what they were asked."""

    def __init__(self) -> None:
        """Twelve times real time until told otherwise."""
        self.pace = 12.0
        self._requests: list[dict[str, str | float]] = []
        self._numbers = itertools.count(100)

    def routes(self) -> list[web.RouteDef]:
        """Every endpoint. `/bench` is for the one who measures."""
        return [
            web.post(f"/{{face}}{TRANSCRIPTIONS}", self._transcribe),
            web.get(f"/{OPENAI}/v1/models", self._models),
            web.post(f"/{OPENAI}/v1/audio/speech", self._speak_openai),
            web.post(f"/{{face}}{SYNTHESIZE_ONLINE}", self._speak_nim),
            web.get("/{face}/v1/audio/list_voices", self._voices),
            web.get("/{face}/v1/health/ready", self._ready),
            web.post("/bench/pace", self._set_pace),
            web.get("/bench/requests", self._tell),
        ]

    def _note(self, request: web.Request, kind: str) -> None:
        # Every process on one machine reads the same clock.
        self._requests.append({"face": request.match_info.get("face", OPENAI), "kind": kind, "at": time.monotonic()})

    async def _transcribe(self, request: web.Request) -> web.Response:
        self._note(request, "transcription")
        async for _ in request.content.iter_any():
            pass
        await asyncio.sleep(RECOGNITION)
        # Never twice the same, since Home Assistant keeps what it has said before; and never open at its end.
        return web.json_response({"text": f"Turn on light {next(self._numbers)} in the kitchen."})

    async def _speak_nim(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        rate = int(form_field(body, "sample_rate_hz"))
        return await self._speak(request, form_field(body, "text"), pieces("nim", rate), "application/octet-stream")

    async def _speak_openai(self, request: web.Request) -> web.StreamResponse:
        wish = await request.json()
        audio_format = FORMATS[wish["response_format"]]
        return await self._speak(
            request, wish["input"], pieces(audio_format.name, OPENAI_RATE), audio_format.content_type
        )

    async def _speak(
        self, request: web.Request, text: str, sound: Sequence[bytes], content_type: str
    ) -> web.StreamResponse:
        self._note(request, "speech")
        now = asyncio.get_running_loop().time
        begun, pace = now(), self.pace
        count = max(1, round(len(text) * SECONDS_PER_CHARACTER / PIECE))
        response = web.StreamResponse(headers={"Content-Type": content_type})
        for number, piece in enumerate(sound[:count]):
            # Counted from the start, so that a late piece does not delay those behind it.
            await asyncio.sleep(begun + FIRST_AUDIO + number * PIECE / pace - now())
            if not response.prepared:
                await response.prepare(request)
            await response.write(piece)
        return response

    async def _set_pace(self, request: web.Request) -> web.Response:
        self.pace = float((await request.json())["pace"])
        return web.json_response({})

    async def _tell(self, _: web.Request) -> web.Response:
        told, self._requests = self._requests, []
        return web.json_response(told)

    async def _models(self, _: web.Request) -> web.Response:
        names = ("gpt-4o-mini-transcribe", "gpt-4o-mini-tts")
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "bench"} for name in names]
        return web.json_response({"object": "list", "data": data})

    async def _voices(self, _: web.Request) -> web.Response:
        return web.json_response({"en-US": {"voices": VOICES}})

    async def _ready(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ready"})


@cache
def pieces(audio_format: str, rate: int) -> Sequence[bytes]:
    """LONGEST_SPEECH of speech in this format, cut into what encoders give for PIECE after PIECE. `nim` is bare PCM."""
    step = round(PIECE * rate) * SAMPLE_WIDTH
    sound = speech(rate)
    cut = [sound[at : at + step] for at in range(0, len(sound), step)]
    if audio_format == "nim":
        return cut
    encoder = create_encoder(FORMATS[audio_format], rate)
    return [encoder.encode(pcm) for pcm in cut]


@cache
def speech(rate: int) -> bytes:
    """LONGEST_SPEECH of speech as s16le mono PCM: noise would be harder to pack than what is really said."""
    clip = canary_clip()
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    frames = [*resampler.resample(audio_frame(clip.pcm, clip.sample_rate)), *resampler.resample(None)]
    once = b"".join(bytes(frame.planes[0])[: frame.samples * SAMPLE_WIDTH] for frame in frames)
    length = round(LONGEST_SPEECH * rate) * SAMPLE_WIDTH
    return (once * (length // len(once) + 1))[:length]


async def _serve() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for audio_format, rate in [("nim", 22_050), ("nim", 44_100), *((name, OPENAI_RATE) for name in FORMATS)]:
        pieces(audio_format, rate)
    app = web.Application()
    app.add_routes(Backend().routes())
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=600, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        print(f"Backend listening on http://{host}:{port}", flush=True)  # noqa: T201 - what the bench waits for
        await stop.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve())
