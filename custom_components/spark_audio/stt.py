"""Speech-to-text: Parakeet as an engine of Assist."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from typing import override

from homeassistant.components import stt
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
from homeassistant.components.stt.models import SpeechAudioProcessing
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import (
    CONF_AUDIO_PROCESSING,
    CONF_AUTO_GAIN,
    CONF_EARLY_TRANSCRIPTION,
    CONF_FALLBACK_STT,
    CONF_HOME_NAMES,
    CONF_KEEP_CORRECTIONS,
    CONF_MORE_NAMES,
    CONF_NOISE_REDUCTION,
    CONF_SPEECH_ONLY,
    CONF_TURN_DEADLINE,
    CONF_TURN_END,
    DEFAULT_TURN_DEADLINE,
    DEFAULT_TURN_END,
    TurnEnd,
)
from .coordinator import SparkConfigEntry
from .entity import SparkEntity
from .fallback import FallbackFailed, as_fallback, is_fallback_call, transcribe_with
from .home_names import HomeNames
from .other_entities import current_entity_id
from .spark_engine.errors import Rejected, SparkError, Unauthorized
from .spark_engine.healing.health import State
from .spark_engine.healing.pool import MagpiePool, ParakeetPool
from .spark_engine.models import SAMPLE_RATE, SAMPLE_WIDTH, Audio, ServerName, Service, Transcript
from .spark_engine.speech.audio import read_wav
from .spark_engine.speech.language import PARAKEET_LANGUAGES, Spellings
from .spark_engine.speech.listening import Heard, Listening, TooLong, Transcribe, without_meaning
from .spark_engine.speech.text import is_speakable
from .spark_engine.speech.turn_end import BALANCED, FAST
from .spark_engine.speech.voice_activity import VoiceDetector
from .turn_events import RunEvents, TurnEvents

LOGGER = logging.getLogger(__name__)

PARALLEL_UPDATES = 0

SHORTEST_SPEECH = 0.1
"""Seconds below which there is no speech: a button that was released, a stream that closed at once."""

LONGEST_SPEECH = 5 * 60
"""Seconds that are kept in memory. Assist stops after 15 s; only its HTTP view is unbounded."""

DEADLINE_PER_SECOND = 0.5
"""What a long recording may take at least, whatever the deadline of a turn: none of Assist's is that long."""

RIFF = b"RIFF"

SUPPORTED_LANGUAGES = Spellings(PARAKEET_LANGUAGES)

PARTIAL_RESULT: Callable[[str], object] | None = getattr(stt, "PartialSpeechResult", None)
"""What makes a partial result of the words so far; None before Home Assistant 2026.11, which asks for none."""


def new_detector() -> VoiceDetector | None:
    """Return a detector for one utterance; None where Assist is not installed, so that pauses cannot be told."""
    try:
        from pymicro_vad import MicroVad  # noqa: PLC0415 - a requirement of Assist's, not of ours
    except ImportError:
        return None
    return MicroVad().Process10ms


TURN_RULES = {TurnEnd.HOME_ASSISTANT: None, TurnEnd.BALANCED: BALANCED, TurnEnd.FAST: FAST}


