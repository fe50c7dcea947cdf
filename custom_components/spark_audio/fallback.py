"""The fallback: another engine of Home Assistant's hears or speaks where ours cannot."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import replace

from homeassistant.components.stt import SpeechMetadata, SpeechResultState, async_get_speech_to_text_entity
from homeassistant.components.tts import TTSAudioResponse
from homeassistant.components.tts.const import DATA_COMPONENT
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.core import HomeAssistant
from homeassistant.util.language import matches

from .replayed_text import ReplayedText
from .spark_engine.models import Audio
from .spark_engine.speech.replacements import Rewrite
from .spark_engine.speech.text import spoken_text
from .wav_output import PREFERRED, resumed

_IS_FALLBACK: ContextVar[bool] = ContextVar("is_fallback", default=False)

CHUNK = 4096
"""Bytes in which another engine gets the audio."""

FIRST_SOUND_DEADLINE = 15.0
"""Seconds until something must be heard of another engine.

Enough for one that speaks an answer as a whole on a slow processor. With the 10 that a stuck Magpie takes, less than
the 30 after which satellites give up.
"""


class FallbackFailed(Exception):
    """The other engine could not help either. The message is half a sentence for the log, without speech or text."""


def is_fallback_call() -> bool:
    """Return whether this call comes from a fallback: two Sparks may stand in for each other, but not in circles.

    Holds for the coroutine that is called, not for a generator that it returns.
    """
    return _IS_FALLBACK.get()


@contextmanager
def as_fallback() -> Generator[None]:
    """Around the call of the other engine. What it raises, whatever that is, becomes FallbackFailed."""
    token = _IS_FALLBACK.set(True)
    try:
        yield
    except FallbackFailed:
        raise
    except TimeoutError as err:
        raise FallbackFailed("it did not answer in time") from err
    except Exception as err:
        # Foreign code, whose messages may quote what was said.
        raise FallbackFailed(f"it failed with {type(err).__name__}") from err
    finally:
        _IS_FALLBACK.reset(token)


def _language_of(hass: HomeAssistant, wanted: str, supported: list[str]) -> str:
    """Return the other engine's own tag for a language. Raises FallbackFailed where it does not know it."""
    if wanted in supported:
        return wanted
    if fitting := matches(wanted, supported, hass.config.country):
        return fitting[0]
    raise FallbackFailed(f"it does not know {wanted}")


async def transcribe_with(hass: HomeAssistant, entity_id: str, metadata: SpeechMetadata, audio: Audio) -> str:
    """Return another engine's transcript of 16 kHz s16le mono audio. Raises FallbackFailed, and the engine's errors."""
    engine = async_get_speech_to_text_entity(hass, entity_id)
    if engine is None:
        raise FallbackFailed("it is not there")
    adapted = replace(metadata, language=_language_of(hass, metadata.language, engine.supported_languages))
    if not engine.check_metadata(adapted):
        raise FallbackFailed("it does not take 16 kHz mono samples")
    result = await engine.internal_async_process_audio_stream(adapted, _chunks(audio.pcm))
    if result.result is not SpeechResultState.SUCCESS:
        raise FallbackFailed("it reports an error")
    return (result.text or "").strip()


async def _chunks(pcm: bytes) -> AsyncGenerator[bytes]:
    for start in range(0, len(pcm), CHUNK):
        yield pcm[start : start + CHUNK]


async def speak_with(
    hass: HomeAssistant, entity_id: str, text: ReplayedText, request: TTSAudioRequest, rewrite: Rewrite
) -> TTSAudioResponse:
    """Another engine's speech as it speaks by default, in the format that the player wants where it knows of that.

    It gets the text that Magpie would have spoken: without Markdown, emoji and thoughts, with words replaced. Its first
    bytes are made already. Raises FallbackFailed, TimeoutError, and whatever the engine raises.
    """
    engine = hass.data[DATA_COMPONENT].get_entity(entity_id)
    if engine is None:
        raise FallbackFailed("it is not there")
    language = _language_of(hass, request.language, engine.supported_languages)
    wanted = {name: request.options[name] for name in PREFERRED if name in request.options}
    known = {name: value for name, value in wanted.items() if name in (engine.supported_options or ())}
    options = {**(engine.default_options or {}), **known}
    async with first_sound_in_time(text) as counted:
        clean = spoken_text(counted, rewrite)
        response = await engine.internal_async_stream_tts_audio(TTSAudioRequest(language, options, clean))
        first = await anext(response.data_gen, b"")
    if not first:
        raise FallbackFailed("it says nothing")
    return TTSAudioResponse(response.extension, resumed(first, response.data_gen))


@asynccontextmanager
async def first_sound_in_time(text: ReplayedText) -> AsyncGenerator[AsyncGenerator[str]]:
    """Give the text to another engine, around the wait for its first sound. Raises TimeoutError.

    Time in which the engine waits for text that is still being written does not count.
    """
    over = False
    async with asyncio.timeout(FIRST_SOUND_DEADLINE) as deadline:

        def count(seconds: float | None) -> None:
            if not over and not deadline.expired():
                deadline.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)

        async def counted() -> AsyncGenerator[str]:
            count(None)
            async for chunk in text.replay():
                count(FIRST_SOUND_DEADLINE)
                yield chunk
                count(None)
            count(FIRST_SOUND_DEADLINE)

        try:
            yield counted()
        finally:
            over = True
