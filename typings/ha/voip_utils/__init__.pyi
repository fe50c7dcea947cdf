from asyncio import BaseTransport, DatagramProtocol, DatagramTransport
from collections.abc import Callable, Iterable

from .sip import SipEndpoint

class SdpInfo:
    def __init__(self, username: str, id: int, session_name: str, version: str) -> None: ...  # noqa: A002 - its own name

class CallInfo:
    server_ip: str
    caller_rtp_port: int
    opus_payload_type: int

class RtcpState: ...

class RtpOpusOutput:
    def process_audio(self, audio_bytes: bytes, rate: int, width: int, channels: int) -> Iterable[bytes]: ...

class RtpDatagramProtocol(DatagramProtocol):
    addr: tuple[str, int]
    transport: DatagramTransport | None
    _rtp_output: RtpOpusOutput
    def __init__(self, *, opus_payload_type: int, rtcp_state: RtcpState) -> None: ...
    def connection_made(self, transport: BaseTransport) -> None: ...
    def on_chunk(self, audio_bytes: bytes) -> None: ...
    def disconnect(self) -> None: ...

class VoipDatagramProtocol(DatagramProtocol):
    def __init__(
        self, sdp_info: SdpInfo, valid_protocol_factory: Callable[[CallInfo, RtcpState], RtpDatagramProtocol]
    ) -> None: ...
    def outgoing_call(self, source: SipEndpoint, destination: SipEndpoint, rtp_port: int) -> CallInfo: ...
    def answer(self, call_info: CallInfo, server_rtp_port: int) -> None: ...
    def on_hangup(self, call_info: CallInfo) -> None: ...
