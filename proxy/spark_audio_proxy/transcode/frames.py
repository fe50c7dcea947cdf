"""Audio that is nothing but a row of frames: the header of each tells how long it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its bytes, and what all frames of a recording have in common."""

    size: int
    kind: tuple[int, ...]


type ReadFrame = Callable[[memoryview, int], Frame | None]
"""Returns the frame at a place, None where there is none."""


_V1 = (
    (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
)
_V2 = (
    (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
"""kbit/s of layers 1 to 3 (ISO 11172-3, 13818-3)."""

_RATES = (44_100, 48_000, 32_000)


def mpeg_frame(data: memoryview, at: int) -> Frame | None:
    """Return the frame of MPEG audio at `at`, None where there is none."""
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 3, 4 - (data[at + 1] >> 1 & 3)
    bit_rate, rate = data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if version == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return None
    hertz = _RATES[rate] >> (3 - version if version else 2)
    kilobits = (_V1 if version == 3 else _V2)[layer - 1][bit_rate - 1]
    padding = data[at + 2] >> 1 & 1
    if layer == 1:
        size = (12_000 * kilobits // hertz + padding) * 4
    else:
        size = (72_000 if layer == 3 and version != 3 else 144_000) * kilobits // hertz + padding
    return Frame(size, (version, layer, rate))


def adts_frame(data: memoryview, at: int) -> Frame | None:
    """Return the frame of AAC at `at`, None where there is none."""
    if len(data) < at + 7 or data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
        return None
    size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    rate = data[at + 2] >> 2 & 15
    return Frame(size, (data[at + 1] & 8, data[at + 2] >> 6, rate)) if size >= 7 and rate < 13 else None


_AC3 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
"""kbit/s."""


def ac3_frame(data: memoryview, at: int) -> Frame | None:
    """Return the frame of AC-3 at `at`, None where there is none."""
    if len(data) < at + 6 or data[at] != 0x0B or data[at + 1] != 0x77 or data[at + 5] >> 3 > 10:
        return None
    rate, code = data[at + 4] >> 6, data[at + 4] & 63
    if rate == 3 or code >> 1 >= len(_AC3):
        return None
    kilobits = _AC3[code >> 1]
    words = (kilobits * 2, kilobits * 320 // 147 + (code & 1), kilobits * 3)[rate]
    return Frame(words * 2, (rate, data[at + 5] >> 3))


def eac3_frame(data: memoryview, at: int) -> Frame | None:
    """Return the frame of E-AC-3 at `at`, None where there is none."""
    if len(data) < at + 6 or data[at] != 0x0B or data[at + 1] != 0x77 or not 10 < data[at + 5] >> 3 <= 16:
        return None
    return Frame((((data[at + 2] & 7) << 8 | data[at + 3]) + 1) * 2, (data[at + 4] >> 6, data[at + 5] >> 3))


def latm_frame(data: memoryview, at: int) -> Frame | None:
    """Return the frame of AAC in LATM at `at`, None where there is none."""
    if len(data) < at + 3 or data[at] != 0x56 or data[at + 1] & 0xE0 != 0xE0:
        return None
    size = (data[at + 1] & 0x1F) << 8 | data[at + 2]
    return Frame(size + 3, ()) if size else None


FRAMES: Mapping[str, ReadFrame] = {
    "aac": adts_frame,
    "mp3": mpeg_frame,
    "ac3": ac3_frame,
    "eac3": eac3_frame,
    "loas": latm_frame,
}
"""How to read them, by libav's name of the demuxer."""
