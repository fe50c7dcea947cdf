"""wyoming-openai between a satellite and the proxy."""

import asyncio
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping

from spark_engine.models import SAMPLE_RATE, SAMPLE_WIDTH

from tools.stack.errors import ToolError
from tools.stack.folders import LOOPBACK
from tools.stack.http import Json, pick
from tools.stack.processes import Processes
from tools.stack.spoken import Command
from tools.stack.wyoming import read_event, write_event

from .live_client import DEADLINE, PIECE, Spoken
from .turn_peers import start_wyoming_openai

UPLOAD, REALTIME = "whisper-1", "gpt-live-transcribe"
"""Names of models, which tell wyoming-openai in which way to ask for a transcript."""

FORMAT: Mapping[str, Json] = {"rate": SAMPLE_RATE, "width": SAMPLE_WIDTH, "channels": 1}
SIZE = round(PIECE * SAMPLE_RATE) * SAMPLE_WIDTH


async def start(processes: Processes, proxy_url: str) -> int:
    """Start it in front of the proxy; return its port. Raises ToolError."""
    url = f"{proxy_url}/v1"
    return await start_wyoming_openai(
        processes,
        *("--stt-openai-url", url, "--stt-openai-key", "bench", "--stt-backend", "OPENAI"),
        *("--stt-models", UPLOAD, "--stt-realtime-models", REALTIME),
        *("--tts-openai-url", url, "--tts-openai-key", "bench", "--tts-backend", "OPENAI"),
        *("--tts-models", "gpt-4o-mini-tts", "--tts-voices", "alloy"),
    )


async def speak(port: int, command: Command, model: str) -> Spoken:
    """Speak a command in real time, end it with its last sound, and wait for its transcript. Raises ToolError."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        async with asyncio.timeout(DEADLINE):
            write_event(writer, "transcribe", {"name": model, "language": "en"})
            write_event(writer, "audio-start", FORMAT)
            begun = time.monotonic()
            sending = asyncio.create_task(_send(writer, command, begun))
            found: dict[str, float] = {}
            while "transcript" not in found:
                found.setdefault(await _read(reader), time.monotonic())
            await sending
    except (TimeoutError, OSError, asyncio.IncompleteReadError) as err:
        raise ToolError(f"wyoming-openai gave no transcript: {err or 'not in time'}.", "wyoming-openai") from err
    finally:
        writer.close()
    end = begun + command.end
    return Spoken(begun + command.begin, end, found.get("transcript-chunk"), end, found["transcript"])


async def _send(writer: StreamWriter, command: Command, begun: float) -> None:
    end = 0.0
    for at in range(0, len(command.pcm), SIZE):
        end += PIECE
        await asyncio.sleep(begun + end - time.monotonic())
        write_event(writer, "audio-chunk", FORMAT, command.pcm[at : at + SIZE])
        if end >= command.end:
            break
    write_event(writer, "audio-stop", {})


async def _read(reader: StreamReader) -> str:
    """Return the kind of the next event. Raises ToolError for an error."""
    kind, data = await read_event(reader)
    if kind == "error":
        raise ToolError(f"wyoming-openai failed: {pick(data, 'text')}", "wyoming-openai")
    return kind
