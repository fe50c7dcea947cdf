"""Each command of the set, spoken and heard: what a recogniser makes of real-life names.

English is spoken by two voices, close to the microphone and in a living room, and heard by Moonshine tiny. The other
languages are spoken by Pico, close to the microphone, and heard by Whisper base, which understands little of it in a
room.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import batched
from zlib import crc32

from aiohttp import FormData
from embedded_spark import EmbeddedSpark
from spark_engine.models import SAMPLE_RATE, Audio
from spark_engine.speech.audio import write_wav

from tools.stack.folders import FETCHED
from tools.stack.http import new_session

from .hear_set import HearSet, SpokenCommand
from .hear_voices import close_by, heard_by_whisper, in_a_living_room, spoken_by_pico, spoken_by_piper
from .kept_transcripts import AT_A_TIME, KeptTranscripts, digest

KEPT = FETCHED / "heard.jsonl"

ENGLISH = frozenset({"en"})
OTHERS = frozenset({"de", "es", "fr", "it"})

PLACES = {"close": close_by, "room": in_a_living_room}

type Heard = Sequence[tuple[SpokenCommand, str]]
"""Each command, and the transcript of it."""

type Speak = Callable[[Mapping[str, str], Mapping[str, str]], Awaitable[Mapping[str, bytes]]]
"""Returns texts as speech (s16le mono, 16 kHz). All are by name, and so are their languages."""

type Hear = Callable[[Mapping[str, bytes], Mapping[str, str]], Awaitable[Mapping[str, str]]]
"""Returns the transcripts of recordings (s16le mono, 16 kHz). All are by name, and so are their languages."""


@dataclass(frozen=True, slots=True)
class Way:
    """Who speaks, who hears, and where."""

    voice: str
    recogniser: str
    place: str
    speak: Speak
    hear: Hear
    languages: frozenset[str]

    @property
    def label(self) -> str:
        """What the tables call it."""
        return f"{self.voice}, {self.recogniser}, {self.place}"


async def hear(wanted: HearSet, parakeet_url: str | None) -> Mapping[str, Heard]:
    """Return what was heard, by voice, recogniser and place. Raises ToolError.

    What your own Parakeet heard is not kept: its model may be another one in the next run.
    """
    ways, kept = (_by_parakeet(parakeet_url), None) if parakeet_url else (WAYS, KEPT)
    return {way.label: await heard_in(way, wanted, KeptTranscripts(kept)) for way in ways}


async def heard_in(way: Way, wanted: HearSet, kept: KeptTranscripts) -> Heard:
    """Return what is heard in one way; only what is not kept is heard. Raises ToolError."""
    languages = {home.name: home.language for home in wanted.homes}
    commands = [command for command in wanted.commands if languages[command.home] in way.languages]
    names = {command: _name(way, languages[command.home], command.text) for command in commands}
    missing = {name: command for command, name in names.items() if name not in kept.texts}
    for batch in batched(missing.items(), AT_A_TIME, strict=False):
        in_language = {name: languages[command.home] for name, command in batch}
        spoken = await way.speak({name: command.text for name, command in batch}, in_language)
        recordings = {name: PLACES[way.place](spoken[name], crc32(command.text.encode())) for name, command in batch}
        kept.keep(await way.hear(recordings, in_language))
    return [(command, kept.texts[name]) for command, name in names.items()]


def _name(way: Way, language: str, text: str) -> str:
    return digest(*(part.encode() for part in (way.label, language, text)))


async def _heard_by_moonshine(recordings: Mapping[str, bytes], languages: Mapping[str, str]) -> Mapping[str, str]:
    async with EmbeddedSpark() as spark:
        return await _heard_at(spark.parakeet_url, recordings, languages)


async def _heard_at(url: str, recordings: Mapping[str, bytes], languages: Mapping[str, str]) -> Mapping[str, str]:
    heard = {}
    async with new_session() as session:
        for name, pcm in recordings.items():
            form = FormData()
            form.add_field("file", write_wav(Audio(pcm, SAMPLE_RATE)), filename="command.wav", content_type="audio/wav")
            form.add_field("language", languages[name])
            form.add_field("response_format", "json")
            async with session.post(f"{url.rstrip('/')}/v1/audio/transcriptions", data=form) as response:
                response.raise_for_status()
                heard[name] = str((await response.json())["text"])
    return heard


WAYS = (
    *(Way("Piper", "Moonshine tiny", place, spoken_by_piper, _heard_by_moonshine, ENGLISH) for place in PLACES),
    *(Way("Pico", "Moonshine tiny", place, spoken_by_pico, _heard_by_moonshine, ENGLISH) for place in PLACES),
    Way("Pico", "Whisper base", "close", spoken_by_pico, heard_by_whisper, OTHERS),
)


def _by_parakeet(url: str) -> Sequence[Way]:
    """Return the ways in which your own Parakeet hears: each voice in each place."""
    voices = (("Piper", spoken_by_piper, ENGLISH), ("Pico", spoken_by_pico, ENGLISH | OTHERS))
    return [
        Way(voice, "your Parakeet", place, speak, partial(_heard_at, url), languages)
        for voice, speak, languages in voices
        for place in PLACES
    ]
