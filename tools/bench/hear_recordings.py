"""Each command of the set, spoken and heard: what a recogniser makes of real-life names."""

import asyncio
from collections.abc import Mapping, Sequence

from aiohttp import FormData
from embedded_spark import EmbeddedSpark
from spark_engine.models import SAMPLE_RATE, Audio
from spark_engine.speech.audio import write_wav

from tools.stack.http import new_session

from .hear_set import HearSet, SpokenCommand
from .hear_voices import heard_by_whisper, in_a_living_room, piper, spoken_by_pico

PIPER_MOONSHINE = "Piper, Moonshine tiny"
PICO_WHISPER = "Pico, Whisper base"
PIPER_OWN, PICO_OWN = "Piper, your Parakeet", "Pico, your Parakeet"

type Heard = Sequence[tuple[SpokenCommand, str]]
"""Each command, and the transcript of it."""


async def hear(wanted: HearSet, parakeet_url: str | None) -> Mapping[str, Heard]:
    """Return what was heard, by voice and recogniser: Piper's voice in English, Pico's in all languages.

    Raises ToolError.
    """
    languages = {home.name: home.language for home in wanted.homes}
    english = [command for command in wanted.commands if languages[command.home] == "en"]
    spoken = await asyncio.to_thread(piper, [command.text for command in english])
    piper_says = {
        command: in_a_living_room(pcm, number)
        for number, (command, pcm) in enumerate(zip(english, spoken, strict=True))
    }
    names = {f"{number:04}": command for number, command in enumerate(wanted.commands)}
    in_language = {name: languages[command.home] for name, command in names.items()}
    spoken_by_name = await spoken_by_pico({name: command.text for name, command in names.items()}, in_language)
    pico_says = {name: in_a_living_room(pcm, int(name)) for name, pcm in spoken_by_name.items()}
    if parakeet_url:
        return {
            PIPER_OWN: await _posted(parakeet_url, piper_says, languages),
            PICO_OWN: await _posted(parakeet_url, {names[name]: pcm for name, pcm in pico_says.items()}, languages),
        }
    async with EmbeddedSpark() as spark:
        moonshine = await _posted(spark.parakeet_url, piper_says, languages)
    whisper = await heard_by_whisper(pico_says, in_language)
    return {PIPER_MOONSHINE: moonshine, PICO_WHISPER: [(command, whisper[name]) for name, command in names.items()]}


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
