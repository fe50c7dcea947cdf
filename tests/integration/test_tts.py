"""Text-to-speech through Assist pipelines and Home Assistant's audio proxy, down to what a player gets."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from homeassistant.components.conversation.const import DATA_COMPONENT
from homeassistant.components.tts import async_create_stream
from homeassistant.components.tts.const import DATA_COMPONENT as TTS_COMPONENT
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator

from custom_components.spark_audio.languages import magpie_languages
from custom_components.spark_audio.spark_engine.audio import UNKNOWN_SIZE, read_wav
from custom_components.spark_audio.spark_engine.magpie_dialects import NIM, MagpieServer
from custom_components.spark_audio.spark_engine.magpie_readers import Repertoire
from custom_components.spark_audio.spark_engine.voices import parse_voice
from custom_components.spark_audio.tts import MagpieEntity
from custom_components.spark_audio.voice_names import labelled
from tests.fakes import faults
from tests.fakes import server as fake
from tests.fakes.magpie import LIST_VOICES, SYNTHESIZE_ONLINE, in_pieces, spoken, stream_pcm
from tests.fakes.server import FakeServer, Handler

from .conftest import entry_for, set_up
from .pipeline import TTS, create_pipeline, run_text
from .player import decode, inspect
from .slow_agent import BEGINNING, REST, SlowAgent

POST = ("POST", SYNTHESIZE_ONLINE)
RATE = 44_100
TEXT = "The kitchen light is on."
ARIA = "Magpie-Multilingual.EN-US.Aria"
ARIA_CALM = "Magpie-Multilingual.EN-US.Aria.Calm"
FAILS: dict[str, tuple[Handler, str]] = {
    "CUDA": (fake.json({"detail": "CUDA error: unspecified launch failure"}, status=500), "Magpie failed."),
    "loading": (fake.json({"detail": "loading"}, status=503), "Magpie is busy."),
    "refuses key": (fake.json({"detail": "no"}, status=401), "Magpie refuses the key."),
    "refuses request": (fake.json({"detail": "bad voice"}, status=400), "Magpie refuses the request."),
    "empty 200": (in_pieces(), "Magpie failed."),
    "dies at once": (in_pieces(then_reset=True), "Magpie failed."),
}


async def stream(hass: HomeAssistant, text: str, language: str | None = None, **options: Any) -> list[bytes]:
    """The chunks of a WAV stream, as the entity made them: no conversion in between."""
    result = async_create_stream(hass, TTS, language, {"preferred_format": "wav", **options})
    result.async_set_message(text)
    return [chunk async for chunk in result.async_stream_result()]


def cached(hass: HomeAssistant) -> list[Path]:
    """The speech that Home Assistant keeps on disk."""
    return list(Path(hass.config.path("tts")).iterdir())


async def test_one_header_with_the_first_samples(
    hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer
) -> None:
    """A player gets one WAV of unknown length; never a header alone, which would pass for silence."""
    text = "One sentence is here. Another one follows. And a third."
    chunks = await stream(hass, text)
    assert chunks[0].startswith(b"RIFF")
    assert len(chunks[0]) > 44
    assert chunks[0][40:44] == UNKNOWN_SIZE.to_bytes(4, "little")
    whole = b"".join(chunks)
    assert whole.count(b"RIFF") == 1
    said = [asked.fields["text"] for asked in magpie.posts(SYNTHESIZE_ONLINE)]
    assert " ".join(said) == text
    assert read_wav(whole).pcm == b"".join(spoken(utterance, RATE) for utterance in said)
    assert read_wav(whole).sample_rate == RATE


async def test_first_sentence_sounds_while_the_second_is_written(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Audio comes out before the text is complete."""
    heard = asyncio.Event()

    async def writing() -> AsyncGenerator[str]:
        yield "The first sentence is complete. "
        yield "The second"
        await heard.wait()
        yield " one is not."

    result = async_create_stream(hass, TTS, None, {"preferred_format": "wav"})
    result.async_set_message_stream(writing())
    chunks = result.async_stream_result()
    first = await anext(chunks)
    heard.set()
    whole = first + b"".join([chunk async for chunk in chunks])
    expected = spoken("The first sentence is complete.", RATE) + spoken("The second one is not.", RATE)
    assert read_wav(whole).pcm == expected


