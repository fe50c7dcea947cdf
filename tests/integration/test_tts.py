"""Text-to-speech through Assist pipelines and Home Assistant's audio proxy, down to what a player gets."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from homeassistant.components.conversation.const import DATA_COMPONENT
from homeassistant.components.tts import async_create_stream
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator

from custom_components.spark_audio.spark_engine.speech.audio import UNKNOWN_SIZE, read_wav
from tests.fakes import faults
from tests.fakes.magpie import LIST_VOICES, SYNTHESIZE, SYNTHESIZE_ONLINE, nim_offline, spoken
from tests.fakes.server import FakeServer, running
from tests.helpers.integration.pipeline import TTS, create_pipeline, run_text
from tests.helpers.integration.player import decode, inspect
from tests.helpers.integration.set_up import entry_for, set_up
from tests.helpers.integration.slow_agent import BEGINNING, REST, SlowAgent
from tests.helpers.integration.speaking import ARIA, RATE, TEXT, entity_of, stream


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


LONG = "The lamp in the kitchen and the one in the hall are on, as you wished."


async def test_what_is_all_there_is_spoken_in_whole_sentences(
    hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer
) -> None:
    """An announcement does not begin with a clause, which sounds worse and, from a Magpie that streams, no sooner."""
    assert read_wav(b"".join(await stream(hass, LONG))).pcm == spoken(LONG, RATE)
    assert [asked.fields["text"] for asked in magpie.posts(SYNTHESIZE_ONLINE)] == [LONG]
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_what_does_not_stream_begins_with_a_clause(
    hass: HomeAssistant, assist: None, socket_enabled: None
) -> None:
    """Where a sentence is heard only once all of it was made; a file is heard only at its end."""
    async with running(nim_offline()) as offline:
        assert await set_up(hass, entry_for(magpie_url=offline.url))
        await stream(hass, LONG)
        await entity_of(hass).async_get_tts_audio(LONG, "en-US", {})
        assert [asked.fields["text"] for asked in offline.posts(SYNTHESIZE)] == [
            "The lamp in the kitchen and the one in the hall are on,",
            "as you wished.",
            LONG,
        ]
        await hass.async_block_till_done(wait_background_tasks=True)


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


async def test_whole_file(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Callers that want one file get one, with its true length in the header."""
    extension, data = await entity_of(hass).async_get_tts_audio(TEXT, "en-US", {})
    assert extension == "wav"
    assert data is not None
    assert int.from_bytes(data[40:44], "little") == len(data) - 44
    assert read_wav(data).pcm == spoken(TEXT, RATE)


async def test_listener_goes_away(hass: HomeAssistant, assist: None, socket_enabled: None) -> None:
    """A listener that stops ends the request to Magpie."""
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
        response = await entity_of(hass).async_stream_tts_audio(
            TTSAudioRequest("en-US", {"preferred_format": "wav"}, _text())
        )
        assert (await anext(response.data_gen)).startswith(b"RIFF")
        await response.data_gen.aclose()
        await gone.wait()


async def test_text_of_a_cancelled_turn_is_not_waited_for(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Its writer may never come to an end."""
    waiting, let_go = asyncio.Event(), asyncio.Event()

    async def writing() -> AsyncGenerator[str]:
        yield "The first sentence is complete. "
        yield "The second"
        try:
            waiting.set()
            await asyncio.Event().wait()
        finally:
            let_go.set()

    response = await entity_of(hass).async_stream_tts_audio(
        TTSAudioRequest("en-US", {"preferred_format": "wav"}, writing())
    )
    assert (await anext(response.data_gen)).startswith(b"RIFF")
    await waiting.wait()
    await response.data_gen.aclose()
    await let_go.wait()


async def _text() -> AsyncGenerator[str]:
    yield TEXT
