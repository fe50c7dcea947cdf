"""An answer that pauses, because its agent calls a tool: the beginning is heard, and the stream stays alive."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from aiohttp import web
from homeassistant.components.conversation.const import DATA_COMPONENT
from homeassistant.components.tts import async_create_stream
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator

from custom_components.spark_audio.spark_engine.speech.audio import read_wav
from tests.fakes import server as fake
from tests.fakes.magpie import SYNTHESIZE_ONLINE, spoken, stream_pcm
from tests.fakes.server import FakeServer
from tests.helpers.integration.other_engines import OtherMouth, add_mouth
from tests.helpers.integration.pipeline import TTS, create_pipeline, run_text
from tests.helpers.integration.player import decode, decode_beginning
from tests.helpers.integration.slow_agent import FINDING, ONE_MOMENT, ToolCallingAgent
from tests.helpers.integration.speaking import POST, RATE, cached, stream

CUDA_ERROR = fake.json({"detail": "CUDA error: unspecified launch failure"}, status=500)


def said(magpie: FakeServer) -> list[str]:
    """The texts that Magpie was asked for."""
    return [asked.fields["text"] for asked in magpie.posts(SYNTHESIZE_ONLINE)]


async def test_it_is_heard_while_the_agent_calls_a_tool(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    magpie: FakeServer,
) -> None:
    """A satellite fetches the sound as soon as it is told to, and gives up where none comes.

    The tool takes until the sentence was heard, and until there is more to hear behind it, which can only be silence.
    """
    agent = ToolCallingAgent()
    await hass.data[DATA_COMPONENT].async_add_entities([agent])
    ws, client = await hass_ws_client(), await hass_client()
    events: list[str] = []
    url = ""

    async def play() -> bytes:
        response = await client.get(url)
        heard = b""
        try:
            while not any(await decode_beginning(heard)):
                heard += await response.content.readany()
            events.append(f"first sound of {said(magpie)}")
            while len(await decode_beginning(heard)) < len(spoken(f"{ONE_MOMENT}     ", 16_000)):
                heard += await response.content.readany()
            events.append(f"more behind {said(magpie)}")
        finally:
            agent.heard.set()
        rest: bytes = await response.read()
        return heard + rest

    player: list[asyncio.Task[bytes]] = []

    def watch(name: str, data: dict[str, Any]) -> None:
        nonlocal url
        if name == "run-start":
            url = data["tts_output"]["url"]
        elif data.get("tts_start_streaming"):
            events.append("tts_start_streaming")
            player.append(asyncio.create_task(play()))
        elif name == "intent-end":
            events.append("answer is complete")

    pipeline = await create_pipeline(ws, conversation_engine=agent.entity_id)
    await run_text(ws, pipeline, "hello", start_stage="intent", watch=watch)
    samples = await decode(await player[0])
    assert events == [
        "tts_start_streaming",
        f"first sound of {[ONE_MOMENT]}",
        f"more behind {[ONE_MOMENT]}",
        "answer is complete",
    ]
    assert said(magpie) == [ONE_MOMENT, FINDING]
    # Speech, silence, speech: the player hears all of it.
    assert len(samples) > sum(len(spoken(sentence, 16_000)) for sentence in said(magpie))
    assert cached(hass) == []


class Pausing:
    """Text that pauses behind ONE_MOMENT until it is let go on."""

    def __init__(self) -> None:
        """Pause."""
        self.over = asyncio.Event()

    async def written(self) -> AsyncGenerator[str]:
        """The text."""
        yield ONE_MOMENT
        await self.over.wait()
        yield f" {FINDING}"

    def spoken_by(self, hass: HomeAssistant) -> AsyncGenerator[bytes]:
        """What Home Assistant makes of it: a WAV."""
        result = async_create_stream(hass, TTS, None, {"preferred_format": "wav"})
        result.async_set_message_stream(self.written())
        return result.async_stream_result()


async def test_no_request_is_open_in_the_pause(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """The GPU is free for others; what follows has no more than the silence that was heard between."""
    open_requests = 0

    async def counted(request: web.Request) -> web.StreamResponse:
        nonlocal open_requests
        open_requests += 1
        try:
            return await stream_pcm(request)
        finally:
            open_requests -= 1

    magpie.answers[POST] = counted
    text = Pausing()
    first, second = (spoken(sentence, RATE) for sentence in (ONE_MOMENT, FINDING))
    heard = bytearray()
    async for chunk in text.spoken_by(hass):
        heard += chunk
        if len(heard) > 44 + len(first) and not text.over.is_set():
            assert open_requests == 0
            text.over.set()
    pcm = read_wav(bytes(heard)).pcm
    assert pcm.startswith(first)
    assert pcm.endswith(second)
    between = pcm[len(first) : -len(second)]
    assert between
    assert not any(between)


async def test_what_is_kept_has_no_pause(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """The same words as an announcement are made anew, and spoken without one."""
    text = Pausing()
    async for _ in text.spoken_by(hass):
        text.over.set()
    whole = f"{ONE_MOMENT} {FINDING}"
    assert read_wav(b"".join(await stream(hass, whole))).pcm == b"".join(
        spoken(sentence, RATE) for sentence in (ONE_MOMENT, FINDING)
    )
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(cached(hass)) == 1


async def test_a_failure_in_the_pause_is_tried_again(
    hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer
) -> None:
    """With the same sentence, and without silence in front of it."""

    async def once(_: web.Request) -> web.StreamResponse:
        magpie.answers[POST] = stream_pcm
        return await CUDA_ERROR(_)

    magpie.answers[POST] = once
    text = Pausing()
    chunks = text.spoken_by(hass)
    first = await anext(chunks)
    assert any(read_wav(first).pcm)
    assert said(magpie) == [ONE_MOMENT, ONE_MOMENT]
    text.over.set()
    async for _ in chunks:
        pass
    assert said(magpie) == [ONE_MOMENT, ONE_MOMENT, FINDING]


async def test_the_fallback_gets_all_of_the_text(
    hass: HomeAssistant, assist: None, both: MockConfigEntry, magpie: FakeServer
) -> None:
    """Where Magpie fails in the pause: nothing was heard of it, silence neither."""
    text = Pausing()

    async def failing(request: web.Request) -> web.StreamResponse:
        if len(said(magpie)) == 2:
            text.over.set()
        return await CUDA_ERROR(request)

    magpie.answers[POST] = failing
    mouth = OtherMouth(lambda _: ("wav", b"other"))
    await add_mouth(hass, mouth)
    assert b"".join([chunk async for chunk in text.spoken_by(hass)]) == b"other"
    assert [message for message, _, _ in mouth.asked] == [f"{ONE_MOMENT} {FINDING}"]
    assert said(magpie) == [ONE_MOMENT, ONE_MOMENT]
