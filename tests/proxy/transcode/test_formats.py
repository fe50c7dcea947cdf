"""What is heard, whatever it comes in: told from the bytes, tags and junk before it passed over."""

import base64
from collections.abc import Callable
from functools import cache
from io import BytesIO
from struct import pack
from typing import Literal
from zlib import decompress

import av
import pytest
from spark_audio_proxy.transcode.amr import frames_of
from spark_audio_proxy.transcode.decode import View
from spark_audio_proxy.transcode.sniff import recognise
from spark_audio_proxy.transcode.tags import hide_tags
from spark_engine.speech.audio import wav_header, write_wav

from tests.helpers.proxy.decoding import decoded
from tests.helpers.proxy.recordings import amr, amr_in_3gp, recorded, tone

KINDS = {
    "wav": ("wav", "pcm_s16le", 48_000),
    "g722": ("wav", "g722", 16_000),
    "g726": ("wav", "g726", 8_000),
    "ima": ("wav", "adpcm_ima_wav", 48_000),
    "rf64": ("wav", "pcm_s24le", 48_000),
    "w64": ("w64", "pcm_s16le", 48_000),
    "aiff": ("aiff", "pcm_s16be", 48_000),
    "au": ("au", "pcm_s16be", 48_000),
    "caf": ("caf", "alac", 48_000),
    "flac": ("flac", "flac", 48_000),
    "ogg flac": ("ogg", "flac", 48_000),
    "opus": ("ogg", "libopus", 48_000),
    "webm": ("webm", "libopus", 48_000),
    "mkv": ("matroska", "wavpack", 48_000),
    "mp4": ("mp4", "aac", 48_000),
    "mp3": ("mp3", "libmp3lame", 48_000),
    "adts": ("adts", "aac", 48_000),
    "latm": ("latm", "aac", 48_000),
    "ac3": ("ac3", "ac3", 48_000),
    "eac3": ("eac3", "eac3", 48_000),
    "ts": ("mpegts", "aac", 48_000),
    "ps": ("mpeg", "mp2", 48_000),
    "vob": ("vob", "ac3", 48_000),
    "avi": ("avi", "libmp3lame", 48_000),
    "flv": ("flv", "libmp3lame", 44_100),
    "wv": ("wv", "wavpack", 48_000),
}


@cache
def recording(name: str) -> bytes:
    """Two seconds of it."""
    container, codec, sample_rate = KINDS[name]
    file = recorded(container, codec, sample_rate=sample_rate)
    return rf64(file) if name == "rf64" else file


def rf64(wav: bytes, kind: bytes = b"RF64") -> bytes:
    """A WAV file with its sizes in a chunk of 64 bits."""
    data = wav.index(b"data")
    sizes = pack("<4sIQQQI", b"ds64", 28, len(wav) + 28, len(wav) - data - 8, 0, 0)
    return kind + b"\xff" * 4 + b"WAVE" + sizes + wav[12 : data + 4] + b"\xff" * 4 + wav[data + 8 :]


def id3(size: int = 3000, looks_like: bytes = b"\xff\xfb\x90\x64RIFF\0\0\0\0WAVEfmt ") -> bytes:
    """A tag, with what looks like audio in it."""
    body = (b"APIC" + looks_like * (size // 8))[:size]
    return b"ID3\x04\0\0" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + body


def ape(items: int = 3) -> bytes:
    """A tag with its header, as some put it in front."""
    body = b"".join(pack("<II", 1, 0) + b"Title%d\0x" % number for number in range(items))
    sizes = pack("<III", 2000, len(body) + 32, items)
    head = b"APETAGEX" + sizes + pack("<I", 0xA0000000) + bytes(8)
    return head + body + b"APETAGEX" + sizes + pack("<I", 0x80000000) + bytes(8)


@pytest.mark.parametrize("name", KINDS)
def test_every_format_is_heard(name: str) -> None:
    """All two seconds, none left out."""
    result = decoded(recording(name))
    assert result.seconds == pytest.approx(2.0, abs=0.07)
    assert result.left_out < 0.01


@pytest.mark.parametrize(
    "before",
    [id3(), id3() + id3(200), ape(), id3() + ape(), id3(100) + bytes(5000), bytes(4096), bytes(100_000)],
    ids=["ID3", "two", "APE", "ID3 and APE", "ID3 and zeros", "zeros", "many zeros"],
)
@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("ps", "vob")])
def test_tags_and_zeros_in_front_are_passed_over(name: str, before: bytes) -> None:
    """By the tag's own length, before any format."""
    result = decoded(before + recording(name))
    assert result.seconds == pytest.approx(2.0, abs=0.07)
    assert result.left_out < 0.01


