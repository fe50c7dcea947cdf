"""The speech server that is measured against, with service times that never vary. It hears nothing.

Every path is a Parakeet and a Magpie NIM below any first part, so that one Home Assistant can have several of them, and
without one; `/openai` speaks OpenAI's contract. It says the canary's clip over and over. Run as a process of its own:
`python -m tools.bench.upstream`. `GET /counts` tells what it was asked; `POST /pace` sets how fast it speaks.
"""

import argparse
import asyncio
import dataclasses
import itertools
import math
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

import av
from aiohttp import web
from aiohttp.typedefs import Handler
from spark_audio_proxy.transcode.encode import FORMATS, audio_frame, create_encoder
from spark_engine.healing.canary import canary_clip
from spark_engine.models import SAMPLE_WIDTH

from . import live_upstream

RECOGNITION = 0.020
"""Seconds from the last byte of a recording to its transcript."""

FIRST_AUDIO = 0.080
"""Seconds from a request for speech to its first sound."""

PACE = 12.0
"""How many times faster than it sounds speech is made after that."""

PIECE = 0.25
"""Seconds of audio in one piece."""

SAMPLE_RATE = 22_050
"""Hz of the s16le mono PCM that the bench asks for."""

SECONDS_PER_CHARACTER = 0.077
"""How long Magpie takes to say a character."""

COUNTS, PACE_PATH = "/counts", "/pace"
TRANSCRIPTIONS = "/v1/audio/transcriptions"
SYNTHESIZE_ONLINE = "/v1/audio/synthesize_online"
OPENAI = "openai"
OPENAI_RATE = 24_000

VOICES = [f"Magpie-Multilingual.EN-US.{speaker}" for speaker in ("Aria", "Jason", "Leo", "Mia", "Sofia")]
VOICE_LIST = {"en-US": {"voices": VOICES}}
MODELS = {
    "object": "list",
    "data": [
        {"id": name, "object": "model", "created": 0, "owned_by": "bench"}
        for name in ("gpt-4o-mini-transcribe", "gpt-4o-mini-tts")
    ],
}
LONGEST_SPEECH = 60.0
_KEEP_ALIVE = 600.0


@dataclass(frozen=True, slots=True)
class Times:
    """How fast it is: see the constants. `line` is how fast recordings come in, bytes a second; 0 as they are sent.

    With `word` it transcribes live as well, one word for so many seconds of audio; 0 for whole recordings alone.
    """

    recognition: float = RECOGNITION
    pace: float = PACE
    piece: float = PIECE
    line: float = 0.0
    word: float = 0.0


@dataclass(slots=True)
class Counts:
    """What was asked so far: requests for inference, how many there were at once and the most, PCM bytes spoken.

    `transcriptions` are the moments at which recordings began to come, in monotonic seconds.
    """

    requests: int = 0
    at_once: int = 0
    most_at_once: int = 0
    spoken: int = 0
    transcriptions: list[float] = field(default_factory=list)

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


