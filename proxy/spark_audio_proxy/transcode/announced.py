"""How much sound the head of a recording announces, so that a cut or a gap shows. Pure."""

import re
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress

from spark_engine.speech.audio import WavReader

from .tags import element

_HEAD = 1 << 16
"""Bytes within which a head announces its sound."""

_LARGEST = 1 << 40
"""Bytes from which on a size is a placeholder."""

_LONGEST = 7 * 86_400
"""Seconds from which on a length is."""


def missing_bytes(container: str, data: memoryview, heard: int) -> int:
    """Return the bytes of sound that are announced beyond `heard`, 0 where the head announces none."""
    announced = 0
    with suppress(ValueError, struct.error):
        announced = _SOUND[container](data) if container in _SOUND else 0
    return max(0, announced - heard) if announced < _LARGEST else 0


def bytes_behind_end(container: str, data: memoryview) -> int:
    """Return how many bytes the whole file announces that it does not have."""
    announced = None
    with suppress(struct.error):
        announced = _whole(container, data)
    return max(0, announced - len(data)) if announced is not None and announced < _LARGEST else 0


def announced_seconds(container: str, data: memoryview, track: int) -> float | None:
    """Return how long the file says it is, of AVI its track with that index; None where it does not say."""
    seconds = None
    with suppress(struct.error):
        match container:
            case "avi":
                seconds = _avi_seconds(data, track)
            case "flv":
                # A live stream tells what its sender guessed.
                seconds = None if _flv_number(data, b"filesize") == 0 else _flv_number(data, b"duration")
            case "asf":
                seconds = _asf_seconds(data)
            case "wav":
                seconds = _wav_seconds(data)
    return seconds if seconds and 0 < seconds < _LONGEST else None


def _whole(container: str, data: memoryview) -> int | None:
    """Return the bytes of the whole file that it announces, None where it does not say."""
    match container:
        case "asf":
            at = bytes(data[:_HEAD]).find(_FILE_PROPERTIES)
            return int(struct.unpack_from("<Q", data, at + 40)[0]) if at >= 0 else None
        case "flv":
            size = _flv_number(data, b"filesize")
            return None if size is None or not 0 <= size < _LARGEST else int(size)
        case "matroska":
            return _segment_end(data)
    return None


def _wav(data: memoryview) -> int:
    if bytes(data[:4]) in (b"RF64", b"BW64"):
        # The chunk ds64 comes first (EBU Tech 3306).
        return int(struct.unpack_from("<Q", data, 28)[0]) if bytes(data[12:16]) == b"ds64" else 0
    reader = WavReader()
    reader.feed(bytes(data[:_HEAD]))
    return reader.announced or 0


def _wav_seconds(data: memoryview) -> float | None:
    head = bytes(data[:_HEAD])
    sound, fact = head.find(b"fmt "), head.find(b"fact\x04\0\0\0")
    if sound < 0 or fact < 0:
        return None
    (rate,), (samples,) = struct.unpack_from("<I", head, sound + 12), struct.unpack_from("<I", head, fact + 8)
    return samples / rate if rate else None


_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"


def _w64(data: memoryview) -> int:
    at = bytes(data[:_HEAD]).find(_W64_DATA)
    # Sizes of chunks count their head of 24 bytes.
    return max(0, int(struct.unpack_from("<Q", data, at + 16)[0]) - 24) if at >= 0 else 0


def _au(data: memoryview) -> int:
    size = int(struct.unpack_from(">I", data, 8)[0])
    return 0 if size == 0xFFFFFFFF else size


def _caf(data: memoryview) -> int:
    at = 8
    while at < _HEAD:
        name, size = struct.unpack_from(">4sq", data, at)
        if name == b"data" or size < 0:
            # A count of edits stands in front of the sound.
            return max(0, int(size) - 4) if name == b"data" else 0
        at += 12 + size
    return 0


_FILE_PROPERTIES = b"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\x00\xc0\x0c\x20\x53\x65"
_BROADCAST = 1


def _asf_seconds(data: memoryview) -> float | None:
    at = bytes(data[:_HEAD]).find(_FILE_PROPERTIES)
    if at < 0:
        return None
    length, _, preroll, flags = struct.unpack_from("<QQQI", data, at + 64)
    return None if flags & _BROADCAST else float(length) / 10_000_000 - float(preroll) / 1000


_STREAM_HEAD = re.compile(rb"strh.{4}(?!pads)", re.DOTALL)
_PLACEHOLDER = 1 << 30
"""The length that is written before it is known."""


def _avi_seconds(data: memoryview, track: int) -> float | None:
    heads = [head.end() for head in _STREAM_HEAD.finditer(data[:_HEAD])]
    if track >= len(heads):
        return None
    scale, rate, _, length = struct.unpack_from("<IIII", data, heads[track] + 20)
    return length * scale / rate if rate and length < _PLACEHOLDER else None


def _flv_number(data: memoryview, name: bytes) -> float | None:
    """Return a number from the table that comes first, None where it has none of that name."""
    table = bytes(data[13 : 13 + 11 + min(_HEAD, int.from_bytes(data[14:17]))])
    at = table.find(len(name).to_bytes(2) + name + b"\0")
    return float(struct.unpack_from(">d", table, at + 3 + len(name))[0]) if at >= 0 else None


_SEGMENT = 0x18538067


def _segment_end(data: memoryview) -> int | None:
    head = element(data, 0)
    segment = element(data, head[1] + (head[2] or 0)) if head else None
    if segment is None or segment[0] != _SEGMENT or segment[2] is None:
        return None
    return segment[1] + segment[2]


_SOUND: Mapping[str, Callable[[memoryview], int]] = {"wav": _wav, "w64": _w64, "au": _au, "caf": _caf}
"""Readers of the bytes of sound."""


def fragments_of(data: memoryview) -> slice | None:
    """Return where the fragments of an MP4 file start and end; None where it has none, as most do."""
    first = _MOOF.search(data)
    bodies = list(_MDAT.finditer(data, first.start())) if first else []
    if first is None or not bodies:
        return None
    size = int.from_bytes(bodies[-1][1], "big")
    return slice(first.start(), min(len(data), bodies[-1].start() + size))


_MOOF = re.compile(rb"moof\0\0\0.mfhd", re.DOTALL)
_MDAT = re.compile(rb"(\0...)mdat", re.DOTALL)
