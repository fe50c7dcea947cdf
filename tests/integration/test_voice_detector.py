"""The voice detector that Assist brings along, and what is without it."""

import random
import sys
from array import array

import pytest
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.spark_audio.spark_engine.speech.audio import silence
from custom_components.spark_audio.stt import new_detector
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer
from tests.helpers.integration.config_forms import direct
from tests.helpers.integration.hearing import SPEECH
from tests.helpers.integration.pipeline import STT, create_pipeline, run_pipeline
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


def hiss(level: float) -> bytes:
    """Four seconds of noise."""
    noise = random.Random(3)
    return array("h", [round(noise.gauss(0, level)) for _ in range(64_000)]).tobytes()


@pytest.mark.usefixtures("assist")
@pytest.mark.parametrize("options", [{}, {"early_transcription": False, "turn_end": "home_assistant"}])
@pytest.mark.parametrize("sound", [hiss(60), hiss(1000), silence(4, 16_000).pcm], ids=["quiet hiss", "hiss", "silence"])
async def test_nothing_is_heard_where_there_is_no_speech(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    parakeet: FakeServer,
    sound: bytes,
    options: dict[str, object],
) -> None:
    """A recogniser makes words of noise: it is not asked."""
    entry = MockConfigEntry(domain="spark_audio", data=direct(parakeet.url, None), options=options)
    assert await set_up(hass, entry)
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws, tts_engine=None), sound)
    assert run.error == "stt-no-text-recognized"
    assert parakeet.posts(TRANSCRIPTIONS) == []


@pytest.mark.usefixtures("assist")
@pytest.mark.parametrize(
    ("sound", "options"),
    [
        (SPEECH, {}),
        (array("h", [sample // 60 for sample in memoryview(SPEECH).cast("h")]).tobytes(), {}),
        (hiss(1000)[:24_000], {}),
        (hiss(1000), {"speech_only": False}),
    ],
    ids=["speech", "36 dB lower", "too short to tell", "option off"],
)
async def test_what_may_be_speech_is_heard(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    parakeet: FakeServer,
    sound: bytes,
    options: dict[str, object],
) -> None:
    entry = MockConfigEntry(domain="spark_audio", data=direct(parakeet.url, None), options=options)
    assert await set_up(hass, entry)
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws, tts_engine=None), sound)
    assert run.heard == "Turn on the kitchen light."
