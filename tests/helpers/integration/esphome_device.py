"""The side of an ESPHome device in the native API, in plain text: a voice assistant and nothing else.

Framing: https://github.com/esphome/aioesphomeapi/blob/main/aioesphomeapi/_frame_helper/plain_text.py
What the device does on which event:
https://github.com/esphome/esphome/blob/2026.10.0/esphome/components/voice_assistant/voice_assistant.cpp
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aioesphomeapi import VoiceAssistantEventType, VoiceAssistantFeature
from aioesphomeapi.api_pb2 import (  # type: ignore[attr-defined]
    DeviceInfoResponse,
    HelloResponse,
    VoiceAssistantAudio,
    VoiceAssistantEventResponse,
    VoiceAssistantRequest,
)
from aioesphomeapi.core import MESSAGE_TYPE_TO_PROTO
from google.protobuf.message import Message

from .satellite import FRAME

NUMBERS = {message.__name__: number for number, message in MESSAGE_TYPE_TO_PROTO.items()}

MAC = "11:22:33:44:55:aa"
FEATURES = VoiceAssistantFeature.VOICE_ASSISTANT | VoiceAssistantFeature.API_AUDIO

STOPS_THE_MICROPHONE = ("STT_VAD_END", "ERROR", "RUN_END")


class Device:
    """A device whose microphone streams from `say` on until an event stops it."""

    def __init__(self) -> None:
        """Wait for Home Assistant."""
        self.is_subscribed = asyncio.Event()
        self.is_done = asyncio.Event()
        self.events: list[tuple[str, bool]] = []
        """Events, each with whether the microphone was still on when it came."""
        self._is_listening = False
        self._writer: asyncio.StreamWriter | None = None

    async def say(self, spoken: bytes) -> None:
        """Begin a turn, as after a wake word on the device, and stream this (16 kHz s16le mono) and then silence."""
        self._is_listening = True
        self._send(VoiceAssistantRequest(start=True, flags=1))
        at = 0
        while self._is_listening:
            self._send(VoiceAssistantAudio(data=spoken[at : at + len(FRAME)].ljust(len(FRAME), b"\0")))
            at += len(FRAME)
            await asyncio.sleep(0)
        await self.is_done.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection of Home Assistant's."""
        self._writer = writer
        try:
            while await reader.readexactly(1) == b"\0":
                length, number = await _varint(reader), await _varint(reader)
                message = MESSAGE_TYPE_TO_PROTO[number]()
                message.ParseFromString(await reader.readexactly(length))
                self._answer(message)
        except asyncio.IncompleteReadError, ConnectionError:
            pass
        finally:
            writer.close()

    def _answer(self, message: Message) -> None:
        match type(message).__name__:
            case "HelloRequest":
                self._send(HelloResponse(api_version_major=1, api_version_minor=12, name="kitchen", server_info="fake"))
            case "DeviceInfoRequest":
                self._send(
                    DeviceInfoResponse(
                        name="kitchen",
                        mac_address=MAC,
                        esphome_version="2026.10.0",
                        voice_assistant_feature_flags=FEATURES,
                    )
                )
            case "ListEntitiesRequest":
                self._send(MESSAGE_TYPE_TO_PROTO[NUMBERS["ListEntitiesDoneResponse"]]())
            case "PingRequest" | "DisconnectRequest" | "AuthenticationRequest" as name:
                self._send(MESSAGE_TYPE_TO_PROTO[NUMBERS[name.replace("Request", "Response")]]())
            case "SubscribeVoiceAssistantRequest":
                self.is_subscribed.set()
            case "VoiceAssistantEventResponse":
                self._on_event(message)

    def _on_event(self, message: VoiceAssistantEventResponse) -> None:
        name = VoiceAssistantEventType(message.event_type).name.removeprefix("VOICE_ASSISTANT_")
        self.events.append((name, self._is_listening))
        if name in STOPS_THE_MICROPHONE:
            self._is_listening = False
        if name == "RUN_END":
            self.is_done.set()

    def _send(self, message: Message) -> None:
        assert self._writer is not None
        payload = message.SerializeToString()
        header = b"\0" + _to_varint(len(payload)) + _to_varint(NUMBERS[type(message).__name__])
        self._writer.write(header + payload)


@asynccontextmanager
async def running() -> AsyncGenerator[tuple[Device, int]]:
    """Yield a device and its port on the loopback."""
    device = Device()
    server = await asyncio.start_server(device.serve, "127.0.0.1", 0)
    try:
        yield device, server.sockets[0].getsockname()[1]
    finally:
        server.close()


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
