"""What the tests of speaking share: texts, voices, and the speech that comes of them."""

from pathlib import Path
from typing import Any

from homeassistant.components.tts import async_create_stream
from homeassistant.components.tts.const import DATA_COMPONENT as TTS_COMPONENT
from homeassistant.core import HomeAssistant

from custom_components.spark_audio.tts import MagpieEntity
from tests.fakes.magpie import SYNTHESIZE_ONLINE

from .pipeline import TTS

POST = ("POST", SYNTHESIZE_ONLINE)

RATE = 44_100

TEXT = "The kitchen light is on."

ARIA = "Magpie-Multilingual.EN-US.Aria"

ARIA_CALM = "Magpie-Multilingual.EN-US.Aria.Calm"


async def stream(hass: HomeAssistant, text: str, language: str | None = None, **options: Any) -> list[bytes]:
    """The chunks of a WAV stream, as the entity made them: no conversion in between."""
    result = async_create_stream(hass, TTS, language, {"preferred_format": "wav", **options})
    result.async_set_message(text)
    return [chunk async for chunk in result.async_stream_result()]


def cached(hass: HomeAssistant) -> list[Path]:
    """The speech that Home Assistant keeps on disk."""
    return list(Path(hass.config.path("tts")).iterdir())


def entity_of(hass: HomeAssistant) -> MagpieEntity:
    """The entity behind the pipeline."""
    # Its id is in the language of the home.
    [entity_id] = hass.states.async_entity_ids("tts")[:1]
    entity = hass.data[TTS_COMPONENT].get_entity(entity_id)
    assert isinstance(entity, MagpieEntity)
    return entity
