"""Recordings that are none: what points elsewhere is never followed, and what unpacks to gigabytes never does."""

import asyncio
import subprocess
import sys
import zlib
from collections.abc import Callable
from io import BytesIO
from struct import pack

import av
import pytest
from aiohttp import FormData
from av.error import FFmpegError
from hypothesis import given
from hypothesis import strategies as st
from spark_audio_proxy.transcode.decode import decode, refuse
from spark_audio_proxy.transcode.frames import FRAMES
from spark_audio_proxy.transcode.libav_limits import LARGEST_BLOCK
from spark_audio_proxy.transcode.sniff import STARTS, recognise
from spark_engine.speech.audio import wav_header

from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, running
from tests.helpers.proxy.forms import error_in, send, upload
from tests.helpers.proxy.recordings import recorded, tone
from tests.helpers.proxy.running_proxy import Proxy
from tests.helpers.repository import ROOT

TRAP = "http://trap.invalid"
"""In the files below, in place of the address of a server that must hear nothing."""

PLAYLIST = f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{TRAP}/a.ts\n#EXT-X-ENDLIST\n"

POINTING = {
    "m3u": f"#EXTM3U\n{TRAP}/a.wav\n",
    "hls": PLAYLIST,
    "hls on the disk": PLAYLIST.replace(TRAP, "file:///etc/passwd?"),
    "concat": f"ffconcat version 1.0\nfile '{TRAP}/a.wav'\n",
    "concat on the disk": "ffconcat version 1.0\nfile '/etc/passwd'\n",
    "pls": f"[playlist]\nFile1={TRAP}/a.wav\nNumberOfEntries=1\n",
    "dash": f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet '
    f'mimeType="audio/mp4"><Representation id="a"><BaseURL>{TRAP}/a.m4a</BaseURL></Representation></AdaptationSet>'
    "</Period></MPD>",
    "xspf": f'<?xml version="1.0"?><playlist><trackList><track><location>{TRAP}/a</location></track>'
    "</trackList></playlist>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    "svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{TRAP}/a.png"/></svg>',
    "subtitles": f"WEBVTT\n\n00:00.000 --> 00:01.000\n{TRAP}\n",
    "cue": f'FILE "{TRAP}/a.wav" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
    "an address": f"{TRAP}/a.wav",
    "a path": "/etc/passwd",
    "hls called mp3": "ID3\x04\0\0\0\0\0\0" + PLAYLIST,
    "hls called wav": "RIFF\xff\xff\xff\xffWAVE" + PLAYLIST,
    "hls called mp4": "\0\0\0\x10ftypisom\0\0\0\0" + PLAYLIST,
    "hls called webm": "\x1a\x45\xdf\xa3" + PLAYLIST,
    "hls called ogg": "OggS" + PLAYLIST,
}


@pytest.mark.parametrize("text", POINTING.values(), ids=POINTING)
async def test_a_file_that_points_elsewhere_is_not_followed(proxy: Proxy, text: str) -> None:
    """400; nothing is fetched, nothing is read from the disk, Parakeet hears nothing."""
    async with running(FakeServer()) as trap:
        status, _, body = await send(proxy, upload(text.replace(TRAP, trap.url).encode("latin-1")))
    assert (status, trap.asked, proxy.parakeet.posts(TRANSCRIPTIONS)) == (400, [], [])
    assert "root:" not in error_in(body)["message"]


async def test_nothing_else_could_be_opened_even_by_a_demuxer_that_tries() -> None:
    """The second lock: a playlist taken for one. Without it the trap is asked, so that this test means something."""
    async with running(FakeServer()) as trap:
        playlist = PLAYLIST.replace(TRAP, trap.url).encode()
        for io_open, asked in (None, 1), (refuse, 0):
            trap.asked.clear()
            with pytest.raises((FFmpegError, PermissionError)):
                await asyncio.to_thread(open_as, playlist, "hls", io_open)
            assert len(trap.asked) == asked


def open_as(file: bytes, container: str, io_open: Callable[[str, int, object], BytesIO] | None) -> None:
    """Open a file as a format that it does not have to be."""
    with av.open(BytesIO(file), "r", format=container, io_open=io_open) as media:
        next(media.demux())


@pytest.mark.parametrize(
    "reference",
    [b"url \0\0\0\0" + f"{TRAP}/a.m4a\0".encode(), b"url \0\0\0\0/etc/passwd\0", b"alis\0\0\0\0" + bytes(150)],
    ids=["url", "file", "alias"],
)
async def test_a_film_whose_sound_is_elsewhere_is_not_followed(proxy: Proxy, reference: bytes) -> None:
    """QuickTime's references to other files. Sound that is in the file as well may be heard."""
    film = recorded("mp4", "aac")
    own = b"\0\0\0\x1cdref\0\0\0\0\0\0\0\x01\0\0\0\x0curl \0\0\0\x01"
    assert own in film
    async with running(FakeServer()) as trap:
        other = pack(">I", 4 + len(reference)) + reference.replace(TRAP.encode(), trap.url.encode())
        box = pack(">I", 16 + len(other)) + b"dref" + pack(">II", 0, 1) + other
        status, _, _ = await send(proxy, upload(grown(film, own, box)))
    assert (status in (200, 400), trap.asked) == (True, [])


