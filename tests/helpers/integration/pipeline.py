"""Runs Assist pipelines the way the frontend does: over the websocket."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from pytest_homeassistant_custom_component.typing import MockHAClientWebSocket

STT = "stt.parakeet_speech_to_text"
TTS = "tts.magpie_text_to_speech"

CHUNK = 320
"""Bytes: 10 ms, which is what satellites send."""


@dataclass(frozen=True)
class Run:
    """The events of one run, in the order in which they came."""

    events: list[tuple[str, dict[str, Any]]]

    @property
    def names(self) -> list[str]:
        """What happened."""
        return [name for name, _ in self.events]

    def data(self, name: str) -> dict[str, Any]:
        """What the first event of that name told."""
        return next(data for event, data in self.events if event == name)

    @property
    def error(self) -> str:
        """The code of the error that ended the run."""
        return str(self.data("error")["code"])

    @property
    def heard(self) -> str:
        """What the pipeline understood."""
        return str(self.data("stt-end")["stt_output"]["text"])


async def create_pipeline(ws: MockHAClientWebSocket, **changes: str | None) -> str:
    """The id of a new pipeline that hears and speaks with Spark Audio."""
    fields: dict[str, str | None] = {
        "conversation_engine": "conversation.home_assistant",
        "conversation_language": "en",
        "language": "en",
        "name": "Spark",
        "stt_engine": STT,
        "stt_language": "en",
        "tts_engine": TTS,
        "tts_language": "en-US",
        "tts_voice": None,
        "wake_word_entity": None,
        "wake_word_id": None,
    }
    await ws.send_json_auto_id({"type": "assist_pipeline/pipeline/create", **fields, **changes})
    answer = await ws.receive_json()
    assert answer["success"], answer
    return str(answer["result"]["id"])


async def run_pipeline(
    ws: MockHAClientWebSocket, pipeline: str, audio: bytes, *, end_stage: str = "stt", vad: bool = False
) -> Run:
    """Run from speech to `end_stage`. `audio` is 16 kHz s16le mono PCM; the client ends it unless `vad` does first."""
    settings = {"sample_rate": 16_000, "no_vad": not vad}
    return await _run(ws, pipeline, ("stt", end_stage), settings, audio)


async def run_text(
    ws: MockHAClientWebSocket,
    pipeline: str,
    text: str,
    *,
    start_stage: str = "tts",
    watch: Callable[[str, dict[str, Any]], None] = lambda _name, _data: None,
) -> Run:
    """Run from text to speech: read it out, or from `intent` on let the agent answer it.

    `watch` sees each event while the run goes on.
    """
    return await _run(ws, pipeline, (start_stage, "tts"), {"text": text}, b"", watch)


async def _run(
    ws: MockHAClientWebSocket,
    pipeline: str,
    stages: tuple[str, str],
    settings: dict[str, Any],
    audio: bytes,
    watch: Callable[[str, dict[str, Any]], None] = lambda _name, _data: None,
) -> Run:
    message = {"type": "assist_pipeline/run", "start_stage": stages[0], "end_stage": stages[1]}
    await ws.send_json_auto_id({**message, "input": settings, "pipeline": pipeline})
    answer = await ws.receive_json()
    if not answer["success"]:
        return Run([("error", answer["error"])])
    events = []
    async for name, data in _events(ws, audio):
        watch(name, data)
        events.append((name, data))
    return Run(events)


async def _events(ws: MockHAClientWebSocket, audio: bytes) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
    handler = b""
    while True:
        event = (await ws.receive_json())["event"]
        yield event["type"], event["data"] or {}
        match event["type"]:
            case "run-start" if (handler_id := event["data"]["runner_data"]["stt_binary_handler_id"]) is not None:
                handler = bytes([handler_id])
            case "stt-start":
                for start in range(0, len(audio), CHUNK):
                    await ws.send_bytes(handler + audio[start : start + CHUNK])
                await ws.send_bytes(handler)
            case "run-end":
                return
