"""What an upload really is, told from its bytes: never from its name or its Content-Type.

libav is opened with exactly this format, so that a playlist or another format that reads further files is never even
tried.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .frames import FRAMES, ReadFrame

FORMATS = (
    "wav, mp3, m4a, mp4, webm, mkv, ogg, opus, flac, aac, aiff, caf, amr, wma, ts, mpg, avi, flv, ac3, au, w64, wv"
)
"""For people."""

JUNK = 1 << 20
"""Bytes at the start of a file within which audio is looked for, behind tags and zeros."""

_ROW = 3
"""Frames in a row that fit together: what stands between is no accident."""

LONG_ROW = 12
"""Frames in a row where fewer may be an accident: in pictures, or in one block of a damaged file."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """A demuxer's name, and where in the file its bytes start and end."""

    container: str
    start: int
    end: int


STARTS: Mapping[str, re.Pattern[bytes]] = {
    name: re.compile(pattern, re.DOTALL)
    for name, pattern in {
        "wav": rb"(?:RIFF|RIFX|RF64|BW64)....WAVE",
        "avi": rb"RIFF....AVI ",
        "aiff": rb"FORM....AIF[CF]",
        "mov": rb"....(?:ftyp|moov|mdat|wide|free|skip|pnot|styp|moof)",
        "matroska": rb"\x1a\x45\xdf\xa3",
        "ogg": rb"OggS",
        "flac": rb"fLaC",
        "caf": rb"caff",
        "amr": rb"#!AMR",
        "asf": rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
        "w64": rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0",
        "au": rb"\.snd",
        "flv": rb"FLV\x01",
        "wv": rb"wvpk",
        "mpeg": rb"\0\0\x01\xba",
        "mpegts": rb"(?:....)?G.{187}G.{187}G|(?:....)?G.{191}G.{191}G|G.{203}G.{203}G",
    }.items()
}
"""How a file of each container starts."""

INSIDE: Mapping[str, re.Pattern[bytes]] = {
    name: re.compile(pattern, re.DOTALL)
    for name, pattern in {
        "wav": rb"(?:RIFF|RIFX|RF64|BW64)....WAVE[A-Za-z0-9]{3}[A-Za-z0-9 ]",
        "avi": rb"RIFF....AVI LIST",
        "aiff": rb"FORM....AIF[CF][A-Z]{3}[A-Z ]",
        "mov": rb"\0\0\0[\x10-\x40]ftyp[ -~]{4}",
        "matroska": rb"\x1a\x45\xdf\xa3(?=.{1,60}\x42\x82.(?:webm|matroska))",
        "ogg": rb"OggS\0[\x02\x06]",
        "flac": rb"fLaC[\0\x80]\0\0\x22",
        "caf": rb"caff\0\x01\0\0desc",
        "amr": rb"#!AMR(?:-WB)?\n",
        "asf": rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c",
        "w64": rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0",
        "au": rb"\.snd\0\0..\S{4}\0\0\0[\x01-\x1b]",
        "flv": rb"FLV\x01[\0-\x05]\0\0\0\x09",
        "wv": rb"wvpk....[\x02-\x10]\x04",
        "mpeg": rb"\0\0\x01\xba",
        "mpegts": rb"G.{187}G.{187}G.{187}G",
    }.items()
}
"""The same, for a file that starts within another one: long enough to be no accident."""

_ANY = re.compile(
    rb"|".join(rb"(?P<%s>%s)" % (name.encode(), pattern.pattern) for name, pattern in INSIDE.items()), re.DOTALL
)
_ZEROS = re.compile(rb"\0*")


