"""How many seconds of a recording could not be decoded."""

import av
from av.container import InputContainer

from .announced import announced_seconds, bytes_behind_end, fragments_of, missing_bytes
from .frames import FRAMES
from .streams import bytes_cut_off, is_interrupted

_SHORTEST_GAP = 0.06
"""Seconds by which time stamps have to jump: clocks of recorders are not exact, and a packet is seldom shorter."""

_CORRECTION = 0.1
"""Seconds by which time stamps may be set back behind damage, once the container tells the time again."""

_LENGTH_TOLD = ("mov", "flac", "caf", "aiff", "w64", "ogg", "wv")
"""Containers of which libav says how long a track is; what it says of others is an estimate."""

_NO_PADDING = ("matroska", "flv")
"""Containers of which the bytes behind the last packet were sound, where they do not tell how long they are."""

_PAUSING = ("matroska", "flv")
"""Containers in which time may pass without a packet: such a pause is part of the length that they tell."""

_WHOLE_PACKETS = ("avi", "caf")
"""Containers that tell a length in packets, of which the last one may be shorter than the others."""

_LARGEST_PAGE = 65_307
"""Bytes of a page of Ogg, head included (RFC 3533)."""

_LONGEST_PAGE = 60.0
"""Seconds that may be missing at the end of an Ogg file: more is a damaged number."""


_ROWS = {
    **dict.fromkeys(("mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float"), "mp3"),
    "ac3": "ac3",
    "eac3": "eac3",
}
"""Decoders whose sound is a row of frames within WAV as well, by the demuxer whose frames those are."""


def last_granule(data: memoryview) -> int | None:
    """Return the place that the last page of an Ogg file tells in its head, also where its sound is damaged."""
    end = bytes(data[-2 * _LARGEST_PAGE :])
    at = end.rfind(b"OggS")
    granule = int.from_bytes(end[at + 6 : at + 14], "little", signed=True)
    return granule if at >= 0 and granule > 0 else None


