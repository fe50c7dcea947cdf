"""Sizes in the head of a recording that are not those of its sound, put right in place.

A recorder that writes to a pipe cannot go back to write them, and one that stopped in the middle wrote those of a part.
"""

import re
from collections.abc import Callable, Mapping
from struct import pack_into, unpack_from

from .tags import chunks

_HEAD = 1 << 20
"""Bytes within which the sound starts."""

_SLACK = 4096
"""Bytes behind the sound that may be anything."""

_CHUNK = re.compile(rb"[ -~]{4}")


def correct_sizes(container: str, data: memoryview) -> None:
    """Let the sound in a file of that container go on to its end, where the head tells none or what follows is sound.

    `data` is changed.
    """
    if correct := _CORRECT.get(container):
        correct(data)


def _riff(data: memoryview) -> None:
    is_long = bytes(data[:4]) in (b"RF64", b"BW64") and bytes(data[12:16]) == b"ds64" and len(data) >= 44
    order = ">" if bytes(data[:4]) == b"RIFX" else "<"
    at = _chunk(data, order + "4sI", b"data")
    if at is None:
        return
    size = unpack_from("<Q", data, 28)[0] if is_long else unpack_from(order + "I", data, at + 4)[0]
    if not _is_wrong(data, at + 8, size, order + "I"):
        return
    size = len(data) - at - 8
    if is_long:
        pack_into("<QQ", data, 20, len(data) - 8, size)
    elif size < _UNKNOWN:
        pack_into(order + "I", data, 4, len(data) - 8)
        pack_into(order + "I", data, at + 4, size)


def _aiff(data: memoryview) -> None:
    at = _chunk(data, ">4sI", b"SSND")
    if at is not None and _is_wrong(data, at + 8, unpack_from(">I", data, at + 4)[0], ">I"):
        size = min(len(data), _UNKNOWN)
        pack_into(">I", data, 4, size - 8)
        pack_into(">I", data, at + 4, size - at - 8)


_UNKNOWN = 0xFFFFFFFF


def _chunk(data: memoryview, layout: str, wanted: bytes) -> int | None:
    return next((at for at, name, _ in chunks(data[:_HEAD], 12, layout) if name == wanted), None)


def _is_wrong(data: memoryview, start: int, size: int, layout: str) -> bool:
    """Return whether sound that starts there has another size: none is told, or no chunk follows."""
    end = start + size + size % 2
    if not size or size >= _UNKNOWN:
        return True
    if len(data) - end <= _SLACK:
        return False
    return not (_CHUNK.match(data, end) and unpack_from(layout, data, end + 4)[0] <= len(data) - end)


_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
_LARGEST = 1 << 62


def _w64(data: memoryview) -> None:
    at = bytes(data[:_HEAD]).find(_W64_DATA)
    # Sizes count the head of 24 bytes.
    if at >= 0 and at + 24 <= len(data) and not 24 < unpack_from("<Q", data, at + 16)[0] < _LARGEST:
        pack_into("<Q", data, 16, len(data))
        pack_into("<Q", data, at + 16, len(data) - at)


_CORRECT: Mapping[str, Callable[[memoryview], None]] = {"wav": _riff, "aiff": _aiff, "w64": _w64}
