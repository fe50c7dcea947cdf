"""PCM into what the caller asked for, piece by piece, so that the first sound leaves before the last is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Protocol, cast, override

import av
from spark_engine.speech.audio import wav_header

from .filters import THREADS, free_filters

PCM_RATE = 24_000
"""Hz of OpenAI's `pcm`."""

G711_RATE = 8000

RAW_RATES = {"pcm": PCM_RATE, "ulaw": G711_RATE, "alaw": G711_RATE}
"""Hz of the formats that have no header to tell it."""


class Encoder(Protocol):
    """Takes s16le mono PCM, gives bytes of one format."""

    def encode(self, pcm: bytes) -> bytes:
        """Return what is ready after these samples; may be empty."""

    def finish(self) -> bytes:
        """Return what is left, trailers included; then it is closed."""

    def close(self) -> None:
        """Free what libav holds, also in the middle. Nothing more can be encoded."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A `response_format` and the exact Content-Type that goes with it."""

    name: str
    content_type: str
    container: str = ""
    codec: str = ""
    bit_rate: int | None = None
    sample_rate: int | None = None
    """Hz inside the file, None for that of the PCM."""
    options: Mapping[str, str] = field(default_factory=dict)


FORMATS: Mapping[str, AudioFormat] = {
    item.name: item
    for item in (
        # At 44.1 kHz the padding of mp3 and aac is half as long as at Magpie's own rate.
        AudioFormat(
            "mp3", "audio/mpeg", "mp3", "libmp3lame", 64_000, 44_100, {"write_xing": "0", "id3v2_version": "0"}
        ),
        # Opus is 48 kHz inside. A page every 100 ms: at the default of a second the first sound would wait that long.
        AudioFormat("opus", "audio/ogg", "ogg", "libopus", 32_000, 48_000, {"page_duration": "100000"}),
        AudioFormat("aac", "audio/aac", "adts", "aac", 64_000, 44_100),
        AudioFormat("flac", "audio/flac", "flac", "flac"),
        AudioFormat("wav", "audio/wav"),
        AudioFormat("pcm", "audio/pcm"),
        # G.711, as telephones speak it.
        AudioFormat("ulaw", "audio/PCMU", "mulaw", "pcm_mulaw", sample_rate=G711_RATE),
        AudioFormat("alaw", "audio/PCMA", "alaw", "pcm_alaw", sample_rate=G711_RATE),
    )
}

ALIASES: Mapping[str, str] = {
    "ogg": "opus",
    "ogg_opus": "opus",
    "mulaw": "ulaw",
    "g711_ulaw": "ulaw",
    "g711_alaw": "alaw",
    "pcm16": "pcm",
}
"""What clients call some of them."""


def find_format(name: str) -> AudioFormat | None:
    """Return the format of that name, None where there is none."""
    name = name.strip().lower()
    return FORMATS.get(ALIASES.get(name, name))


def create_encoder(audio_format: AudioFormat, sample_rate: int) -> Encoder:
    """Return the encoder for PCM of that sample rate in Hz."""
    match audio_format.name:
        case "wav":
            return _WavEncoder(sample_rate)
        case "pcm":
            return _PcmEncoder(sample_rate)
    return _ContainerEncoder(audio_format, sample_rate)


def audio_frame(pcm: bytes, sample_rate: int, position: int = 0) -> av.AudioFrame:
    """Return samples as libav wants them; `position` in samples from the start."""
    frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
    frame.planes[0].update(pcm)
    frame.sample_rate = sample_rate
    frame.pts = position
    return frame


class _WavEncoder(Encoder):
    def __init__(self, sample_rate: int) -> None:
        self._header = wav_header(sample_rate)

    @override
    def encode(self, pcm: bytes) -> bytes:
        header, self._header = self._header, b""
        return header + pcm

    @override
    def finish(self) -> bytes:
        return self._header

    @override
    def close(self) -> None:
        pass


class _PcmEncoder(Encoder):
    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=PCM_RATE, threads=THREADS)

    @override
    def encode(self, pcm: bytes) -> bytes:
        return self._resample(audio_frame(pcm, self._sample_rate)) if pcm else b""

    @override
    def finish(self) -> bytes:
        rest = self._resample(None)
        self.close()
        return rest

    @override
    def close(self) -> None:
        free_filters(self._resampler)

    def _resample(self, frame: av.AudioFrame | None) -> bytes:
        if frame is not None:
            frame.pts = None
        return b"".join(bytes(out.planes[0])[: out.samples * 2] for out in self._resampler.resample(frame))


class _Sink(BytesIO):
    """A file that cannot be sought in: the muxer then writes what a stream needs."""

    @override
    def seekable(self) -> bool:
        return False

    def take(self) -> bytes:
        """Return what was written since the last call."""
        written = self.getvalue()
        self.truncate(0)
        super().seek(0)
        return written


class _ContainerEncoder(Encoder):
    """mp3, opus, aac and flac through libav."""

    def __init__(self, audio_format: AudioFormat, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._position = 0
        self._sink = _Sink()
        self._container = av.open(
            self._sink, "w", format=audio_format.container, container_options=dict(audio_format.options)
        )
        stream = self._container.add_stream(
            audio_format.codec, rate=audio_format.sample_rate or sample_rate, layout="mono"
        )
        self._stream = cast(av.AudioStream, stream)
        if audio_format.bit_rate:
            self._stream.bit_rate = audio_format.bit_rate

    @override
    def encode(self, pcm: bytes) -> bytes:
        if pcm:
            self._mux(audio_frame(pcm, self._sample_rate, self._position))
            self._position += len(pcm) // 2
        return self._sink.take()

    @override
    def finish(self) -> bytes:
        self._mux(None)
        self._container.close()
        rest = self._sink.take()
        self.close()
        return rest

    @override
    def close(self) -> None:
        # Where its file is closed a muxer writes no trailer: nothing reads it, and nothing can go wrong.
        self._sink.close()
        self._container.close()
        free_filters(self._stream.codec_context)

    def _mux(self, frame: av.AudioFrame | None) -> None:
        for packet in self._stream.encode(frame):
            self._container.mux(packet)