@pytest.mark.parametrize("behind", [b"TAG" + bytes(125), b"TAG+" + bytes(223) + b"TAG" + bytes(125), ape()])
@pytest.mark.parametrize("name", ["mp3", "adts", "wv", "ac3", "flac"])
def test_tags_behind_are_no_sound(name: str, behind: bytes) -> None:
    """Nor are they damage."""
    result = decoded(recording(name) + behind)
    assert result.seconds == pytest.approx(2.0, abs=0.07)
    assert result.left_out < 0.02


@pytest.mark.parametrize("name", ["mp3", "adts", "latm", "ac3", "eac3", "ts", "ps", "wv"])
def test_a_file_may_start_within_a_frame(name: str) -> None:
    """A recording of a stream that went on before."""
    file = recording(name)
    result = decoded(file[len(file) // 4 + 13 :])
    assert 0.9 < result.seconds < 1.6


@pytest.mark.parametrize("name", ["mp3", "adts", "ac3", "ts", "opus", "flac", "mp4", "wav", "flv"])
def test_other_bytes_in_front_are_passed_over(name: str) -> None:
    """Headers of an answer that were saved with it, for example."""
    result = decoded(b"HTTP/1.0 200 OK\r\nContent-Type: audio/x\r\n\r\n" * 9 + recording(name))
    assert result.seconds == pytest.approx(2.0, abs=0.07)


@pytest.mark.parametrize("kind", [b"RF64", b"BW64"])
def test_wav_of_more_than_4_gigabytes(kind: bytes) -> None:
    """With a size of 64 bits."""
    assert decoded(rf64(write_wav(tone(2.0, 48_000)), kind)).seconds == pytest.approx(2.0, abs=0.01)


def test_m2ts_of_a_camera() -> None:
    """Packets of 192 bytes, with a time in front of each."""
    file = recording("ts")
    packets = [file[at : at + 188] for at in range(0, len(file), 188)]
    assert decoded(b"".join(b"\0\0\0\1" + packet for packet in packets)).seconds == pytest.approx(2.0, abs=0.07)


@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("g722", "g726", "ima", "rf64")])
@pytest.mark.parametrize("between", [b"", id3(looks_like=b"\xff\xfb\x90\x64pict")], ids=["", "ID3"])
def test_joined_files_are_heard_to_the_end(name: str, between: bytes) -> None:
    """However many; none of it counts as damage."""
    file = recording(name)
    result = decoded(file + between + file + between + file)
    assert result.seconds == pytest.approx(3 * decoded(file).seconds, abs=0.25)
    assert result.left_out < 0.1


OTHER = {
    "mp3": lambda: recorded("mp3", "libmp3lame", sample_rate=44_100, channels="stereo"),
    "adts": lambda: recorded("adts", "aac", sample_rate=44_100, channels="stereo"),
    "ac3": lambda: recorded("ac3", "ac3", sample_rate=44_100, channels="stereo"),
    "ogg flac": lambda: recorded("ogg", "flac", sample_rate=22_050, channels="stereo"),
    "flac": lambda: recorded("flac", "flac", sample_rate=22_050, channels="stereo"),
    "opus": lambda: recorded("ogg", "libopus", channels="stereo"),
    "wav": lambda: recorded("wav", "pcm_s16le", sample_rate=8_000, channels="stereo"),
    "wv": lambda: recorded("wv", "wavpack", sample_rate=22_050, channels="stereo"),
    "ts": lambda: recorded("mpegts", "aac", sample_rate=44_100, channels="stereo"),
    "mp4": lambda: recorded("mp4", "aac", sample_rate=22_050, channels="stereo"),
    "webm": lambda: recorded("webm", "libopus", channels="stereo"),
    "aiff": lambda: recorded("aiff", "pcm_s16be", sample_rate=8_000, channels="stereo"),
    "au": lambda: recorded("au", "pcm_s16be", sample_rate=8_000, channels="stereo"),
    "w64": lambda: recorded("w64", "pcm_s16le", sample_rate=8_000, channels="stereo"),
}


