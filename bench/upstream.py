"""The Spark that is measured against: a Parakeet and a Magpie NIM on one loopback port, with times that never vary.

It hears and speaks nothing. Run as a process of its own: `python -m bench.upstream`. `GET /counts` tells what it did.
"""

import argparse
import asyncio
import dataclasses
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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

COUNTS = "/counts"
TRANSCRIPTIONS = "/v1/audio/transcriptions"
SYNTHESIZE_ONLINE = "/v1/audio/synthesize_online"

VOICES = [f"Magpie-Multilingual.EN-US.{speaker}" for speaker in ("Aria", "Jason", "Leo", "Mia", "Sofia")]
_LONGEST_SPEECH = 60.0
_NOISE = random.Random(0).randbytes(round(_LONGEST_SPEECH * SAMPLE_RATE) * 2)  # noqa: S311 - samples, no secret
_KEEP_ALIVE = 600.0


@dataclass(slots=True)
class Counts:
    """What was asked so far: requests for inference, how many there were at once and the most, PCM bytes spoken."""

    requests: int = 0
    at_once: int = 0
    most_at_once: int = 0
    spoken: int = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """A request, while it is served."""
        self.requests += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            yield
        finally:
            self.at_once -= 1


@dataclass(frozen=True, slots=True)
class Times:
    """How fast it is: seconds to a transcript, and how many times faster than it sounds speech is made.

    `line` is how fast recordings come in, in bytes a second; 0 for as fast as they are sent.
    """

    recognition: float = RECOGNITION
    pace: float = PACE
    line: float = 0.0


DONE = web.AppKey("counts", Counts)
TIMES = web.AppKey("times", Times)


async def transcribe(request: web.Request) -> web.Response:
    """Take a recording of any size, keeping nothing of it."""
    times, now = request.app[TIMES], asyncio.get_running_loop().time
    begun, size = now(), 0
    with request.app[DONE].one_more():
        async for piece in request.content.iter_any():
            size += len(piece)
            if times.line:
                await asyncio.sleep(begun + size / times.line - now())
        await asyncio.sleep(times.recognition)
        return web.json_response({"text": "Turn on the kitchen light."})


async def synthesize_online(request: web.Request) -> web.StreamResponse:
    """Speak: chunked PCM, the first piece after FIRST_AUDIO, the others at their pace."""
    counts, pace = request.app[DONE], request.app[TIMES].pace
    with counts.one_more():
        return await _speak(request, form_field(await request.read(), "text"), counts, pace)


async def _speak(request: web.Request, text: str, counts: Counts, pace: float) -> web.StreamResponse:
    now = asyncio.get_running_loop().time
    begun = now()
    size = round(PIECE * SAMPLE_RATE) * 2
    left = min(round(len(text) * SECONDS_PER_CHARACTER * SAMPLE_RATE) * 2, len(_NOISE))
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    for number, at in enumerate(range(0, left, size)):
        # Counted from the start, so that a late piece does not delay those behind it.
        await asyncio.sleep(begun + FIRST_AUDIO + number * PIECE / pace - now())
        if not response.prepared:
            await response.prepare(request)
        piece = _NOISE[at : min(at + size, left)]
        await response.write(piece)
        counts.spoken += len(piece)
    return response


def form_field(body: bytes, name: str) -> str:
    """A text field of multipart/form-data, without a form reader's work. Raises ValueError where it is missing."""
    sign = f'name="{name}"\r\n\r\n'.encode()
    start = body.index(sign) + len(sign)
    return body[start : body.index(b"\r\n--", start)].decode()


async def _voices(_: web.Request) -> web.Response:
    return web.json_response({"en-US": {"voices": VOICES}})


async def _ready(_: web.Request) -> web.Response:
    return web.json_response({"status": "ready"})


async def _counts(request: web.Request) -> web.Response:
    return web.json_response(dataclasses.asdict(request.app[DONE]))


def _times() -> Times:
    parser = argparse.ArgumentParser(prog="bench.upstream")
    parser.add_argument("--recognition", type=float, default=RECOGNITION, metavar="SECONDS")
    parser.add_argument("--pace", type=float, default=PACE, metavar="TIMES")
    parser.add_argument("--line", type=float, default=0.0, metavar="BYTES_PER_SECOND")
    return Times(**vars(parser.parse_args()))


async def _serve(times: Times) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app = web.Application()
    app[DONE], app[TIMES] = Counts(), times
    app.router.add_post(TRANSCRIPTIONS, transcribe)
    app.router.add_post(SYNTHESIZE_ONLINE, synthesize_online)
    app.router.add_get("/v1/audio/list_voices", _voices)
    app.router.add_get("/v1/health/ready", _ready)
    app.router.add_get(COUNTS, _counts)
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=True, keepalive_timeout=_KEEP_ALIVE, shutdown_timeout=0
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        host, port = runner.addresses[0][:2]
        print(f"Upstream listening on http://{host}:{port}", flush=True)  # noqa: T201 - what the bench waits for
        await stop.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve(_times()))