class Upstream:
    """Both services, and what they were asked."""

    def __init__(self, times: Times) -> None:
        """Nothing was asked yet."""
        self._times = times
        self._counts = Counts()
        self._numbers = itertools.count(100)

    def routes(self) -> list[web.RouteDef]:
        """Return every endpoint."""
        return [
            *(live_upstream.routes(self._times.word) if self._times.word else ()),
            *(web.post(f"{face}{TRANSCRIPTIONS}", self._transcribe) for face in ("", "/{face}")),
            *(web.post(f"{face}{SYNTHESIZE_ONLINE}", self._speak_nim) for face in ("", "/{face}")),
            *(web.get(f"{face}/v1/audio/list_voices", _page(VOICE_LIST)) for face in ("", "/{face}")),
            *(web.get(f"{face}/v1/health/ready", _page({"status": "ready"})) for face in ("", "/{face}")),
            web.get(f"/{OPENAI}/v1/models", _page(MODELS)),
            web.post(f"/{OPENAI}/v1/audio/speech", self._speak_openai),
            web.get(COUNTS, self._tell),
            web.post(PACE_PATH, self._set_pace),
        ]

    async def _transcribe(self, request: web.Request) -> web.Response:
        """Take a recording of any size, keeping nothing of it."""
        times, now = self._times, asyncio.get_running_loop().time
        begun, size = now(), 0
        # Every process on one machine reads the same clock.
        self._counts.transcriptions.append(time.monotonic())
        with self._counts.one_more():
            async for piece in request.content.iter_any():
                size += len(piece)
                if times.line:
                    await asyncio.sleep(begun + size / times.line - now())
            await asyncio.sleep(times.recognition)
        # Never twice the same, since Home Assistant keeps what it has said before; and never open at its end.
        return web.json_response({"text": f"Turn on light {next(self._numbers)} in the kitchen."})

    async def _speak_nim(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        sound = pieces("nim", int(form_field(body, "sample_rate_hz")), self._times.piece)
        return await self._speak(request, form_field(body, "text"), sound, "application/octet-stream")

    async def _speak_openai(self, request: web.Request) -> web.StreamResponse:
        wish = await request.json()
        audio_format = FORMATS[wish["response_format"]]
        sound = pieces(audio_format.name, OPENAI_RATE, self._times.piece)
        return await self._speak(request, wish["input"], sound, audio_format.content_type)

    async def _speak(
        self, request: web.Request, text: str, sound: Sequence[bytes], content_type: str
    ) -> web.StreamResponse:
        """Answer in chunks, the first after FIRST_AUDIO, the others at their pace."""
        now = asyncio.get_running_loop().time
        begun, times, counts = now(), self._times, self._counts
        count = math.ceil(len(text) * SECONDS_PER_CHARACTER / times.piece)
        response = web.StreamResponse(headers={"Content-Type": content_type})
        with counts.one_more():
            for number, piece in enumerate(sound[:count]):
                # Counted from the start, so that a late piece does not delay those behind it.
                await asyncio.sleep(begun + FIRST_AUDIO + number * times.piece / times.pace - now())
                if not response.prepared:
                    await response.prepare(request)
                await response.write(piece)
                counts.spoken += len(piece)
        return response

    async def _set_pace(self, request: web.Request) -> web.Response:
        self._times = dataclasses.replace(self._times, pace=float((await request.json())["pace"]))
        return web.json_response({})

    async def _tell(self, _: web.Request) -> web.Response:
        return web.json_response(dataclasses.asdict(self._counts))


def _page(document: object) -> Handler:
    """What answers with the same JSON each time."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(document)

    return answer


def form_field(body: bytes, name: str) -> str:
    """Return a text field of multipart/form-data, without a form reader's work. Raises ValueError if it is missing."""
    sign = f'name="{name}"\r\n\r\n'.encode()
    start = body.index(sign) + len(sign)
    return body[start : body.index(b"\r\n--", start)].decode()


@cache
def pieces(audio_format: str, rate: int, seconds: float) -> Sequence[bytes]:
    """Return LONGEST_SPEECH in this format, cut into what encoders give for `seconds` after `seconds` of sound.

    `nim` is bare PCM.
    """
    step = round(seconds * rate) * SAMPLE_WIDTH
    sound = speech(rate)
    cut = [sound[at : at + step] for at in range(0, len(sound), step)]
    if audio_format == "nim":
        return cut
    encoder = create_encoder(FORMATS[audio_format], rate)
    return [encoder.encode(pcm) for pcm in cut]


@cache
def speech(rate: int) -> bytes:
    """Return LONGEST_SPEECH of speech as s16le mono PCM: noise would be harder to pack than what is really said."""
    clip = canary_clip()
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    frames = [*resampler.resample(audio_frame(clip.pcm, clip.sample_rate)), *resampler.resample(None)]
    once = b"".join(bytes(frame.planes[0])[: frame.samples * SAMPLE_WIDTH] for frame in frames)
    length = round(LONGEST_SPEECH * rate) * SAMPLE_WIDTH
    return (once * (length // len(once) + 1))[:length]


def _parse() -> Times:
    parser = argparse.ArgumentParser(prog="tools.bench.upstream")
    for each in dataclasses.fields(Times):
        parser.add_argument(f"--{each.name}", type=float, default=each.default)
    return Times(**vars(parser.parse_args()))


async def _serve(times: Times) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app = web.Application()
    app.add_routes(Upstream(times).routes())
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
    asyncio.run(_serve(_parse()))
