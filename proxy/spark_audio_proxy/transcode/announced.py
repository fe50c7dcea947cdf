"""How many bytes of sound the head of a recording announces, so that a cut or a gap shows. Pure."""

import re
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress

from spark_engine.speech.audio import WavReader

_HEAD = 1 << 16
"""Bytes within which a head announces its sound."""

_LARGEST = 1 << 40
"""Bytes from which on a size is a placeholder."""


def missing_bytes(container: str, data: memoryview, heard: int) -> int:
    """Return the bytes of sound that are announced beyond `heard`, 0 where the head announces none."""
    announced = there = 0
    with suppress(ValueError, struct.error):
        if read := _SOUND.get(container):
            announced, there = read(data), heard
        elif read := _WHOLE.get(container):
            announced, there = read(data), len(data)
    return max(0, announced - there) if announced < _LARGEST else 0


def _wav(data: memoryview) -> int:
    if bytes(data[:4]) in (b"RF64", b"BW64"):
        # The chunk ds64 comes first (EBU Tech 3306).
        return int(struct.unpack_from("<Q", data, 28)[0]) if bytes(data[12:16]) == b"ds64" else 0
    reader = WavReader()
    reader.feed(bytes(data[:_HEAD]))
    return reader.announced or 0


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


def _asf(data: memoryview) -> int:
    at = bytes(data[:_HEAD]).find(_FILE_PROPERTIES)
    return int(struct.unpack_from("<Q", data, at + 40)[0]) if at >= 0 else 0


_SOUND: Mapping[str, Callable[[memoryview], int]] = {"wav": _wav, "w64": _w64, "au": _au, "caf": _caf}
"""Readers of the bytes of sound."""

_WHOLE: Mapping[str, Callable[[memoryview], int]] = {"asf": _asf}
"""Readers of the bytes of the whole file, all of which is sound where there is one track."""


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
