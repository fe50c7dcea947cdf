"""What the turns of `bench pauses` are spoken and heard by, and kept on disk: a run that is broken off goes on."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from embedded_spark.engines import load_recognizer, load_synthesizer
from embedded_spark.speakers import DEFAULT_VOICE, VOICES
from embedded_spark.wav import Recording
from spark_engine.models import SAMPLE_RATE

from tools.stack.folders import FETCHED

from .hear_voices import heard_by_whisper, spoken_by_pico
from .kept_transcripts import AT_A_TIME, KeptTranscripts, digest
from .stretched import Samples

KEPT = FETCHED / "pauses"

ENGLISH = "en"


async def spoken(texts: Iterable[str], language: str) -> Mapping[str, Samples]:
    """Return each text as samples of 16 kHz. Raises ToolError."""
    wanted = {text: KEPT / "speech" / f"{digest(language.encode(), text.encode())}.pcm" for text in texts}
    missing = {text: path for text, path in wanted.items() if not path.exists()}
    if missing:
        (KEPT / "speech").mkdir(parents=True, exist_ok=True)
        if language == ENGLISH:
            await asyncio.to_thread(_speak_english, missing)
        else:
            await _speak_by_pico(missing, language)
    return {text: np.frombuffer(path.read_bytes(), "<i2").astype(np.float64) for text, path in wanted.items()}


def _speak_english(missing: Mapping[str, Path]) -> None:
    voice = load_synthesizer()
    for text, path in missing.items():
        path.write_bytes(b"".join(voice.speak(text, VOICES[DEFAULT_VOICE], SAMPLE_RATE)))


async def _speak_by_pico(missing: Mapping[str, Path], language: str) -> None:
    names = {path.stem: text for text, path in missing.items()}
    said = await spoken_by_pico(names, dict.fromkeys(names, language))
    for path in missing.values():
        path.write_bytes(said[path.stem])


async def heard(recordings: Sequence[bytes], language: str) -> Sequence[str]:
    """Return the transcript of each recording (16 kHz s16le mono). Raises ToolError."""
    kept = KeptTranscripts(KEPT / f"heard-{language}.jsonl")
    missing = {name: pcm for pcm in recordings if (name := digest(pcm)) not in kept.texts}
    if language == ENGLISH:
        await asyncio.to_thread(_hear_english, missing, kept)
    else:
        names = list(missing)
        for start in range(0, len(names), AT_A_TIME):
            batch = {name: missing[name] for name in names[start : start + AT_A_TIME]}
            kept.keep(await heard_by_whisper(batch, dict.fromkeys(batch, language)))
    return [kept.texts[digest(pcm)] for pcm in recordings]


def _hear_english(missing: Mapping[str, bytes], kept: KeptTranscripts) -> None:
    if not missing:
        return
    recognizer = load_recognizer()
    for name, pcm in missing.items():
        lines = recognizer.hear(Recording(memoryview(pcm), SAMPLE_RATE, 1))
        kept.keep({name: " ".join(line.text for several in lines for line in several)})
