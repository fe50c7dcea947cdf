"""The Spark that is measured against: a Parakeet and a Magpie NIM on one loopback port, with times that never vary.

It hears and speaks nothing. Run as a process of its own: `python -m bench.upstream`.
"""

import asyncio
import random
import signal

from aiohttp import web

RECOGNITION = 0.020
"""Seconds from the last byte of a recording to its transcript."""

FIRST_AUDIO = 0.080
"""Seconds from the request to the first PCM."""

PACE = 12.0
"""How many times faster than it sounds speech is made after that."""

PIECE = 0.25
"""Seconds of audio in one piece."""

SAMPLE_RATE = 22_050
"""Hz of the s16le mono PCM that is spoken."""

SECONDS_PER_CHARACTER = 0.077
"""How long Magpie takes to say a character."""

TRANSCRIPTIONS = "/v1/audio/transcriptions"
SYNTHESIZE_ONLINE = "/v1/audio/synthesize_online"

_VOICES = [f"Magpie-Multilingual.EN-US.{speaker}" for speaker in ("Aria", "Jason", "Leo", "Mia", "Sofia")]
_LONGEST_SPEECH = 60.0
_NOISE = random.Random(0).randbytes(round(_LONGEST_SPEECH * SAMPLE_RATE) * 2)  # noqa: S311 - samples, no secret
_KEEP_ALIVE = 600.0


async def transcribe(request: web.Request) -> web.Response:
    """Take a recording of any size, keeping nothing of it."""
    async for _ in request.content.iter_any():
        pass
    await asyncio.sleep(RECOGNITION)
    return web.json_response({"text": "Turn on the kitchen light."})


async def synthesize_online(request: web.Request) -> web.StreamResponse:
    """Speak: chunked PCM, the first piece after FIRST_AUDIO, the others at PACE."""
    text = form_field(await request.read(), "text")
    now = asyncio.get_running_loop().time
    begun = now()
    size = round(PIECE * SAMPLE_RATE) * 2
    left = min(round(len(text) * SECONDS_PER_CHARACTER * SAMPLE_RATE) * 2, len(_NOISE))
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    for number, at in enumerate(range(0, left, size)):
        # Counted from the start, so that a late piece does not delay those behind it.
        await asyncio.sleep(begun + FIRST_AUDIO + number * PIECE / PACE - now())
        if not response.prepared:
            await response.prepare(request)
        await response.write(_NOISE[at : min(at + size, left)])
    return response


def form_field(body: bytes, name: str) -> str:
    """A text field of multipart/form-data, without a form reader's work. Raises ValueError where it is missing."""
    sign = f'name="{name}"\r\n\r\n'.encode()
    start = body.index(sign) + len(sign)
    return body[start : body.index(b"\r\n--", start)].decode()


async def _voices(_: web.Request) -> web.Response:
    return web.json_response({"en-US": {"voices": _VOICES}})


async def _ready(_: web.Request) -> web.Response:
    return web.json_response({"status": "ready"})


async def _serve() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app = web.Application()
    app.router.add_post(TRANSCRIPTIONS, transcribe)
    app.router.add_post(SYNTHESIZE_ONLINE, synthesize_online)
    app.router.add_get("/v1/audio/list_voices", _voices)
    app.router.add_get("/v1/health/ready", _ready)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=_KEEP_ALIVE, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        host, port = runner.addresses[0][:2]
        print(f"Upstream listening on http://{host}:{port}", flush=True)  # noqa: T201 - what the bench waits for
        await stop.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve())
