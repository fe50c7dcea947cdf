"""Engines of another integration, as fallbacks for ours."""

from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from typing import Any, override

from homeassistant.components.stt import (
    AudioBitRates,
    AudioChannels,
    AudioCodecs,
    AudioFormats,
    AudioSampleRates,
    SpeechMetadata,
    SpeechResult,
    SpeechResultState,
    SpeechToTextEntity,
)
from homeassistant.components.stt.const import DATA_COMPONENT as STT_COMPONENT
from homeassistant.components.tts import TextToSpeechEntity, TtsAudioType
from homeassistant.components.tts.const import DATA_COMPONENT as TTS_COMPONENT
from homeassistant.core import HomeAssistant

from tests.fakes import server as fake
from tests.fakes.magpie import SYNTHESIZE_ONLINE
from tests.fakes.parakeet import TRANSCRIPTIONS

HEAR, SPEAK = ("POST", TRANSCRIPTIONS), ("POST", SYNTHESIZE_ONLINE)
CUDA = fake.json({"detail": "CUDA error: an illegal memory access was encountered"}, status=500)

EARS = "stt.other_ears"
MOUTH = "tts.other_mouth"


class OtherEars(SpeechToTextEntity):
    """Hears the same in everything."""

    _attr_name = "Other ears"
    entity_id = EARS
    _attr_unique_id = "other_ears"

    def __init__(
        self,
        languages: Sequence[str] = ("en-US", "de-DE"),
        answer: SpeechResult | Exception | None = None,
        rate: AudioSampleRates = AudioSampleRates.SAMPLERATE_16000,
    ) -> None:
        """Answer this, or raise it."""
        self._languages = list(languages)
        self._answer = answer or SpeechResult(" Heard by another. ", SpeechResultState.SUCCESS)
        self._rate = rate
        self.heard: list[tuple[str, bytes]] = []

    @property
    @override
    def supported_languages(self) -> list[str]:
        return self._languages

    @property
    @override
    def supported_formats(self) -> list[AudioFormats]:
        return [AudioFormats.WAV]

    @property
    @override
    def supported_codecs(self) -> list[AudioCodecs]:
        return [AudioCodecs.PCM]

    @property
    @override
    def supported_bit_rates(self) -> list[AudioBitRates]:
        return [AudioBitRates.BITRATE_16]

    @property
    @override
    def supported_sample_rates(self) -> list[AudioSampleRates]:
        return [self._rate]

    @property
    @override
    def supported_channels(self) -> list[AudioChannels]:
        return [AudioChannels.CHANNEL_MONO]

    @override
    async def async_process_audio_stream(self, metadata: SpeechMetadata, stream: AsyncIterable[bytes]) -> SpeechResult:
        self.heard.append((metadata.language, b"".join([chunk async for chunk in stream])))
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


class OtherMouth(TextToSpeechEntity):
    """Speaks each text as the same bytes; its engine knows no streams."""

    _attr_name = "Other mouth"
    entity_id = MOUTH
    _attr_unique_id = "other_mouth"
    _attr_default_language = "en"

    def __init__(self, speak: Callable[[str], TtsAudioType]) -> None:
        """Speak like this."""
        self._attr_supported_languages = ["en", "de"]
        self._attr_default_options = {"voice": "Otto"}
        self._speak = speak
        self.asked: list[tuple[str, str, Mapping[str, Any]]] = []

    @override
    async def async_get_tts_audio(self, message: str, language: str, options: dict[str, Any]) -> TtsAudioType:
        self.asked.append((message, language, options))
        return self._speak(message)


async def add_ears(hass: HomeAssistant, ears: OtherEars) -> None:
    """Set it up."""
    await hass.data[STT_COMPONENT].async_add_entities([ears])


async def add_mouth(hass: HomeAssistant, mouth: OtherMouth) -> None:
    """Set it up."""
    await hass.data[TTS_COMPONENT].async_add_entities([mouth])
