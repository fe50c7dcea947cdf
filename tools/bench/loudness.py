"""How even is even loudness, and what does it cost? Real voices before and after it, by EBU R128.

The voices are those of the embedded Spark, SVOX Pico in five languages, and people who read.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median

import av
import av.filter
import numpy as np
from aiohttp import ClientSession, ClientTimeout
from av.error import EOFError as Finished
from embedded_spark.engines import load_synthesizer
from embedded_spark.speakers import DEFAULT_VOICE, VOICES
from spark_engine.models import NATIVE_RATE, SAMPLE_RATE, SAMPLE_WIDTH, Audio
from spark_engine.speech.loudness import Leveller

from tools.stack import services
from tools.stack.tables import Cell, Table, percentile

from .hear_voices import spoken_by_pico
from .pauses import READINGS, decoded
from .report import Findings

QUESTION = "How even is the loudness of voices with even loudness, and how much later does it start?"

TEXT = "The washing machine is done. It is twenty degrees outside, and the front door is locked. Good night!"

SHORT = "The washing machine is done."

SPOKEN = {
    "en": TEXT,
    "de": "Die Waschmaschine ist fertig. Draußen sind es zwanzig Grad, und die Haustür ist zu. Gute Nacht!",
    "es": "La lavadora ha terminado. Fuera hay veinte grados y la puerta está cerrada. ¡Buenas noches!",
    "fr": "Le lave-linge a fini. Dehors il fait vingt degrés et la porte est fermée. Bonne nuit !",
    "it": "La lavatrice ha finito. Fuori ci sono venti gradi e la porta è chiusa. Buona notte!",
}

READ_SECONDS = 20

PIECE = 0.02
"""Seconds that the leveller is fed at a time."""

HEADER = 44
"""Bytes in front of the first sample of a WAV."""

ROUNDS, QUICK_ROUNDS = 20, 5


@dataclass(frozen=True, slots=True)
class Levelled:
    """Speech with even loudness: seconds fed before the first came out, and seconds of processor time for all."""

    audio: Audio
    fed: float
    took: float


async def measure(*, quick: bool) -> Findings:
    """Compare all voices, and time the first sound of the proxy. Raises ToolError."""
    voices = dict(list((await _voices()).items())[:: 5 if quick else 1])
    after = {name: levelled(audio) for name, audio in voices.items()}
    delays = await _first_sounds(QUICK_ROUNDS if quick else ROUNDS)
    return Findings((by_voice(voices, after), summary(voices, after), starts(delays)))


async def _voices() -> Mapping[str, Audio]:
    synthesizer = load_synthesizer()
    voices = {
        name.split(".", 2)[2]: Audio(b"".join(synthesizer.speak(TEXT, delivery, NATIVE_RATE)), NATIVE_RATE)
        for name, delivery in VOICES.items()
    }
    for language, pcm in (await spoken_by_pico(SPOKEN, {language: language for language in SPOKEN})).items():
        voices[f"Pico {language}"] = Audio(pcm, SAMPLE_RATE)
    for name in READINGS:
        voices[f"reading {name}"] = Audio(decoded(name)[: READ_SECONDS * SAMPLE_RATE * SAMPLE_WIDTH], SAMPLE_RATE)
    return voices


def levelled(audio: Audio) -> Levelled:
    """Return the speech as it leaves the leveller, fed as a stream."""
    leveller, size, out, fed = Leveller(audio.sample_rate), round(PIECE * audio.sample_rate) * SAMPLE_WIDTH, b"", 0.0
    begun = time.process_time()
    for at in range(0, audio.size, size):
        fed = fed if out else at / SAMPLE_WIDTH / audio.sample_rate + PIECE
        out += leveller.feed(audio.pcm[at : at + size])
    out += leveller.finish()
    return Levelled(Audio(out, audio.sample_rate), fed, time.process_time() - begun)


def loudness(audio: Audio) -> float:
    """Return the integrated loudness in LUFS (EBU R128)."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(format="s16", layout="mono", sample_rate=audio.sample_rate)
    graph.link_nodes(source, graph.add("ebur128", "metadata=1"), graph.add("abuffersink")).configure()
    frame = av.AudioFrame.from_ndarray(np.frombuffer(audio.pcm, np.int16)[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts = audio.sample_rate, 0
    graph.push(frame)
    graph.push(None)
    measured = float("nan")
    try:
        while True:
            # Not every frame ends a block of the measurement.
            measured = float(graph.pull().metadata.get("lavfi.r128.I", measured))
    except Finished:
        return measured


async def _first_sounds(rounds: int) -> Mapping[str, Sequence[float]]:
    """Return the seconds to the first sample of speech, without and with even loudness, in turns. Raises ToolError."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(ClientSession(timeout=ClientTimeout(total=60)))
        servers = {
            name: await stack.enter_async_context(services.proxy("--embedded", *settings))
            for name, settings in (("off", ()), ("on", ("--even-loudness",)))
        }
        found: dict[str, list[float]] = {name: [] for name in servers}
        for number in range(rounds + 1):
            for name, server in servers.items():
                seconds = await _first_sound(session, server.url)
                if number:
                    found[name].append(seconds)
        return found


async def _first_sound(session: ClientSession, url: str) -> float:
    body = {"input": SHORT, "voice": DEFAULT_VOICE, "response_format": "wav"}
    begun = time.perf_counter()
    async with session.post(f"{url}/v1/audio/speech", json=body) as response:
        response.raise_for_status()
        await response.content.readexactly(HEADER + SAMPLE_WIDTH)
        return time.perf_counter() - begun


def by_voice(voices: Mapping[str, Audio], after: Mapping[str, Levelled]) -> Table:
    """Return the loudness of each voice."""
    rows = tuple(
        (name, round(loudness(audio), 1), round(loudness(after[name].audio), 1)) for name, audio in voices.items()
    )
    return Table("Loudness of each voice", ("voice", "off LUFS", "on LUFS"), rows)


def summary(voices: Mapping[str, Audio], after: Mapping[str, Levelled]) -> Table:
    """Return how far the voices are apart, and what the leveller takes."""
    rows: list[tuple[Cell, ...]] = []
    for name, levels in (
        ("off", [loudness(audio) for audio in voices.values()]),
        ("on", [loudness(each.audio) for each in after.values()]),
    ):
        rows.append((name, round(max(levels) - min(levels), 1), round(float(np.std(levels)), 1)))
    fed = [each.fed for each in after.values()]
    took = median(1000 * each.took / each.audio.seconds for each in after.values())
    title = (
        f"{len(voices)} voices; the leveller gets {median(fed):.2f} s of speech, at most {max(fed):.2f} s, before it"
        f" gives any, and takes {took:.1f} ms for each second"
    )
    return Table(title, ("even loudness", "loudest - quietest LU", "standard deviation LU"), tuple(rows))


def starts(delays: Mapping[str, Sequence[float]]) -> Table:
    """Return when speech starts."""
    rows: list[tuple[Cell, ...]] = [
        (name, *(round(1000 * percentile(seconds, percent), 1) for percent in (50, 95)))
        for name, seconds in delays.items()
    ]
    times = len(next(iter(delays.values())))
    title = f"The first sample of a sentence from the proxy with the embedded Spark, WAV, {times} times"
    return Table(title, ("even loudness", "p50 ms", "p95 ms"), tuple(rows))
