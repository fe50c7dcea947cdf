"""Tags of a recording, hidden from libav in place: its dictionary takes time in the square of their number.

Nothing of them is needed. Each is renamed to what the format skips by its length, so that no other byte moves. What is
missed here costs no more than the decoder's limits (`decoder.py`).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from struct import unpack_from


def hide_tags(container: str, data: memoryview) -> None:
    """Hide the tags of a file of that container. `data` is changed."""
    if hide := _HIDE.get(container):
        hide(data)


def _riff(data: memoryview) -> None:
    order = ">" if bytes(data[:4]) == b"RIFX" else "<"
    for at, name, _ in chunks(data, 12, order + "4sI"):
        is_list = name == b"LIST" and bytes(data[at + 8 : at + 12]) not in (b"hdrl", b"movi", b"rec ")
        if is_list or name in (b"id3 ", b"ID3 ", b"bext", b"iXML", b"axml", b"_PMX"):
            data[at : at + 4] = b"JUNK"


def _aiff(data: memoryview) -> None:
    for at, name, _ in chunks(data, 12, ">4sI"):
        if name in (b"NAME", b"AUTH", b"(c) ", b"ANNO", b"COMT", b"ID3 ", b"MARK"):
            data[at : at + 4] = b"JUNK"


def chunks(data: memoryview, at: int, layout: str) -> Iterator[tuple[int, bytes, int]]:
    """Yield where each chunk starts, its name and its bytes."""
    while at + 8 <= len(data):
        name, size = unpack_from(layout, data, at)
        yield at, name, size
        at += 8 + size + size % 2


def _flac(data: memoryview) -> None:
    at = 4
    while at + 4 <= len(data):
        kind = data[at] & 0x7F
        if kind not in (0, 127):
            data[at] = data[at] & 0x80 | 1
        if data[at] & 0x80 or kind == 127:
            return
        at += 4 + int.from_bytes(data[at + 1 : at + 4])


def _mov(data: memoryview) -> None:
    """QuickTime and MP4: boxes in boxes."""
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind == b"moov":
            for inner, at, stop in _boxes(data, start, end):
                if inner == b"trak":
                    for innermost, place, _ in _boxes(data, at, stop):
                        _free(data, innermost, place)
                _free(data, inner, at)
        _free(data, kind, start)


def _free(data: memoryview, kind: bytes, start: int) -> None:
    if kind in (b"udta", b"meta"):
        data[start - 4 : start] = b"free"


def _boxes(data: memoryview, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each box, and where its content starts and ends; those of more than 4 GiB are passed over."""
    while at + 8 <= end:
        size, kind = unpack_from(">I4s", data, at)
        if size == 1 and at + 16 <= end:
            size = max(16, *unpack_from(">Q", data, at + 8))
        elif size < 8:
            return
        else:
            yield kind, at + 8, min(at + size, end)
        at += size


_SEGMENT = 0x18538067
_CLUSTER = 0x1F43B675
_IN_SEGMENT = (0x1254C367, 0x1043A770, 0x1941A469)
"""Matroska's tags, chapters and attachments."""


def _matroska(data: memoryview) -> None:
    at, in_segment = 0, False
    while (found := element(data, at)) is not None:
        name, content, size = found
        if name == _SEGMENT:
            at, in_segment = content, True
            continue
        if size is None:
            return
        if in_segment and name in _IN_SEGMENT:
            _void(data, at, content, size)
        at = content + size


def element(data: memoryview, at: int) -> tuple[int, int, int | None] | None:
    """Return the name of Matroska's element, where its content starts, and its bytes: None where they are not known."""
    if at + 12 > len(data) or not data[at] or not data[at + (length := 9 - data[at].bit_length())]:
        return None
    name = int.from_bytes(data[at : at + length])
    at += length
    length = 9 - data[at].bit_length()
    size = int.from_bytes(data[at : at + length]) & ((1 << 7 * length) - 1)
    return name, at + length, None if size == (1 << 7 * length) - 1 else size


def _void(data: memoryview, at: int, content: int, size: int) -> None:
    """Make it an element that is empty space: its name has one byte, its length the rest of the old head."""
    length = min(8, content - at - 1)
    size += content - at - 1 - length
    data[at] = 0xEC
    data[at + 1 : at + 1 + length] = (size | 1 << 7 * length).to_bytes(length)


