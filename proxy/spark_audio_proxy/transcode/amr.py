"""AMR in which the sender paused (DTX): libav refuses the frames that stand for a pause, which are no damage.

One packet of 3GP holds up to ten frames, each with a head that tells its kind (RFC 4867, 5.3; 3GPP TS 26.101, 26.201).
"""

from collections.abc import Mapping
from itertools import pairwise

import av
from av.stream import Stream

_NARROW = (13, 14, 16, 18, 20, 21, 27, 32, 6, 1, 1, 1, 1, 1, 1, 1)
_WIDE = (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 1, 1, 1, 1, 1, 1)

_SIZES: Mapping[str, tuple[int, ...]] = {"amrnb": _NARROW, "amrwb": _WIDE}
"""Bytes of a frame of each kind, its head included."""

_PAUSES: Mapping[str, tuple[int, ...]] = {"amrnb": (8, 15), "amrwb": (9, 15)}
"""Kinds of frames that have background noise or nothing."""

_SECONDS = 0.02


type Frame = av.Packet[av.AudioStream] | av.Packet[Stream]


def frames_of(codec: str, packet: Frame) -> list[Frame]:
    """Return the frames in a packet of one of these codecs; of any other, the packet."""
    sizes = _SIZES.get(codec)
    if sizes is None or packet.size <= sizes[_kind(bytes(packet))]:
        return [packet]
    data, ends = bytes(packet), [0]
    while ends[-1] < len(data):
        ends.append(ends[-1] + sizes[_kind(data[ends[-1] :])])
    return [av.Packet(data[start:end]) for start, end in pairwise(ends)]


def is_pause(codec: str, frame: Frame) -> bool:
    """Return whether a frame stands for time without speech."""
    return frame.size > 0 and _kind(bytes(frame)) in _PAUSES.get(codec, ())


def _kind(frame: bytes) -> int:
    return frame[0] >> 3 & 15 if frame else 0


def silence(codec: str) -> av.AudioFrame:
    """Return the length of one frame, as the decoder would."""
    rate = 8_000 if codec == "amrnb" else 16_000
    samples = round(rate * _SECONDS)
    frame = av.AudioFrame(format="fltp", layout="mono", samples=samples)
    frame.planes[0].update(bytes(frame.planes[0].buffer_size))
    frame.sample_rate = rate
    return frame