def grown(film: bytes, box: bytes, other: bytes) -> bytes:
    """The film with another box in that place, and those around it made to fit: they lie behind the sound."""
    at = film.index(box)
    data = bytearray(film.replace(box, other))
    for name in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        start = film.index(name) - 4
        assert start < at
        size = int.from_bytes(data[start : start + 4]) + len(other) - len(box)
        data[start : start + 4] = pack(">I", size)
    return bytes(data)


@pytest.mark.parametrize("field", ["file", "url", "input_audio"])
@pytest.mark.parametrize("path", ["/", "/etc/passwd"])
async def test_no_address_in_a_field_is_fetched(proxy: Proxy, field: str, path: str) -> None:
    """Neither as a form's text nor in JSON, whatever the field is called."""
    async with running(FakeServer()) as trap:
        for address in (trap.url + path, f"file://{path}", "data:audio/wav;base64,UklGRg=="):
            status, _, _ = await send(proxy, FormData({field: address, "model": "x"}))
            assert status == 400
            for document in ({field: address}, {field: {"data": address}}, {field: {"url": address, "data": address}}):
                url = f"{proxy.url}/v1/audio/transcriptions"
                async with proxy.client.post(url, json=document) as response:
                    assert response.status == 400
    assert trap.asked == []


HARMLESS = frozenset(
    [
        "aac",
        "ac3",
        "aiff",
        "amr",
        "asf",
        "au",
        "avi",
        "caf",
        "eac3",
        "flac",
        "flv",
        "loas",
        "matroska",
        "mov",
        "mp3",
        "mpeg",
        "mpegts",
        "ogg",
        "w64",
        "wav",
        "wv",
    ]
)
"""libav's demuxers that read one file and nothing else."""


def test_only_demuxers_that_read_one_file_may_be_opened() -> None:
    """No playlist (hls, concat, dash, imf), list of files (image2), address (sdp, rtsp, rtp) or script (lavfi)."""
    assert STARTS.keys() | FRAMES.keys() == HARMLESS


@given(
    st.binary(max_size=80)
    | st.builds(
        bytes.__add__,
        st.sampled_from([b"RIFF", b"FORM", b"\xff\xf1", b"\0\0\0\x18ftyp", b"ID3", b"G", bytes(9)]),
        st.binary(max_size=600),
    )
)
def test_a_file_is_opened_as_audio_or_not_at_all(head: bytes) -> None:
    """No demuxer that reads other files can be named."""
    recognised = recognise(memoryview(head))
    assert recognised is None or recognised.container in HARMLESS


def box(name: bytes, *parts: bytes) -> bytes:
    """A QuickTime box."""
    body = b"".join(parts)
    return pack(">I4s", 8 + len(body), name) + body


def compressed_index(size: int) -> bytes:
    """QuickTime's compressed `moov`: a megabyte for each gigabyte."""
    data = zlib.compress(bytes(size), 9)
    index = box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", pack(">I", size), data))
    return box(b"ftyp", b"qt  \0\0\0\0") + box(b"moov", index)


def samples_of_one_size(count: int) -> bytes:
    """An mp4 that says in a few bytes that it has so many samples of one byte."""
    data = bytearray(recorded("mp4", "aac"))
    sizes, chunks = data.index(b"stsz") + 8, data.index(b"stsc") + 8
    data[sizes : sizes + 8] = pack(">II", 1, count)
    data[chunks : chunks + 16] = pack(">IIII", 1, 1, count, 1)
    return bytes(data)


def one_packet(size: int) -> bytes:
    """Hours of 8-bit sound in one packet, which the resampler would make eight times as large."""
    file = BytesIO()
    with av.open(file, "w", format="matroska") as media:
        stream = media.add_stream("pcm_u8", rate=4000, layout="mono")
        frame = av.AudioFrame(format="u8", layout="mono", samples=size)
        frame.planes[0].update(bytes(size))
        frame.sample_rate, frame.pts = 4000, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            media.mux(packet)
    return file.getvalue()


def tag(name: bytes, body: bytes, flags: int = 0) -> bytes:
    """An ID3 tag of one frame in front of an mp3."""

    def size(number: int) -> bytes:
        return bytes(number >> shift & 127 for shift in (21, 14, 7, 0))

    frame = name + size(len(body)) + pack(">H", flags) + body
    return b"ID3\x04\0\0" + size(len(frame)) + frame + recorded("mp3", "libmp3lame")


def compressed_title(size: int) -> bytes:
    """A title that unpacks to `size` bytes of nothing."""
    announced = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    return tag(b"TIT2", announced + zlib.compress(bytes(size), 9), 0x0009)


