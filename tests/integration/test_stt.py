"""Speech-to-text through real Assist pipelines: what a user sees in each case that can happen."""

import json
import logging
from collections.abc import AsyncGenerator

import pytest
from homeassistant.components.assist_pipeline import async_create_default_pipeline
from homeassistant.components.stt import (
    SpeechResultState,
)
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator

from custom_components.spark_audio.spark_engine.models import Audio
from custom_components.spark_audio.spark_engine.speech.audio import read_wav, silence, write_wav
from custom_components.spark_audio.stt import LONGEST_SPEECH, SUPPORTED_LANGUAGES
from tests.fakes import server as fake
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer
from tests.helpers.integration.hearing import METADATA, POST, SPEECH, engine_entity, warnings
from tests.helpers.integration.pipeline import STT, TTS, create_pipeline, run_pipeline

SECRET = "my bank code is 1234"


async def test_speech_becomes_text(
    hass_ws_client: WebSocketGenerator, entry: MockConfigEntry, parakeet: FakeServer
) -> None:
    """What was said reaches the pipeline; what Parakeet got is the audio, as a clean WAV."""
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws), SPEECH)
    assert run.heard == "Turn on the kitchen light."
    [asked] = parakeet.posts(TRANSCRIPTIONS)
    assert asked.file is not None
    assert read_wav(asked.file).pcm == SPEECH
    assert read_wav(asked.file).sample_rate == 16_000


@pytest.mark.parametrize(
    ("tag", "sent"),
    [
        ("en", "en"),
        ("en-US", "en"),
        ("en-GB", "en"),
        ("EN_us", "en"),
        ("de-DE", "de"),
        ("de_DE", "de"),
        ("de-LU", "de"),
        ("pt-BR", "pt"),
        ("es-419", "es"),
        ("es_419", "es"),
        ("uk", "uk"),
    ],
)
async def test_pipelines_keep_their_language_tags(
    hass_ws_client: WebSocketGenerator, entry: MockConfigEntry, parakeet: FakeServer, tag: str, sent: str
) -> None:
    """A tag is taken in each spelling that pipelines store, and Parakeet is told the language."""
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws, stt_language=tag), SPEECH)
    assert run.heard == "Turn on the kitchen light."
    assert parakeet.posts(TRANSCRIPTIONS)[0].fields["language"] == sent


@pytest.mark.slow
@pytest.mark.parametrize("language", [tag for tag in SUPPORTED_LANGUAGES if "-" not in tag])
async def test_each_of_the_25_languages(
    hass_ws_client: WebSocketGenerator, entry: MockConfigEntry, parakeet: FakeServer, language: str
) -> None:
    """A pipeline in each of Parakeet's languages is heard in it."""
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws, stt_language=language), SPEECH)
    assert run.heard == "Turn on the kitchen light."
    assert parakeet.posts(TRANSCRIPTIONS)[0].fields["language"] == language


async def test_languages_parakeet_does_not_know(hass_ws_client: WebSocketGenerator, entry: MockConfigEntry) -> None:
    """A language that Parakeet was never taught is refused before anything is recorded."""
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws, stt_language="ja"), SPEECH)
    assert run.error == "stt-provider-unsupported-metadata"


async def test_languages_to_choose_from(hass_ws_client: WebSocketGenerator, entry: MockConfigEntry) -> None:
    """The pickers list each tag once and in one spelling, whatever else is understood."""
    ws = await hass_ws_client()
    for kind, others in (("stt", "nl"), ("tts", "fr")):
        await ws.send_json_auto_id({"type": f"{kind}/engine/list"})
        [engine] = (await ws.receive_json())["result"]["providers"]
        tags = engine["supported_languages"]
        assert {"de", "de-AT", "en-GB", "es-419", others} <= set(tags)
        assert len({tag.replace("_", "-").casefold() for tag in tags}) == len(tags)
        assert not [tag for tag in tags if "_" in tag]


def test_all_languages_of_parakeet() -> None:
    """The 25 languages of Parakeet v3, each bare and with regions, none twice."""
    v3 = set("bg hr cs da nl en et fi fr de el hu it lv lt mt pl pt ro sk sl es sv ru uk".split())  # noqa: SIM905
    assert {tag for tag in SUPPORTED_LANGUAGES if "-" not in tag} == v3
    assert {tag.partition("-")[0] for tag in SUPPORTED_LANGUAGES if "-" in tag} == v3
    assert len(set(SUPPORTED_LANGUAGES)) == len(SUPPORTED_LANGUAGES)


@pytest.mark.parametrize(
    ("language", "country", "heard_as", "spoken_by"),
    [
        ("en", "US", "en-US", "Magpie-Multilingual.EN-US.Aria"),
        ("en", "GB", "en-GB", "Magpie-Multilingual.EN-US.Aria"),
        ("de", "AT", "de-AT", "Magpie-Multilingual.DE-DE.Aria"),
        ("es-419", "MX", "es-MX", "Magpie-Multilingual.ES-US.Aria"),
    ],
)
async def test_default_pipeline(
    hass: HomeAssistant, entry: MockConfigEntry, language: str, country: str, heard_as: str, spoken_by: str
) -> None:
    """Home Assistant's own choice for a new pipeline fits the user's language."""
    hass.config.language, hass.config.country = language, country
    pipeline = await async_create_default_pipeline(hass, STT, TTS, "Spark")
    assert pipeline is not None
    assert pipeline.stt_language == heard_as
    assert pipeline.tts_voice == spoken_by


