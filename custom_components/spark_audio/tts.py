"""Text-to-speech: Magpie as an engine of Assist."""

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import ExitStack, aclosing, closing
from typing import Any, override
from zlib import crc32

from homeassistant.components.ffmpeg import get_ffmpeg_manager
from homeassistant.components.tts import (
    ATTR_VOICE,
    TextToSpeechEntity,
    TTSAudioResponse,
    TtsAudioType,
)
from homeassistant.components.tts import Voice as OfferedVoice
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.const import CONF_LANGUAGE
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.restore_state import ExtraStoredData, RestoredExtraData
from homeassistant.util.dt import utcnow
from homeassistant.util.language import matches

from .chime import read_surroundings
from .const import (
    AS_IS,
    CHIME_NONE,
    CONF_CHIME,
    CONF_EMOTION,
    CONF_EVEN_LOUDNESS,
    CONF_FALLBACK_TTS,
    CONF_REPLACEMENTS,
    CONF_SAMPLE_RATE,
    CONF_SILENCE_BEFORE,
    CONF_SILENCE_BEHIND,
    CONF_SPEED,
    CONF_VOICES,
    DEFAULT_SAMPLE_RATE,
    DOMAIN,
)
from .coordinator import SparkConfigEntry
from .entity import SparkEntity
from .errors import translated
from .fallback import FallbackFailed, as_fallback, is_fallback_call, speak_with
from .other_entities import current_entity_id
from .replayed_text import ReplayedText
from .spark_engine.errors import ServerFault, SparkError, Unauthorized, Unreachable
from .spark_engine.models import Audio, ServerName, Service, SpeechStyle
from .spark_engine.servers.magpie_dialects import MagpieServer
from .spark_engine.speech.audio import write_wav
from .spark_engine.speech.language import Spellings, normalize_language
from .spark_engine.speech.loudness import levelled
from .spark_engine.speech.replacements import Replacements
from .spark_engine.speech.surroundings import surrounded
from .stretch import read_speed, stretched
from .turn_events import runs_that_speak
from .voices import VoiceChoice, offered
from .wav_output import PREFERRED, as_wished, converted, makeable, resumed

LOGGER = logging.getLogger(__name__)

PARALLEL_UPDATES = 0

TRANSIENT = (ServerFault, Unreachable)
"""Errors that come at once and may be gone at the second try; what takes long, or is meant, is not tried again."""

AROUND = (CONF_SILENCE_BEFORE, CONF_SILENCE_BEHIND, CONF_CHIME)
"""What is heard around speech: options of an entry, which a call may name as well."""

CACHE_VERSION = "edition"
"""Part of the key under which Home Assistant caches speech, changed each time that the fallback spoke.

Its speech was cached as Magpie's, and would be played in its voice for ever.
"""


