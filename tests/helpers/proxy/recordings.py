"""Recordings in the formats that phones and browsers make, written here and now."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from io import BytesIO
from math import pi, sin
from struct import pack

import av
from spark_engine.models import Audio
from spark_engine.speech.audio import wav_header


@cache
def _second(sample_rate: int) -> bytes:
    """One second of a quiet 440 Hz tone, s16le mono: whole periods, so that it repeats without a seam."""
    return array("h", (round(6000 * sin(2 * pi * 440 * n / sample_rate)) for n in range(sample_rate))).tobytes()


def tone(seconds: float, sample_rate: int = 16_000) -> Audio:
    """A quiet 440 Hz tone."""
    second = _second(sample_rate)
    size = 2 * round(seconds * sample_rate)
    return Audio((second * (size // len(second) + 1))[:size], sample_rate)


class _Live(BytesIO):
    def seekable(self) -> bool:
        """A browser's recorder cannot go back."""
        return False


def recorded(
    container: str,
    codec: str,
    seconds: float = 2.0,
    *,
    live: bool = False,
    channels: str = "mono",
    sample_rate: int = 48_000,
    tags: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> bytes:
    """A recording in that container; `live` as a browser writes it, without a duration; `options` of the muxer."""
    file: BytesIO = _Live() if live else BytesIO()
    audio = tone(seconds, 48_000)
    tagging = {"movflags": "use_metadata_tags", "write_id3v2": "1"} if tags else {}
    with av.open(file, "w", format=container, container_options=tagging | dict(options or {})) as media:
        media.metadata.update(tags or {})
        stream = media.add_stream(codec, rate=sample_rate, layout=channels)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(audio.pcm) // 2)
        frame.planes[0].update(audio.pcm)
        frame.sample_rate = 48_000
        frame.pts = 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            media.mux(packet)
    return file.getvalue()


def filmed(container: str, picture: str, codec: str, seconds: float = 2.0, *, heard: float | None = None) -> bytes:
    """A recording with a picture, ten a second for `seconds`; its sound lasts as long, or `heard` seconds."""
    file = BytesIO()
    audio = tone(heard or seconds, 48_000)
    with av.open(file, "w", format=container) as media:
        film, sound = media.add_stream(picture, rate=25), media.add_stream(codec, rate=44_100, layout="mono")
        assert isinstance(film, av.VideoStream)
        assert isinstance(sound, av.AudioStream)
        film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        for number in range(round(seconds * 25)):
            image = av.VideoFrame(64, 48, "yuv420p")
            for plane in image.planes:
                plane.update(bytes((at * number) % 251 for at in range(plane.buffer_size)))
            image.pts = number
            samples = audio.pcm[number * 3840 : (number + 1) * 3840]
            frame = av.AudioFrame(format="s16", layout="mono", samples=max(1, len(samples) // 2))
            frame.planes[0].update(samples or bytes(2))
            frame.sample_rate, frame.pts = 48_000, number * 1920
            for packet in [*film.encode(image), *(sound.encode(frame) if samples else ())]:
                media.mux(packet)
        for packet in [*film.encode(None), *sound.encode(None)]:
            media.mux(packet)
    return file.getvalue()


def paused(container: str, codec: str, seconds: float, pause: float, sample_rate: int = 48_000) -> bytes:
    """A recording in which the clock goes on for `pause` seconds in its middle, without a packet."""
    file = BytesIO()
    whole = BytesIO(recorded("matroska", codec, seconds, sample_rate=sample_rate))
    with av.open(whole, "r") as source, av.open(file, "w", format=container) as media:
        stream = media.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.size and packet.pts is not None:
                late = round(pause / packet.time_base) if packet.pts * packet.time_base >= seconds / 2 else 0
                packet.pts, packet.dts, packet.stream = packet.pts + late, packet.pts + late, stream
                media.mux(packet)
    return file.getvalue()


def many_channels(channels: int = 10, sample_rate: int = 192_000, seconds: float = 1.0) -> bytes:
    """A WAV file from a mixing desk."""
    frames = round(sample_rate * seconds)
    width = channels * 2
    samples = tone(seconds, sample_rate).pcm
    body = b"".join(samples[at : at + 2] * channels for at in range(0, len(samples), 2))
    head = bytearray(wav_header(sample_rate, frames * width))
    head[22:36] = pack("<HIIHH", channels, sample_rate, sample_rate * width, width, 16)
    return bytes(head) + body


AMR_BYTES = {
    "amr": (12, 13, 15, 17, 19, 20, 26, 31, 5, *(0,) * 7),
    "amr-wb": (17, 23, 32, 36, 40, 46, 50, 58, 60, 5, *(0,) * 6),
}
"""Bytes of a frame of each kind, behind its head."""


def amr(name: str, kinds: Sequence[int]) -> bytes:
    """A recording of one frame of each of these kinds, 20 ms each; what they hold is noise."""
    frames = (bytes((kind << 3 | 4, *(at * 37 % 256 for at in range(AMR_BYTES[name][kind])))) for kind in kinds)
    return (b"#!AMR-WB\n" if name == "amr-wb" else b"#!AMR\n") + b"".join(frames)


def amr_in_3gp(name: str, kinds: Sequence[int], together: int) -> bytes:
    """The same in 3GP, so many frames in a packet."""
    file, rate = BytesIO(), 16_000 if name == "amr-wb" else 8_000
    with av.open(BytesIO(amr(name, kinds)), "r") as source, av.open(file, "w", format="3gp") as media:
        stream = media.add_stream_from_template(source.streams.audio[0])
        for at in range(0, len(kinds), together):
            data = b"".join(amr(name, [kind]).partition(b"\n")[2] for kind in kinds[at : at + together])
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, Fraction(1, rate)
            packet.pts = packet.dts = at * rate // 50
            packet.duration = len(kinds[at : at + together]) * rate // 50
            media.mux(packet)
    return file.getvalue()


def two_sides(left: Callable[[float], float], right: Callable[[float], float], seconds: float = 2.0) -> bytes:
    """A WAV file with two channels; what each has at a time in seconds is from -1 to 1."""
    times = [at / 16_000 for at in range(round(seconds * 16_000))]
    samples = array("h", (round(20_000 * side(at)) for at in times for side in (left, right)))
    head = bytearray(wav_header(16_000, len(samples) * 2))
    head[22:36] = pack("<HIIHH", 2, 16_000, 64_000, 4, 16)
    return bytes(head) + samples.tobytes()


def speech_with_pauses() -> Audio:
    """Forty seconds: a tone with half a second of silence before second 9, 18, 27 and 36."""
    pcm = bytearray(tone(40).pcm)
    for second in (9, 18, 27, 36):
        start = round((second - 0.5) * 32_000)
        pcm[start : second * 32_000] = bytes(16_000)
    return Audio(bytes(pcm), 16_000)
