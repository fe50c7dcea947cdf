"""What an upload really is, told from its first bytes: never from its name or its Content-Type.

The decoder is opened with exactly this format, so that a playlist or another format that reads further files is
never even tried.
"""

SNIFFED = 64
"""Bytes that are enough to tell."""


def sniff(head: bytes) -> str | None:
    """Return the demuxer for a file that starts like this, None where it is no audio that we take."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "mov"
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    return _mpeg(head)


_MAGIC = (
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"ID3", "mp3"),
    (b"caff", "caf"),
    (b"#!AMR", "amr"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
)


def _mpeg(head: bytes) -> str | None:
    """Raw MPEG audio has no magic number, only a frame header of eleven set bits and a few fields that must fit."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if layer == 0 and head[1] & 0xF0 == 0xF0:
        return "aac"
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    return "mp3" if version != 1 and layer != 0 and bitrate not in (0, 15) and rate != 3 else None
