"""Speech as it was synthesised into speech as it was asked for."""

from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock

from spark_engine.models import Audio
from spark_engine.speech.loudness import Leveller

from .encode import AudioFormat, Encoder, create_encoder
from .stretch import Stretch


class Coder:
    """PCM to bytes of one format, on the way brought to one level and stretched where that is wanted.

    Blocking, and one call at a time, in any thread. Only `close` may come meanwhile: who goes away does not wait.
    """

    def __init__(self, audio_format: AudioFormat, speed: float, *, is_even: bool = False) -> None:
        """`speed` from 0.25 to 4. Nothing is held before the first audio, which tells the sample rate."""
        self._format, self._speed, self._is_even = audio_format, speed, is_even
        self._encoder: Encoder | None = None
        self._leveller: Leveller | None = None
        self._stretch: Stretch | None = None
        self._at_work = Lock()
        self._is_closed = False

    def encode(self, audio: Audio) -> bytes:
        """Return what is ready after this audio; may be empty."""
        with self._working():
            if self._encoder is None:
                self._encoder = create_encoder(self._format, audio.sample_rate)
                self._leveller = Leveller(audio.sample_rate) if self._is_even else None
                self._stretch = None if self._speed == 1.0 else Stretch(audio.sample_rate, self._speed)
            pcm = self._leveller.feed(audio.pcm) if self._leveller else audio.pcm
            return self._encoder.encode(self._stretch.feed(pcm) if self._stretch else pcm)

    def finish(self) -> bytes:
        """Return what is left, trailers included; then it is closed."""
        with self._working():
            self._is_closed = True
            if self._encoder is None:
                return b""
            pcm = self._leveller.finish() if self._leveller else b""
            if self._stretch:
                pcm = self._stretch.feed(pcm) + self._stretch.finish()
            return self._encoder.encode(pcm) + self._encoder.finish()

    def close(self) -> None:
        """Free what libav holds: at once, or where a thread is at work, as soon as that is done."""
        self._is_closed = True
        self._free()

    @contextmanager
    def _working(self) -> Generator[None]:
        try:
            with self._at_work:
                yield
        finally:
            if self._is_closed:
                self._free()

    def _free(self) -> None:
        if not self._at_work.acquire(blocking=False):
            return
        try:
            for part in (self._encoder, self._stretch):
                if part is not None:
                    part.close()
            self._encoder = self._stretch = None
        finally:
            self._at_work.release()