@pytest.mark.parametrize("name", OTHER)
def test_rate_and_layout_may_change(name: str) -> None:
    """Where another recording was joined to the first."""
    other = OTHER[name]()
    for file in (recording(name) + other, other + recording(name)):
        result = decoded(file)
        assert result.seconds == pytest.approx(4.0, abs=0.2)
        assert result.left_out < 0.1


def test_wav_of_unknown_length_may_be_joined() -> None:
    """Encoders that stream write no size."""
    live = wav_header(16_000) + tone(1.0).pcm
    assert decoded(live + live).seconds == pytest.approx(2.0, abs=0.01)


def test_two_tracks_of_ogg_that_run_in_parallel_are_one_file() -> None:
    """Their first pages stand together."""
    one, two = recording("opus"), recorded("ogg", "flac", seconds=2.0)
    end_one, end_two = one.index(b"OggS", 4), two.index(b"OggS", 4)
    both = one[:end_one] + two[:end_two] + one[end_one:]
    assert decoded(both).seconds == pytest.approx(2.0, abs=0.05)


def test_the_first_track_that_can_be_decoded_is_heard() -> None:
    """Not the first that there is."""
    file = BytesIO()
    with av.open(file, "w", format="matroska") as media:
        tracks = [media.add_stream(codec, rate=48_000, layout="mono") for codec in ("tta", "flac")]
        frame = av.AudioFrame(format="s16", layout="mono", samples=48_000)
        frame.planes[0].update(tone(1.0, 48_000).pcm)
        frame.sample_rate, frame.pts = 48_000, 0
        for track in tracks:
            assert isinstance(track, av.AudioStream)
            for packet in [*track.encode(frame), *track.encode(None)]:
                media.mux(packet)
    assert decoded(file.getvalue()).seconds == pytest.approx(1.0, abs=0.01)
    # Known by name, but nothing in it can be decoded.
    assert decoded(file.getvalue().replace(b"A_TTA1", b"A_OPUS")).seconds == pytest.approx(1.0, abs=0.01)


SPEECH = {"amr": (7, 8), "amr-wb": (8, 9)}
"""Kinds of frames: of speech, and of noise in a pause. Kind 15 has nothing."""


@pytest.mark.parametrize("together", [0, 1, 5])
@pytest.mark.parametrize("name", SPEECH)
def test_pauses_of_amr_are_silence(name: str, together: int) -> None:
    """A phone sends no sound while its caller is silent (DTX), which libav refuses: a voicemail is mostly that."""
    speech, noise = SPEECH[name]
    kinds = [*[speech] * 50, *[noise, *[15] * 7] * 20, *[speech] * 50]
    if together > 1 and name == "amr":
        # No muxer here puts several frames of it into a packet.
        packet = av.Packet(amr(name, kinds[48:53])[6:])
        assert [frame.size for frame in frames_of("amrnb", packet)] == [32, 32, 6, 1, 1]
        return
    result = decoded(amr_in_3gp(name, kinds, together) if together else amr(name, kinds))
    assert result.seconds == pytest.approx(len(kinds) * 0.02, abs=0.03)
    assert result.left_out < 0.01
    assert result.pcm.count(bytes(32_000)) >= 1


def test_a_packet_of_amr_may_hold_any_number_of_frames() -> None:
    """Time is linear in its bytes, and none but the first is read for the first."""
    packet = av.Packet(b"\x7c" * 4_000_000)
    assert next(frames_of("amrnb", packet)).size == 1


def test_what_is_lost_of_amr_is_counted() -> None:
    """Frames that say that their speech was lost, one by one."""
    kinds = [*[8] * 20, *[14] * 10, *[8] * 20]
    for file in (amr("amr-wb", kinds), amr_in_3gp("amr-wb", kinds, 10), amr_in_3gp("amr-wb", kinds, 7)):
        result = decoded(file)
        assert result.seconds == pytest.approx(0.8, abs=0.03)
        assert result.left_out == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(("container", "tag"), [("wav", 0xA109), ("wav", 0x566F), ("w64", 0xA109)])
def test_codecs_whose_packets_wav_does_not_mark_are_refused(container: str, tag: int) -> None:
    """A fifth of the sound would be heard, and the rest lost without a word."""
    file = recorded(container, "pcm_mulaw", sample_rate=16_000)
    at = file.index(b"fmt ") + (8 if container == "wav" else 24)
    file = file[:at] + tag.to_bytes(2, "little") + file[at + 2 :]
    with pytest.raises(
        ValueError, match=r"^Audio coded as (speex|vorbis) cannot be heard in WAV, which does not tell "
    ):
        decoded(file)


