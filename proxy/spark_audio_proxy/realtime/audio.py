"""Audio of a client as it comes, into 16 kHz s16le mono PCM."""

from array import array

import av.filter
from av.error import BlockingIOError as NothingYet
from spark_engine.models import SAMPLE_RATE
from spark_engine.speech.audio import SampleFramer

from spark_audio_proxy.transcode.encode import audio_frame
from spark_audio_proxy.transcode.filters import THREADS, free_filters

from .settings import AudioFormat


class Decoder:
    """Takes one format in pieces cut anywhere. Costs 0.1 ms for 0.1 s: cheap enough for the event loop."""

    def __init__(self, audio_format: AudioFormat) -> None:
        """Nothing is held where the samples pass as they are."""
        self._table = {"pcmu": ULAW, "pcma": ALAW}.get(audio_format.encoding)
        self._framer = SampleFramer()
        self._resampler = _Resampler(audio_format.rate) if audio_format.rate != SAMPLE_RATE else None

    def decode(self, data: bytes) -> bytes:
        """Return whole samples; a resampler keeps about a millisecond back."""
        table = self._table
        pcm = array("h", [table[byte] for byte in data]).tobytes() if table else self._framer.feed(data)
        return self._resampler.feed(pcm) if self._resampler and pcm else pcm

    def close(self) -> None:
        """Free what libav holds."""
        if self._resampler:
            self._resampler.close()
            self._resampler = None


class _Resampler:
    """libav's, in a graph of our own: the one that PyAV builds starts a thread for each processor."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._position = 0
        self._graph = av.filter.Graph()
        self._graph.threads = THREADS
        self._graph.link_nodes(
            self._graph.add_abuffer(format="s16", layout="mono", sample_rate=sample_rate),
            self._graph.add("aresample", str(SAMPLE_RATE)),
            self._graph.add("aformat", "sample_fmts=s16:channel_layouts=mono"),
            self._graph.add("abuffersink"),
        ).configure()

    def feed(self, pcm: bytes) -> bytes:
        frame = audio_frame(pcm, self._sample_rate, self._position)
        self._position += frame.samples
        self._graph.push(frame)
        ready = bytearray()
        while True:
            try:
                out = self._graph.pull()
            except NothingYet:
                return bytes(ready)
            if isinstance(out, av.AudioFrame):
                ready += bytes(out.planes[0])[: out.samples * 2]

    def close(self) -> None:
        free_filters(self._graph)


def _ulaw(code: int) -> int:
    """G.711, table 2: a sign, three bits of segment and four of step, all inverted."""
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return -magnitude if code & 0x80 else magnitude


def _alaw(code: int) -> int:
    """G.711, table 1: the same with every other bit inverted, and a first segment that is linear."""
    code ^= 0x55
    segment, step = code >> 4 & 7, code & 0x0F
    magnitude = (step << 4) + 8 if segment == 0 else (step << 4) + 0x108 << segment - 1
    return magnitude if code & 0x80 else -magnitude


ULAW = tuple(map(_ulaw, range(256)))
ALAW = tuple(map(_alaw, range(256)))
