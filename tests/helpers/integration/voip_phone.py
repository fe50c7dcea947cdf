"""A telephone that calls Home Assistant: SIP over UDP, then Opus in RTP both ways, 20 ms at a time in real time.

Both ends are the library that Home Assistant uses: https://github.com/home-assistant-libs/voip-utils
"""

import asyncio
import socket
from array import array
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import override

from voip_utils import CallInfo, RtcpState, RtpDatagramProtocol, SdpInfo, VoipDatagramProtocol
from voip_utils.sip import get_sip_endpoint

from .loopback import HOST
from .microphone import BYTES_PER_SECOND

QUIET = 200
"""Of 32767: Opus makes no digital silence."""

NAME = "kitchen"


class Phone(RtpDatagramProtocol):
    """The receiver: what is said into it, and whether anything is heard."""

    def __init__(self, call: CallInfo, rtcp: RtcpState, taken: asyncio.Future[Phone]) -> None:
        """Be connected by this call; `taken` is told."""
        super().__init__(opus_payload_type=call.opus_payload_type, rtcp_state=rtcp)
        self.addr = (call.server_ip, call.caller_rtp_port)
        self._sound = asyncio.Event()
        self._taken = taken

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._taken.set_result(self)

    def say(self, spoken: bytes) -> None:
        """Say this (16 kHz s16le mono)."""
        assert self.transport is not None
        for packet in self._rtp_output.process_audio(spoken, BYTES_PER_SECOND // 2, 2, 1):
            self.transport.sendto(packet, self.addr)

    async def sound(self) -> None:
        """Wait until something is heard that was not heard yet."""
        self._sound.clear()
        await self._sound.wait()

    @override
    def on_chunk(self, audio_bytes: bytes) -> None:
        if max(map(abs, array("h", audio_bytes)), default=0) >= QUIET:
            self._sound.set()


class Line(VoipDatagramProtocol):
    """The line of the caller."""

    @override
    def answer(self, call_info: CallInfo, server_rtp_port: int) -> None:
        """Send nothing: a caller that answers, as voip-utils 0.4 does, begins another call."""


def address(port: int) -> str:
    """Return the name by which Home Assistant knows a telephone at this port of the loopback."""
    return get_sip_endpoint(HOST, port=port, username=NAME).uri


@asynccontextmanager
async def calling(port: int, home_assistant: int) -> AsyncGenerator[Phone]:
    """Call Home Assistant at its SIP port, from another; yield the receiver once the call is taken."""
    taken: asyncio.Future[Phone] = asyncio.get_running_loop().create_future()
    line = Line(SdpInfo(NAME, 1, "call", "1"), lambda call, rtcp: Phone(call, rtcp, taken))
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: line, (HOST, port))
    here = get_sip_endpoint(HOST, port=port, username=NAME)
    there = get_sip_endpoint(HOST, port=home_assistant, username="home")
    call = line.outgoing_call(here, there, free_port() & ~1)
    try:
        yield await taken
    finally:
        # The line is dead: Home Assistant notices that no more packets come.
        taken.result().disconnect()
        line.on_hangup(call)
        transport.close()
        await asyncio.wait([task for task in asyncio.all_tasks() if "_output_loop" in str(task.get_coro())])


def free_port() -> int:
    """Return a free port for UDP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
