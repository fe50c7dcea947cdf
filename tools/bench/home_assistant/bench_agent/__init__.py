"""Runs inside the Home Assistant that `scripts/bench turn` starts: who writes the answers, and a satellite's way in.

A satellite tells the pipeline which audio format it plays; the websocket command of Assist has no place for that.
"""

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Any, Literal, override

import voluptuous as vol
from homeassistant.components.assist_pipeline.pipeline import (
    PipelineInput,
    PipelineRun,
    PipelineStage,
    async_get_pipeline,
)
from homeassistant.components.conversation import (
    AssistantContentDeltaDict,
    ChatLog,
    ConversationEntity,
    ConversationInput,
    ConversationResult,
    async_get_result_from_chat_log,
)
from homeassistant.components.conversation.const import DATA_COMPONENT
from homeassistant.components.websocket_api import async_register_command
from homeassistant.components.websocket_api.connection import ActiveConnection
from homeassistant.components.websocket_api.decorators import async_response, websocket_command
from homeassistant.core import HomeAssistant
from homeassistant.helpers.chat_session import async_get_chat_session
from homeassistant.helpers.llm import ToolInput
from homeassistant.helpers.typing import ConfigType

TOKENS_PER_SECOND = 20.0
"""How fast the agent writes: a language model of middling size on a machine at home."""

TOOL_CALL, TOOL_SECONDS = "[tool]", 4.0
"""What stands for a call of a tool in the text that is to be written, and how long the tool takes."""

TOKEN = re.compile(r"\s*\S+")
"""A word with the space before it: about five characters, as with most models."""


class Writer(ConversationEntity):
    """Answers with what it was asked, at a steady pace, the first token at once; calls a tool where TOOL_CALL is."""

    _attr_supports_streaming = True
    _attr_name = "Writer"
    entity_id = "conversation.writer"

    @property
    @override
    def supported_languages(self) -> list[str] | Literal["*"]:
        return "*"

    @override
    async def _async_handle_message(self, user_input: ConversationInput, chat_log: ChatLog) -> ConversationResult:
        async for _ in chat_log.async_add_delta_content_stream(self.entity_id, written(user_input.text)):
            pass
        return async_get_result_from_chat_log(user_input, chat_log)


async def written(text: str) -> AsyncGenerator[AssistantContentDeltaDict]:
    """The text as a model writes it."""
    before, *after = text.split(TOOL_CALL)
    async for delta in _written(before):
        yield delta
    for part in after:
        yield {"tool_calls": [ToolInput("look", {}, external=True)]}
        await asyncio.sleep(TOOL_SECONDS)
        async for delta in _written(part):
            yield delta


async def _written(text: str) -> AsyncGenerator[AssistantContentDeltaDict]:
    """One message. Counted from its first token, so that a late one does not delay the others."""
    now = asyncio.get_running_loop().time
    begun = now()
    yield {"role": "assistant"}
    for number, token in enumerate(TOKEN.findall(text)):
        await asyncio.sleep(begun + number / TOKENS_PER_SECOND - now())
        yield {"content": token}


@websocket_command(
    {
        vol.Required("type"): "bench_agent/answer",
        vol.Required("pipeline"): str,
        vol.Required("text"): str,
        vol.Required("output"): dict,
    }
)
@async_response
async def answer(hass: HomeAssistant, connection: ActiveConnection, msg: dict[str, Any]) -> None:
    """Have `text` written and spoken, in the format `output` as a satellite sets it. The run's events are sent."""
    run = PipelineRun(
        hass,
        context=connection.context(msg),
        pipeline=async_get_pipeline(hass, msg["pipeline"]),
        start_stage=PipelineStage.INTENT,
        end_stage=PipelineStage.TTS,
        event_callback=lambda event: connection.send_event(msg["id"], event),
        tts_audio_output=msg["output"],
    )
    connection.send_result(msg["id"])
    with async_get_chat_session(hass) as session:
        await PipelineInput(session=session, run=run, intent_input=msg["text"]).execute(validate=True)


async def async_setup(hass: HomeAssistant, _config: ConfigType) -> bool:
    """Take up work."""
    await hass.data[DATA_COMPONENT].async_add_entities([Writer()])
    async_register_command(hass, answer)
    return True