async def test_answer_is_spoken_while_the_agent_still_thinks(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
) -> None:
    """In a pipeline a player hears the first sentence before the agent has written the last: the agent waits for it."""
    agent = SlowAgent()
    await hass.data[DATA_COMPONENT].async_add_entities([agent])
    ws, client = await hass_ws_client(), await hass_client()

    async def play(url: str) -> bytes:
        response = await client.get(url)
        beginning: bytes = await response.content.readany()
        agent.heard.set()
        rest: bytes = await response.read()
        return beginning + rest

    player: list[asyncio.Task[bytes]] = []

    def watch(name: str, data: dict[str, Any]) -> None:
        if name == "run-start":
            assert data["tts_output"]["stream_response"] is True
            player.append(asyncio.create_task(play(data["tts_output"]["url"])))

    pipeline = await create_pipeline(ws, conversation_engine=agent.entity_id)
    run = await run_text(ws, pipeline, "hello", start_stage="intent", watch=watch)
    assert {"tts_start_streaming": True} in [data for name, data in run.events if name == "intent-progress"]
    heard = await decode(await player[0])
    expected = sum(len(spoken(sentence, 16_000)) for sentence in (BEGINNING, REST))
    assert len(heard) == pytest.approx(expected, rel=0.03)


async def test_pipeline_speaks(
    hass_ws_client: WebSocketGenerator,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    magpie: FakeServer,
) -> None:
    """What a pipeline says can be fetched, as the MP3 that every player plays."""
    ws, client = await hass_ws_client(), await hass_client()
    run = await run_text(ws, await create_pipeline(ws), TEXT)
    output = run.data("tts-end")["tts_output"]
    response = await client.get(output["url"])
    assert (response.status, output["mime_type"]) == (200, "audio/mpeg")
    assert len(await decode(await response.read())) == pytest.approx(len(spoken(TEXT, 16_000)), rel=0.05)
    [asked] = magpie.posts(SYNTHESIZE_ONLINE)
    assert asked.fields["text"] == TEXT
    assert asked.fields["voice"] == ARIA
    assert asked.fields["sample_rate_hz"] == str(RATE)


PLAYERS: dict[str, tuple[dict[str, Any], str, str]] = {
    "announcement of a Voice PE": (
        {"preferred_format": "flac", "preferred_sample_rate": 48_000, "preferred_sample_channels": 1},
        "flac",
        "48000",
    ),
    "satellite": (
        {"preferred_format": "wav", "preferred_sample_rate": 16_000, "preferred_sample_channels": 1}
        | {"preferred_sample_bytes": 2},
        "pcm_s16le",
        "16000",
    ),
    "any player": ({}, "mp3", "44100"),
    "telephone": ({"preferred_format": "mp3", "preferred_sample_rate": 8_000}, "mp3", "8000"),
    "as it comes": ({"preferred_format": "wav"}, "pcm_s16le", "44100"),
}


@pytest.mark.parametrize(("wanted", "codec", "rate"), PLAYERS.values(), ids=PLAYERS.keys())
async def test_players(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    wanted: dict[str, Any],
    codec: str,
    rate: str,
) -> None:
    """Each gets the format that it asks for, whole, with the length of what was said."""
    result = async_create_stream(hass, TTS, None, wanted)
    result.async_set_message(TEXT)
    audio = await (await (await hass_client()).get(result.url)).read()
    assert await inspect(audio) == (codec, rate)
    assert len(await decode(audio)) == pytest.approx(len(spoken(TEXT, 16_000)), rel=0.1)
    await hass.async_block_till_done(wait_background_tasks=True)


@pytest.mark.parametrize(("answer", "told"), FAILS.values(), ids=FAILS.keys())
async def test_magpie_fails(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    magpie: FakeServer,
    caplog: pytest.LogCaptureFixture,
    answer: Handler,
    told: str,
) -> None:
    """No audio is an error to the player, never a 200 with nothing in it; the log says why, nothing is kept."""
    magpie.answers[POST] = answer
    result = async_create_stream(hass, TTS)
    result.async_set_message(TEXT)
    client = await hass_client()
    assert (await client.get(result.url)).status == 500
    await hass.async_block_till_done(wait_background_tasks=True)
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [told in record.getMessage() for record in errors] == [True] * len(errors)
    assert errors
    assert not any(record.exc_info for record in errors)
    assert cached(hass) == []


