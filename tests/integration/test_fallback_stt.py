"""Another engine hears where Parakeet fails."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from homeassistant.components.stt import (
    AudioSampleRates,
    SpeechMetadata,
    SpeechResult,
    SpeechResultState,
)
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.spark_audio.const import DOMAIN
from custom_components.spark_audio.spark_engine.healing.health import Health, State
from tests.fakes import faults
from tests.fakes import magpie as fake_magpie
from tests.fakes import parakeet as fake_parakeet
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, running
from tests.helpers.integration.config_forms import direct
from tests.helpers.integration.hearing import METADATA, SPEECH, engine_entity, warnings
from tests.helpers.integration.other_engines import CUDA, EARS, HEAR, SPEAK, OtherEars, add_ears
from tests.helpers.integration.pipeline import STT, TTS, create_pipeline, run_pipeline
from tests.helpers.integration.set_up import set_up, state_of
from tests.helpers.integration.speaking import TEXT, entity_of

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")

DEAF = [SpeechResult(None, SpeechResultState.ERROR), RuntimeError("They said: my code is swordfish"), TimeoutError()]


async def test_another_hears(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    both: MockConfigEntry,
    parakeet: FakeServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In a running pipeline: the same recording, in a language that the other engine knows; and one line in the log."""
    ears = OtherEars()
    await add_ears(hass, ears)
    healthy, parakeet.answers[HEAR] = parakeet.answers[HEAR], CUDA
    ws = await hass_ws_client()
    pipeline = await create_pipeline(ws)
    run = await run_pipeline(ws, pipeline, SPEECH)
    assert run.names[-2:] == ["stt-end", "run-end"]
    assert run.heard == "Heard by another."
    assert ears.heard == [("en-US", SPEECH)]
    assert state_of(hass, EARS) != "unknown"
    [line] = warnings(caplog)
    assert line.getMessage().startswith(f"Parakeet could not transcribe, {EARS} did instead: The server reports a CUDA")

    parakeet.answers[HEAR] = healthy
    assert (await run_pipeline(ws, pipeline, SPEECH)).heard == "Turn on the kitchen light."
    assert len(ears.heard) == 1


