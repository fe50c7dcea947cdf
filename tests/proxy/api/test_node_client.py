"""OpenAI's Node client against the proxy: it sends files first, chunked and without a type."""

import json
from pathlib import Path

import pytest
from spark_engine.speech.audio import write_wav

from tests.helpers.proxy.node import run_node
from tests.helpers.proxy.recordings import tone
from tests.helpers.proxy.running_proxy import StartProxy


@pytest.mark.slow
async def test_every_endpoint_through_the_node_client(start_proxy: StartProxy, tmp_path: Path) -> None:
    """Lists, speech, transcriptions, events, errors."""
    proxy = await start_proxy(api_key=("first",))
    recording = tmp_path / "recording.wav"
    recording.write_bytes(write_wav(tone(1)))
    seen = json.loads(await run_node("client.js", f"{proxy.url}/v1", str(recording)))
    assert seen["speech"] > 40_000
    del seen["speech"]
    assert seen == {
        "models": ["parakeet-tdt-0.6b", "Magpie-Multilingual"],
        "model": "Magpie-Multilingual",
        "json": "Turn on the kitchen light.",
        "text": "Turn on the kitchen light.\n",
        "segments": 1,
        "events": ["transcript.text.delta", "transcript.text.done"],
        "errors": {
            "speed": ["BadRequestError", 400, "speed", True],
            "audio": ["BadRequestError", 400, "file", True],
            "translation": ["BadRequestError", 400, None, True],
            "key": ["AuthenticationError", 401, None, True],
        },
    }
