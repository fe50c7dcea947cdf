"""Text-to-speech: Magpie as an engine of Assist."""

import re
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, override

from homeassistant.components.tts import ATTR_VOICE, TextToSpeechEntity, TTSAudioResponse, TtsAudioType
from homeassistant.components.tts import Voice as OfferedVoice
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util.language import matches

from .const import DOMAIN, Service
from .data import SparkConfigEntry
from .entity import SparkEntity
from .errors import translated
from .languages import magpie_languages
from .spark_engine.audio import wav_header, write_wav
from .spark_engine.errors import SparkError
from .spark_engine.magpie_dialects import MagpieServer
from .spark_engine.models import Audio, SpeechStyle, Voice
from .spark_engine.voices import base_language, default_voice, find_voice, voices_for

PARALLEL_UPDATES = 0

SAMPLE_RATE = 44_100
"""Hz that are wished for: Home Assistant's converter holds back the first 64 KiB, here 0.74 s instead of 1.49 s."""


async def async_setup_entry(
    hass: HomeAssistant, entry: SparkConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the engine. The platform is only set up where there is a Magpie, and only once its voices are known."""
    if magpie := entry.runtime_data.magpie:
        languages = magpie_languages(magpie)
        own = matches(hass.config.language, languages, hass.config.country)
        async_add_entities([MagpieEntity(entry, magpie, (own or matches("en", languages) or languages)[0])])


class MagpieEntity(SparkEntity, TextToSpeechEntity):
    """Speaks text while it is still being written."""

    def __init__(self, entry: SparkConfigEntry, magpie: MagpieServer, language: str) -> None:
        """Speak with this entry's Magpie, in `language` and its own voice where callers leave both open."""
        super().__init__(entry, Service.MAGPIE, "text_to_speech")
        self._spark = entry.runtime_data.spark
        self._voices = magpie.voices
        self._default_voice = magpie.voice(None, language)
        self._attr_supported_languages = magpie_languages(magpie)
        self._attr_default_language = language
        self._attr_supported_options = [ATTR_VOICE]
        # Part of the key under which speech is cached: without it a new default would go on sounding like the old one.
        self._attr_default_options = {ATTR_VOICE: self._default_voice.name}

    @callback
    @override
    def async_get_supported_voices(self, language: str) -> list[OfferedVoice] | None:
        default = default_voice(self._voices, language)
        fitting = voices_for(self._voices, language)
        # New pipelines take the first one.
        fitting.sort(key=lambda voice: voice != default)
        return offered(fitting, language) or None

    @override
    async def async_stream_tts_audio(self, request: TTSAudioRequest) -> TTSAudioResponse:
        """A WAV file of unknown length, its first chunk as soon as the first sentence sounds."""
        style = self._style(request.language, request.options)
        return TTSAudioResponse("wav", _wav_stream(self._speak(request.message_gen, style)))

    @override
    async def async_get_tts_audio(self, message: str, language: str, options: Mapping[str, Any]) -> TtsAudioType:
        """A whole WAV file."""
        pieces = [audio async for audio in self._speak(_once(message), self._style(language, options))]
        return "wav", write_wav(Audio(b"".join(audio.pcm for audio in pieces), pieces[0].sample_rate))

    def _style(self, language: str, options: Mapping[str, Any]) -> SpeechStyle:
        wanted = str(options.get(ATTR_VOICE, self._default_voice.name))
        voice = choose_voice(self._voices, wanted, language, self._default_voice)
        if voice is None:
            raise HomeAssistantError(
                translation_domain=DOMAIN, translation_key="unknown_voice", translation_placeholders={"voice": wanted}
            )
        return SpeechStyle(voice=voice.name, language=language, sample_rate=SAMPLE_RATE)

    async def _speak(self, text: AsyncGenerator[str], style: SpeechStyle) -> AsyncGenerator[Audio]:
        try:
            async with aclosing(self._spark.speak(text, style)) as pieces:
                async for audio in pieces:
                    yield audio
        except SparkError as err:
            raise translated(HomeAssistantError, err, Service.MAGPIE) from err


def choose_voice(voices: Sequence[Voice], wanted: str, language: str, default: Voice) -> Voice | None:
    """The voice that is meant, None where there is no such voice.

    Home Assistant fills in the default voice when a caller names none, and a caller may still ask for another language:
    that language's own voice then speaks, or an English one would read German.
    """
    foreign = default.language is not None and base_language(default.language) != base_language(language)
    if wanted == default.name and foreign:
        return default_voice(voices, language)
    return find_voice(voices, wanted, language)


def offered(voices: Sequence[Voice], language: str) -> list[OfferedVoice]:
    """Voices for the drop-down list, their names as people read them; what still looks alike gets its full name."""
    labels = [_label(voice, language) for voice in voices]
    seen = Counter(labels)
    return [
        OfferedVoice(voice.name, label if seen[label] == 1 else f"{label} ({voice.name})")
        for voice, label in zip(voices, labels, strict=True)
    ]


def _label(voice: Voice, language: str) -> str:
    """For example "Aria", "Aria · Pleasant surprised", and "Aria (en-GB)" among those for en-US."""
    label = voice.speaker
    if voice.emotion:
        label += " · " + re.sub(r"(?<=[a-z])(?=[A-Z])", " ", voice.emotion).capitalize()
    if voice.language not in (None, language):
        label += f" ({voice.language})"
    return label


async def _wav_stream(pieces: AsyncGenerator[Audio]) -> AsyncGenerator[bytes]:
    """One header, and never without samples: a header alone would make a dead Magpie look like a silent one."""
    started = False
    async with aclosing(pieces):
        async for audio in pieces:
            yield audio.pcm if started else wav_header(audio.sample_rate) + audio.pcm
            started = True


async def _once(message: str) -> AsyncGenerator[str]:
    yield message
