"""Where each way of ending a turn ends it: frame by frame, on a clock that only frames move.

Runs where Home Assistant is installed: `python -m tools.bench.home_assistant.turn_ends FOLDER PARAKEET_URL` reads
FOLDER/*.pcm (16 kHz s16le mono) and prints {file: {way: frames}} as JSON. The recogniser is real; its answers come
LATENCY after the question.
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

from aiohttp import ClientSession, FormData
from homeassistant.components.assist_pipeline.vad import VoiceCommandSegmenter
from pymicro_vad import MicroVad

from custom_components.spark_audio.home_names import HomeNames
from custom_components.spark_audio.spark_engine.models import Audio, Transcript
from custom_components.spark_audio.spark_engine.speech.audio import write_wav
from custom_components.spark_audio.spark_engine.speech.listening import Listening
from custom_components.spark_audio.spark_engine.speech.turn_end import BALANCED, FAST, Meaning, TurnRule
from custom_components.spark_audio.spark_engine.speech.voice_activity import FRAME, FRAMES_PER_SECOND, VoiceActivity

from .bare_home import Names, bare_home

LATENCY = 30
"""Frames from a request to its answer: 300 ms."""

RULES: Mapping[str, TurnRule] = {"balanced": BALANCED, "fast": FAST}

READING = "reading"
"""Files whose names begin so hold one speaker who reads on: every end within is one too many."""

HOME = Names(
    {
        "light": ("kitchen light", "lamp"),
        "lock": ("front door",),
        "cover": ("garage door", "blinds", "curtains"),
        "switch": ("television", "radio", "vacuum cleaner"),
        "fan": ("fan",),
        "climate": ("heating",),
    },
    ("kitchen", "bedroom", "bathroom", "living room", "office"),
)
"""What the commands speak of."""

LONGEST = 15 * FRAMES_PER_SECOND
PAUSE = 20
LEAD = 20
"""Frames: pauses within a reading, and what a turn hears before the first word."""


class Clock:
    """The frame that is heard, and a recogniser whose answers are due at a later one."""

    def __init__(self, session: ClientSession, url: str, names: HomeNames) -> None:
        """Frame 0."""
        self.frame = 0
        self._names = names
        self._session = session
        self._url = url
        self._known: dict[bytes, str] = {}
        self._thinking = asyncio.Lock()

    async def transcribe(self, audio: Audio) -> Transcript:
        """Return what the recogniser hears, when it would say so."""
        due = self.frame + LATENCY
        async with self._thinking:
            text = self._known[audio.pcm] = self._known.get(audio.pcm) or await self._ask(audio)
        while self.frame <= due:  # noqa: ASYNC110 - time is what `tick` makes it
            await asyncio.sleep(0)
        return Transcript(text)

    async def meaning(self, text: str) -> Meaning:
        """Return what the home makes of a transcript, within one frame."""
        async with self._thinking:
            return await self._names.meaning(text, "en")

    async def _ask(self, audio: Audio) -> str:
        form = FormData()
        form.add_field("file", write_wav(audio), filename="turn.wav", content_type="audio/wav")
        async with self._session.post(f"{self._url}/v1/audio/transcriptions", data=form) as response:
            return str((await response.json())["text"])

    async def tick(self) -> None:
        """Let all happen that happens within this frame; the clock stands still while the recogniser thinks."""
        await _settle()
        async with self._thinking:
            pass
        await _settle()
        self.frame += 1


async def _settle() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


async def end(way: str, clock: Clock, pcm: bytes) -> int:
    """Return the frame at which this way ends the turn; all of them where it does not."""
    if way in RULES:
        return await _end_by_rule(clock, RULES[way], pcm)
    detector, segmenter = MicroVad(), VoiceCommandSegmenter()
    for number, at in enumerate(range(0, len(pcm) - FRAME + 1, FRAME), 1):
        if not segmenter.process(1 / FRAMES_PER_SECOND, detector.Process10ms(pcm[at : at + FRAME])):
            return number
    return len(pcm) // FRAME


async def _end_by_rule(clock: Clock, rule: TurnRule, pcm: bytes) -> int:
    frames: asyncio.Queue[bytes] = asyncio.Queue()

    async def microphone() -> AsyncGenerator[bytes]:
        for _ in range(0, len(pcm) - FRAME + 1, FRAME):
            yield await frames.get()

    clock.frame = 0
    listening = Listening(
        transcribe=clock.transcribe,
        detector=MicroVad().Process10ms,
        rule=rule,
        meaning=clock.meaning,
        language="en",
        clock=lambda: clock.frame / FRAMES_PER_SECOND,
    )
    listener = asyncio.ensure_future(listening.listen(microphone()))
    at = 0
    while not listener.done():
        frames.put_nowait(pcm[at : at + FRAME])
        at += FRAME
        await clock.tick()
    return len(listener.result().audio.pcm) // FRAME


async def ends_within(way: str, clock: Clock, pcm: bytes) -> int:
    """Return how often a speaker who reads on is taken to have finished; a new turn begins with what follows."""
    onsets, last = _onsets(pcm)
    start = cuts = 0
    while True:
        length = await end(way, clock, pcm[start * FRAME : (start + LONGEST) * FRAME])
        ended, is_capped = start + length, length >= LONGEST - 1
        following = [onset for onset in onsets if onset >= ended]
        if ended >= last:
            return cuts
        cuts += not is_capped
        if not is_capped and not following:
            return cuts
        start = ended if is_capped else following[0] - LEAD


def _onsets(pcm: bytes) -> tuple[list[int], int]:
    """The frames at which words begin after a pause, and the last frame with speech."""
    activity, before, onsets = VoiceActivity(MicroVad().Process10ms), 0.0, []
    for number, at in enumerate(range(0, len(pcm) - FRAME + 1, FRAME)):
        activity.hear(pcm[at : at + FRAME])
        if activity.silence < before and before >= PAUSE / FRAMES_PER_SECOND:
            onsets.append(number)
        before = activity.silence
    return onsets, activity.speech_end


async def main(sounds: Mapping[str, bytes], url: str) -> dict[str, dict[str, int]]:
    """Return the ends of all sounds, by all ways."""
    found = {}
    async with bare_home(HOME) as hass, ClientSession() as session:
        names = HomeNames(hass, (), longest=LONGEST)
        await names.prepare("en")
        clock = Clock(session, url, names)
        for name, pcm in sounds.items():
            measure = ends_within if name.startswith(READING) else end
            found[name] = {way: await measure(way, clock, pcm) for way in ("home_assistant", *RULES)}
    return found


if __name__ == "__main__":
    files = {path.stem: path.read_bytes() for path in sorted(Path(sys.argv[1]).glob("*.pcm"))}
    print(json.dumps(asyncio.run(main(files, sys.argv[2]))))  # noqa: T201 - what the bench reads
