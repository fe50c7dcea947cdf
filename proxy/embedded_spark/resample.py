"""Change the sample rate of speech: band-limited interpolation with a table of windowed sinc filters."""

from functools import cache
from math import ceil

import numpy as np
from numpy.typing import NDArray

type Samples = NDArray[np.float32]

ZERO_CROSSINGS = 8
"""Of the filter, on each side of its middle."""

PHASES = 256
"""Filters per input sample; an output sample uses the one nearest to its place."""

BLOCK = 16_384
"""Output samples computed at a time."""


def resample(samples: Samples, step: float) -> Samples:
    """Read `samples` at every `step`-th place: 2.0 halves the rate, 0.5 doubles it."""
    if step == 1.0:
        return samples
    filters = _filters(step)
    taps = filters.shape[1]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(samples, (taps // 2, taps // 2 + 1)), taps)
    blocks: list[Samples] = []
    length = int(len(samples) / step)
    for start in range(0, length, BLOCK):
        places = np.arange(start, min(start + BLOCK, length)) * step
        whole = places.astype(np.intp)
        phases = ((places - whole) * PHASES).astype(np.intp)
        blocks.append(np.einsum("ij,ij->i", windows[whole], filters[phases]))
    return np.concatenate(blocks) if blocks else samples[:0]


@cache
def _filters(step: float) -> Samples:
    """Return one row per phase. Frequencies that the slower of the two rates cannot hold are cut off."""
    cutoff = min(1.0, 1.0 / step)
    reach = ceil(ZERO_CROSSINGS / cutoff)
    distances = np.arange(-reach, reach + 1)[None, :] - (np.arange(PHASES)[:, None] + 0.5) / PHASES
    window = np.cos(np.clip(distances / (reach + 1), -1, 1) * np.pi / 2) ** 2
    filters = np.sinc(distances * cutoff) * window
    unit_gain: Samples = (filters / filters.sum(axis=1, keepdims=True)).astype(np.float32)
    return unit_gain