async def async_setup_entry(
    hass: HomeAssistant, entry: SparkConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the engine. The platform is only set up where there is a Magpie, and only once its voices are known."""
    if magpie := entry.runtime_data.magpie:
        async_add_entities([MagpieEntity(hass, entry, magpie)])


class MagpieEntity(SparkEntity, TextToSpeechEntity):
    """Speaks text while it is still being written."""

    def __init__(self, hass: HomeAssistant, entry: SparkConfigEntry, magpie: MagpieServer) -> None:
        """Speak with this entry's Magpie, in the home's language where callers leave it open."""
        super().__init__(entry, ServerName(Service.MAGPIE), "text_to_speech")
        self._entry = entry
        self._replacements = Replacements.parse(entry.options.get(CONF_REPLACEMENTS, ""))
        self._is_even = bool(entry.options.get(CONF_EVEN_LOUDNESS, False))
        self._sample_rate = int(entry.options.get(CONF_SAMPLE_RATE, DEFAULT_SAMPLE_RATE))
        self._likely_rate = self._sample_rate
        self._cache_version: str | None = None
        self._speed = float(entry.options.get(CONF_SPEED, 1.0))
        self._attr_supported_options = [ATTR_VOICE, CONF_EMOTION, CONF_SPEED, *AROUND, *PREFERRED]
        self._home = (hass.config.language, hass.config.country)
        self._learn(magpie)

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        if stored := await self.async_get_last_extra_data():
            self._cache_version = stored.as_dict().get(CACHE_VERSION)
            self._set_defaults()
        self.async_on_remove(self._entry.runtime_data.async_add_listener(self._look_at_voices))
        self._entry.runtime_data.turns.speaker = self.entity_id

    @property
    @override
    def extra_restore_state_data(self) -> ExtraStoredData:
        return RestoredExtraData({CACHE_VERSION: self._cache_version})

    @callback
    def _look_at_voices(self) -> None:
        magpie = self._entry.runtime_data.magpie
        if magpie and magpie != self._magpie:
            self._learn(magpie)
            self.async_write_ha_state()

    def _learn(self, magpie: MagpieServer) -> None:
        """Take up what the Magpie can say. The default language moves only where it cannot be spoken any more."""
        self._magpie = magpie
        languages, options = list(magpie.languages), self._entry.options
        self._attr_supported_languages = Spellings(languages)
        if (chosen := options.get(CONF_LANGUAGE)) in languages:
            self._attr_default_language = chosen
        elif getattr(self, "_attr_default_language", None) not in languages:
            own = matches(self._home[0], languages, self._home[1])
            self._attr_default_language = (own or matches("en", languages) or languages)[0]
        self._choice = VoiceChoice(
            magpie, self._attr_default_language, options.get(CONF_VOICES, {}), options.get(CONF_EMOTION, AS_IS)
        )
        self._set_defaults()

    def _spoken(self, language: str) -> str:
        """Return the language that is spoken for a tag: of any region, where it is not spoken in that one."""
        language, languages = normalize_language(language), list(self._magpie.languages)
        if language in languages:
            return language
        return next(iter(matches(language, languages, self._home[1])), language)

    def _set_defaults(self) -> None:
        """All that decides how a text sounds: it is part of the key under which Home Assistant caches speech."""
        defaults = {
            ATTR_VOICE: self._choice.default.name,
            CONF_SPEED: self._speed,
            CONF_SAMPLE_RATE: self._sample_rate,
        }
        if emotion := self._choice.emotion:
            defaults[CONF_EMOTION] = emotion
        if chosen := self._choice.chosen:
            defaults[CONF_VOICES] = ", ".join(f"{language}={voice}" for language, voice in sorted(chosen.items()))
        around = {name: self._entry.options.get(name) for name in AROUND}
        defaults |= {name: value for name, value in around.items() if value and value != CHIME_NONE}
        if self._is_even:
            defaults[CONF_EVEN_LOUDNESS] = True
        if replacements := self._entry.options.get(CONF_REPLACEMENTS):
            defaults[CONF_REPLACEMENTS] = f"{crc32(replacements.encode()):08x}"
        if self._cache_version:
            defaults[CACHE_VERSION] = self._cache_version
        self._attr_default_options = defaults

    @callback
    @override
    def async_get_supported_voices(self, language: str) -> list[OfferedVoice] | None:
        language = self._spoken(language)
        chosen = self._choice.chosen.get(language)
        voices = [OfferedVoice(name, label) for name, label in offered(self._magpie.voices, language)]
        # New pipelines take the first one.
        return sorted(voices, key=lambda voice: voice.voice_id != chosen) or None

    @override
    async def async_stream_tts_audio(self, request: TTSAudioRequest) -> TTSAudioResponse:
        """Return what the player asks for, or a WAV to make it of; a first chunk as soon as the first sentence sounds.

        With a fallback, it is waited for the first sound: from then on the format is given away.
        """
        sounds = self._entry.runtime_data.turns.answered_by(runs_that_speak(self.hass, self.entity_id))
        text = ReplayedText(request.message_gen)
        with ExitStack() as failing:
            failing.callback(text.close)
            response = await self._stream(text, request, sounds)
            # From now on the stream closes it.
            failing.pop_all()
        return response

    async def _stream(
        self, text: ReplayedText, request: TTSAudioRequest, sounds: Callable[[], None]
    ) -> TTSAudioResponse:
        """Return the response; `sounds` is called at the first audio."""
        ffmpeg = get_ffmpeg_manager(self.hass).binary
        pieces = before_the_first(sounds, self._speech(text, request.language, request.options))
        if self._fallback() and not is_fallback_call():
            try:
                first = await anext(pieces)
            except SparkError as err:
                other = await self._ask_fallback(err, text, request)
                sounds()
                closing_text = TTSAudioResponse(other.extension, _with_text(other.data_gen, text))
                return converted(ffmpeg, closing_text, request.options)
            pieces = resumed(first, pieces)
        speech = self._with_translated_errors(pieces, text)
        return as_wished(ffmpeg, speech, self._likely_rate, request.options)

    @override
    async def async_get_tts_audio(self, message: str, language: str, options: Mapping[str, Any]) -> TtsAudioType:
        """Return a whole WAV file, or what the fallback makes."""
        try:
            pieces = [audio async for audio in self._speech(message, language, options)]
        except SparkError as err:
            request = TTSAudioRequest(language, dict(options), _once(message))
            response = await self._ask_fallback(err, ReplayedText(request.message_gen), request)
            return response.extension, b"".join([chunk async for chunk in response.data_gen])
        return "wav", write_wav(Audio(b"".join(audio.pcm for audio in pieces), pieces[0].sample_rate))

    @override
    async def async_speak(
        self,
        media_player_entity_id: list[str],
        message: str,
        cache: bool,
        language: str | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        """Refuse invalid options here: later, only the player would see the error."""
        self._chosen(language or self.default_language, options or {})
        read_surroundings(self.hass, options or {})
        await super().async_speak(media_player_entity_id, message, cache, language, makeable(options or {}))

    def _chosen(self, language: str, options: Mapping[str, Any]) -> tuple[SpeechStyle, float]:
        """Return how to speak, and how fast. Raises ServiceValidationError."""
        language = self._spoken(language)
        voice = self._choice.voice(options.get(ATTR_VOICE), language, options.get(CONF_EMOTION))
        style = SpeechStyle(voice=voice.name, language=language, sample_rate=self._sample_rate)
        return style, read_speed(options.get(CONF_SPEED, self._speed))

    def _speech(self, text: str | ReplayedText, language: str, options: Mapping[str, Any]) -> AsyncGenerator[Audio]:
        style, speed = self._chosen(language, options)
        around = read_surroundings(self.hass, options)
        pieces = self._speak_with_retry(text, style, speed)
        if speed != 1:
            pieces = stretched(get_ffmpeg_manager(self.hass).binary, pieces, self._likely_rate, speed)
        return surrounded(levelled(pieces) if self._is_even else pieces, around)

    async def _speak_with_retry(
        self, text: str | ReplayedText, style: SpeechStyle, speed: float
    ) -> AsyncGenerator[Audio]:
        """Yield the speech; a failure before the first audio is tried once more. Raises SparkError."""
        heard = False
        try:
            async with aclosing(self._speak(text, style, speed)) as pieces:
                async for audio in pieces:
                    heard = True
                    yield audio
        except TRANSIENT:
            if heard:
                raise
        else:
            return
        async with aclosing(self._speak(text, style, speed)) as pieces:
            async for audio in pieces:
                yield audio

    async def _speak(self, text: str | ReplayedText, style: SpeechStyle, speed: float) -> AsyncGenerator[Audio]:
        ready = text if isinstance(text, str) else await self._whole_or_replayed(text)
        spark = self._entry.runtime_data.spark
        speech = spark.speak(ready, style, speed=speed, replacements=self._replacements)
        async with aclosing(speech) as pieces:
            async for audio in pieces:
                # The server's own rate, where it ignores the one that it is asked for.
                self._likely_rate = audio.sample_rate
                yield audio

    async def _whole_or_replayed(self, text: ReplayedText) -> str | AsyncGenerator[str]:
        """Return the whole text where that costs no time: whole sentences sound better than a first clause."""
        whole = await text.whole() if self._magpie.dialect.streams else None
        return text.replay() if whole is None else whole

    async def _with_translated_errors(self, pieces: AsyncGenerator[Audio], text: ReplayedText) -> AsyncGenerator[Audio]:
        try:
            with closing(text):
                async with aclosing(pieces):
                    async for audio in pieces:
                        yield audio
        except SparkError as err:
            raise self._failure(err) from err

    def _failure(self, err: SparkError) -> HomeAssistantError:
        if isinstance(err, Unauthorized):
            self._entry.async_start_reauth_if_available(self.hass)
        return translated(HomeAssistantError, err, Service.MAGPIE)

    async def _ask_fallback(self, err: SparkError, text: ReplayedText, request: TTSAudioRequest) -> TTSAudioResponse:
        """Return the fallback's speech, in its own format. Raises HomeAssistantError where that fails as well."""
        failure, fallback = self._failure(err), self._fallback()
        if fallback is None or is_fallback_call():
            raise failure from err
        try:
            with as_fallback():
                rewrite = self._replacements.for_language(self._spoken(request.language))
                response = await speak_with(self.hass, fallback, text, request, rewrite)
        except FallbackFailed as failed:
            about = {"service": Service.MAGPIE.display_name, "reason": err.quoted}
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="fallback_failed",
                translation_placeholders={**about, "fallback": fallback, "detail": str(failed)},
            ) from err
        LOGGER.warning("Magpie could not speak, %s does instead: %s", fallback, err)
        self._cache_version = utcnow().isoformat()
        self._set_defaults()
        return response

    def _fallback(self) -> str | None:
        """Return the entity id of the other engine, as it is now."""
        kept: str | None = self._entry.options.get(CONF_FALLBACK_TTS)
        return current_entity_id(self.hass, kept) if kept else None


async def before_the_first[T](call: Callable[[], None], items: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """Yield the items; `call` comes once there is one."""
    async with aclosing(items):
        async for item in items:
            call()
            yield item
            break
        async for item in items:
            yield item


async def _with_text(stream: AsyncGenerator[bytes], text: ReplayedText) -> AsyncGenerator[bytes]:
    """Yield the stream, and stop waiting for more text whatever ends it."""
    with closing(text):
        async with aclosing(stream):
            async for data in stream:
                yield data


async def _once(message: str) -> AsyncGenerator[str]:
    yield message
