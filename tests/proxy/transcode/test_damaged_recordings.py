"""Recordings that are damaged: what can be decoded is heard, and what cannot is counted in seconds."""

import re
from collections.abc import Callable
from functools import cache

import pytest
from spark_audio_proxy.transcode.announced import announced_seconds, bytes_behind_end, fragments_of, missing_bytes
from spark_audio_proxy.transcode.frames import FRAMES
from spark_audio_proxy.transcode.matroska import cover_damage
from spark_audio_proxy.transcode.streams import bytes_cut_off

from tests.helpers.proxy.decoding import decoded
from tests.helpers.proxy.recordings import filmed, paused, recorded

SECONDS = 4.0

type Damage = Callable[[bytes, float], bytes]

FORMATS = {
    "mp3": ("mp3", "libmp3lame"),
    "mp2": ("mp2", "mp2"),
    "adts": ("adts", "aac"),
    "latm": ("latm", "aac"),
    "ac3": ("ac3", "ac3"),
    "eac3": ("eac3", "eac3"),
    "m4a": ("mp4", "aac"),
    "alac": ("mp4", "alac"),
    "caf": ("caf", "alac"),
    "flac": ("flac", "flac"),
    "wavpack": ("wv", "wavpack"),
    "opus": ("ogg", "libopus"),
    "ts": ("mpegts", "aac"),
    "ps": ("mpeg", "mp2"),
    "flv": ("flv", "libmp3lame"),
    "avi": ("avi", "libmp3lame"),
    "webm": ("webm", "libopus"),
    "mka": ("matroska", "aac"),
}
"""Formats in which a hole shows: samples that are not compressed have none."""

PLACES = {"first": 0.05, "middle": 0.5, "last": 0.85}
"""Where in the bytes of sound."""


@cache
def recording(name: str) -> bytes:
    """Four seconds of it."""
    return recorded(*FORMATS[name], SECONDS)


def hole(file: bytes, place: float) -> bytes:
    """The file with zeros in it, as a dropped block of a disk or a lost packet leaves it."""
    at, size = round(len(file) * place), len(file) // 20
    return file[:at] + bytes(size) + file[at + size :]


def noise(file: bytes, place: float) -> bytes:
    """The file with other bytes in it."""
    at, size = round(len(file) * place), len(file) // 20
    return file[:at] + bytes((number * 89 + 7) % 256 for number in range(size)) + file[at + size :]


def removed(file: bytes, place: float) -> bytes:
    """The file without some bytes."""
    at, size = round(len(file) * place), len(file) // 20
    return file[:at] + file[at + size :]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("damage", [hole, noise])
@pytest.mark.parametrize("name", FORMATS)
def test_what_is_heard_and_what_is_left_out_are_the_recording(name: str, damage: Damage, place: str) -> None:
    """Within a packet or two; no recording ends silently at its first bad packet."""
    whole = decoded(recording(name))
    assert whole.left_out < 0.01
    result = decoded(damage(recording(name), PLACES[place]))
    # One packet of WavPack is a second.
    packet = 1.0 if name == "wavpack" else 0.13
    assert result.all_seconds == pytest.approx(whole.seconds, abs=packet)
    assert result.seconds >= whole.seconds / 2


@pytest.mark.parametrize("name", ["mp3", "adts", "ac3", "eac3", "ts", "flac", "webm", "mka"])
def test_missing_bytes_are_found_between_two_frames(name: str) -> None:
    """Nothing is heard twice or made up; most of what is behind them is heard."""
    whole, result = decoded(recording(name)).seconds, decoded(removed(recording(name), 0.5))
    assert whole * 0.9 < result.seconds < whole
    assert result.all_seconds <= whole + 0.13


