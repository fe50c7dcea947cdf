"""Files joined to one another: each is heard to its end, or it is said what was left out; none is cut silently."""

from functools import cache

import pytest
from spark_audio_proxy.transcode.joined import joined
from spark_audio_proxy.transcode.passthrough import read_head, samples_of
from spark_audio_proxy.transcode.sniff import recognise
from spark_engine.speech.audio import wav_header, write_wav

from tests.helpers.proxy.decoding import decoded
from tests.helpers.proxy.recordings import recorded, tone

SECONDS = 1.0

FORMATS = {
    "wav": ("wav", "pcm_s16le"),
    "ima": ("wav", "adpcm_ima_wav"),
    "mp3": ("mp3", "libmp3lame"),
    "adts": ("adts", "aac"),
    "ac3": ("ac3", "ac3"),
    "flac": ("flac", "flac"),
    "opus": ("ogg", "libopus"),
    "ogg flac": ("ogg", "flac"),
    "m4a": ("mp4", "aac"),
    "webm": ("webm", "libopus"),
    "mkv": ("matroska", "flac"),
    "aiff": ("aiff", "pcm_s16be"),
    "w64": ("w64", "pcm_s16le"),
    "caf": ("caf", "pcm_s16be"),
    "au": ("au", "pcm_s16be"),
    "flv": ("flv", "libmp3lame"),
    "wv": ("wv", "wavpack"),
    "avi": ("avi", "libmp3lame"),
    "wma": ("asf", "libmp3lame"),
    "ts": ("mpegts", "aac"),
    "ps": ("mpeg", "mp2"),
}

FRAMES = ("mp3", "adts", "ac3")
"""They have no head: where no tag tells that another kind follows, it is left out, and counted."""

ID3 = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)


@cache
def recording(name: str) -> bytes:
    return recorded(*FORMATS[name], SECONDS)


@pytest.mark.parametrize("first", FORMATS)
def test_a_file_of_any_format_behind_one_of_any_format(first: str) -> None:
    for second in FORMATS:
        file = recording(first) + recording(second)
        if first != second and {first, second} <= set(FRAMES):
            try:
                assert decoded(file).all_seconds == pytest.approx(2 * SECONDS, abs=0.3)
            except ValueError as err:
                assert str(err).startswith("Most of the recording is damaged: ")  # noqa: PT017 - either is right
            continue
        result = decoded(file)
        assert result.seconds == pytest.approx(2 * SECONDS, abs=0.2), second
        assert result.left_out < 0.1, second


@pytest.mark.parametrize("first", ["wav", "mp3", "flac", "opus", "adts", "m4a"])
def test_a_tag_in_the_middle(first: str) -> None:
    """ID3 in front of the next file, one or several, also in front of frames of another kind."""
    for second in ("mp3", "adts", "wav", "flac", "opus"):
        result = decoded(recording(first) + ID3 + ID3 + recording(second) + ID3 + recording(first))
        assert result.seconds == pytest.approx(3 * SECONDS, abs=0.25), second
        assert result.left_out < 0.1, second


@pytest.mark.parametrize("place", [0.05, 0.5, 0.85])
@pytest.mark.parametrize(
    "names", [("mp3", "m4a"), ("m4a", "mp3"), ("opus", "flac"), ("flac", "opus"), ("adts", "opus")]
)
def test_damage_in_either_of_two_files(names: tuple[str, str], place: float) -> None:
    """What is heard and what is left out are both of them."""
    for damaged in (0, 1):
        files = [recorded(*FORMATS[name], 4.0) for name in names]
        file, size = files[damaged], len(files[damaged]) // 20
        at = round(len(file) * place)
        files[damaged] = file[:at] + bytes(size) + file[at + size :]
        assert decoded(b"".join(files)).all_seconds == pytest.approx(8.0, abs=0.3)


def test_a_cut_file_in_front_of_another() -> None:
    """It promises more than it has; the other is heard."""
    wav = write_wav(tone(2.0))
    for first in (wav[: len(wav) // 2], recorded("w64", "pcm_s16le", 2.0)[:96_000]):
        assert decoded(first + recording("m4a")).seconds == pytest.approx(1.0 + SECONDS, abs=0.1)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_wav_of_unknown_length_in_front_of_another_file(size: int) -> None:
    """Its samples go to Parakeet as they are, unless a WAV or a tag stands in them."""
    live = bytearray(wav_header(16_000) + tone(SECONDS).pcm)
    live[4:8] = live[40:44] = size.to_bytes(4, "little")
    for second in (write_wav(tone(SECONDS)), ID3 + recording("mp3")):
        file = bytes(live) + second
        head = read_head(memoryview(file))
        assert head is not None
        assert samples_of(memoryview(file), head) is None
        assert decoded(file).seconds == pytest.approx(2 * SECONDS, abs=0.1)


@pytest.mark.parametrize("name", ["mkv", "ogg flac", "flac", "ts", "ps", "avi", "webm"])
def test_what_a_container_carries_is_no_file(name: str) -> None:
    """The head of FLAC in Ogg and Matroska, the clusters of WebM, the packets of a stream."""
    data = memoryview(bytearray(recorded(*FORMATS[name], 3.0)))
    found = recognise(data)
    assert found is not None
    assert [part.container for part in joined(found, data)] == [found.container]


@pytest.mark.parametrize("first", ["webm", "mkv"])
def test_a_browsers_recording_in_front_of_frames(first: str) -> None:
    """It tells no size: it ends where its elements do."""
    live = recorded(*FORMATS[first], SECONDS, live=True)
    assert decoded(live + recording("adts")).seconds == pytest.approx(2 * SECONDS, abs=0.1)


@pytest.mark.parametrize("codec", ["libopus", "flac"])
def test_an_ogg_that_is_cut(codec: str) -> None:
    """Within a page: its head tells what is missing of it. Between two pages nothing tells that anything is."""
    whole = recorded("ogg", codec, 8.0)
    page = whole.index(b"OggS", len(whole) // 2)
    for cut in (page + 60, page + 4000):
        result = decoded(whole[:cut])
        assert 0.9 < result.left_out < 1.2
    between = decoded(whole[:page])
    assert between.left_out < 0.05
    assert between.seconds == pytest.approx(result.seconds, abs=0.05)
