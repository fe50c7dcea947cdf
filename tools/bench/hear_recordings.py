"""Each command of the set, spoken and heard: what a recogniser makes of real-life names."""

import asyncio
from collections.abc import Mapping, Sequence

from aiohttp import FormData
from embedded_spark import EmbeddedSpark
from spark_engine.models import SAMPLE_RATE, Audio
from spark_engine.speech.audio import write_wav

from tools.stack.http import new_session

from .hear_set import HearSet, SpokenCommand
from .hear_voices import heard_by_whisper, in_a_living_room, install_espeak, piper

PIPER_MOONSHINE = "Piper, Moonshine tiny"
ESPEAK_WHISPER = "espeak-ng, Whisper base"
OWN = "your Parakeet"

ESPEAK_VOICES = {"en": "en-us", "de": "de", "es": "es", "fr": "fr-fr", "it": "it"}

type Heard = Sequence[tuple[SpokenCommand, str]]
"""Each command, and the transcript of it."""


async def hear(wanted: HearSet, parakeet_url: str | None) -> Mapping[str, Heard]:
    """Return what was heard, by voice and recogniser. Raises ToolError."""
    languages = {home.name: home.language for home in wanted.homes}
    english = [command for command in wanted.commands if languages[command.home] == "en"]
    others = [command for command in wanted.commands if languages[command.home] != "en"]
    spoken = dict(zip(english, await asyncio.to_thread(piper, [each.text for each in english]), strict=True))
    voice = await install_espeak()
    for command in others:
        spoken[command] = await voice.speak(command.text, ESPEAK_VOICES[languages[command.home]])
    rooms = {command: in_a_living_room(pcm, number) for number, (command, pcm) in enumerate(spoken.items())}
    if parakeet_url:
        return {OWN: await _posted(parakeet_url, rooms, languages)}
    async with EmbeddedSpark() as spark:
        moonshine = await _posted(spark.parakeet_url, {command: rooms[command] for command in english}, languages)
    names = {f"{number:04}": command for number, command in enumerate(others)}
    whisper = await heard_by_whisper(
        {name: rooms[command] for name, command in names.items()},
        {name: languages[command.home] for name, command in names.items()},
    )
    return {PIPER_MOONSHINE: moonshine, ESPEAK_WHISPER: [(command, whisper[name]) for name, command in names.items()]}


async def _posted(url: str, recordings: Mapping[SpokenCommand, bytes], languages: Mapping[str, str]) -> Heard:
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