@pytest.mark.parametrize("name", ["m4a", "opus", "flac", "wavpack"])
def test_a_recording_without_its_end_says_so(name: str) -> None:
    """Where the head, or the last page, tells how long it is; an m4a whose index is at its end cannot be opened."""
    file = recording(name)
    if name == "m4a":
        with pytest.raises(ValueError, match="damaged or cut"):
            decoded(file[: len(file) * 3 // 4])
        return
    result = decoded(file[: len(file) * 3 // 4])
    assert 2.0 <= result.seconds < 3.5
    assert result.all_seconds == pytest.approx(SECONDS, abs=0.1) or name == "opus"


@pytest.mark.parametrize("codec", ["libopus", "flac"])
def test_a_damaged_last_page_of_ogg_is_counted(codec: str) -> None:
    """Its head still tells where the recording ends."""
    whole = recorded("ogg", codec, SECONDS)
    body = whole.rindex(b"OggS") + 27
    body += 1 + whole[body - 1]
    result, expected = decoded(whole[:body] + bytes(len(whole) - body)), decoded(whole).seconds
    assert (result.left_out > 0.5) is (codec == "flac")
    assert result.all_seconds == pytest.approx(expected, abs=0.13)


@pytest.mark.parametrize("live", [False, True])
def test_a_damaged_head_of_a_cluster_of_matroska_costs_nothing_else(*, live: bool) -> None:
    """Its blocks follow, and libav would pass over all of them."""
    whole = recorded("webm", "libopus", SECONDS, live=live)
    head = whole.index(b"\x1f\x43\xb6\x75")
    result = decoded(whole[:head] + b"\x55" * 10 + whole[head + 10 :])
    assert result.seconds == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("size", [188, 192])
@pytest.mark.parametrize("codec", ["aac", "ac3"])
def test_packets_that_a_transport_stream_lacks_are_counted(codec: str, size: int) -> None:
    """As where a segment of a broadcast was lost: it numbers its packets, so that a pause is told from that."""
    options = {"mpegts_m2ts_mode": "1"} if size == 192 else None
    whole = recorded("mpegts", codec, SECONDS, options=options)
    packets = [whole[at : at + size] for at in range(0, len(whole), size)]
    first = len(packets) * 4 // 10
    last = next(
        number
        for number in range(len(packets) * 7 // 10, len(packets))
        # A number of sound's packets that shows in a count modulo 16.
        if sum(packet[size - 187] & 0x1F in (0x01, 0x11) for packet in packets[first:number]) % 16 == 8
    )
    result = decoded(b"".join(packets[:first] + packets[last:]))
    assert result.left_out == pytest.approx(1.2, abs=0.3)
    assert result.all_seconds == pytest.approx(decoded(whole).seconds, abs=0.15)


def test_a_pause_of_a_transport_stream_is_no_loss() -> None:
    assert decoded(paused("mpegts", "ac3", SECONDS, 1.5)).left_out < 0.01


@pytest.mark.parametrize("added", [1, 2, 3, 9, 500])
def test_bytes_too_many_between_two_blocks_of_matroska(added: int) -> None:
    """At most the block in front of them is lost."""
    whole = recorded("webm", "libopus", SECONDS, live=True)
    block = re.compile(rb"\xa3(?:[\x80-\xff]|[\x40-\x7f].)\x81..\x80", re.DOTALL).search(whole, len(whole) // 2)
    assert block is not None
    result = decoded(whole[: block.start()] + b"\x55" * added + whole[block.start() :])
    assert result.seconds == pytest.approx(SECONDS, abs=0.06)


def test_matroska_without_a_segment_is_left_as_it_is() -> None:
    """And so is one whose head has no end."""
    for start in (b"\x1a\x45\xdf\xa3\x81\0" + b"\xec\x81\0" * 9, b"\x1a\x45\xdf\xa3\xff" + bytes(30)):
        data = bytearray(start)
        cover_damage(memoryview(data))
        assert bytes(data) == start


def test_damage_in_each_part_of_matroska_is_passed_over() -> None:
    """Blocks of any length stand behind it, and clusters."""
    whole = recorded("matroska", "pcm_s16le", 12.0, sample_rate=16_000)
    damaged = whole
    for place in (0.1, 0.3, 0.5, 0.7):
        damaged = noise(damaged, place)
    result = decoded(damaged)
    assert result.seconds > 9
    assert result.all_seconds == pytest.approx(12.0, abs=0.2)


def test_where_most_is_lost_it_is_refused() -> None:
    """With the seconds."""
    file = recording("m4a")
    at = file.index(b"mdat") + 400
    with pytest.raises(ValueError, match=r"^Most of the recording is damaged: 2\.\d s of 4\.\d s cannot be decoded\.$"):
        decoded(file[:at] + bytes(25_000) + file[at + 25_000 :])


@pytest.mark.parametrize("name", FRAMES)
def test_frames_of_nothing_are_none(name: str) -> None:
    """Neither zeros, nor ones, nor an end within the head."""
    for data in (bytes(20), b"\xff" * 20, b"\xff\xfb\x90", b"\x0b\x77", b"\xff\xf1\0", b"\x56\xe0"):
        assert FRAMES[name](memoryview(data), 0) is None


MORE_FORMATS = {
    "mp3 in WAV": ("wav", "libmp3lame"),
    "ac3 in WAV": ("wav", "ac3"),
    "fragments": ("mp4", "aac"),
    "FLAC in WAV": ("wav", "flac"),
    "FLAC in MP4": ("mp4", "flac"),
    "FLAC in Ogg": ("ogg", "flac"),
    "FLAC in Matroska": ("matroska", "flac"),
    "FLAC in AVI": ("avi", "flac"),
    "MP3 in MP4": ("mp4", "libmp3lame"),
    "AC-3 in MOV": ("mov", "ac3"),
    "asf": ("asf", "libmp3lame"),
}


@cache
def another(name: str) -> bytes:
    """Four seconds of it; an MP4 in fragments, as Safari's recorder writes it."""
    options = {"movflags": "empty_moov", "frag_duration": "500000"} if name == "fragments" else {}
    return recorded(*MORE_FORMATS[name], SECONDS, options=options)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("damage", [hole, noise])
@pytest.mark.parametrize("name", MORE_FORMATS)
def test_a_hole_in_a_container_that_tells_how_much_there_is(name: str, damage: Damage, place: str) -> None:
    """The demuxer passes over it, or stops there, and says nothing."""
    whole = decoded(another(name))
    assert whole.left_out < 0.01
    damaged = damage(another(name), PLACES[place])
    try:
        result = decoded(damaged)
    except ValueError as err:
        # Behind a broken fragment or cluster the demuxer finds no other one; a page of Ogg is long.
        assert name in ("fragments", "FLAC in Matroska", "FLAC in Ogg")
        assert re.match(r"Most of the recording is damaged: \d\.\d s of 4\.\d s cannot be decoded\.$", str(err))  # noqa: PT017
        return
    # The fragment that is broken last may be the last one.
    assert result.all_seconds == pytest.approx(whole.seconds, abs=0.5 if name == "fragments" else 0.13)


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        *(("w64", "pcm_s16le"), ("au", "pcm_s16be"), ("caf", "pcm_s16le"), ("caf", "pcm_mulaw"), ("rf64", "pcm_s16le")),
        *(("flv", "libmp3lame"), ("flv", "aac"), ("flv", "pcm_s16le"), ("flv", "adpcm_swf"), ("flv", "nellymoser")),
        *(("avi", "libmp3lame"), ("avi", "aac"), ("avi", "pcm_s16le"), ("avi", "adpcm_ms"), ("avi", "g722")),
        *(("asf", "libmp3lame"), ("asf", "ac3"), ("asf", "pcm_u8")),
    ],
)
def test_a_cut_recording_says_so_where_its_head_tells_how_long_it_is(container: str, codec: str) -> None:
    """A WAV that is cut is refused; here the rest is counted."""
    options = {"rf64": "always"} if container == "rf64" else {}
    rate = {"flv": 44_100, "asf": 44_100}.get(container, 16_000 if codec == "g722" else 48_000)
    file = recorded(container.replace("rf64", "wav"), codec, SECONDS, options=options, sample_rate=rate)
    assert decoded(file).left_out < 0.03
    result = decoded(file[: len(file) * 3 // 4])
    # At the end of an AVI and of a WMA is an index.
    assert result.seconds == pytest.approx(3, abs=0.4 if container in ("avi", "asf") else 0.1)
    assert result.all_seconds == pytest.approx(SECONDS, abs=0.15)
    live = recorded(container, codec, SECONDS, live=True) if container == "au" else b""
    assert not live or decoded(live[: len(live) * 3 // 4]).left_out == 0


FILMS = {
    "avi": ("mpeg4", "libmp3lame"),
    "flv": ("flv", "libmp3lame"),
    "asf": ("msmpeg4", "libmp3lame"),
    "matroska": ("mpeg4", "aac"),
}


@pytest.mark.parametrize("container", FILMS)
def test_a_cut_film_says_so(container: str) -> None:
    """Its sound ends where the file does; where the sound of a whole film is shorter than its picture, none is lost."""
    short = decoded(filmed(container, *FILMS[container], 3.0, heard=1.0))
    assert short.all_seconds == pytest.approx(1.0, abs=0.1)
    film = filmed(container, *FILMS[container], 3.0)
    whole, result = decoded(film), decoded(film[: len(film) * 3 // 4])
    assert whole.left_out < 0.03
    assert result.left_out > 0.4
    assert result.all_seconds == pytest.approx(whole.seconds, abs=0.2)


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [("webm", "libopus", 48_000), ("matroska", "flac", 48_000), ("flv", "libmp3lame", 44_100), ("mp4", "aac", 48_000)],
)
def test_a_pause_is_no_loss(container: str, codec: str, rate: int) -> None:
    """The clock went on, and the length that the head tells counts it; what is cut behind it is lost."""
    file = paused(container, codec, SECONDS, 2.0, rate)
    assert decoded(file).all_seconds == pytest.approx(SECONDS, abs=0.1)
    if container != "mp4":
        result = decoded(file[: len(file) * 4 // 5])
        assert result.left_out > 0.5
        assert result.all_seconds == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize(
    ("container", "codec"), [("flv", "libmp3lame"), ("flv", "aac"), ("avi", "libmp3lame"), ("matroska", "flac")]
)
def test_bytes_that_were_taken_out_of_a_file_that_tells_its_length_are_counted(container: str, codec: str) -> None:
    """Where the clock jumps, it is no pause: the file is shorter than it says."""
    file = recorded(container, codec, SECONDS, sample_rate=44_100)
    result = decoded(removed(file, 0.75))
    assert result.left_out > 0.1
    assert result.all_seconds == pytest.approx(decoded(file).seconds, abs=0.2)


def avi_of_length(length: int) -> bytes:
    """An AVI whose head tells that length, in frames."""
    file = bytearray(recorded("avi", "libmp3lame", SECONDS))
    at = file.index(b"strh") + 40
    file[at : at + 4] = length.to_bytes(4, "little")
    return bytes(file)


@pytest.mark.parametrize("length", [0, 1 << 30, 0xFFFFFFFF])
def test_a_length_that_was_never_written_is_none(length: int) -> None:
    """FFmpeg writes one of these in front, and never comes back where it cannot seek."""
    result = decoded(avi_of_length(length))
    assert result.seconds == pytest.approx(SECONDS, abs=0.1)
    assert result.left_out < 0.03


def test_what_the_sender_of_a_live_flv_guessed_is_no_length() -> None:
    """It tells that it has no size yet."""
    file = recorded("flv", "libmp3lame", SECONDS, sample_rate=44_100)
    at = file.index(b"filesize\0") + 9
    live = file[:at] + bytes(8) + file[at + 8 :]
    assert decoded(live[: len(live) * 3 // 4]).left_out < 0.03


@pytest.mark.parametrize("distance", [188, 192, 204])
def test_a_cut_packet_of_a_transport_stream_is_counted(distance: int) -> None:
    """It tells how long it is; whether others followed, nothing tells."""
    file = recorded("mpegts", "mp2", SECONDS, options={"pes_payload_size": "20000", "max_delay": "2000000"})
    before, behind = {188: (b"", b""), 192: (bytes(4), b""), 204: (b"", bytes(16))}[distance]
    packets = [before + file[at : at + 188] + behind for at in range(0, len(file), 188)]
    starts = [number for number, packet in enumerate(packets) if packet[len(before) + 1] == 0x41]
    whole = decoded(b"".join(packets))
    assert whole.left_out < 0.03
    between, within = starts[-3], (starts[-3] + starts[-2]) // 2
    assert decoded(b"".join(packets[:between])).left_out < 0.03
    for end in (b"", packets[within][:100]):
        result = decoded(b"".join(packets[:within]) + end)
        assert result.left_out > 0.15
        assert result.all_seconds == pytest.approx(decoded(b"".join(packets[: starts[-2]])).seconds, abs=0.1)


def test_a_cut_packet_of_a_program_stream_is_counted() -> None:
    """A packet of it has two kilobytes, and this one eight."""
    file = recorded("mpeg", "mp2", SECONDS, sample_rate=16_000, options={"packetsize": "8192"})
    packet = file.index(b"\0\0\1\xc0", len(file) // 2)
    assert decoded(file[:packet]).left_out < 0.03
    result = decoded(file[: packet + 2000])
    assert result.left_out > 0.1
    following = file.index(b"\0\0\1", packet + 4)
    assert result.all_seconds == pytest.approx(decoded(file[:following]).seconds, abs=0.1)


@pytest.mark.parametrize("data", [b"", b"G" * 9, bytes(3000), b"G\x41\0\x10" * 500, b"\0\0\1\xba\x44" + bytes(20)])
@pytest.mark.parametrize("container", ["mpegts", "mpeg", "mp3"])
def test_bytes_that_are_no_stream_announce_nothing(container: str, data: bytes) -> None:
    """Neither do those of other containers."""
    assert bytes_cut_off(container, memoryview(data), 256) == 0


@pytest.mark.parametrize(
    ("container", "head"),
    [
        ("wav", b"RF64\xff\xff\xff\xffWAVEfmt "),
        ("wav", b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0" + b"\xff" * 16),
        ("wav", b"RIFF\xff\xff\xff\xffWAVE"),
        ("wav", b"RIFX\xff\xff\xff\xffWAVE"),
        ("w64", b"riff"),
        ("au", b".snd\0\0\0\x18\xff\xff\xff\xff"),
        ("caf", b"caff\0\x01\0\0" + b"free" + b"\xff" * 8),
        ("caf", b"caff\0\x01\0\0" + b"data" + b"\xff" * 8),
        ("caf", b"caff\0\x01\0\0" + b"free\0\0\0\0\0\1\0\0"),
        ("asf", b"\x30\x26\xb2\x75"),
        ("asf", b"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\0\xc0\x0c\x20\x53\x65" + bytes(20)),
        ("asf", b"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\0\xc0\x0c\x20\x53\x65" + b"\xff" * 76),
        ("avi", b"RIFF\0\0\0\0AVI LIST"),
        ("avi", b"strh\x38\0\0\0auds" + bytes(16)),
        ("avi", b"strh\x38\0\0\0auds" + bytes(60)),
        ("flv", b"FLV\1"),
        ("flv", bytes(14) + b"\0\0\x40" + bytes(7) + b"\0\x08duration\0\x7f\xf8" + bytes(6) + b"\0\x08filesize\0\x7f"),
        ("flv", bytes(14) + b"\0\0\x40" + bytes(7) + b"\0\x08filesize\0\xff" + bytes(7)),
        ("matroska", b"\x1a\x45\xdf\xa3\x80" + b"\x42" * 20),
        ("matroska", b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\xff" + bytes(20)),
        ("ogg", b"OggS"),
    ],
)
def test_a_head_without_a_size_announces_nothing(container: str, head: bytes) -> None:
    """Neither does one that is cut."""
    for size in (len(head), 6):
        data = memoryview(head)[:size]
        assert missing_bytes(container, data, 0) == 0
        assert announced_seconds(container, data, 0) is None
        assert bytes_behind_end(container, data) == 0


def test_most_files_have_no_fragments() -> None:
    """Nor has one that ends behind the head of the first."""
    assert fragments_of(memoryview(recording("m4a"))) is None
    assert fragments_of(memoryview(b"moof\0\0\0\x10mfhd")) is None