def test_aac_in_wav_is_heard_where_its_frames_have_heads() -> None:
    """Without them it is refused by name."""
    frames = recorded("adts", "aac")
    head = wav_header(48_000, len(frames))
    assert decoded(head[:20] + b"\xff\0" + head[22:] + frames).seconds == pytest.approx(2.0, abs=0.07)
    with pytest.raises(ValueError, match=r"^Audio coded as aac cannot be heard in WAV"):
        decoded(recorded("wav", "aac"))


@pytest.mark.parametrize("before", [b"", b"data:audio/mpeg;base64,", b"\r\n"])
def test_a_file_in_base64_is_named_as_that(before: bytes) -> None:
    """Automations pass on what they got in JSON."""
    for encoded in (base64.encodebytes(recording("mp3")), base64.b64encode(recording("mp3")[:100])):
        with pytest.raises(ValueError, match=r"^The file is text, not audio: base64 needs the header `Content-Tr"):
            decoded(before + encoded)


MANY = {f"name{number:05}": f"value {number}" for number in range(300)}

TAGGED: dict[str, Callable[[], bytes]] = {
    "ogg": lambda: recorded("ogg", "libopus", tags=MANY),
    "flac in ogg": lambda: recorded("ogg", "flac", tags=MANY),
    "flac": lambda: recorded("flac", "flac", tags=MANY),
    "mp4": lambda: recorded("mp4", "aac", tags=MANY),
    "matroska": lambda: recorded("matroska", "flac", tags=MANY),
    "mp3": lambda: recorded("mp3", "libmp3lame", tags=MANY),
    "asf": lambda: recorded("asf", "libmp3lame", tags=MANY),
    "wav": lambda: recorded("wav", "pcm_s16le", tags={"title": "x", "artist": "y"}),
    "avi": lambda: recorded("avi", "libmp3lame", tags={"title": "x", "artist": "y"}),
    "aiff": lambda: recorded("aiff", "pcm_s16be", tags=MANY | {"title": "x"}),
    "caf": lambda: recorded("caf", "alac", tags=MANY),
    "flv": lambda: recorded("flv", "libmp3lame", tags=MANY, sample_rate=44_100),
    "au": lambda: recorded("au", "pcm_s16be", tags={"title": "x"}),
    "wv": lambda: recorded("wv", "wavpack") + ape(300),
}


def names_in(container: str, data: memoryview) -> set[str]:
    """What libav has in its dictionaries."""
    with av.open(View(data), "r", format=container) as media:
        return set(media.metadata) | {name for stream in media.streams for name in stream.metadata}


@pytest.mark.parametrize("name", TAGGED)
def test_tags_never_reach_the_dictionary_of_libav(name: str) -> None:
    """It takes time in the square of their number. The sound is the same."""
    file = TAGGED[name]()
    recognised = recognise(memoryview(file))
    assert recognised is not None
    before = names_in(recognised.container, memoryview(file))
    data = memoryview(bytearray(file))[recognised.start : recognised.end]
    hide_tags(recognised.container, data)
    after = names_in(recognised.container, data)
    assert len(before - after) >= 1
    assert len(after) < 8
    result = decoded(file)
    assert result.seconds == pytest.approx(2.0, abs=0.07)
    assert result.left_out < 0.01


@pytest.mark.parametrize("size", [0x7F7F, 0x7F7F7F7F])
@pytest.mark.parametrize("name", ["mp3", "flac", "adts"])
def test_a_tag_that_tells_a_wrong_length_is_not_believed(name: str, size: int) -> None:
    """Some writers spell it without the bits that ID3 leaves out."""
    assert decoded(b"ID3\x04\0\0" + size.to_bytes(4) + recording(name)).seconds == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("container", ["matroska", "mp4", "mpegts"])
