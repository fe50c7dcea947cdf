"""Damage within Matroska and WebM, covered in place: libav passes over all of a cluster behind it (RFC 9559)."""

import re
from collections.abc import Iterator

from .tags import element

_SEGMENT = 0x18538067
_CLUSTER = 0x1F43B675
_BLOCKS = (0xA3, 0xA0)
_IN_CLUSTER = frozenset((*_BLOCKS, 0xE7, 0xA7, 0xAB, 0x5854, 0xAF, 0xEC, 0xBF))
_IN_SEGMENT = frozenset((0x114D9B74, 0x1549A966, 0x1654AE6B, _CLUSTER, 0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469))
"""Elements of a segment and of a cluster."""

_CANDIDATE = re.compile(rb"\xa3[\x10-\xff]|\xa0[\x01-\xff]|\x1f\x43\xb6\x75")
"""How a block or a cluster may start."""

_ROW = 3
"""Elements in a row that fit together: what stands between is no accident."""

_SHORTEST_HEAD = 9
"""Bytes of a cluster's head, up to the first block."""


def cover_damage(data: memoryview) -> None:
    """Make empty space of what is no element, so that all blocks behind it are found. `data` is changed."""
    tops: list[int] = []
    is_damaged = False
    for start, end in _damage(data, tops):
        is_damaged = True
        if not _is_in_cluster(data, tops):
            tops.append(start)
            start = _begin_cluster(data, start, end)
        _cover(data, start, end)
    for at, end in zip(tops, [*tops[1:], len(data)], strict=True) if is_damaged else ():
        _fit(data, at, end)


def _fit(data: memoryview, at: int, end: int) -> None:
    """Let a cluster end where the next element of the segment starts: where bytes are missing, its size is wrong."""
    found = element(data, at)
    if found is None or found[0] != _CLUSTER or found[2] is None:
        return
    length = found[1] - at - 4
    if 0 <= (size := end - found[1]) < (1 << 7 * length) - 1:
        data[at + 4 : found[1]] = (size | 1 << 7 * length).to_bytes(length)


def _damage(data: memoryview, tops: list[int]) -> Iterator[tuple[int, int]]:
    """Yield where there is no element, up to the next one. `tops` gets where each element of the segment starts."""
    at = before = _first_in_segment(data)
    while at is not None and before is not None and at + 12 <= len(data):
        if (found := _known(data, at)) is None:
            row = _next_row(data, before + 2)
            if row is None:
                return
            # One byte is no element: that in front of it goes as well.
            start = at if row - at > 1 else before
            if _is_in_cluster(data, tops) or row - start >= _SHORTEST_HEAD:
                yield start, row
            before = at = row
            continue
        name, content, size = found
        before = at
        if name in _IN_SEGMENT:
            tops.append(at)
        at = content if name == _CLUSTER else _last_block(data, content + size)


def _is_in_cluster(data: memoryview, tops: list[int]) -> bool:
    return bool(tops) and bytes(data[tops[-1] : tops[-1] + 4]) == _CLUSTER.to_bytes(4)


def _first_in_segment(data: memoryview) -> int | None:
    at = 0
    while (found := element(data, at)) is not None:
        name, content, size = found
        if name == _SEGMENT:
            return content
        if size is None:
            return None
        at = content + size
    return None


def _last_block(data: memoryview, at: int) -> int:
    """Return the last of the short blocks that follow one another from `at` on: most of a file is these."""
    last = at
    while at + 12 <= len(data) and data[at] == 0xA3 and data[at + 1] >= 0x40:
        size = data[at + 1]
        end = at + (2 + (size & 0x7F) if size >= 0x80 else 3 + ((size & 0x3F) << 8 | data[at + 2]))
        if end > len(data):
            break
        last, at = at, end
    return last


def _known(data: memoryview, at: int) -> tuple[int, int, int] | None:
    """Return the element at `at`, None where there is none that belongs there and ends within the data."""
    found = element(data, at)
    if found is None:
        return None
    name, content, size = found
    if name == _CLUSTER:
        return name, content, size or 0
    if size is None or (name not in _IN_CLUSTER and name not in _IN_SEGMENT) or content + size > len(data):
        return None
    return name, content, size


def _next_row(data: memoryview, start: int) -> int | None:
    for candidate in _CANDIDATE.finditer(data, start):
        at = candidate.start()
        for _ in range(_ROW):
            found = _known(data, at)
            if found is None:
                break
            name, content, size = found
            at = content if name == _CLUSTER else content + size
            if at == len(data):
                return candidate.start()
        else:
            return candidate.start()
    return None


def _begin_cluster(data: memoryview, start: int, end: int) -> int:
    """Write the head of a cluster at time 0 there. Return where it ends: at `end`, or in front of space to cover."""
    space = end - start - 7
    length = min(8, space if space < 9 else space - 2)
    size = (1 << 7 * length + 1) - 2
    data[start : start + 7 + length] = _CLUSTER.to_bytes(4) + size.to_bytes(length) + b"\xe7\x81\0"
    return start + 7 + length


def _cover(data: memoryview, start: int, end: int) -> None:
    """Make an element without meaning of these bytes."""
    length = min(8, end - start - 1)
    if length > 0:
        data[start] = 0xEC
        data[start + 1 : start + 1 + length] = (end - start - 1 - length | 1 << 7 * length).to_bytes(length)
