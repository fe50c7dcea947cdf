"""Recordings that are damaged: what can be decoded is heard, and what cannot is counted in seconds."""

from collections.abc import Callable
from functools import cache

import pytest
from spark_audio_proxy.transcode.announced import fragments_of, missing_bytes
from spark_audio_proxy.transcode.frames import FRAMES

from tests.helpers.proxy.decoding import decoded
from tests.helpers.proxy.recordings import recorded

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


@pytest.mark.parametrize("name", ["mp3", "adts", "ac3", "eac3", "ts", "flac"])
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


def test_a_cluster_of_matroska_is_lost_and_counted() -> None:
    """libav looks for the next one; this file has one."""
    whole = recorded("webm", "libopus", SECONDS)
    result = decoded(hole(whole, 0.6))
    assert result.all_seconds == pytest.approx(SECONDS, abs=0.05)
    assert result.left_out > 1


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
    if (name, place) == ("fragments", "middle"):
        # Behind a broken fragment the demuxer finds no other one.
        with pytest.raises(
            ValueError, match=r"^Most of the recording is damaged: 2\.\d s of 4\.\d s cannot be decoded\.$"
        ):
            decoded(damaged)
        return
    result = decoded(damaged)
    # The fragment that is broken last may be the last one.
    assert result.all_seconds == pytest.approx(whole.seconds, abs=0.5 if name == "fragments" else 0.13)


@pytest.mark.parametrize(
    ("container", "codec"),
    [("w64", "pcm_s16le"), ("au", "pcm_s16be"), ("caf", "pcm_s16le"), ("caf", "pcm_mulaw"), ("rf64", "pcm_s16le")],
)
def test_a_cut_recording_says_so_where_its_head_tells_how_long_it_is(container: str, codec: str) -> None:
    """A WAV that is cut is refused; here the rest is counted."""
    options = {"rf64": "always"} if container == "rf64" else {}
    file = recorded(container.replace("rf64", "wav"), codec, SECONDS, options=options)
    assert decoded(file).left_out == 0
    result = decoded(file[: len(file) * 3 // 4])
    assert result.seconds == pytest.approx(3, abs=0.1)
    assert result.all_seconds == pytest.approx(SECONDS, abs=0.1)
    live = recorded(container, codec, SECONDS, live=True) if container == "au" else b""
    assert not live or decoded(live[: len(live) * 3 // 4]).left_out == 0


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
        ("ogg", b"OggS"),
    ],
)
def test_a_head_without_a_size_announces_nothing(container: str, head: bytes) -> None:
    """Neither does one that is cut."""
    for size in (len(head), 6):
        assert missing_bytes(container, memoryview(head)[:size], 0) == 0


def test_most_files_have_no_fragments() -> None:
    """Nor has one that ends behind the head of the first."""
    assert fragments_of(memoryview(recording("m4a"))) is None
    assert fragments_of(memoryview(b"moof\0\0\0\x10mfhd")) is None
