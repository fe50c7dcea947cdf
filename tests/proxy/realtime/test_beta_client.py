"""The protocol of the beta, which clients still send: with OpenAI's own client, and with the events of its types."""

import pytest
from openai import AsyncOpenAI
from openai.types.beta.realtime import RealtimeServerEvent

from tests.fakes.parakeet import TEXT
from tests.helpers.proxy.running_proxy import Proxy
from tests.helpers.proxy.spoken import at_24_khz, base64_chunks, silence, words

TRANSCRIPTION = "conversation.item.input_audio_transcription"


async def test_a_transcription_session(proxy: Proxy) -> None:
    """Its settings have other names, and a message that was committed is `created`, not `added`."""
    events: list[RealtimeServerEvent] = []
    # By itself this client asks for TLS.
    address = f"{proxy.url}/v1".replace("http", "ws")
    async with (
        AsyncOpenAI(base_url=f"{proxy.url}/v1", websocket_base_url=address, api_key="any") as client,
        client.beta.realtime.connect(model="", extra_query={"intent": "transcription"}) as connection,
    ):
        await connection.transcription_session.update(
            session={
                "input_audio_format": "pcm16",
                "input_audio_transcription": {"model": "whisper-1", "language": "en"},
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
            }
        )
        for chunk in base64_chunks(at_24_khz(silence(0.5) + words() + silence(0.5))):
            await connection.input_audio_buffer.append(audio=chunk)
        async for event in connection:
            events.append(event)
            if event.type == f"{TRANSCRIPTION}.completed":
                break
    assert [event.type for event in events if event.type != f"{TRANSCRIPTION}.delta"] == [
        "transcription_session.created",
        "transcription_session.updated",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.created",
        f"{TRANSCRIPTION}.completed",
    ]
    settings = events[1].to_dict()["session"]
    assert isinstance(settings, dict)
    assert settings["input_audio_format"] == "pcm16"
    assert settings["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 300,
    }
    assert events[-1].to_dict()["transcript"] == TEXT


@pytest.mark.parametrize("name", ["g711_ulaw", "g711_alaw"])
async def test_telephone_audio(proxy: Proxy, name: str) -> None:
    """8 kHz, a byte for a sample."""
    async with proxy.client.ws_connect(
        f"{proxy.url}/v1/realtime?intent=transcription", headers={"OpenAI-Beta": "realtime=v1"}
    ) as socket:
        await socket.send_json(
            {
                "type": "transcription_session.update",
                "session": {"input_audio_format": name, "turn_detection": None},
            }
        )
        for chunk in base64_chunks(b"\xd5" * 8000):
            await socket.send_json({"type": "input_audio_buffer.append", "audio": chunk})
        await socket.send_json({"type": "input_audio_buffer.commit"})
        while (await socket.receive_json())["type"] != f"{TRANSCRIPTION}.completed":
            pass
    (asked,) = proxy.parakeet.posts("/v1/audio/transcriptions")
    assert float(asked.fields.get("seconds", len(asked.file or b"") / 32_000)) == pytest.approx(1.0, abs=0.02)
