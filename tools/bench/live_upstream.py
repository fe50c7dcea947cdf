"""Live transcription of the speech server that is measured against, in the protocol of NVIDIA's NIM."""

import base64
import json

from aiohttp import web
from spark_engine.models import SAMPLE_RATE, SAMPLE_WIDTH
from spark_engine.servers.live_protocols import NIM_SESSIONS

REALTIME = "/v1/realtime"
TRANSCRIPTION = "conversation.item.input_audio_transcription"

WORDS = ["Turn", "on", "the", "light", "in", "the", "kitchen", "and", "the", "lamp", "in", "the", "hall", "please"]
"""Said over and over, one for so many seconds of audio."""

LOUD = 500
"""Of 32,767: what a sample of speech has soon, and the noise of a room never."""


def routes(word: float) -> list[web.RouteDef]:
    """Return the endpoints of a server that understands a word with each `word` seconds, from the first sound on."""
    size = round(word * SAMPLE_RATE) * SAMPLE_WIDTH

    async def session(_: web.Request) -> web.Response:
        return web.json_response({"input_audio_format": "pcm16"})

    async def realtime(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        await socket.send_json({"type": "conversation.created"})
        heard = 0
        async for message in socket:
            event = json.loads(message.data)
            match event["type"]:
                case "transcription_session.update":
                    await socket.send_json({"type": "transcription_session.updated", "session": event["session"]})
                case "input_audio_buffer.append":
                    before, pcm = heard, base64.b64decode(event["audio"])
                    if heard or max(memoryview(pcm).cast("h"), default=0) > LOUD:
                        heard += len(pcm)
                    for number in range(before // size, heard // size):
                        await socket.send_json({"type": f"{TRANSCRIPTION}.delta", "delta": _word(number)})
                case "input_audio_buffer.done":
                    text = "".join(map(_word, range(heard // size))) + "."
                    done = {"type": f"{TRANSCRIPTION}.completed", "transcript": text, "is_last_result": True}
                    await socket.send_json(done)
        return socket

    return [web.post(NIM_SESSIONS, session), web.get(REALTIME, realtime)]


def _word(number: int) -> str:
    return " " * bool(number) + WORDS[number % len(WORDS)]