def recognise(data: memoryview) -> Recognised | None:
    """Return what the file is, None where it is no audio that we take. Costs time linear in its bytes.

    Tags around it are left out by their length. Behind zeros or other bytes, audio counts where it is no accident.
    """
    end = without_tags_behind(data)
    start = without_tags_before(data, 0)
    if start < end and (name := _named(data[start : start + 1024])):
        return Recognised(name, start, end)
    # A tag may tell a wrong length: what follows is then sound, and so is the end of what it seems to hold.
    if row := _first_rows(data[: min(start, end, JUNK)], LONG_ROW):
        return Recognised(row[1], row[0], end)
    zeros = _ZEROS.match(data, start)
    behind = zeros.end() if zeros else start
    if behind > start and (tagged := without_tags_before(data, behind)) > behind:
        found = _behind_junk(data, tagged, end)
    else:
        # The start of several formats is zeros.
        found = _behind_junk(data, max(start, behind - 4), end)
    return found or (_behind_junk(data, 0, end) if start else None)


def _named(head: memoryview) -> str | None:
    """Return what a file is that starts so."""
    for name, pattern in STARTS.items():
        if pattern.match(head):
            return name
    return next((name for name, read in FRAMES.items() if read(head, 0)), None)


def _behind_junk(data: memoryview, start: int, end: int) -> Recognised | None:
    searched = data[start : min(end, start + JUNK)]
    found = _ANY.search(searched)
    at = found.start() if found else len(searched)
    if row := _first_rows(searched[: at + 1], _ROW):
        return Recognised(row[1], start + row[0], end)
    return Recognised(found.lastgroup, start + at, end) if found and found.lastgroup else None


def _first_rows(data: memoryview, frames: int) -> tuple[int, str] | None:
    """Return where the first so many frames in a row start, and of which kind they are."""
    rows = [(row, name) for name, read in FRAMES.items() if (row := first_row(data, read, frames)) is not None]
    return min(rows, default=None)


_SYNC = re.compile(rb"\xff[\xe0-\xff](?!\xff)|\x0b\x77|\x56[\xe0-\xff]")


def first_row(data: memoryview, read: ReadFrame, frames: int = _ROW) -> int | None:
    """Return where the first so many frames in a row start."""
    for sync in _SYNC.finditer(data):
        if _is_row(data, sync.start(), read, frames):
            return sync.start()
    return None


def _is_row(data: memoryview, at: int, read: ReadFrame, frames: int) -> bool:
    first = frame = read(data, at)
    for _ in range(frames - 1):
        if frame is None or first is None or frame.kind != first.kind:
            return False
        at += frame.size
        frame = read(data, at)
    return frame is not None and first is not None and frame.kind == first.kind


def without_tags_before(data: memoryview, at: int) -> int:
    """Return where the file starts behind the tags at `at`: ID3v2 and APE, any number of them."""
    while True:
        size = _id3v2(data[at : at + 10]) or _ape(data[at : at + 32])
        if not size:
            return at
        at += size


def _id3v2(head: memoryview) -> int:
    """Return the bytes of the tag that starts so, 0 where there is none."""
    if len(head) < 10 or bytes(head[:3]) != b"ID3" or head[3] == 0xFF or max(head[6:10]) > 0x7F:
        return 0
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return 10 + size + (10 if head[5] & 0x10 else 0)


def _ape(head: memoryview) -> int:
    """Return the bytes of the tag that has this header in front, 0 where there is none."""
    if len(head) < 32 or bytes(head[:8]) != b"APETAGEX":
        return 0
    return 32 + int.from_bytes(head[12:16], "little")


def without_tags_behind(data: memoryview) -> int:
    """Return where the file ends in front of the tags at its end: ID3v1, its extension, and APE."""
    end = len(data)
    while True:
        if bytes(data[max(0, end - 128) : max(0, end - 125)]) == b"TAG":
            end -= 128
        elif bytes(data[max(0, end - 227) : max(0, end - 223)]) == b"TAG+":
            end -= 227
        elif bytes(data[max(0, end - 32) : max(0, end - 24)]) == b"APETAGEX":
            has_header = data[end - 32 + 23] & 0x80
            end -= max(32, int.from_bytes(data[end - 20 : end - 16], "little")) + (32 if has_header else 0)
        else:
            return max(0, end)