async def test_another_hears_while_parakeet_is_held(
    hass: HomeAssistant, both: MockConfigEntry, parakeet: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A wedged Parakeet is not even asked."""
    await add_ears(hass, OtherEars())
    [member] = both.runtime_data.spark.parakeet.members
    member.watchdog.health = Health(state=State.GAVE_UP, since=0.0)
    result = await engine_entity(hass).async_process_audio_stream(METADATA, _stream(SPEECH))
    assert result == SpeechResult("Heard by another.", SpeechResultState.SUCCESS)
    assert parakeet.posts(TRANSCRIPTIONS) == []
    assert "does not recover" in warnings(caplog)[-1].getMessage()


@pytest.mark.parametrize("answer", DEAF, ids=["error", "raises", "times out"])
async def test_another_hears_nothing_either(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    both: MockConfigEntry,
    parakeet: FakeServer,
    caplog: pytest.LogCaptureFixture,
    answer: SpeechResult | Exception,
) -> None:
    """Then it is an error of the pipeline, with both causes in one line, and nothing that was said."""
    await add_ears(hass, OtherEars(answer=answer))
    parakeet.answers[HEAR] = CUDA
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws), SPEECH)
    assert run.names[-2:] == ["error", "run-end"]
    assert run.error == "stt-stream-failed"
    [line] = warnings(caplog)
    assert "could not either" in line.getMessage()
    assert line.exc_info is None
    assert "swordfish" not in caplog.text


@pytest.mark.parametrize(
    ("ears", "language", "told"),
    [
        (None, "en", "it is not there"),
        (OtherEars(languages=["ja"]), "en", "it does not know en"),
        (OtherEars(rate=AudioSampleRates.SAMPLERATE_48000), "en", "it does not take 16 kHz mono samples"),
    ],
    ids=["gone", "language", "rate"],
)
async def test_another_cannot_hear(
    hass: HomeAssistant,
    both: MockConfigEntry,
    parakeet: FakeServer,
    caplog: pytest.LogCaptureFixture,
    ears: OtherEars | None,
    language: str,
    told: str,
) -> None:
    """Why the other one was of no help is told as well."""
    if ears:
        await add_ears(hass, ears)
    parakeet.answers[HEAR] = CUDA
    result = await engine_entity(hass).async_process_audio_stream(METADATA, _stream(SPEECH))
    assert result.result is SpeechResultState.ERROR
    assert warnings(caplog)[-1].getMessage().endswith(told)


@pytest.mark.parametrize(("wanted", "given"), [("de-DE", "de-DE"), ("de-AT", "de-DE"), ("en-GB", "en-US")])
async def test_languages_of_the_other(
    hass: HomeAssistant, both: MockConfigEntry, parakeet: FakeServer, wanted: str, given: str
) -> None:
    """The pipeline's language in the other engine's spelling."""
    ears = OtherEars()
    await add_ears(hass, ears)
    parakeet.answers[HEAR] = CUDA
    metadata = SpeechMetadata(**{**vars(METADATA), "language": wanted})
    await engine_entity(hass).async_process_audio_stream(metadata, _stream(SPEECH))
    assert [language for language, _ in ears.heard] == [given]


async def test_deadline_of_a_turn(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, caplog: pytest.LogCaptureFixture
) -> None:
    """A Parakeet that is stuck is not waited for longer than the options say; the watchdog hears of it."""
    options = {"fallback_stt": EARS, "turn_deadline": 0.05}
    async with faults.serving(_stuck_at_post) as url:
        entry = MockConfigEntry(domain=DOMAIN, data=direct(url, None), options=options)
        assert await set_up(hass, entry)
        await add_ears(hass, OtherEars())
        result = await engine_entity(hass).async_process_audio_stream(METADATA, _stream(SPEECH[:6400]))
        assert result.text == "Heard by another."
        assert "did not answer within 0.1 s" in warnings(caplog)[-1].getMessage()
        [member] = entry.runtime_data.spark.parakeet.members
        assert member.watchdog.health.state is State.SUSPECT


async def test_two_sparks_as_fallbacks_of_each_other(
    hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """When both fail, that is the end."""
    second = {"fallback_stt": STT, "fallback_tts": TTS}
    options = {"fallback_stt": f"{STT}_2", "fallback_tts": f"{TTS}_2"}
    async with running(fake_parakeet.openai()) as ears, running(fake_magpie.nim()) as mouth:
        for data, fallbacks in ((direct(parakeet.url, magpie.url), options), (direct(ears.url, mouth.url), second)):
            assert await set_up(hass, MockConfigEntry(domain=DOMAIN, data=data, options=fallbacks))
        parakeet.answers[HEAR] = magpie.answers[SPEAK] = CUDA
        result = await engine_entity(hass).async_process_audio_stream(METADATA, _stream(SPEECH))
        assert result.text == "Turn on the kitchen light."
        assert await entity_of(hass).async_get_tts_audio(TEXT, "en-US", {}) != (None, None)

        ears.answers[HEAR] = mouth.answers[SPEAK] = CUDA
        caplog.clear()
        result = await engine_entity(hass).async_process_audio_stream(METADATA, _stream(SPEECH))
        assert result.result is SpeechResultState.ERROR
        assert len(warnings(caplog)) == 2
        with pytest.raises(HomeAssistantError) as failed:
            await entity_of(hass).async_get_tts_audio(TEXT, "en-US", {})
        assert failed.value.translation_key == "fallback_failed"


async def _stuck_at_post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Tells what it is, and hears nothing."""
    if (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET"):
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        return
    await asyncio.Event().wait()


async def _stream(pcm: bytes) -> AsyncGenerator[bytes]:
    yield pcm
