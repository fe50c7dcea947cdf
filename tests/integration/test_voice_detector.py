"""The voice detector that Assist brings along, and what is without it."""

import sys

import pytest
from homeassistant.core import HomeAssistant

from custom_components.spark_audio.stt import new_detector
from tests.fakes.server import FakeServer
from tests.helpers.integration.pipeline import STT
from tests.helpers.integration.set_up import entry_for, set_up

FRAME = bytes(320)
"""10 ms of silence at 16 kHz."""


def test_each_utterance_has_its_own() -> None:
    """They remember what they heard; silence is no voice."""
    one, two = new_detector(), new_detector()
    assert one is not None
    assert one != two
    assert [one(FRAME) < 0.5 for _ in range(50)] == [True] * 50


@pytest.mark.usefixtures("assist")
async def test_without_it_home_assistants_own_ends_the_turn(
    hass: HomeAssistant, parakeet: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Assist's requirement is not installed."""
    monkeypatch.setitem(sys.modules, "pymicro_vad", None)
    assert new_detector() is None
    assert await set_up(hass, entry_for(parakeet_url=parakeet.url))
    entity = hass.data["stt"].get_entity(STT)
    assert entity.audio_processing.requires_external_vad
