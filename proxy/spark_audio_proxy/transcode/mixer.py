"""Decoded frames of any rate and layout, as 16 kHz mono PCM."""

from array import array
from collections.abc import Iterator
from enum import StrEnum

import av
from spark_engine.models import SAMPLE_RATE, SAMPLE_WIDTH

from .filters import THREADS, free_filters


class Channel(StrEnum):
    """One side of a recording with two channels."""

    LEFT = "left"
    RIGHT = "right"


def check_channels(number: int, channel: Channel | None) -> None:
    """Raise ValueError, with a sentence for the user, where one channel of two is wanted and there are not two."""
    if channel is not None and number != 2:
        raise ValueError(f"channels=separate needs a recording with two channels; this one has {number}.")


_COMPARED = SAMPLE_RATE // 2 * SAMPLE_WIDTH
"""Bytes of PCM within which the mix and the channels are compared."""

_CANCELLED = 0.1
"""Loudness of the mix, beside that of the louder channel, below which the two cancel each other out."""


class Mixer:
    """Takes frames, gives 16 kHz s16le mono: all channels mixed, or one of two."""

    def __init__(self, channel: Channel | None) -> None:
        """`channel` is the one that is wanted, None for all of them."""
        self._channel = channel
        self._kind: tuple[str, str, int] | None = None
        self._stage: _Mono | _Stereo | None = None

    def feed(self, frame: av.AudioFrame) -> Iterator[bytes]:
        """Yield PCM. The rate and the layout of frames may change at any time.

        Raises ValueError where one channel of two is wanted and there are not two.
        """
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:
            yield from self.finish()
            channels = frame.layout.nb_channels
            check_channels(channels, self._channel)
            self._kind, self._stage = kind, _Stereo(self._channel) if channels == 2 else _Mono()
        frame.pts = None
        if self._stage is not None:
            yield from self._stage.feed(frame)

    def finish(self) -> Iterator[bytes]:
        """Yield what is left; frames may follow."""
        stage, self._kind = self._stage, None
        if stage is not None:
            yield from stage.feed(None)
        self.close()

    def close(self) -> None:
        """Free what libav holds."""
        if self._stage is not None:
            self._stage.close()
        self._stage = None


class _Mono:
    """Any layout mixed to one channel."""

    def __init__(self) -> None:
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE, threads=THREADS)

    def feed(self, frame: av.AudioFrame | None) -> Iterator[bytes]:
        for out in self._resampler.resample(frame):
            yield _samples(out, 0)

    def close(self) -> None:
        free_filters(self._resampler)


class _Stereo:
    """Two channels: one of them, or their mix, or the louder one where they cancel each other out."""

    def __init__(self, channel: Channel | None) -> None:
        self._channel = channel
        self._split = av.AudioResampler(format="s16p", layout="stereo", rate=SAMPLE_RATE, threads=THREADS)
        self._mix = _Mono()
        self._left, self._right, self._mixed = bytearray(), bytearray(), bytearray()

    def feed(self, frame: av.AudioFrame | None) -> Iterator[bytes]:
        for out in self._split.resample(frame):
            left, right = _samples(out, 0), _samples(out, 1)
            if self._channel is not None:
                yield left if self._channel is Channel.LEFT else right
                continue
            self._left += left
            self._right += right
            out.pts = None
            self._mixed += b"".join(self._mix.feed(out))
        if frame is None and self._channel is None:
            self._mixed += b"".join(self._mix.feed(None))
        if len(self._mixed) >= _COMPARED or frame is None:
            yield self._take(len(self._mixed))

    def _take(self, size: int) -> bytes:
        kept = max((self._left, self._right), key=lambda side: _loudness(side[:size]))
        if _loudness(self._mixed) >= _CANCELLED * _loudness(kept[:size]):
            kept = self._mixed
        block = bytes(kept[:size])
        for side in (self._left, self._right, self._mixed):
            del side[:size]
        return block

    def close(self) -> None:
        free_filters(self._split)
        self._mix.close()


_MEASURED = 7
"""Of so many samples one is measured: a prime, so that no tone hides."""


def _loudness(pcm: bytearray) -> float:
    samples = array("h", bytes(pcm))[::_MEASURED]
    return sum(map(abs, samples)) / max(1, len(samples))


def _samples(frame: av.AudioFrame, plane: int) -> bytes:
    return bytes(frame.planes[plane])[: frame.samples * SAMPLE_WIDTH]