@pytest.mark.parametrize("speech", [b"", b"\0", silence(0.099, 16_000).pcm])
async def test_too_short_for_speech(
    hass_ws_client: WebSocketGenerator,
    entry: MockConfigEntry,
    parakeet: FakeServer,
    caplog: pytest.LogCaptureFixture,
    speech: bytes,
) -> None:
    """A button released at once is no speech, and Parakeet is not asked."""
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws), speech)
    assert run.error == "stt-no-text-recognized"
    assert parakeet.posts(TRANSCRIPTIONS) == []
    assert warnings(caplog) == []


@pytest.mark.parametrize("text", ["", "   ", "\n", ".", " ... ", "?!", "。"])
async def test_nothing_heard(
    hass_ws_client: WebSocketGenerator,
    entry: MockConfigEntry,
    parakeet: FakeServer,
    caplog: pytest.LogCaptureFixture,
    text: str,
) -> None:
    """Silence is no failure: satellites keep quiet."""
    parakeet.answers[POST] = fake.json({"text": text})
    ws = await hass_ws_client()
    run = await run_pipeline(ws, await create_pipeline(ws), SPEECH)
    assert run.error == "stt-no-text-recognized"
    assert warnings(caplog) == []


async def test_speech_is_never_logged(
    hass_ws_client: WebSocketGenerator,
    entry: MockConfigEntry,
    parakeet: FakeServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither what was said nor the server's echo of it, at any level."""
    caplog.set_level(logging.DEBUG, logger="custom_components.spark_audio")
    ws = await hass_ws_client()
    pipeline = await create_pipeline(ws)
    for answer in (fake.json({"text": SECRET}), fake.json({"txt": SECRET}), fake.text(SECRET)):
        parakeet.answers[POST] = answer
        await run_pipeline(ws, pipeline, SPEECH)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("custom_components.spark_audio")]
    assert len(ours) >= 2
    assert SECRET not in "".join(ours)


async def test_endless_audio(
    hass: HomeAssistant, entry: MockConfigEntry, parakeet: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """What is kept in memory has an end, and a stream without one is not read on."""
    minute = silence(60, 16_000).pcm
    taken = 0

    async def endless() -> AsyncGenerator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield minute

    result = await engine_entity(hass).async_process_audio_stream(METADATA, endless())
    assert result.result is SpeechResultState.ERROR
    assert taken == LONGEST_SPEECH / 60 + 1
    assert parakeet.posts(TRANSCRIPTIONS) == []
    [line] = warnings(caplog)
    assert "longer than 300 s" in line.getMessage()


async def test_longest_audio_is_taken(hass: HomeAssistant, entry: MockConfigEntry, parakeet: FakeServer) -> None:
    """The limit itself is allowed."""

    async def five_minutes() -> AsyncGenerator[bytes]:
        yield silence(LONGEST_SPEECH, 16_000).pcm

    result = await engine_entity(hass).async_process_audio_stream(METADATA, five_minutes())
    assert result.text == "Turn on the kitchen light."


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (write_wav(Audio(SPEECH, 16_000)), "Turn on the kitchen light."),
        (SPEECH, "Turn on the kitchen light."),
        (write_wav(silence(1, 48_000)), None),
        (b"RIFF and then nothing that makes sense", None),
    ],
    ids=["WAV file", "bare samples", "another rate than announced", "damaged WAV"],
)
async def test_http_view(
    hass_client: ClientSessionGenerator, entry: MockConfigEntry, parakeet: FakeServer, body: bytes, text: str | None
) -> None:
    """Programs that use the HTTP view send WAV files; what Parakeet hears is the sound, not the header."""
    client = await hass_client()
    response = await client.post(f"/api/stt/{STT}", data=body, headers={"X-Speech-Content": content()})
    assert response.status == 200
    assert json.loads(await response.text()) == {"text": text, "result": "success" if text else "error"}
    heard = [read_wav(asked.file or b"").pcm for asked in parakeet.posts(TRANSCRIPTIONS)]
    assert heard == ([SPEECH] if text else [])


@pytest.mark.parametrize(
    "change",
    [{"format": "ogg"}, {"codec": "opus"}, {"sample_rate": "48000"}, {"bit_rate": "8"}, {"channel": "2"}],
    ids=str,
)
async def test_http_view_refuses_other_audio(
    hass_client: ClientSessionGenerator, entry: MockConfigEntry, parakeet: FakeServer, change: dict[str, str]
) -> None:
    """Only what Parakeet takes without conversion is announced: 16-bit mono PCM at 16 kHz."""
    client = await hass_client()
    response = await client.post(f"/api/stt/{STT}", data=SPEECH, headers={"X-Speech-Content": content(**change)})
    assert response.status == 415
    assert parakeet.posts(TRANSCRIPTIONS) == []


def content(**changes: str) -> str:
    """The header that describes what is sent."""
    fields = {"format": "wav", "codec": "pcm", "sample_rate": "16000", "bit_rate": "16", "channel": "1"}
    return "; ".join(f"{name}={value}" for name, value in {**fields, "language": "en-US", **changes}.items())
