"""The side of an ESPHome device in the native API, in plain text: a voice assistant with a media player or a speaker.

Framing: https://github.com/esphome/aioesphomeapi/blob/main/aioesphomeapi/_frame_helper/plain_text.py
What the device does on which event:
https://github.com/esphome/esphome/blob/2026.10.0/esphome/components/voice_assistant/voice_assistant.cpp
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, cast
from urllib.parse import urlsplit

from aioesphomeapi import MediaPlayerFormatPurpose, VoiceAssistantEventType, VoiceAssistantFeature
from aioesphomeapi.core import MESSAGE_TYPE_TO_PROTO

from .loopback import serving
from .microphone import frame_by_frame

NUMBERS = {message.__name__: number for number, message in MESSAGE_TYPE_TO_PROTO.items()}

MAC = "11:22:33:44:55:aa"

LISTENING, THINKING, REPLYING, IDLE = "STREAMING_MICROPHONE", "AWAITING_RESPONSE", "STREAMING_RESPONSE", "IDLE"
"""The firmware's states, by which its lights go."""

PLAYER = VoiceAssistantFeature.VOICE_ASSISTANT | VoiceAssistantFeature.API_AUDIO
SPEAKER = PLAYER | VoiceAssistantFeature.SPEAKER
"""A device that fetches its answer, as Voice PE, and one that is sent the samples, as the M5Stack Atom Echo."""

WANTED = {"format": "flac", "sample_rate": 48_000, "num_channels": 1, "sample_bytes": 2}
"""What Voice PE's media player asks for."""


class Samples(Protocol):
    """A message `VoiceAssistantAudio`: 16 kHz s16le mono."""

    data: bytes


class Detail(Protocol):
    """What an event tells."""

    name: str
    value: str


class PipelineEvent(Protocol):
    """A message `VoiceAssistantEventResponse`."""

    event_type: int
    data: Sequence[Detail]


class Device:
    """A device with one microphone. What it hears of Home Assistant, and what its firmware makes of that."""

    def __init__(self, features: int, fetch: Callable[[str], Awaitable[bytes]]) -> None:
        """Wait for Home Assistant. `fetch` returns what is at a path of Home Assistant's."""
        self.events: list[str] = []
        self.states = [IDLE]
        self.heard = b""
        """The answer: a file for a media player, 16 kHz s16le mono samples for a speaker."""
        self.is_subscribed = asyncio.Event()
        self._features = features
        self._fetch = fetch
        self._changed = asyncio.Event()
        self._playing: asyncio.Task[None] | None = None
        self._url = ""
        self._writer: asyncio.StreamWriter | None = None

    async def say(self, spoken: bytes, taken: list[int]) -> None:
        """Begin a turn, as after a wake word on the device, and stream this until an event stops the microphone.

        `spoken` is 16 kHz s16le mono audio; `taken` are the frames that the entity has taken.
        """
        self._enter(LISTENING)
        self.send("VoiceAssistantRequest", start=True)
        # Once there are words nothing is taken any more, although the microphone of a device may still be on.
        is_on = lambda: self.states[-1] == LISTENING and "STT_END" not in self.events  # noqa: E731
        async for frame in frame_by_frame(spoken, taken, is_on):
            self.send("VoiceAssistantAudio", data=frame)

    def stop(self) -> None:
        """End the turn, as the button or another wake word does in the middle of an answer."""
        self.send("VoiceAssistantRequest", start=False)
        self._stop_playing()
        self._enter(IDLE)

    async def reached(self, state: str) -> None:
        """Wait until the device is in that state."""
        while self.states[-1] != state:
            await self._changed.wait()

    async def told(self, event: str) -> None:
        """Wait until Home Assistant has told of that event."""
        while event not in self.events:
            await self._changed.wait()

    def send(self, name: str, /, **fields: object) -> None:
        """Send a message of the native API."""
        assert self._writer is not None
        payload = MESSAGE_TYPE_TO_PROTO[NUMBERS[name]](**fields).SerializeToString()
        self._writer.write(b"\0" + _to_varint(len(payload)) + _to_varint(NUMBERS[name]) + payload)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection of Home Assistant's."""
        self._writer = writer
        while await reader.readexactly(1) == b"\0":
            length, number = await _varint(reader), await _varint(reader)
            message = MESSAGE_TYPE_TO_PROTO[number]()
            message.ParseFromString(await reader.readexactly(length))
            self._answer(type(message).__name__, message)

    def _answer(self, name: str, message: object) -> None:
        match name:
            case "HelloRequest":
                self.send("HelloResponse", api_version_major=1, api_version_minor=12, name="kitchen", server_info="")
            case "DeviceInfoRequest":
                self.send(
                    "DeviceInfoResponse",
                    name="kitchen",
                    mac_address=MAC,
                    esphome_version="2026.10.0",
                    voice_assistant_feature_flags=int(self._features),
                )
            case "ListEntitiesRequest":
                announcements = {**WANTED, "purpose": int(MediaPlayerFormatPurpose.ANNOUNCEMENT)}
                self.send("ListEntitiesMediaPlayerResponse", object_id="p", key=1, supported_formats=[announcements])
                self.send("ListEntitiesDoneResponse")
            case "PingRequest" | "DisconnectRequest" | "AuthenticationRequest":
                self.send(name.replace("Request", "Response"))
            case "SubscribeVoiceAssistantRequest":
                self.is_subscribed.set()
            case "VoiceAssistantAudio":
                self.heard += cast("Samples", message).data
            case "VoiceAssistantEventResponse":
                told = cast("PipelineEvent", message)
                event = VoiceAssistantEventType(told.event_type).name.removeprefix("VOICE_ASSISTANT_")
                self._on_event(event, {each.name: each.value for each in told.data})

    def _on_event(self, event: str, data: dict[str, str]) -> None:
        self.events.append(event)
        self._change()
        match event:
            case "RUN_START":
                self._url = data.get("url", "")
            case "STT_VAD_END":
                self._enter(THINKING)
            case "INTENT_PROGRESS" if data.get("tts_start_streaming") == "1":
                self._play()
            case "TTS_STREAM_START":
                self._enter(REPLYING)
            case "TTS_END":
                self._play()
            case "TTS_STREAM_END":
                self._enter(IDLE)
            case "RUN_END" | "ERROR" if self.states[-1] != REPLYING:
                self._enter(IDLE)

    def _play(self) -> None:
        """Begin to play, unless it is played already or the samples come by themselves."""
        if self.states[-1] != REPLYING and not self._features & VoiceAssistantFeature.SPEAKER:
            self._enter(REPLYING)
            self._playing = asyncio.create_task(self._play_to_the_end())

    async def _play_to_the_end(self) -> None:
        self.heard = await self._fetch(urlsplit(self._url).path)
        self.send("VoiceAssistantAnnounceFinished", success=True)
        self._enter(IDLE)

    def _stop_playing(self) -> None:
        if self._playing:
            self._playing.cancel()

    def _enter(self, state: str) -> None:
        self.states.append(state)
        self._change()

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


@asynccontextmanager
async def running(features: int, fetch: Callable[[str], Awaitable[bytes]]) -> AsyncGenerator[tuple[Device, int]]:
    """Yield a device and its port on the loopback."""
    device = Device(features, fetch)
    async with serving(device.serve) as port:
        yield device, port


async def _varint(reader: asyncio.StreamReader) -> int:
    value = shift = 0
    while True:
        [byte] = await reader.readexactly(1)
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value


def _to_varint(value: int) -> bytes:
    encoded = b""
    while value > 0x7F:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])