async def async_setup_entry(
    _hass: HomeAssistant, entry: SparkConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the engine. The platform is only set up where there is a Parakeet."""
    if parakeet := entry.runtime_data.spark.parakeet:
        async_add_entities([ParakeetEntity(entry, parakeet)])


class ParakeetEntity(SparkEntity, SpeechToTextEntity):
    """Hears one command at a time; as many as Home Assistant likes at once."""

    def __init__(self, entry: SparkConfigEntry, parakeet: ParakeetPool) -> None:
        """Hear with this Parakeet."""
        super().__init__(entry, ServerName(Service.PARAKEET), "speech_to_text")
        self._entry = entry
        self._parakeet = parakeet
        self._deadline = float(entry.options.get(CONF_TURN_DEADLINE, DEFAULT_TURN_DEADLINE))
        self._is_early = bool(entry.options.get(CONF_EARLY_TRANSCRIPTION, True))
        self._is_speech_only = bool(entry.options.get(CONF_SPEECH_ONLY, True))
        # Without a detector there is nothing to tell pauses by.
        self._rule = TURN_RULES[entry.options.get(CONF_TURN_END, DEFAULT_TURN_END)] if new_detector() else None
        self._turn_events = TurnEvents()
        self.names: HomeNames | None = None
        """Puts the names of the home right in transcripts; None where that is switched off."""
        wanted = entry.options.get(CONF_AUDIO_PROCESSING, {})
        self._processing = SpeechAudioProcessing(
            requires_external_vad=True,
            prefers_auto_gain_enabled=wanted.get(CONF_AUTO_GAIN, True),
            prefers_noise_reduction_enabled=wanted.get(CONF_NOISE_REDUCTION, True),
        )

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        options = self._entry.options
        if options.get(CONF_HOME_NAMES, True):
            keeps = bool(options.get(CONF_KEEP_CORRECTIONS, False))
            self.names = HomeNames(self.hass, options.get(CONF_MORE_NAMES, ()), keeps=keeps)
            for unsubscribe in self.names.listen():
                self.async_on_remove(unsubscribe)
            self._entry.runtime_data.corrections = self.names.corrections

    @property
    @override
    def supported_languages(self) -> list[str]:
        return SUPPORTED_LANGUAGES

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
        """What Home Assistant does to the audio. It detects the end of a turn unless a run can be told ours."""
        return replace(self._processing, requires_external_vad=not self._ends_turns())

    @override
    async def async_process_audio_stream(self, metadata: SpeechMetadata, stream: AsyncIterable[bytes]) -> SpeechResult:
        """Return the words in a stream of 16 kHz s16le mono samples, bare or as a WAV file.

        Silence is a success without words, not a failure: satellites keep quiet on it, and sound an error on the other.
        """
        listening, run = self._listening(metadata.language)
        return await self._hear(listening, metadata, stream, run)

    async def async_process_audio_stream_with_progress(
        self, metadata: SpeechMetadata, stream: AsyncIterable[bytes]
    ) -> AsyncGenerator[object]:
        """Yield a PartialSpeechResult of all words so far, and the SpeechResult of the plain way last.

        They come as they are spoken from a server that hears live, from others at each pause. Home Assistant calls
        this from 2026.11 on.
        """
        partial_results = asyncio.Queue[object]()

        def understood(so_far: Transcript) -> None:
            if PARTIAL_RESULT and is_speakable(so_far.text):
                partial_results.put_nowait(PARTIAL_RESULT(so_far.text))

        # Before the task begins: this finds the pipeline run that calls.
        listening, run = self._listening(metadata.language, understood)
        hearing = asyncio.create_task(self._hear(listening, metadata, stream, run))
        hearing.add_done_callback(lambda _: partial_results.shutdown())
        try:
            with suppress(asyncio.QueueShutDown):
                while True:
                    yield await partial_results.get()
            yield await hearing
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    async def _hear(
        self, listening: Listening, metadata: SpeechMetadata, stream: AsyncIterable[bytes], run: RunEvents | None
    ) -> SpeechResult:
        """Return what was said."""
        self._warm(self._parakeet)
        try:
            heard = await listening.listen(_samples(stream))
        except Rejected as err:
            LOGGER.warning("Parakeet could not transcribe: %s", err)
            return SpeechResult(None, SpeechResultState.ERROR)
        except TooLong:
            LOGGER.warning("Parakeet could not transcribe: The audio is longer than %s s.", LONGEST_SPEECH)
            return SpeechResult(None, SpeechResultState.ERROR)
        if heard.audio.seconds < SHORTEST_SPEECH or (self._is_speech_only and heard.is_without_speech):
            return SpeechResult("", SpeechResultState.SUCCESS)
        result = await self._transcript(heard, listening.transcribe, metadata)
        if run and result.text and heard.speech_ended_at is not None:
            self._entry.runtime_data.turns.transcribed(
                run.id,
                end_of_speech=heard.turn_ended_at - heard.speech_ended_at,
                speech_to_text=listening.clock() - heard.turn_ended_at,
            )
        return result

    async def _transcript(self, heard: Heard, transcribe: Transcribe, metadata: SpeechMetadata) -> SpeechResult:
        """Return the words in what was heard."""
        try:
            if heard.failure:
                raise heard.failure
            transcript = heard.transcript or await transcribe(heard.audio)
        except SparkError as err:
            return await self._ask_fallback(err, metadata, heard.audio)
        if magpie := self._entry.runtime_data.spark.magpie:
            # An answer is to be spoken soon.
            self._warm(magpie)
        return SpeechResult(transcript.text if is_speakable(transcript.text) else "", SpeechResultState.SUCCESS)

    def _warm(self, service: ParakeetPool | MagpiePool) -> None:
        self._entry.async_create_background_task(self.hass, service.warm(), f"open a connection for {self.entity_id}")

    def _listening(
        self, language: str, understood: Callable[[Transcript], None] = lambda _: None
    ) -> tuple[Listening, RunEvents | None]:
        """Return how one command is listened to, with a voice detector of its own, and the pipeline run that calls.

        To be called before anything is awaited: the run is found by that.
        """
        rule = self._rule if self._ends_turns() else None
        run = self._calling_run()
        names = self.names
        if names:
            self._entry.async_create_background_task(
                self.hass, names.prepare(language), f"read the names of the home for {self.entity_id}"
            )
        listening = Listening(
            transcribe=partial(self._transcribe, language),
            hear_live=partial(self._hear_live, language) if self._hears_live() else None,
            detector=new_detector(),
            may_ask_early=self._may_ask_early,
            understood=understood,
            rule=rule,
            meaning=partial(names.meaning, language=language) if names else without_meaning,
            language=language,
            longest=LONGEST_SPEECH,
        )
        if rule and run:
            listening = replace(listening, speech_began=run.speech_began, turn_ended=run.turn_ended)
        return listening, run

    def _calling_run(self) -> RunEvents | None:
        """Return the pipeline run that calls, and follow it to its end."""
        run, turns = self._turn_events.of_this_call(self.hass, self.entity_id), self._entry.runtime_data.turns
        if run:
            run.when_over(lambda: turns.over(run.id, run.ready_for(turns.speaker)))
        return run

    def _ends_turns(self) -> bool:
        """Return whether a rule ends the turn, which takes a pipeline run that can be told."""
        return self._rule is not None and self._turn_events.is_possible(self.hass, self.entity_id)

    def _may_ask_early(self) -> bool:
        """Return whether a request may be made early, which may be for nothing: only of a healthy service."""
        statuses = self._entry.runtime_data.data.values()
        return self._is_early and any(
            status.state is State.HEALTHY or not status.watched
            for status in statuses
            if status.name.service is Service.PARAKEET
        )

    async def _transcribe(self, language: str, audio: Audio) -> Transcript:
        hints = self.names.known(language) if self.names else ()
        heard = await self._parakeet.transcribe(
            audio, language=language, hints=hints, deadline=self._deadline_for(audio)
        )
        return await self._with_names(heard, language)

    async def _with_names(self, heard: Transcript, language: str) -> Transcript:
        """Return the transcript with the names of the home put right."""
        return replace(heard, text=await self.names.corrected(heard.text, language)) if self.names else heard

    def _hears_live(self) -> bool:
        return self._parakeet.hears_live and self._may_ask_early()

    async def _hear_live(self, language: str, audio: AsyncIterable[bytes]) -> AsyncGenerator[Transcript]:
        """Yield all words so far, and last the whole transcript, with the names of the home put right."""
        heard = None
        pieces = self._parakeet.transcribe_live(audio, language=language, deadline=self._deadline)
        async with aclosing(pieces):
            async for heard in pieces:
                yield heard
        if heard and (whole := await self._with_names(heard, language)) != heard:
            yield whole

    def _deadline_for(self, audio: Audio) -> float:
        return max(self._deadline, DEADLINE_PER_SECOND * audio.seconds)

    async def _ask_fallback(self, err: SparkError, metadata: SpeechMetadata, audio: Audio) -> SpeechResult:
        """Return the fallback's transcript; an error where there is none, or it fails too. Logs one line either way."""
        if isinstance(err, Unauthorized):
            self._entry.async_start_reauth_if_available(self.hass)
        fallback = self._fallback()
        if fallback is None or is_fallback_call():
            LOGGER.warning("Parakeet could not transcribe: %s", err)
            return SpeechResult(None, SpeechResultState.ERROR)
        try:
            with as_fallback():
                async with asyncio.timeout(self._deadline_for(audio)):
                    text = await transcribe_with(self.hass, fallback, metadata, audio)
                heard = await self._with_names(Transcript(text), metadata.language)
        except FallbackFailed as failed:
            LOGGER.warning("Parakeet could not transcribe, and %s could not either: %s; %s", fallback, err, failed)
            return SpeechResult(None, SpeechResultState.ERROR)
        LOGGER.warning("Parakeet could not transcribe, %s did instead: %s", fallback, err)
        return SpeechResult(heard.text, SpeechResultState.SUCCESS)

    def _fallback(self) -> str | None:
        """Return the entity id of the other engine, as it is now."""
        kept: str | None = self._entry.options.get(CONF_FALLBACK_STT)
        return current_entity_id(self.hass, kept) if kept else None


async def _samples(stream: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    """Yield the samples of a stream. Raises TooLong, and Rejected for a WAV file of another kind than was announced."""
    pieces = aiter(stream)
    first = b""
    while len(first) < len(RIFF) and (piece := await anext(pieces, b"")):
        first += piece
    # Pipelines send bare samples and still call it WAV; programs that use the HTTP view send real files.
    if not first.startswith(RIFF):
        yield first
        async for piece in pieces:
            yield piece
        return
    file = bytearray(first)
    async for piece in pieces:
        file += piece
        if len(file) > LONGEST_SPEECH * SAMPLE_RATE * SAMPLE_WIDTH:
            raise TooLong
    try:
        audio = read_wav(bytes(file))
    except ValueError as err:
        raise Rejected(f"The audio cannot be read: {err}.") from err
    if audio.sample_rate != SAMPLE_RATE:
        raise Rejected(f"The audio has {audio.sample_rate} Hz where {SAMPLE_RATE} Hz were announced.")
    yield audio.pcm