def test_a_film_may_have_many_tracks(container: str) -> None:
    """One of subtitles for each of thirty languages; the sound may stand behind them."""
    file = BytesIO()
    packets = BytesIO(recorded("matroska", "aac"))
    with av.open(packets, "r") as source, av.open(file, "w", format=container) as media:
        tracks = [media.add_stream_from_template(source.streams.audio[0]) for _ in range(40)]
        for packet in source.demux(source.streams.audio[0]):
            for track in tracks if packet.size else ():
                copy = av.Packet(bytes(packet))
                copy.stream, copy.time_base, copy.duration = track, packet.time_base, packet.duration
                copy.pts, copy.dts, copy.is_keyframe = packet.pts, packet.dts, True
                media.mux(copy)
    result = decoded(file.getvalue())
    assert result.seconds == pytest.approx(2.0, abs=0.1)
    assert result.left_out < 0.1


DTS = base64.b64decode(
    "eNqr/9fA+MeG/wMLA6MFA+P7Zr3q3AYGBwYGBtY7Z9LS0tL3vq++933vu73XY0vflzDgABwMCg6NIIppFQisDEUGYZ4qk/AjJSCAUsgALqlAI3OV"
    "//9hAADksUrp"
)
"""A silent frame, compressed: 512 samples at 8 kHz."""


@pytest.mark.parametrize(
    ("tag", "frame", "seconds"), [(0x42, bytes(24), 0.03), (0x2001, decompress(DTS), 0.064)], ids=["G.723.1", "DTS"]
)
def test_codecs_that_can_only_be_read(tag: int, frame: bytes, seconds: float) -> None:
    """Of telephone systems and films."""
    frames = frame * round(2 / seconds)
    head = pack("<4sI4s4sIHHIIHH", b"RIFF", len(frames) + 36, b"WAVE", b"fmt ", 16, tag, 1, 8000, 800, len(frame), 0)
    result = decoded(head + pack("<4sI", b"data", len(frames)) + frames)
    assert result.seconds == pytest.approx(2.0, abs=0.07)
    assert result.left_out < 0.01


LIVE = {
    "aiff": ("aiff", "pcm_s16be"),
    "aiff of floats": ("aiff", "pcm_f32be"),
    "w64": ("w64", "pcm_s16le"),
    "w64 of floats": ("w64", "pcm_f32le"),
    "au": ("au", "pcm_s16be"),
    "caf": ("caf", "pcm_s16le"),
    "wav": ("wav", "pcm_s24le"),
    "rf64": ("wav", "pcm_s24le"),
}


@pytest.mark.parametrize("name", LIVE)
def test_a_pipe_cannot_go_back_to_tell_how_long_it_is(name: str) -> None:
    """Ffmpeg then leaves 0, or the largest number, in the head."""
    options = {"rf64": "always"} if name == "rf64" else None
    result = decoded(recorded(*LIVE[name], live=True, options=options))
    assert result.seconds == pytest.approx(2.0, abs=0.01)
    assert result.left_out < 0.01


@pytest.mark.parametrize("container", ["wav", "aiff"])
@pytest.mark.parametrize("told", [0.25, 0.5])
def test_sound_behind_the_told_end_is_heard(container: str, told: float) -> None:
    """A recorder may tell the length of its first part, or count samples for bytes."""
    file = bytearray(recorded(container, "pcm_s16le" if container == "wav" else "pcm_s16be"))
    order: Literal["little", "big"] = "little" if container == "wav" else "big"
    at = file.index(b"data" if container == "wav" else b"SSND") + 4
    file[at : at + 4] = round(int.from_bytes(file[at : at + 4], order) * told / 2 * 2).to_bytes(4, order)
    result = decoded(bytes(file))
    assert result.seconds == pytest.approx(2.0, abs=0.01)
    assert result.left_out < 0.01


def test_chunks_behind_the_sound_are_no_sound() -> None:
    """Of any size: markers, or a project of the editor."""
    file = write_wav(tone(2.0, 48_000)) + b"_PMX" + pack("<I", 20_000) + bytes(range(200)) * 100
    assert decoded(file).seconds == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("name", ["mp3", "flac", "mp4"])
def test_a_large_cover_passes(name: str) -> None:
    """Several megabytes, which cost nothing."""
    picture = bytes(range(256)) * (20 << 10)
    file = recording(name)
    if name == "mp3":
        file = id3(1 << 20) + id3(4 << 20) + file
    elif name == "flac":
        file = file[:4] + b"\0" + file[5:42] + b"\x06" + len(picture).to_bytes(3) + picture + file[42:]
    else:
        file += pack(">I4s", 8 + len(picture), b"udta") + picture
    assert decoded(file).seconds == pytest.approx(2.0, abs=0.07)
