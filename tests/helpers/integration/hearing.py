"""What the tests of hearing share: speech, the engine that hears it, and what it logs."""

import logging
from pathlib import Path

import pytest
from homeassistant.components.stt import (
    AudioBitRates,
    AudioChannels,
    AudioCodecs,
    AudioFormats,
    AudioSampleRates,
    SpeechMetadata,
    async_get_speech_to_text_entity,
)
from homeassistant.core import HomeAssistant

from custom_components.spark_audio.spark_engine.healing import canary
from custom_components.spark_audio.spark_engine.speech.audio import read_wav
from custom_components.spark_audio.stt import ParakeetEntity
from tests.fakes.parakeet import TRANSCRIPTIONS

from .pipeline import STT

POST = ("POST", TRANSCRIPTIONS)

SPEECH = read_wav(Path(canary.__file__).with_name("canary.wav").read_bytes()).pcm[:32_000]
"""A second of words: 16 kHz s16le mono."""


def warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What Spark Audio, or Assist on its behalf, wrote into the log that a user would see."""
    names = ("custom_components.spark_audio", "homeassistant.components.assist_pipeline")
    return [record for record in caplog.records if record.levelno >= logging.WARNING and record.name.startswith(names)]


def engine_entity(hass: HomeAssistant) -> ParakeetEntity:
    """The entity behind the pipeline."""
    entity = async_get_speech_to_text_entity(hass, STT)
    assert isinstance(entity, ParakeetEntity)
    return entity


METADATA = SpeechMetadata(
    language="en",
    format=AudioFormats.WAV,
    codec=AudioCodecs.PCM,
    bit_rate=AudioBitRates.BITRATE_16,
    sample_rate=AudioSampleRates.SAMPLERATE_16000,
    channel=AudioChannels.CHANNEL_MONO,
)