_ASF_TAGS = tuple(
    bytes.fromhex(guid)
    for guid in (
        "40a4d0d207e3d21197f000a0c95ea850",  # extended content description
        "eacbf8c5af5b77488467aa8c44fa4cca",  # metadata
        "941c23449894d149a1411d134e457054",  # metadata library
        "01cd87f451a9cf118ee600c00c205365",  # markers
    )
)
_W64_LIST = bytes.fromhex("bc945f925a52d2118640 00c04f8edb8a".replace(" ", ""))


def _guids(*names: bytes, within: int) -> Callable[[memoryview], None]:
    """Return what overwrites these names of 16 bytes, in the first bytes of a file."""
    pattern = re.compile(b"|".join(map(re.escape, names)))

    def hide(data: memoryview) -> None:
        for match in pattern.finditer(data[:within]):
            data[match.start() : match.end()] = bytes(16)

    return hide


def _caf(data: memoryview) -> None:
    at = 8
    while at + 12 <= len(data):
        name, size = unpack_from(">4sq", data, at)
        if name in (b"info", b"strg"):
            data[at : at + 4] = b"free"
        if size < 0:
            return
        at += 12 + size


def _flv(data: memoryview) -> None:
    at = 13
    while at + 11 <= len(data):
        if data[at] & 0x1F == 18:
            # A kind that is reserved: it is skipped.
            data[at] = 15
        at += 15 + int.from_bytes(data[at + 1 : at + 4])


def _au(data: memoryview) -> None:
    start = min(len(data), int.from_bytes(data[4:8]))
    if start > 24:
        data[24:start] = bytes(start - 24)


MOST_COMMENTS = 64
"""In an Ogg file. Fewer than that cost nothing, and a page that is changed needs another checksum."""

_COMMENTS = re.compile(rb"OggS\0.{21}(?P<lengths>.)", re.DOTALL)
_COMMENT_HEADS = {b"OpusTags": 8, b"\x03vorbis": 7, b"\x04": 4, b"\x84": 4}
"""How a packet of comments starts in Opus, Vorbis and FLAC, and the bytes in front of the vendor's name."""


def _ogg(data: memoryview) -> None:
    for page in _COMMENTS.finditer(data):
        at = page.start()
        # Pages of audio tell where they end; those of the head are at zero.
        if bytes(data[at + 6 : at + 14]) not in (bytes(8), b"\xff" * 8):
            return
        lengths = bytes(data[at + 27 : at + 27 + data[at + 26]])
        start = at + 27 + len(lengths)
        for head, skipped in _COMMENT_HEADS.items():
            if bytes(data[start : start + len(head)]) == head:
                _hide_comments(data, at, start + skipped, start + sum(lengths))


def _hide_comments(data: memoryview, page: int, at: int, end: int) -> None:
    if at + 4 > end or end > len(data):
        return
    number = at + 4 + int.from_bytes(data[at : at + 4], "little")
    if number + 4 <= end and int.from_bytes(data[number : number + 4], "little") > MOST_COMMENTS:
        data[number : number + 4] = data[page + 22 : page + 26] = bytes(4)
        data[page + 22 : page + 26] = _checksum(data[page:end]).to_bytes(4, "little")


def _checksum_table() -> Iterator[int]:
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)
        yield value & 0xFFFFFFFF


_TABLE = tuple(_checksum_table())


def _checksum(page: memoryview) -> int:
    """Return the checksum of an Ogg page (RFC 3533): the CRC of `zlib`, but with the bits the other way round."""
    value = 0
    for byte in page:
        value = value << 8 & 0xFFFFFFFF ^ _TABLE[value >> 24 ^ byte]
    return value


_HIDE: Mapping[str, Callable[[memoryview], None]] = {
    "wav": _riff,
    "avi": _riff,
    "aiff": _aiff,
    "flac": _flac,
    "mov": _mov,
    "matroska": _matroska,
    "asf": _guids(*_ASF_TAGS, within=1 << 26),
    "w64": _guids(_W64_LIST, within=1 << 16),
    "caf": _caf,
    "flv": _flv,
    "au": _au,
    "ogg": _ogg,
}
