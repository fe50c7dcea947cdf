"""Real speech, all the way: spoken by a real voice, heard in a real pipeline, acted on, answered, and heard again."""

import asyncio
import os
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, override

import pytest
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.components.light import LightEntity
from homeassistant.components.light.const import DATA_COMPONENT, ColorMode
from homeassistant.config_entries import SOURCE_USER
from homeassistant.const import STATE_OFF, STATE_ON
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator

from custom_components.spark_audio.spark_engine.models import Audio
from custom_components.spark_audio.spark_engine.speech.audio import silence
from tests.helpers.integration.pipeline import TTS, create_pipeline, run_pipeline
from tests.helpers.integration.player import decode
from tests.helpers.integration.set_up import INTEGRATION, state_of

pytestmark = pytest.mark.engines

ROOT = INTEGRATION.parent.parent
PYTHON = os.environ.get("SPARK_AUDIO_PYTHON", str(ROOT / ".venv/bin/python"))
RATE = 16_000
KEY = "from-end-to-end-2026"

COMMAND = "please turn on the kitchen light"
"""Begins softly: of a T at the very start the small recogniser makes a P on some processors."""


class KitchenLight(LightEntity):
    """A light that is off."""

    _attr_name = "Kitchen light"
    _attr_color_mode = ColorMode.ONOFF
    _attr_is_on = False
    entity_id = "light.kitchen_light"

    def __init__(self) -> None:
        """It knows on and off."""
        self._attr_supported_color_modes = {ColorMode.ONOFF}

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        self._attr_is_on = True
        self.async_write_ha_state()


@pytest.fixture
async def light(hass: HomeAssistant, assist: None) -> str:
    """A light that the voice assistant may switch."""
    assert await async_setup_component(hass, "light", {})
    await hass.data[DATA_COMPONENT].async_add_entities([KitchenLight()])
    async_expose_entity(hass, "conversation", KitchenLight.entity_id, should_expose=True)
    return KitchenLight.entity_id


@asynccontextmanager
async def started(*arguments: str, **environment: str) -> AsyncGenerator[asyncio.StreamReader]:
    """What a Python process writes, while it runs."""
    process = await asyncio.create_subprocess_exec(
        *(PYTHON, "-m", *arguments), stdout=asyncio.subprocess.PIPE, env={**os.environ, **environment}
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.terminate()
        await process.wait()


async def listening(lines: asyncio.StreamReader) -> tuple[str, str]:
    """Who listens, and at which URL, from the next line."""
    line = (await lines.readline()).decode()
    match = re.search(r"(\S+) listening on (http://[^/\s]+)", line)
    assert match, f"it did not start: {line!r}"
    return match[1], match[2]


@pytest.fixture
async def embedded_spark(socket_enabled: None) -> AsyncGenerator[dict[str, str]]:
    """The URLs of a Spark with real speech engines, in a process of its own."""
    async with started("embedded_spark", "--parakeet-port", "0", "--magpie-port", "0") as lines:
        found = [await listening(lines) for _ in range(2)]
        yield {f"{name.lower()}_url": url for name, url in found}


@pytest.fixture(params=["direct", "proxy"])
async def way(
    request: pytest.FixtureRequest, embedded_spark: dict[str, str], tmp_path: Path
) -> AsyncGenerator[tuple[str, dict[str, str]]]:
    """Both ways to connect, and what the form of each is filled in with."""
    if request.param == "direct":
        yield "direct", embedded_spark
        return
    urls = [item for name, url in embedded_spark.items() for item in (f"--{name.replace('_', '-')}", url)]
    state = ("--port", "0", "--state-dir", str(tmp_path))
    async with started("spark_audio_proxy", *urls, *state, SPARK_AUDIO_API_KEY=KEY) as lines:
        _, url = await listening(lines)
        yield "proxy", {"proxy_url": url, "api_key": KEY}


def words(text: str) -> list[str]:
    """What of a sentence can be heard."""
    return re.findall(r"[a-z0-9]+", text.lower())


async def test_turn_on_the_kitchen_light(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    hass_client: ClientSessionGenerator,
    light: str,
    way: tuple[str, dict[str, str]],
) -> None:
    """Set up as a user does, then say it."""
    flow = hass.config_entries.flow
    menu = await flow.async_init("spark_audio", context={"source": SOURCE_USER})
    form = await flow.async_configure(menu["flow_id"], {"next_step_id": way[0]})
    result = await flow.async_configure(form["flow_id"], way[1])
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    await hass.async_block_till_done()
    ws, client = await hass_ws_client(), await hass_client()
    pipeline = await create_pipeline(ws)
    assert state_of(hass, light) == STATE_OFF

    response = await client.post("/api/tts_get_url", json={"engine_id": TTS, "message": COMMAND})
    spoken = await decode(await (await client.get((await response.json())["path"])).read())
    pause = silence(0.5, RATE).pcm
    run = await run_pipeline(ws, pipeline, pause + spoken + pause * 3, end_stage="tts", vad=True)
    await hass.async_block_till_done()

    assert run.data("stt-start")["audio_processing"]["requires_external_vad"] is False
    assert words(run.heard) == words(COMMAND)
    assert state_of(hass, light) == STATE_ON

    answer = run.data("tts-start")["tts_input"]
    heard = await client.get(run.data("tts-end")["tts_output"]["url"])
    assert heard.status == 200
    audio = Audio(await decode(await heard.read()), RATE)
    assert 0.04 * len(answer) < audio.seconds < 0.2 * len(answer)
    transcript = await result["result"].runtime_data.spark.parakeet.transcribe(audio, language="en")
    assert words(transcript.text) == words(answer)
    await hass.async_block_till_done(wait_background_tasks=True)
