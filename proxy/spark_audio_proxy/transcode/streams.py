"""How much of the last packet of an MPEG stream is cut off: nothing else in it tells how long it is. Pure."""

import re
from collections.abc import Iterator

_SYNC = 0x47
_SIZE = 188
_DISTANCES = (_SIZE, 192, 204)
"""Bytes from one packet of a transport stream to the next: as broadcast, as cameras write it, and with correction."""


def bytes_cut_off(container: str, data: memoryview, track: int) -> int:
    """Return the bytes that the last packet of a track announces and that are not there.

    `track` is the PID in "mpegts", the stream's id in "mpeg"; both as libav has them. Other containers have none.
    """
    if container == "mpegts":
        return _of_transport_stream(data, track)
    return _of_program_stream(data, track & 0xFF) if container == "mpeg" else 0


def _of_transport_stream(data: memoryview, track: int) -> int:
    there = 0
    for packet in _packets_backwards(data):
        if len(packet) < 4 or (packet[1] & 0x1F) << 8 | packet[2] != track:
            continue
        has_field, has_payload = packet[3] & 0x20, packet[3] & 0x10
        payload = packet[4 + (1 + packet[4] if has_field and len(packet) > 4 else 0) :] if has_payload else packet[:0]
        there += len(payload)
        if packet[1] & 0x40:
            size = int.from_bytes(payload[4:6]) if bytes(payload[:3]) == b"\0\0\1" else 0
            return max(0, 6 + size - there) if size else 0
    return 0


def _packets_backwards(data: memoryview) -> Iterator[memoryview]:
    """Yield the packets, the last one first, which may be cut; none where their places are not clear."""
    for distance in _DISTANCES:
        for last in range(len(data) - 1, max(-1, len(data) - 1 - distance), -1):
            if last >= 4 * distance and all(data[last - number * distance] == _SYNC for number in range(5)):
                yield from (data[at : at + _SIZE] for at in range(last, -1, -distance))
                return


def is_interrupted(data: memoryview, track: int, start: int, end: int) -> bool:
    """Return whether packets of a track of a transport stream are missing between two of its packets.

    Both start at these places. Its packets are counted, modulo 16 (ISO 13818-1, 2.4.3.3).
    """
    at, counter = bytes(data[start:end]).find(b"G") + start, None
    distance = next((size for size in _DISTANCES if bytes(data[at + size : at + size + 1]) == b"G"), _SIZE)
    while at <= end and at + 4 <= len(data):
        if data[at] != _SYNC:
            return True
        if (data[at + 1] & 0x1F) << 8 | data[at + 2] == track and data[at + 3] & 0x10:
            number = data[at + 3] & 15
            # A packet may come twice.
            if counter is not None and number not in (counter, (counter + 1) % 16):
                return True
            counter = number
        at += distance
    return False


def _of_program_stream(data: memoryview, stream: int) -> int:
    at = None
    for pack in _PACK.finditer(data):
        at = pack.end()
    missing = 0
    while at is not None and at + 6 <= len(data) and bytes(data[at : at + 3]) == b"\0\0\1":
        end = at + 6 + int.from_bytes(data[at + 4 : at + 6])
        if data[at + 3] in (stream, _PRIVATE):
            missing = max(0, end - len(data))
        at = end
    return missing


_PACK = re.compile(rb"\0\0\x01\xba(?:[\x21-\x2f].{7}|[\x44-\x7f].{9})", re.DOTALL)
_PRIVATE = 0xBD
"""The stream that has AC-3 and PCM of discs."""
