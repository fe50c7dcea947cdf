"""libav's filter graphs, freed when they are done with and not when the garbage collector comes by."""

import gc

from av.audio.resampler import AudioResampler
from av.codec.context import CodecContext
from av.filter import Graph

THREADS = 1
"""Threads of a graph. By itself libav starts one more for each processor, for filters that use none: half of the time
that it takes to build a graph."""


def free_filters(owner: Graph | AudioResampler | CodecContext) -> None:
    """Let go of the filters of a graph, of a resampler's graph or of an encoder's resampler; it must not be used again.

    True of PyAV 19.0: a graph and its filters hold each other, and there is no way to close them. The collector counts
    objects, and does not know that megabytes and threads are behind these few. `tests/proxy/transcode/test_libav_freed`
    tells when another version needs another way.
    """
    for held in gc.get_referents(owner):
        if isinstance(held, Graph | AudioResampler):
            free_filters(held)
        elif isinstance(owner, Graph) and isinstance(held, dict):
            held.clear()
