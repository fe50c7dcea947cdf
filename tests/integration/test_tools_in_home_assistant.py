"""What of the tools runs inside Home Assistant, or is read by it at its start: the bench's agent, and a new folder."""

import json
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components.http.config import async_get_and_load_store, async_load_config
from homeassistant.components.onboarding import STORAGE_KEY, STORAGE_VERSION, OnboardingStorage
from homeassistant.const import RESTART_EXIT_CODE
from homeassistant.core import HomeAssistant
from homeassistant.util.json import JsonObjectType
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator

from custom_components.spark_audio.spark_engine.models import Audio
from custom_components.spark_audio.spark_engine.speech.audio import write_wav
from tests.helpers.integration.other_engines import MOUTH, OtherMouth, add_mouth
from tests.helpers.integration.pipeline import create_pipeline
from tests.helpers.integration.player import inspect
from tools.bench.home_assistant import bench_agent as agent
from tools.stack import processes
from tools.stack.configuration import lay_out

WORDS = "The kitchen light is now set to 42 lux."
TOKENS = ["The", " kitchen", " light", " is", " now", " set", " to", " 42", " lux."]


@pytest.fixture
async def writer(hass: HomeAssistant, assist: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent, in a hurry."""
    monkeypatch.setattr(agent, "TOKENS_PER_SECOND", 1e6)
    assert await agent.async_setup(hass, {})


@pytest.mark.usefixtures("writer")
async def test_a_text_is_written_word_by_word() -> None:
    """After the role, which is no word; put together it is the text."""
    role, *tokens = [delta async for delta in agent.written(WORDS)]
    assert role == {"role": "assistant"}
    assert tokens == [{"content": token} for token in TOKENS]


async def test_a_tool_is_called_between_two_messages(writer: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "TOOL_SECONDS", 0)
    deltas = [delta async for delta in agent.written(f"One moment.{agent.TOOL_CALL}It is on.")]
    assert [name for delta in deltas for name in delta] == [
        *("role", "content", "content", "tool_calls"),
        *("role", "content", "content", "content"),
    ]


async def test_each_word_has_its_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted from the first, whatever held one of them up."""
    monkeypatch.setattr(agent, "TOKENS_PER_SECOND", 20.0)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("asyncio.sleep", sleep)
    assert len([delta async for delta in agent.written("one two three")]) == 4
    # No time went by, so each wait is from the start, less the little that the test took.
    assert slept[0] <= 0
    assert slept[1] < 1 / 20
    assert slept[2] < 2 / 20


@pytest.mark.usefixtures("writer")
async def test_a_satellite_gets_its_own_format(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, hass_client: ClientSessionGenerator
) -> None:
    """Out of a run that begins with what the agent is to write."""
    mouth = OtherMouth(lambda _: ("wav", write_wav(Audio(b"\x00\x10" * 22_050, 22_050))))
    await add_mouth(hass, mouth)
    ws = await hass_ws_client(hass)
    pipeline = await create_pipeline(
        ws,
        conversation_engine=agent.Writer.entity_id,
        stt_engine=None,
        stt_language=None,
        tts_engine=MOUTH,
        tts_language="en",
    )
    output = {"preferred_format": "flac", "preferred_sample_rate": 48_000}
    await ws.send_json_auto_id({"type": "bench_agent/answer", "pipeline": pipeline, "text": WORDS, "output": output})
    assert (await ws.receive_json())["success"]
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] != "run-end":
        events.append((await ws.receive_json())["event"])
    written = [
        event["data"].get("chat_log_delta", {}).get("content") for event in events if event["type"] == "intent-progress"
    ]
    assert [token for token in written if token] == TOKENS
    url = next(event["data"]["tts_output"]["url"] for event in events if event["type"] == "tts-end")
    async with await (await hass_client()).get(url) as response:
        assert await inspect(await response.read()) == ("flac", "48000")
    assert [words for words, *_ in mouth.asked] == [WORDS]


@pytest.fixture
def stored(tmp_path: Path, hass_storage: dict[str, JsonObjectType]) -> None:
    """Home Assistant's storage, as it is in a folder that was laid out for it."""
    folder = tmp_path / "demo"
    folder.mkdir()
    lay_out(folder, 4242)
    for file in (folder / ".storage").iterdir():
        hass_storage[file.name] = json.loads(file.read_text())


@pytest.mark.usefixtures("stored")
async def test_home_assistant_takes_its_address_from_the_folder(hass: HomeAssistant) -> None:
    """Loopback is the confirmed address, not a trial that is taken back after five minutes."""
    applied = await async_load_config(hass, {})
    assert (applied["server_host"], applied["server_port"]) == (["127.0.0.1"], 4242)
    assert (await async_get_and_load_store(hass)).revert_deadline is None


@pytest.mark.usefixtures("stored")
async def test_home_assistant_takes_its_onboarding_from_the_folder(hass: HomeAssistant) -> None:
    """The step that would reach for the internet is done before."""
    assert await OnboardingStorage(hass, STORAGE_VERSION, STORAGE_KEY).async_load() == {"done": ["core_config"]}


def test_a_restart_is_asked_for_by_its_exit_status() -> None:
    """The demo starts Home Assistant again where that ends with it."""
    assert processes.RESTART_EXIT_CODE == RESTART_EXIT_CODE