def large_cover(side: int) -> bytes:
    """A cover picture of side x side, black."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return pack(">I", len(body)) + name + body + pack(">I", zlib.crc32(name + body))

    rows = zlib.compress(bytes((side + 1) * side), 9)
    head = chunk(b"IHDR", pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    picture = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return tag(b"APIC", b"\0image/png\0\x03\0" + picture)


BOMBS: dict[str, Callable[[], bytes]] = {
    "an index that unpacks": lambda: compressed_index(1 << 29),
    "samples that are not there": lambda: samples_of_one_size(40_000_000),
    "one packet": lambda: one_packet(LARGEST_BLOCK // 4),
    "a title that unpacks": lambda: compressed_title((1 << 28) - 1),
    "a cover": lambda: large_cover(16_000),
}

CHILD = """
import resource, sys
from spark_audio_proxy.transcode.decode import decode
from spark_audio_proxy.transcode.libav_limits import limit_blocks
limit_blocks()
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
file, before = bytearray(sys.stdin.buffer.read()), peak()
try:
    for _ in decode(file): pass
except ValueError: pass
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_no_recording_unpacks_to_much_more_than_it_is(bomb: Callable[[], bytes]) -> None:
    """Each would take several hundred megabytes, and does not take one."""
    child = subprocess.run([sys.executable, "-c", CHILD], input=bomb(), capture_output=True, check=True, cwd=ROOT)
    assert int(child.stdout) < 64 << 10


@pytest.mark.slow
def test_hours_of_silence_in_a_few_kilobytes_come_a_block_at_a_time() -> None:
    """The reader stops at the longest recording; the file's size says nothing."""
    silence = flac_of_silence(5 * 3600)
    assert len(silence) < 4 << 20
    largest = total = 0
    for block in decode(bytearray(silence)):
        largest, total = max(largest, len(block.pcm)), total + len(block.pcm)
        if total > 3600 * 32_000:
            break
    assert largest < 1 << 20


def flac_of_silence(seconds: int) -> bytes:
    """FLAC says "so many times the same" in a dozen bytes."""
    file = BytesIO()
    with av.open(file, "w", format="flac") as media:
        stream = media.add_stream("flac", rate=8000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=8000 * 60)
        frame.planes[0].update(bytes(16_000 * 60))
        frame.sample_rate = 8000
        for minute in range(seconds // 60):
            frame.pts = minute * 8000 * 60
            for packet in stream.encode(frame):
                media.mux(packet)
        for packet in stream.encode(None):
            media.mux(packet)
    return file.getvalue()


def wav(sample_rate: int, channels: int, announced: int = 0xFFFFFFFF) -> bytes:
    """A WAV file of a second or so that says this of itself."""
    head = bytearray(wav_header(16_000))
    head[22:34] = pack("<HIIH", channels, sample_rate, sample_rate * channels * 2 & 0xFFFFFFFF, channels * 2 & 0xFFFF)
    head[40:44] = pack("<I", announced)
    return bytes(head) + tone(1).pcm


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (wav(1, 1), "1 samples a second"),
        (wav(3_999, 1), "3999 samples a second"),
        (wav(2**31 - 1, 1), "2147483647 samples a second"),
        (wav(2**32 - 1, 1), "damaged"),
        (wav(0, 1), "sample rate of 0"),
        (wav(16_000, 0), "no channels"),
        (wav(16_000, 512), "damaged"),
        (wav(16_000, 65_535), "damaged"),
        (wav(16_000, 1, 0x70000000), "cut"),
        (recorded("matroska", "tta"), "coded as tta"),
        (recorded("matroska", "flac").replace(b"A_FLAC", b"A_NONE"), "coded as something unknown"),
    ],
)
async def test_what_no_recorder_writes_is_refused(proxy: Proxy, audio: bytes, message: str) -> None:
    """By name, and before anything is decoded or heard."""
    status, _, body = await send(proxy, upload(audio))
    assert (status, proxy.parakeet.posts(TRANSCRIPTIONS)) == (400, [])
    assert message in error_in(body)["message"]


@pytest.mark.parametrize("announced", [0xFFFFFFFF, 0xF0000000])
async def test_a_wav_that_says_it_has_4_gigabytes_has_what_it_has(proxy: Proxy, announced: int) -> None:
    """Encoders that stream write such sizes."""
    status, _, _ = await send(proxy, upload(wav(44_100, 2, announced)))
    (asked,) = proxy.parakeet.posts(TRANSCRIPTIONS)
    assert (status, len(asked.file or b"") < 16_000) == (200, True)


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "a\\..\\b.wav", "x%22; name=%22model", "a%0D%0AX-Evil: 1", "a\0b", "%s%n"],
)
async def test_the_name_of_a_file_has_no_effect(proxy: Proxy, name: str) -> None:
    head = f'--x1\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode() + recorded("mp3", "libmp3lame") + b"\r\n--x1--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x1"}
    async with proxy.client.post(f"{proxy.url}/v1/audio/transcriptions", data=body, headers=headers) as response:
        assert response.status == 200
    (asked,) = proxy.parakeet.posts(TRANSCRIPTIONS)
    assert (asked.file_name, "X-Evil" in asked.headers) == ("audio.wav", False)
