"""Faster or slower speech at the same pitch, with libav's `atempo`."""

import av
import av.filter
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as Finished

from .encode import audio_frame
from .filters import THREADS, free_filters


class Stretch:
    """Changes the tempo of s16le mono PCM by `speed` (0.25 to 4)."""

    def __init__(self, sample_rate: int, speed: float) -> None:
        """Build the filter; atempo takes 0.5 and more, so a quarter is a half of a half."""
        self._sample_rate = sample_rate
        self._position = 0
        self._graph = av.filter.Graph()
        self._graph.threads = THREADS
        source = self._graph.add_abuffer(format="s16", layout="mono", sample_rate=sample_rate)
        steps = [speed] if speed >= 0.5 else [0.5, speed / 0.5]
        filters = [self._graph.add("atempo", f"{step:.4f}") for step in steps]
        self._graph.link_nodes(source, *filters, self._graph.add("abuffersink")).configure()

    def feed(self, pcm: bytes) -> bytes:
        """Return what is ready after these samples."""
        if pcm:
            self._graph.push(audio_frame(pcm, self._sample_rate, self._position))
            self._position += len(pcm) // 2
        return self._pull()

    def finish(self) -> bytes:
        """Return what is left; then it is closed."""
        self._graph.push(None)
        rest = self._pull()
        self.close()
        return rest

    def close(self) -> None:
        """Free what libav holds, also in the middle."""
        free_filters(self._graph)

    def _pull(self) -> bytes:
        ready: list[bytes] = []
        while True:
            try:
                frame = self._graph.pull()
            except NothingYet, Finished:
                return b"".join(ready)
            if isinstance(frame, av.AudioFrame):
                ready.append(bytes(frame.planes[0])[: frame.samples * 2])
