"""OpenAI's Python client on the realtime door: the session, the turns, and what goes wrong."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import pytest
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import (
    ConversationItemInputAudioTranscriptionCompletedEvent,
    ConversationItemInputAudioTranscriptionDeltaEvent,
    InputAudioBufferCommittedEvent,
    InputAudioBufferSpeechStartedEvent,
    InputAudioBufferSpeechStoppedEvent,
    RealtimeErrorEvent,
    RealtimeServerEvent,
    SessionUpdatedEvent,
)
from openai.types.realtime.realtime_transcription_session_create_request_param import (
    RealtimeTranscriptionSessionCreateRequestParam,
)
from websockets.exceptions import InvalidStatus

from tests.fakes.parakeet import TEXT
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.spoken import at_24_khz, base64_chunks, silence, words

TRANSCRIPTION = "conversation.item.input_audio_transcription"
MANUAL: RealtimeTranscriptionSessionCreateRequestParam = {
    "type": "transcription",
    "audio": {"input": {"turn_detection": None}},
}


@asynccontextmanager
async def session(
    proxy: Proxy, settings: RealtimeTranscriptionSessionCreateRequestParam | None = None, key: str = "any"
) -> AsyncGenerator[AsyncRealtimeConnection]:
    """A connection whose session was created, with these settings."""
    client = AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key=key, max_retries=0)
    async with client, client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        assert (await connection.recv()).type == "session.created"
        if settings:
            await connection.session.update(session=settings)
            assert (await connection.recv()).type == "session.updated"
        yield connection


async def say(connection: AsyncRealtimeConnection, pcm: bytes) -> None:
    """Send 16 kHz PCM at OpenAI's rate."""
    for chunk in base64_chunks(at_24_khz(pcm)):
        await connection.input_audio_buffer.append(audio=chunk)


async def until(connection: AsyncRealtimeConnection, last: str) -> list[RealtimeServerEvent]:
    """All events up to one of that type."""
    events = [await connection.recv()]
    while events[-1].type != last:
        assert events[-1].type != "error", events[-1]
        events.append(await connection.recv())
    return events


async def test_a_turn_that_the_server_ends(proxy: Proxy) -> None:
    """The words come in the pause, all but the sign that may still change; the transcript when the turn has ended."""
    async with session(proxy) as connection:
        await say(connection, silence(0.5) + words() + silence(0.3))
        events = await until(connection, f"{TRANSCRIPTION}.delta")
        await say(connection, silence(0.7))
        events += await until(connection, f"{TRANSCRIPTION}.completed")
    assert [event.type for event in events] == [
        "input_audio_buffer.speech_started",
        f"{TRANSCRIPTION}.delta",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        f"{TRANSCRIPTION}.delta",
        f"{TRANSCRIPTION}.completed",
    ]
    deltas = [event.delta for event in events if isinstance(event, ConversationItemInputAudioTranscriptionDeltaEvent)]
    assert deltas == [TEXT.removesuffix("."), "."]
    completed = cast("ConversationItemInputAudioTranscriptionCompletedEvent", events[-1])
    assert completed.transcript == TEXT
    assert completed.usage.type == "duration"
    assert len({getattr(event, "item_id", completed.item_id) for event in events}) == 1


async def test_when_speech_starts_and_stops(proxy: Proxy) -> None:
    """In milliseconds of the audio that was sent; the padding is before the first sound."""
    async with session(proxy) as connection:
        await say(connection, silence(1.0) + words() + silence(1.5))
        events = await until(connection, "input_audio_buffer.speech_stopped")
    started = cast("InputAudioBufferSpeechStartedEvent", events[0])
    stopped = cast("InputAudioBufferSpeechStoppedEvent", events[-1])
    assert started.audio_start_ms == pytest.approx(1000 - 300, abs=150)
    assert stopped.audio_end_ms == pytest.approx(1000 + len(words()) / 32 + 500, abs=150)


async def test_each_turn_follows_the_one_before(proxy: Proxy) -> None:
    async with session(proxy) as connection:
        await say(connection, silence(0.5) + words() + silence(1.0) + words() + silence(1.0))
        first = await until(connection, f"{TRANSCRIPTION}.completed")
        second = await until(connection, f"{TRANSCRIPTION}.completed")
    committed = [event for event in first + second if isinstance(event, InputAudioBufferCommittedEvent)]
    assert [event.previous_item_id for event in committed] == [None, committed[0].item_id]
    assert len(proxy.parakeet.posts("/v1/audio/transcriptions")) == 2


async def test_a_turn_that_the_client_ends(proxy: Proxy) -> None:
    """As wyoming-openai does it: what is in the buffer is the turn, with what the client said of it."""
    settings: RealtimeTranscriptionSessionCreateRequestParam = {
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "parakeet", "language": "de", "prompt": "Küche"},
                "turn_detection": None,
            }
        },
    }
    async with session(proxy, settings) as connection:
        await say(connection, words())
        await connection.input_audio_buffer.commit()
        events = await until(connection, f"{TRANSCRIPTION}.completed")
    assert [event.type for event in events[:3]] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    (asked,) = proxy.parakeet.posts("/v1/audio/transcriptions")
    assert asked.fields["language"] == "de"
    assert asked.file is not None
    assert len(asked.file) == pytest.approx(len(words()), abs=400)


async def test_what_was_cleared_is_not_transcribed(proxy: Proxy) -> None:
    async with session(proxy, MANUAL) as connection:
        await say(connection, words())
        await connection.input_audio_buffer.clear()
        assert (await connection.recv()).type == "input_audio_buffer.cleared"
        await connection.input_audio_buffer.commit()
        error = cast("RealtimeErrorEvent", await connection.recv())
    assert error.error.code == "input_audio_buffer_commit_empty"
    assert proxy.parakeet.posts("/v1/audio/transcriptions") == []


async def test_the_settings_come_back_as_they_were_given(proxy: Proxy) -> None:
    wanted: RealtimeTranscriptionSessionCreateRequestParam = {
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcmu"},
                "transcription": {"model": "gpt-live-transcribe", "language": "en", "keywords": ["Kallax"]},
                "turn_detection": {"type": "semantic_vad", "eagerness": "high"},
            }
        },
    }
    async with session(proxy) as connection:
        await connection.session.update(session=wanted)
        updated = cast("SessionUpdatedEvent", await connection.recv())
    session_now = updated.to_dict()["session"]
    assert isinstance(session_now, dict)
    assert session_now["audio"] == {
        "input": {
            "format": {"type": "audio/pcmu"},
            "transcription": {"model": "gpt-live-transcribe", "language": "en", "keywords": ["Kallax"]},
            "noise_reduction": None,
            "turn_detection": {"type": "semantic_vad", "eagerness": "high"},
        }
    }


async def test_a_wrong_setting_is_named_with_the_clients_own_id(proxy: Proxy) -> None:
    async with session(proxy) as connection:
        await connection.send(
            {
                "type": "session.update",
                "event_id": "mine",
                "session": {
                    "type": "transcription",
                    "audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 7}}},
                },
            }
        )
        error = cast("RealtimeErrorEvent", await connection.recv()).error
    assert (error.type, error.param, error.event_id) == (
        "invalid_request_error",
        "session.audio.input.turn_detection.threshold",
        "mine",
    )


async def test_a_wrong_key(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(api_key=("right",))
    with pytest.raises(InvalidStatus, match="401"):
        async with session(proxy, key="wrong"):
            pass
    async with session(proxy, key="right"):
        pass