class Losses:
    """Follows the packets of one track through the bytes of a file.

    What a damaged packet held is told by its duration, by a jump of the time stamps, in formats that have none by the
    bytes between two frames, and at the end by the length that the file says it has.
    """

    def __init__(self, container: str, codec: str, data: memoryview) -> None:
        """Nothing is lost yet. `codec` is libav's name of the decoder."""
        self._container = container
        self._codec = codec
        self._data = data
        self._size = len(data)
        self._last_granule = last_granule(data) if container == "ogg" else None
        self._read_frame = FRAMES.get(_ROWS.get(codec, "") if container == "wav" else container)
        self._pending = 0.0
        self._left_out = 0.0
        self._decoded = 0.0
        self._payload = 0
        self._junk = 0
        self._junk_in_packet = 0
        self._bytes_end = 0
        self._bytes_start = 0
        self._pauses = 0.0
        self._packet = 0.0
        self._decoded_of_packet = 0.0
        self._longest_packet = 0.0
        self._time_end: float | None = None
        self._is_timed = True

    def reached(self, packet: av.Packet[av.AudioStream]) -> None:
        """Take the next packet, which is not decoded yet."""
        if not packet.size:
            return
        if self._read_frame is not None:
            frame = self._read_frame(memoryview(packet), 0)
            self._count_junk(packet.size if frame is None else max(0, packet.size - frame.size))
        elif packet.pts is not None:
            self._compare_times(packet, float(packet.pts * packet.time_base))
        self._is_timed = packet.pts is not None
        if self._container == "mov" and self._decoded_of_packet and self._packet > self._longest_packet + _SHORTEST_GAP:
            # It tells how long each packet lasts, and has no gaps between them.
            self._pauses += self._packet - self._longest_packet
        self._packet = float((packet.duration or 0) * packet.time_base)
        self._decoded_of_packet = 0.0
        self._payload += packet.size
        self._bytes_end = max(self._bytes_end, (packet.pos or 0) + packet.size)
        self._bytes_start = max(self._bytes_start, packet.pos or 0)

    def decoded(self, frame: av.AudioFrame) -> None:
        """Count what was heard."""
        seconds = frame.samples / frame.sample_rate
        self._decoded += seconds
        self._decoded_of_packet += seconds
        self._longest_packet = max(self._longest_packet, self._decoded_of_packet)
        if not self._is_timed and self._time_end is not None:
            self._time_end += seconds

    def undecodable(self, packet: av.Packet[av.AudioStream], seconds: float | None = None) -> None:
        """Count the last packet as lost, or so many `seconds` of it."""
        if self._read_frame is not None:
            self._count_junk(packet.size - self._junk_in_packet)
        else:
            self._lose(float((packet.duration or 0) * packet.time_base) if seconds is None else seconds)
        self._decoded_of_packet = self._longest_packet

    def ended(self, media: InputContainer, track: av.AudioStream) -> None:
        """Compare with what the file says of itself, or where that says nothing, with its bytes."""
        self._lose(self._seconds_in(self._junk))
        is_only_track = len(media.streams) == 1
        missing = self._seconds_in(bytes_cut_off(self._container, self._data, track.id))
        if (told := self._length(media, track)) is not None:
            missing = told - self._decoded - self._left_out - self._padding()
            removed = self._seconds_in(bytes_behind_end(self._container, self._data)) if is_only_track else 0.0
            # Where bytes were taken out, the clock jumps as it does in a pause.
            missing = missing - self._pauses if missing - self._pauses >= removed / 2 else min(missing, removed)
        elif self._container in FRAMES:
            missing = self._seconds_in(self._size - self._payload)
        elif self._container in _NO_PADDING and is_only_track:
            missing = self._seconds_in(self._size - self._bytes_end)
        if self._container == "mov" and is_only_track and (fragments := fragments_of(self._data)):
            # Of what follows on fragments that were heard, as much is sound as of those.
            unread = fragments.stop - self._bytes_end
            missing = max(missing, unread * self._decoded / max(1, self._bytes_end - fragments.start))
        if is_only_track and (told is None or self._container != "wav"):
            missing = max(missing, self._seconds_in(missing_bytes(self._container, self._data, self._payload)))
        if missing > 2 * _SHORTEST_GAP:
            self._lose(missing)

    def take(self) -> float:
        """Return the seconds lost since the last call."""
        taken = max(0.0, self._pending)
        self._pending -= taken
        return taken

    def _padding(self) -> float:
        """Return by how much the last packet is shorter than the container counts it."""
        if self._container not in _WHOLE_PACKETS:
            return 0.0
        longest = min(self._packet or self._longest_packet, self._longest_packet)
        return max(0.0, longest - self._decoded_of_packet)

    def _lose(self, seconds: float) -> None:
        self._pending += seconds
        self._left_out += seconds

    def _count_junk(self, size: int) -> None:
        self._junk += size
        self._junk_in_packet = size

    def _seconds_in(self, size: int) -> float:
        """Return what so many bytes would have held."""
        return size * self._decoded / max(1, self._payload - self._junk)

    def _compare_times(self, packet: av.Packet[av.AudioStream], start: float) -> None:
        end = start + float((packet.duration or 0) * packet.time_base)
        if self._time_end is not None and packet.duration:
            gap = start - self._time_end
            if (gap >= _SHORTEST_GAP and self._passed_over(packet, gap)) or (
                -_CORRECTION <= gap < -_SHORTEST_GAP / 3 and self._left_out > -gap
            ):
                self._lose(gap)
            elif gap >= _SHORTEST_GAP and self._container in _PAUSING:
                self._pauses += gap
        self._time_end = end

    def _passed_over(self, packet: av.Packet[av.AudioStream], gap: float) -> bool:
        """Return whether so many bytes were passed over that the gap may have had sound: pauses are gaps as well."""
        if self._container == "ogg":
            # It has no gaps (RFC 7845, 4.1), and tells the places of pages, not of packets.
            return True
        start, end = self._bytes_start, packet.pos or 0
        # A longer gap is another clock: that of a file that was joined to this one.
        if (
            self._container == "mpegts"
            and gap < _LONGEST_PAGE
            and is_interrupted(self._data, packet.stream.id, start, end)
        ):
            return True
        passed = (packet.pos or 0) - self._bytes_end
        return passed * self._decoded > gap * self._payload / 3

    def _length(self, media: InputContainer, track: av.AudioStream) -> float | None:
        if self._container in _LENGTH_TOLD and track.time_base:
            told = float((track.duration or 0) * track.time_base)
            paged = float((self._last_granule or 0) * track.time_base)
            if told < paged < told + _LONGEST_PAGE and len(media.streams) == 1:
                told = paged
            return told or None
        if self._container == "wav" and self._codec != "flac":
            # Of others, the bytes tell.
            return None
        if len(media.streams) == 1 or self._container == "avi" or bytes_behind_end(self._container, self._data):
            if self._container == "matroska":
                return media.duration / av.time_base if media.duration else None
            return announced_seconds(self._container, self._data, track.index)
        return None
