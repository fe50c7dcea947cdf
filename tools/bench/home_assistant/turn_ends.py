"""Where each way of ending a turn ends it: frame by frame, on a clock that only frames move.

Runs where Home Assistant is installed, on a folder with NAME.pcm (16 kHz s16le mono) and a file of JSON, and prints
JSON. `python -m tools.bench.home_assistant.turn_ends questions FOLDER FILE`, with {turns: {name: language}}, prints
{name: [frames]}, the lengths of all that a recogniser is asked for in pauses. `... ends FOLDER FILE`, with {turns,
homes: {language: {entities, areas}}, heard, said: {name: {frames: transcript}}}, the transcripts with and without a
recogniser's errors, prints {name: {way: frames, null where it goes on}}.
"""

import array
import asyncio
import json
import math
import sys
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

from homeassistant.components.assist_pipeline.vad import VoiceCommandSegmenter
from pymicro_vad import MicroVad

from custom_components.spark_audio.home_names import HomeNames
from custom_components.spark_audio.spark_engine.models import Audio, Transcript
from custom_components.spark_audio.spark_engine.speech.listening import PADDING, Listening
from custom_components.spark_audio.spark_engine.speech.turn_end import BALANCED, FAST, Meaning, TurnRule
from custom_components.spark_audio.spark_engine.speech.voice_activity import FRAME, FRAMES_PER_SECOND, VoiceDetector

from .bare_home import Names, bare_home

RULES: Mapping[str, TurnRule] = {"balanced": BALANCED, "fast": FAST}

LATENCIES = (10, 30)
"""Frames from a request to its answer: 100 ms, as a GPU needs with a network, and 300 ms."""

LONGEST = 15.0
"""Seconds that a correction may take: the clock stands still meanwhile."""

type Known = Mapping[int, tuple[str, Meaning]]
"""What is heard in so many frames, with the home's names put right, and what the home makes of it."""


class Sound:
    """One turn, and what the detector says of each frame."""

    def __init__(self, path: Path) -> None:
        """Read it; the detector is asked once, and its answers are kept beside it."""
        pcm = path.read_bytes()
        self.frames = [pcm[at : at + FRAME] for at in range(0, len(pcm) - FRAME + 1, FRAME)]
        kept = path.with_suffix(".speech")
        if not kept.exists():
            detector = MicroVad()
            kept.write_bytes(array.array("d", [detector.Process10ms(frame) for frame in self.frames]).tobytes())
        self.speech = array.array("d", kept.read_bytes())

    def detector(self) -> VoiceDetector:
        """Return a detector that says the same again."""
        answers = iter(self.speech)
        return lambda _frame: next(answers)


async def questions(sound: Sound) -> list[int]:
    """Return the frames in each request that is made early where nothing ends the turn."""
    asked: list[int] = []

    async def transcribe(audio: Audio) -> Transcript:
        asked.append((len(audio.pcm) - len(PADDING)) // FRAME)
        return Transcript("")

    clock = Clock()
    listening = Listening(
        transcribe=transcribe, detector=sound.detector(), clock=lambda: clock.frame / FRAMES_PER_SECOND
    )
    await listening.listen(_microphone(sound, clock))
    return asked


class Clock:
    """The frame that is heard."""

    frame: float = 0


async def _microphone(sound: Sound, clock: Clock) -> AsyncGenerator[bytes]:
    for frame in sound.frames:
        yield frame
        for _ in range(3):
            await asyncio.sleep(0)
        clock.frame += 1
    clock.frame = math.inf


async def end_by_rule(rule: TurnRule, latency: int, sound: Sound, known: Known, language: str) -> int | None:
    """Return the frame at which the rule ends the turn; None where it goes on to the end of the sound."""
    clock = Clock()
    ended: list[int] = []

    async def transcribe(audio: Audio) -> Transcript:
        due = clock.frame + latency
        while clock.frame <= due:  # noqa: ASYNC110 - time is what frames make it
            await asyncio.sleep(0)
        asked = (len(audio.pcm) - len(PADDING)) // FRAME
        return Transcript(known[asked][0])

    meanings = dict(known.values())

    async def meaning(text: str) -> Meaning:
        return meanings[text]

    def turn_ended(_seconds: float) -> None:
        ended.append(round(clock.frame) + 1)
        clock.frame = math.inf

    listening = Listening(
        transcribe=transcribe,
        detector=sound.detector(),
        rule=rule,
        meaning=meaning,
        turn_ended=turn_ended,
        language=language,
        clock=lambda: clock.frame / FRAMES_PER_SECOND,
    )
    await listening.listen(_microphone(sound, clock))
    return ended[0] if ended else None


def end_by_home_assistant(sound: Sound) -> int | None:
    """Return the frame at which Home Assistant's own detector ends the turn; None where it goes on."""
    segmenter = VoiceCommandSegmenter()
    for number, probability in enumerate(sound.speech, 1):
        if not segmenter.process(1 / FRAMES_PER_SECOND, probability):
            return number
    return None


async def ends(sound: Sound, heard: Known, said: Known, language: str) -> dict[str, int | None]:
    """Return the end by every way."""
    found = {"home_assistant": end_by_home_assistant(sound)}
    for name, rule in RULES.items():
        for latency in LATENCIES:
            found[f"{name} {latency * 10}"] = await end_by_rule(rule, latency, sound, heard, language)
        found[f"{name} said"] = await end_by_rule(rule, LATENCIES[0], sound, said, language)
    return found


async def all_ends(
    folder: Path,
    turns: Mapping[str, str],
    homes: Mapping[str, Mapping[str, Any]],
    heard: Mapping[str, Mapping[str, str]],
    said: Mapping[str, Mapping[str, str]],
) -> dict[str, dict[str, int | None]]:
    """Return the ends of all turns, by every way."""
    found = {}
    for language, home in homes.items():
        async with bare_home(Names(**home, has_satellite=True)) as hass:
            names = HomeNames(hass, (), longest=LONGEST)
            await names.prepare(language)
            for name in (name for name, spoken in turns.items() if spoken == language):
                as_heard, as_said = [await understood(names, texts[name], language) for texts in (heard, said)]
                found[name] = await ends(Sound(folder / f"{name}.pcm"), as_heard, as_said, language)
    return found


async def understood(names: HomeNames, texts: Mapping[str, str], language: str) -> Known:
    """Return the transcripts, by the frames that they are of, as the product corrects and understands them."""
    known = {}
    for frames, text in texts.items():
        corrected = await names.corrected(text, language)
        known[int(frames)] = corrected, await names.meaning(corrected, language)
    return known


async def all_questions(folder: Path, turns: Mapping[str, str]) -> dict[str, list[int]]:
    """Return the questions of all turns."""
    return {name: await questions(Sound(folder / f"{name}.pcm")) for name in turns}


if __name__ == "__main__":
    wanted, sounds, file = sys.argv[1:]
    given = json.loads(Path(file).read_text())
    coroutine = all_ends(Path(sounds), **given) if wanted == "ends" else all_questions(Path(sounds), **given)
    print(json.dumps(asyncio.run(coroutine)))  # noqa: T201 - what the bench reads
