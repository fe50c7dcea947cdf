"""Speech-to-text: Parakeet as an engine of Assist."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import replace
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
    async_get_speech_to_text_entity,
)
from homeassistant.components.stt.models import SpeechAudioProcessing
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import (
    CONF_AUDIO_PROCESSING,
    CONF_AUTO_GAIN,
    CONF_FALLBACK_STT,
    CONF_NOISE_REDUCTION,
    CONF_TURN_DEADLINE,
    DEFAULT_TURN_DEADLINE,
    Service,
)
from .data import SparkConfigEntry
from .entity import SparkEntity
from .fallback import FallbackFailed, is_stepping_in, language_of, stepping_in
from .languages import PARAKEET_LANGUAGES
from .spark_engine.audio import read_wav
from .spark_engine.errors import Rejected, SparkError, Unauthorized
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

DEADLINE_PER_SECOND = 0.5
"""What a long recording may take at least, whatever the deadline of a turn: none of Assist's is that long."""

CHUNK = 4096
"""Bytes in which another engine gets the audio."""


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
        self._entry = entry
        self._parakeet = parakeet
        self._fallback: str | None = entry.options.get(CONF_FALLBACK_STT)
        self._deadline = float(entry.options.get(CONF_TURN_DEADLINE, DEFAULT_TURN_DEADLINE))
        wanted = entry.options.get(CONF_AUDIO_PROCESSING, {})
        self._processing = SpeechAudioProcessing(
            requires_external_vad=True,
            prefers_auto_gain_enabled=wanted.get(CONF_AUTO_GAIN, True),
            prefers_noise_reduction_enabled=wanted.get(CONF_NOISE_REDUCTION, True),
        )

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

    @property
    @override
    def audio_processing(self) -> SpeechAudioProcessing:
        return self._processing

    @override
    async def async_process_audio_stream(self, metadata: SpeechMetadata, stream: AsyncIterable[bytes]) -> SpeechResult:
        """The words in a stream of 16 kHz s16le mono samples, bare or as a WAV file.

        Silence is a success without words, not a failure: satellites keep quiet on it, and sound an error on the other.
        """
        try:
            audio = await _read(stream)
        except Rejected as err:
            LOGGER.warning("Parakeet could not transcribe: %s", err)
            return SpeechResult(None, SpeechResultState.ERROR)
        if audio.seconds < SHORTEST_SPEECH:
            return SpeechResult("", SpeechResultState.SUCCESS)
        try:
            transcript = await self._parakeet.transcribe(
                audio, language=metadata.language, deadline=self._deadline_for(audio)
            )
        except SparkError as err:
            return await self._ask_another(err, metadata, audio)
        return SpeechResult(transcript.text if is_speakable(transcript.text) else "", SpeechResultState.SUCCESS)

    def _deadline_for(self, audio: Audio) -> float:
        return max(self._deadline, DEADLINE_PER_SECOND * audio.seconds)

    async def _ask_another(self, err: SparkError, metadata: SpeechMetadata, audio: Audio) -> SpeechResult:
        """What the fallback hears; an error where there is none, or it fails too. One line in the log either way."""
        if isinstance(err, Unauthorized):
            self._entry.async_start_reauth_if_available(self.hass)
        if self._fallback is None or is_stepping_in():
            LOGGER.warning("Parakeet could not transcribe: %s", err)
            return SpeechResult(None, SpeechResultState.ERROR)
        try:
            with stepping_in():
                async with asyncio.timeout(self._deadline_for(audio)):
                    text = await transcribe_with(self.hass, self._fallback, metadata, audio)
        except FallbackFailed as failed:
            LOGGER.warning(
                "Parakeet could not transcribe, and %s could not either: %s; %s", self._fallback, err, failed
            )
            return SpeechResult(None, SpeechResultState.ERROR)
        LOGGER.warning("Parakeet could not transcribe, %s did instead: %s", self._fallback, err)
        return SpeechResult(text, SpeechResultState.SUCCESS)


async def transcribe_with(hass: HomeAssistant, entity_id: str, metadata: SpeechMetadata, audio: Audio) -> str:
    """What another engine hears in 16 kHz s16le mono audio. Raises FallbackFailed, and whatever the engine raises."""
    engine = async_get_speech_to_text_entity(hass, entity_id)
    if engine is None:
        raise FallbackFailed("it is not there")
    adapted = replace(metadata, language=language_of(hass, metadata.language, engine.supported_languages))
    if not engine.check_metadata(adapted):
        raise FallbackFailed("it does not take 16 kHz mono samples")
    result = await engine.internal_async_process_audio_stream(adapted, _chunks(audio.pcm))
    if result.result is not SpeechResultState.SUCCESS:
        raise FallbackFailed("it reports an error")
    return (result.text or "").strip()


async def _chunks(pcm: bytes) -> AsyncGenerator[bytes]:
    for start in range(0, len(pcm), CHUNK):
        yield pcm[start : start + CHUNK]


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
