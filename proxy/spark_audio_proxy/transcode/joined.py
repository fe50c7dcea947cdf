"""Files that were joined to one another, of one format or of several: where each of them starts."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from .frames import FRAMES, ReadFrame
from .sniff import INSIDE, JUNK, LONG_ROW, Recognised, first_row, without_tags_before, without_tags_behind
from .tags import element


@dataclass(frozen=True, slots=True)
class Part:
    """One file of those that were joined, and its demuxer's name."""

    container: str
    data: memoryview


_ANCHORS = {
    b"WAVE": ("wav", 8),
    b"AVI LIST": ("avi", 8),
    b"AIFF": ("aiff", 8),
    b"AIFC": ("aiff", 8),
    b"ftyp": ("mov", 4),
    b"\x1a\x45\xdf\xa3": ("matroska", 0),
    b"OggS\0": ("ogg", 0),
    b"fLaC": ("flac", 0),
    b"caff\0\x01": ("caf", 0),
    b"#!AMR": ("amr", 0),
    b"\x30\x26\xb2\x75\x8e\x66": ("asf", 0),
    b"riff\x2e\x91": ("w64", 0),
    b".snd\0\0": ("au", 0),
    b"FLV\x01": ("flv", 0),
    b"wvpk": ("wv", 0),
    b"\0\0\x01\xba": ("mpeg", 0),
    b"G\x40\0": ("mpegts", 0),
    b"G\x40\x11": ("mpegts", 0),
}
"""What files start with, and the bytes in front of that: looked for in one go, and then read more exactly."""

_ANCHOR = re.compile(b"|".join(map(re.escape, (*_ANCHORS, b"ID3"))))

_MIDDLE: Mapping[str, re.Pattern[bytes]] = {
    **INSIDE,
    # Not the head that Ogg and Matroska carry.
    "flac": re.compile(rb"(?<!\x7fFLAC.{4})(?<!\x63\xa2.)(?<!\x63\xa2..)fLaC[\0\x80]\0\0\x22", re.DOTALL),
    "mpeg": re.compile(rb"\0\0\x01\xba(?:[\x21-\x2f].{7}|[\x44-\x7f].{9})\0\0\x01[\xbb-\xef]", re.DOTALL),
    "mpegts": re.compile(rb"G\x40[\0\x11].{185}(?:G.{187}){4}", re.DOTALL),
    # The first block of the first sample.
    "wv": re.compile(
        rb"wvpk....[\x02-\x10]\x04.{6}\0{4}.{5}[%s]" % re.escape(bytes(flags for flags in range(256) if flags & 8)),
        re.DOTALL,
    ),
}
"""How a file of each container starts in the middle of other bytes, which are many."""

_GO_ON = ("mpeg", "mpegts")
"""Containers that are a row of packets: one that was joined to another of its kind goes on."""


def joined(recognised: Recognised, data: memoryview) -> Iterator[Part]:
    """Yield each of the files that were joined to this one, which starts and ends as recognised."""
    whole = data[recognised.start : recognised.end]
    container, start = recognised.container, 0
    for at, name in _starts(container, whole):
        if (begin := without_tags_before(whole, at)) > start < at:
            yield from _with_frames_behind(container, whole[start : start + without_tags_behind(whole[start:at])])
            container, start = name, begin
    yield from _with_frames_behind(container, whole[start:])


def _starts(container: str, data: memoryview) -> Iterator[tuple[int, str]]:
    """Yield where another file may start, tags in front of it included, and what it is."""
    # The first pages of Ogg's tracks that run in parallel stand together.
    is_first_page, tags_end = container == "ogg", 0
    for match in _ANCHOR.finditer(data):
        if match[0] == b"ID3":
            at, name = match.start(), None
            if at >= tags_end:
                tags_end = without_tags_before(data, at)
                name = _behind_tags(data, tags_end) if tags_end > at else None
        else:
            name, before = _ANCHORS[match[0]]
            at = match.start() - before
            is_start = at >= 0 and _MIDDLE[name].match(data, at) is not None
            if name == "ogg":
                was_first_page, is_first_page = is_first_page, is_start
                is_start = is_start and not (was_first_page and container == "ogg")
            name = name if is_start and not (name == container and name in _GO_ON) else None
        if name is not None:
            container = name
            yield at, name


def _behind_tags(data: memoryview, at: int) -> str | None:
    """Return what a file is that starts at `at`, None where none does: frames have no head, but tags in front."""
    name = next((name for name, pattern in _MIDDLE.items() if pattern.match(data, at)), None)
    return name or next((name for name, read in FRAMES.items() if read(data, at)), None)


def _with_frames_behind(container: str, data: memoryview) -> Iterator[Part]:
    """Yield a file, and one behind its end that is nothing but frames: it has no head to be found by."""
    end = _ENDS[container](data) if container in _ENDS else None
    behind = data[:0] if end is None else data[end : end + JUNK] if end else data
    readers = {name: _foreign(read) if container == "flac" else read for name, read in FRAMES.items()}
    rows = [(row, name) for name, read in readers.items() if (row := first_row(behind, read, LONG_ROW)) is not None]
    if end is None or not rows:
        yield Part(container, data)
        return
    row, name = min(rows)
    yield Part(container, data[: end + row])
    yield Part(name, data[end + row :])


