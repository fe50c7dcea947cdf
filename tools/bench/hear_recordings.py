"""Each command of the set, spoken and heard: what a recogniser makes of real-life names.

English is spoken by two voices, close to the microphone and in a living room, and heard by Moonshine tiny. The other
languages are spoken by Pico, close to the microphone, and heard by Whisper base, which understands little of it in a
room.
"""

import asyncio
from collections.abc import Mapping, Sequence

from aiohttp import FormData
from embedded_spark import EmbeddedSpark
from spark_engine.models import SAMPLE_RATE, Audio
from spark_engine.speech.audio import write_wav

from tools.stack.http import new_session

from .hear_set import HearSet, SpokenCommand
from .hear_voices import close_by, heard_by_whisper, in_a_living_room, piper, spoken_by_pico

PLACES = {"close": close_by, "room": in_a_living_room}

MOONSHINE, WHISPER, OWN = "Moonshine tiny", "Whisper base", "your Parakeet"

type Heard = Sequence[tuple[SpokenCommand, str]]
"""Each command, and the transcript of it."""

type Recordings = Mapping[SpokenCommand, bytes]
"""Speech by command: s16le mono, 16 kHz."""


async def hear(wanted: HearSet, parakeet_url: str | None) -> Mapping[str, Heard]:
    """Return what was heard, by voice, recogniser and place. Raises ToolError."""
    languages = {home.name: home.language for home in wanted.homes}
    english = [command for command in wanted.commands if languages[command.home] == "en"]
    others = [command for command in wanted.commands if languages[command.home] != "en"]
    voices = {
        "Piper": dict(zip(english, await asyncio.to_thread(piper, [each.text for each in english]), strict=True)),
        "Pico": await _said_by_pico(english, languages),
    }
    foreign = await _said_by_pico(others, languages)
    if parakeet_url:
        everything = {**voices, "Pico": {**voices["Pico"], **foreign}}
        return await _everywhere(everything, OWN, parakeet_url, languages)
    async with EmbeddedSpark() as spark:
        heard = await _everywhere(voices, MOONSHINE, spark.parakeet_url, languages)
    names = {f"{number:04}": command for number, command in enumerate(foreign)}
    recordings = {name: close_by(foreign[command], int(name)) for name, command in names.items()}
    transcripts = await heard_by_whisper(recordings, {name: languages[each.home] for name, each in names.items()})
    return {**heard, f"Pico, {WHISPER}, close": [(command, transcripts[name]) for name, command in names.items()]}


async def _said_by_pico(commands: Sequence[SpokenCommand], languages: Mapping[str, str]) -> Recordings:
    names = {f"{number:04}": command for number, command in enumerate(commands)}
    spoken = await spoken_by_pico(
        {name: command.text for name, command in names.items()},
        {name: languages[command.home] for name, command in names.items()},
    )
    return {command: spoken[name] for name, command in names.items()}


async def _everywhere(
    voices: Mapping[str, Recordings], recogniser: str, url: str, languages: Mapping[str, str]
) -> dict[str, Heard]:
    """Return what a recogniser at a URL hears of each voice in each place."""
    heard = {}
    for voice, spoken in voices.items():
        for place, sounds_at in PLACES.items():
            recordings = {command: sounds_at(pcm, number) for number, (command, pcm) in enumerate(spoken.items())}
            heard[f"{voice}, {recogniser}, {place}"] = await _posted(url, recordings, languages)
    return heard


async def _posted(url: str, recordings: Recordings, languages: Mapping[str, str]) -> Heard:
    heard = []
    async with new_session() as session:
        for command, pcm in recordings.items():
            form = FormData()
            form.add_field("file", write_wav(Audio(pcm, SAMPLE_RATE)), filename="command.wav", content_type="audio/wav")
            form.add_field("language", languages[command.home])
            form.add_field("response_format", "json")
            async with session.post(f"{url.rstrip('/')}/v1/audio/transcriptions", data=form) as response:
                response.raise_for_status()
                heard.append((command, str((await response.json())["text"])))
    return heard
