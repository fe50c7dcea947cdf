"""A recording decoded here and now, without a process of its own."""

from dataclasses import dataclass

from spark_audio_proxy.transcode.decode import decode
from spark_audio_proxy.transcode.mixer import Channel


@dataclass(frozen=True, slots=True)
class Decoded:
    """All of its PCM, 16 kHz s16le mono, and the seconds that were left out."""

    pcm: bytes
    left_out: float

    @property
    def seconds(self) -> float:
        """What was heard."""
        return len(self.pcm) / 32_000

    @property
    def all_seconds(self) -> float:
        """What was recorded."""
        return self.seconds + self.left_out


def decoded(recording: bytes, channel: Channel | None = None) -> Decoded:
    """All of it. Raises ValueError as `decode`."""
    blocks = list(decode(bytearray(recording), channel))
    return Decoded(b"".join(block.pcm for block in blocks), sum(block.left_out for block in blocks))