async def test_fails_in_the_middle(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """Half an answer is never kept: the next time it is spoken whole."""
    magpie.answers[POST] = in_pieces(spoken(TEXT, RATE)[:50_000], then_reset=True)
    result = async_create_stream(hass, TTS, None, {"preferred_format": "wav"})
    result.async_set_message(TEXT)
    heard: list[bytes] = []
    with pytest.raises(HomeAssistantError) as failed:
        await _drain(result.async_stream_result(), heard)
    assert read_wav(b"".join(heard)).pcm == spoken(TEXT, RATE)[:50_000]
    assert failed.value.translation_key == "server_fault"
    await hass.async_block_till_done(wait_background_tasks=True)
    assert cached(hass) == []

    magpie.answers[POST] = stream_pcm
    assert read_wav(b"".join(await stream(hass, TEXT))).pcm == spoken(TEXT, RATE)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(cached(hass)) == 1


async def test_second_sentence_fails(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """What was said before the failure is heard, and nothing of it is kept."""

    async def once(request: web.Request) -> web.StreamResponse:
        magpie.answers[POST] = FAILS["CUDA"][0]
        return await stream_pcm(request)

    magpie.answers[POST] = once
    result = async_create_stream(hass, TTS, None, {"preferred_format": "wav"})
    result.async_set_message("This can be heard. This cannot.")
    chunks = result.async_stream_result()
    heard: list[bytes] = []
    with pytest.raises(HomeAssistantError, match="CUDA"):
        await _drain(chunks, heard)
    assert read_wav(b"".join(heard)).pcm == spoken("This can be heard.", RATE)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert cached(hass) == []


@pytest.mark.parametrize("text", ["🙂", "**", "...", "```\nprint(1)\n```"])
async def test_nothing_to_say(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, entry: MockConfigEntry, magpie: FakeServer, text: str
) -> None:
    """An answer of emoji alone is a short silence: players take nothing at all for an error."""
    result = async_create_stream(hass, TTS)
    result.async_set_message(text)
    client = await hass_client()
    response = await client.get(result.url)
    assert response.status == 200
    samples = await decode(await response.read())
    assert 0.1 < len(samples) / 2 / 16_000 < 0.5
    assert not any(samples)
    assert magpie.posts(SYNTHESIZE_ONLINE) == []
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_speech_is_cached_per_voice(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """The same words in another voice are spoken anew, in the same voice they are not."""

    async def voices() -> list[str]:
        await hass.async_block_till_done(wait_background_tasks=True)
        return [asked.fields["voice"] for asked in magpie.posts(SYNTHESIZE_ONLINE)]

    await stream(hass, TEXT)
    await stream(hass, TEXT)
    assert await voices() == [ARIA]
    await stream(hass, TEXT, voice=ARIA)
    assert await voices() == [ARIA]
    await stream(hass, TEXT, voice=ARIA_CALM)
    assert await voices() == [ARIA, ARIA_CALM]


async def test_new_default_voice_is_heard(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """Speech in the cache is not taken for that of another default voice, though nobody named one either time."""
    await stream(hass, TEXT)
    await hass.async_block_till_done(wait_background_tasks=True)
    magpie.answers["GET", LIST_VOICES] = fake.json({"en-US": {"voices": ["Magpie-Multilingual.EN-US.Jason"]}})
    assert await hass.config_entries.async_reload(entry.entry_id)
    await stream(hass, TEXT)
    await hass.async_block_till_done(wait_background_tasks=True)
    asked = [asked.fields["voice"] for asked in magpie.posts(SYNTHESIZE_ONLINE)]
    assert asked == [ARIA, "Magpie-Multilingual.EN-US.Jason"]


@pytest.mark.parametrize(
    ("language", "voice", "sent"),
    [
        (None, None, ARIA),
        ("de-DE", None, "Magpie-Multilingual.DE-DE.Aria"),
        ("de-DE", "Leo", "Magpie-Multilingual.DE-DE.Leo"),
        ("de-DE", "Magpie-Multilingual.EN-US.Leo", "Magpie-Multilingual.EN-US.Leo"),
        ("en-US", "sofia.happy", "Magpie-Multilingual.EN-US.Sofia.Happy"),
    ],
)
async def test_language_and_voice(
    hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer, language: str | None, voice: str | None, sent: str
) -> None:
    """A language speaks with its own voice, unless somebody chose one."""
    await stream(hass, TEXT, language, **({"voice": voice} if voice else {}))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert [asked.fields["voice"] for asked in magpie.posts(SYNTHESIZE_ONLINE)] == [sent]


async def test_unknown_voice(
    hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A voice that is not there, not any more perhaps: the language's own speaks, and the log says so once."""
    await stream(hass, TEXT, voice="Darth")
    await stream(hass, "Something else.", "de-DE", voice="Darth")
    await hass.async_block_till_done(wait_background_tasks=True)
    assert [asked.fields["voice"] for asked in magpie.posts(SYNTHESIZE_ONLINE)] == [
        ARIA,
        "Magpie-Multilingual.DE-DE.Aria",
    ]
    [line] = [record.getMessage() for record in caplog.records if "Darth" in record.getMessage()]
    assert line == "Magpie has no voice Darth any more; the default voice of en-US speaks instead"


async def test_unknown_language_and_option(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Home Assistant refuses what the entity does not announce."""
    with pytest.raises(HomeAssistantError, match="Language 'xx' not supported"):
        async_create_stream(hass, TTS, "xx")
    with pytest.raises(HomeAssistantError, match="pitch"):
        async_create_stream(hass, TTS, None, {"pitch": 2})


async def test_voices_for_the_user_to_choose(hass_ws_client: WebSocketGenerator, entry: MockConfigEntry) -> None:
    """The list of a language: its own voices, the default one first, with names that people read."""
    ws = await hass_ws_client()
    await ws.send_json_auto_id({"type": "tts/engine/voices", "engine_id": TTS, "language": "en-US"})
    voices = (await ws.receive_json())["result"]["voices"]
    assert voices[:3] == [
        {"voice_id": ARIA, "name": "Aria"},
        {"voice_id": f"{ARIA}.Neutral", "name": "Aria · Neutral"},
        {"voice_id": ARIA_CALM, "name": "Aria · Calm"},
    ]
    assert {voice["voice_id"].split(".")[1] for voice in voices} == {"EN-US"}
    assert len({voice["name"] for voice in voices}) == len(voices) == 20

    await ws.send_json_auto_id({"type": "tts/engine/voices", "engine_id": TTS, "language": "xx"})
    assert (await ws.receive_json())["result"]["voices"] is None


@pytest.mark.parametrize(
    ("names", "language", "expected"),
    [
        (["M.EN-US.Mia.PleasantSurprised"], "en-US", ["Mia · Pleasant surprised"]),
        (["M.EN-US.Mia", "M.EN-GB.Mia"], "en-US", ["Mia", "Mia (en-GB)"]),
        (["A.EN-US.Mia", "B.EN-US.Mia"], "en-US", ["Mia (A.EN-US.Mia)", "Mia (B.EN-US.Mia)"]),
        (["Mia"], "fr-FR", ["Mia"]),
    ],
)
def test_names_of_voices(names: list[str], language: str, expected: list[str]) -> None:
    """No two voices look alike."""
    assert [label for _, label in labelled([parse_voice(name) for name in names], language)] == expected


@pytest.mark.parametrize(
    ("config_language", "country", "default"),
    [("en", "US", "en-US"), ("en", "GB", "en-US"), ("de", "AT", "de-DE"), ("es", "ES", "es-US"), ("nl", "NL", "en-US")],
)
async def test_default_language(
    hass: HomeAssistant,
    assist: None,
    magpie: FakeServer,
    config_language: str,
    country: str,
    default: str,
) -> None:
    """The user's own language where Magpie has it."""
    hass.config.language, hass.config.country = config_language, country
    assert await set_up(hass, entry_for(magpie_url=magpie.url))
    entity = entity_of(hass)
    assert entity.supported_languages == ["de-DE", "en-US", "es-US", "fr-FR", "it-IT"]
    assert entity.default_language == default
    voice = f"Magpie-Multilingual.{default.upper()}.Aria"
    assert entity.default_options == {"voice": voice, "speed": 1.0, "sample_rate": RATE}


@pytest.mark.parametrize(
    ("names", "told", "expected"),
    [
        (["M.EN-US.Mia", "M.DE-DE.Mia"], [], ["de-DE", "en-US"]),
        (["M.EN-US.Mia"], ["fr-FR"], ["en-US"]),
        (["Mia"], ["FR_fr", "en"], ["en", "fr-FR"]),
        (["Mia", "M.EN-GB.Mia"], ["de"], ["de", "en-GB"]),
    ],
)
def test_languages_of_magpie(names: list[str], told: list[str], expected: list[str]) -> None:
    """What the voices say counts; what the server says is for voices that say nothing."""
    repertoire = Repertoire(tuple(map(parse_voice, names)), languages=tuple(told))
    assert magpie_languages(MagpieServer(NIM, repertoire)) == expected


async def test_bare_speakers(hass: HomeAssistant, assist: None, magpie: FakeServer) -> None:
    """Voices that name no language speak every one that Magpie knows."""
    magpie.answers["GET", LIST_VOICES] = fake.json({"any": {"voices": ["Aria", "Leo"]}})
    assert await set_up(hass, entry_for(magpie_url=magpie.url))
    await stream(hass, TEXT, "fr-FR")
    await hass.async_block_till_done(wait_background_tasks=True)
    [asked] = magpie.posts(SYNTHESIZE_ONLINE)
    assert (asked.fields["voice"], asked.fields["language"]) == ("Aria", "fr-FR")


async def test_whole_file(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Callers that want one file get one, with its true length in the header."""
    extension, data = await entity_of(hass).async_get_tts_audio(TEXT, "en-US", {})
    assert extension == "wav"
    assert data is not None
    assert int.from_bytes(data[40:44], "little") == len(data) - 44
    assert read_wav(data).pcm == spoken(TEXT, RATE)


async def test_whole_file_fails(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """The same errors as when streaming."""
    magpie.answers[POST] = FAILS["CUDA"][0]
    with pytest.raises(HomeAssistantError) as failed:
        await entity_of(hass).async_get_tts_audio(TEXT, "en-US", {})
    assert failed.value.translation_key == "server_fault"


async def test_listener_goes_away(hass: HomeAssistant, assist: None, socket_enabled: None) -> None:
    """Whoever stops listening ends the request to Magpie with it."""
    gone = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[:2]
        if path[0] == b"GET":
            voices = json.dumps({"en-US": {"voices": [ARIA]}}).encode()
            status = {LIST_VOICES: b"200 OK", SYNTHESIZE_ONLINE: b"405 No"}.get(path[1].decode(), b"404 No")
            head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            writer.write(head % (status, len(voices)) + voices)
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + spoken(TEXT, RATE))
        while await reader.read(1 << 16):
            pass
        gone.set()

    async with faults.serving(hold) as url:
        assert await set_up(hass, entry_for(magpie_url=url))
        response = await entity_of(hass).async_stream_tts_audio(TTSAudioRequest("en-US", {}, _text()))
        assert (await anext(response.data_gen)).startswith(b"RIFF")
        await response.data_gen.aclose()
        await gone.wait()


async def _drain(chunks: AsyncGenerator[bytes], into: list[bytes]) -> None:
    async for chunk in chunks:
        into.append(chunk)


async def _text() -> AsyncGenerator[str]:
    yield TEXT


def entity_of(hass: HomeAssistant) -> MagpieEntity:
    """The entity behind the pipeline."""
    # Its id is in the language of the home.
    [entity_id] = hass.states.async_entity_ids("tts")[:1]
    entity = hass.data[TTS_COMPONENT].get_entity(entity_id)
    assert isinstance(entity, MagpieEntity)
    return entity