def _foreign(read: ReadFrame) -> ReadFrame:
    """Return what reads no frame of FLAC: those of silence are short, and read as AAC."""
    return lambda data, at: None if _FLAC_FRAME.match(data, at) else read(data, at)


_FLAC_FRAME = re.compile(rb"\xff[\xf8\xf9]")


def _flac_end(_: memoryview) -> int:
    """Return the start: it does not tell its end, and nothing else in it is a row of frames."""
    return 0


def _riff_end(data: memoryview) -> int | None:
    if bytes(data[:4]) in (b"RF64", b"BW64"):
        size = int.from_bytes(data[20:28], "little")
        return 8 + size if size else None
    at = 0
    while at == 0 or bytes(data[at : at + 4]) + bytes(data[at + 8 : at + 12]) == b"RIFFAVIX":
        size = int.from_bytes(data[at + 4 : at + 8], "big" if bytes(data[:4]) == b"RIFX" else "little")
        if size in (0, 0xFFFFFFFF):
            return None
        at += 8 + size + size % 2
    return at


def _aiff_end(data: memoryview) -> int | None:
    size = int.from_bytes(data[4:8])
    return None if size in (0, 0xFFFFFFFF) else 8 + size + size % 2


def _w64_end(data: memoryview) -> int | None:
    return int.from_bytes(data[16:24], "little") or None


def _au_end(data: memoryview) -> int | None:
    size = int.from_bytes(data[8:12])
    return None if size == 0xFFFFFFFF else int.from_bytes(data[4:8]) + size


def _caf_end(data: memoryview) -> int | None:
    at = 8
    while at + 12 <= len(data) and re.fullmatch(rb"[ -~]{4}", data[at : at + 4]):
        size = int.from_bytes(data[at + 4 : at + 12], signed=True)
        if size < 0:
            return None
        at += 12 + size
    return at


def _mov_end(data: memoryview) -> int | None:
    at = 0
    while at + 16 <= len(data) and re.fullmatch(rb"[A-Za-z0-9 _-]{4}", data[at + 4 : at + 8]):
        size = int.from_bytes(data[at : at + 4])
        size = int.from_bytes(data[at + 8 : at + 16]) if size == 1 else size
        if size < 8:
            return None
        at += size
    return at


def _flv_end(data: memoryview) -> int | None:
    at = 13
    while at + 11 <= len(data) and data[at] & 0x1F in (8, 9, 15, 18) and not any(data[at + 8 : at + 11]):
        at += 15 + int.from_bytes(data[at + 1 : at + 4])
    return at


def _wv_end(data: memoryview) -> int | None:
    at = 0
    while bytes(data[at : at + 4]) == b"wvpk":
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
    return at


def _ogg_end(data: memoryview) -> int | None:
    at = 0
    for page in _PAGE.finditer(data):
        at = page.start()
    lengths = data[at + 27 : at + 27 + data[at + 26]] if at + 27 < len(data) else b""
    return at + 27 + len(lengths) + sum(lengths)


_PAGE = re.compile(rb"OggS\0[\0-\x07]")


def _matroska_end(data: memoryview) -> int | None:
    at = 0
    while (found := element(data, at)) is not None:
        name, content, size = found
        if name not in _ELEMENTS or (at and name == _EBML):
            break
        # A recorder that cannot go back tells no size: what is in there follows.
        at = content + (size or 0)
    return at


_EBML = 0x1A45DFA3
_ELEMENTS = frozenset(
    (
        *(_EBML, 0x18538067, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1F43B675, 0x1C53BB6B),
        *(0x1254C367, 0x1043A770, 0x1941A469, 0xEC, 0xBF, 0xE7, 0xA3, 0xA0, 0xAB, 0xA7),
    )
)
"""Matroska's, on the levels of the file, a segment and a cluster (RFC 9559)."""


def _asf_end(data: memoryview) -> int | None:
    at = 0
    while at + 24 <= len(data):
        size = int.from_bytes(data[at + 16 : at + 24], "little")
        if not 24 <= size <= len(data) - at:
            break
        at += size
    return at


def _ts_end(data: memoryview) -> int | None:
    at = None
    for packets in _PACKETS.finditer(data):
        at = packets.end()
    return at


_PACKETS = re.compile(rb"(?:G.{187}){4,}|(?:....G.{187}){4,}", re.DOTALL)


def _ps_end(data: memoryview) -> int | None:
    at = None
    for packet in _PES.finditer(data):
        at = packet.end() + int.from_bytes(packet[1])
    return at


_PES = re.compile(rb"\0\0\x01[\xbb-\xef](..)", re.DOTALL)

_ENDS: Mapping[str, Callable[[memoryview], int | None]] = {
    "wav": _riff_end,
    "avi": _riff_end,
    "aiff": _aiff_end,
    "w64": _w64_end,
    "au": _au_end,
    "caf": _caf_end,
    "mov": _mov_end,
    "flv": _flv_end,
    "wv": _wv_end,
    "ogg": _ogg_end,
    "flac": _flac_end,
    "matroska": _matroska_end,
    "asf": _asf_end,
    "mpegts": _ts_end,
    "mpeg": _ps_end,
}
"""Where a file ends by what it says of itself, None where it does not say."""
