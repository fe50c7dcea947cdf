"""Speech-to-text: Parakeet as an engine of Assist."""

import logging
from collections.abc import AsyncIterable
from typing import override

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
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import Service
from .data import SparkConfigEntry
from .entity import SparkEntity
from .languages import PARAKEET_LANGUAGES
from .spark_engine.audio import read_wav
from .spark_engine.errors import Rejected, SparkError
from .spark_engine.models import SAMPLE_WIDTH, Audio
from .spark_engine.parakeet import SAMPLE_RATE
from .spark_engine.services import ParakeetService
from .spark_engine.text import is_speakable

LOGGER = logging.getLogger(__name__)

PARALLEL_UPDATES = 0

SHORTEST_SPEECH = 0.1
"""Seconds below which nobody has said anything: a button let go of, a stream that closed at once."""

LONGEST_SPEECH = 5 * 60
"""Seconds that are kept in memory. Assist stops after 15 s; only its HTTP view is unbounded."""


async def async_setup_entry(
    _hass: HomeAssistant, entry: SparkConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the engine. The platform is only set up where there is a Parakeet."""
    if parakeet := entry.runtime_data.spark.parakeet:
        async_add_entities([ParakeetEntity(entry, parakeet)])


class ParakeetEntity(SparkEntity, SpeechToTextEntity):
    """Hears one command at a time; as many as Home Assistant likes at once."""

    def __init__(self, entry: SparkConfigEntry, parakeet: ParakeetService) -> None:
        """Hear with this Parakeet."""
        super().__init__(entry, Service.PARAKEET, "speech_to_text")
        self._parakeet = parakeet

    @property
    @override
    def supported_languages(self) -> list[str]:
        return PARAKEET_LANGUAGES

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
        return [AudioSampleRates.SAMPLERATE_16000]

    @property
    @override
    def supported_channels(self) -> list[AudioChannels]:
        return [AudioChannels.CHANNEL_MONO]

    @override
    async def async_process_audio_stream(self, metadata: SpeechMetadata, stream: AsyncIterable[bytes]) -> SpeechResult:
        """The words in a stream of 16 kHz s16le mono samples, bare or as a WAV file.

        Silence is a success without words, not a failure: satellites keep quiet on it, and sound an error on the other.
        """
        try:
            text = await self._hear(stream, metadata.language)
        except SparkError as err:
            LOGGER.warning("Parakeet could not transcribe: %s", err)
            return SpeechResult(None, SpeechResultState.ERROR)
        return SpeechResult(text, SpeechResultState.SUCCESS)

    async def _hear(self, stream: AsyncIterable[bytes], language: str) -> str:
        audio = await _read(stream)
        if audio.seconds < SHORTEST_SPEECH:
            return ""
        transcript = await self._parakeet.transcribe(audio, language=language)
        return transcript.text if is_speakable(transcript.text) else ""


async def _read(stream: AsyncIterable[bytes]) -> Audio:
    """The whole stream. Raises Rejected where it is too long, or a WAV file of another kind than was announced."""
    data = bytearray()
    async for chunk in stream:
        data += chunk
        if len(data) > LONGEST_SPEECH * SAMPLE_RATE * SAMPLE_WIDTH:
            raise Rejected(f"The audio is longer than {LONGEST_SPEECH} s.")
    # Pipelines send bare samples and still call it WAV; programs that use the HTTP view send real files.
    if not data.startswith(b"RIFF"):
        return Audio(bytes(data[: len(data) // SAMPLE_WIDTH * SAMPLE_WIDTH]), SAMPLE_RATE)
    try:
        audio = read_wav(bytes(data))
    except ValueError as err:
        raise Rejected(f"The audio cannot be read: {err}.") from err
    if audio.sample_rate != SAMPLE_RATE:
        raise Rejected(f"The audio has {audio.sample_rate} Hz where {SAMPLE_RATE} Hz were announced.")
    return audio
