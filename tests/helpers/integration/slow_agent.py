"""Conversation agents that stream their answer, and stop in the middle until the beginning was heard."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Literal, override

from homeassistant.components.conversation import (
    AssistantContentDeltaDict,
    ChatLog,
    ConversationEntity,
    ConversationInput,
    ConversationResult,
    async_get_result_from_chat_log,
)
from homeassistant.helpers.llm import ToolInput

BEGINNING = "The first sentence of this answer has more than sixty characters in it."
REST = "And then there is the rest of it."

ONE_MOMENT = "One moment."
FINDING = "The light is on."


class SlowAgent(ConversationEntity):
    """Answers everything with BEGINNING, and with REST once `heard` is set."""

    _attr_supports_streaming = True
    _attr_name = "Slow"
    entity_id = "conversation.slow"

    def __init__(self) -> None:
        """Hold the rest back."""
        self.heard = asyncio.Event()

    @property
    @override
    def supported_languages(self) -> list[str] | Literal["*"]:
        return "*"

    @override
    async def _async_handle_message(self, user_input: ConversationInput, chat_log: ChatLog) -> ConversationResult:
        async for _ in chat_log.async_add_delta_content_stream(self.entity_id, self._answer()):
            pass
        return async_get_result_from_chat_log(user_input, chat_log)

    async def _answer(self) -> AsyncGenerator[AssistantContentDeltaDict]:
        yield {"role": "assistant"}
        yield {"content": f"{BEGINNING} "}
        yield {"content": REST[:8]}
        await self.heard.wait()
        yield {"content": REST[8:]}


class ToolCallingAgent(SlowAgent):
    """Says ONE_MOMENT, calls a tool, and says FINDING once `heard` is set: so long the tool takes."""

    _attr_name = "Tool caller"
    entity_id = "conversation.tool_caller"

    @override
    async def _answer(self) -> AsyncGenerator[AssistantContentDeltaDict]:
        yield {"role": "assistant"}
        yield {"content": ONE_MOMENT}
        yield {"tool_calls": [ToolInput("look", {}, external=True)]}
        await self.heard.wait()
        yield {"role": "assistant"}
        yield {"content": FINDING}


class ThinkingAgent(SlowAgent):
    """Says nothing before `heard` is set, and all of its answer then."""

    _attr_name = "Thinker"
    entity_id = "conversation.thinker"
    says: tuple[str, ...] = (f"{BEGINNING} ", REST)

    @override
    async def _answer(self) -> AsyncGenerator[AssistantContentDeltaDict]:
        yield {"role": "assistant"}
        await self.heard.wait()
        for words in self.says:
            yield {"content": words}


class BriefAgent(ThinkingAgent):
    """Says only FINDING, once `heard` is set."""

    _attr_name = "Brief"
    entity_id = "conversation.brief"
    says = (FINDING,)
