"""Where the words part in a sentence that was spoken whole: found by comparing it with its pieces spoken apart. Pure.

The pieces, one behind the other, are aligned with the sentence by dynamic time warping, since their words are the same.
The quietest moment close to the place found is the boundary.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from spark_engine.models import SAMPLE_RATE

type Samples = NDArray[np.float64]
"""16 kHz, mono, up to 32,767."""

FRAME_SAMPLES = SAMPLE_RATE // 100
"""Samples of 10 ms."""

SOUND = 150
"""Peak of 32,767 above which a frame of a synthesiser's clean speech is sound."""

WINDOW = FRAME_SAMPLES * 5 // 2
BANDS = 20
"""What is compared: the logarithm of the energy in these bands up to 8 kHz, in windows of 25 ms."""

NEAR = 6
"""Frames around the place found among which the quietest is looked for."""

FADE = FRAME_SAMPLES // 2
"""Samples over which speech is faded where it is parted: 5 ms."""


def trimmed(samples: Samples) -> Samples:
    """Return whole frames, without the silence that a synthesiser leaves before and behind."""
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    loud = np.flatnonzero(np.abs(frames).max(axis=1) > SOUND)
    return frames[loud[0] : loud[-1] + 1].reshape(-1)


def boundaries(sentence: Samples, apart: Sequence[Samples]) -> list[int]:
    """Return the samples of the trimmed sentence at which its pieces part."""
    spoken, pieces = trimmed(sentence), [trimmed(piece) for piece in apart]
    path = _aligned(_bands(np.concatenate(pieces)), _bands(spoken))
    levels = np.abs(spoken.reshape(-1, FRAME_SAMPLES)).mean(axis=1)
    joints = itertools.accumulate(len(piece) // FRAME_SAMPLES for piece in pieces[:-1])
    return [_quietest(levels, path[joint]) * FRAME_SAMPLES + FRAME_SAMPLES // 2 for joint in joints]


def parted(sentence: Samples, places: Sequence[int]) -> list[Samples]:
    """Return the trimmed sentence in parts that are faded where they part."""
    spoken = trimmed(sentence)
    return list(_faded(spoken, [0, *places, len(spoken)]))


def _faded(spoken: Samples, places: Sequence[int]) -> Iterator[Samples]:
    ramp = np.linspace(0, 1, FADE)
    for start, end in itertools.pairwise(places):
        part = spoken[start:end].copy()
        if start:
            part[:FADE] *= ramp
        if end < len(spoken):
            part[-FADE:] *= ramp[::-1]
        yield part


def _quietest(levels: Samples, near: int) -> int:
    start = max(1, near - NEAR)
    return start + int(levels[start : near + NEAR + 1].argmin())


def _bands(samples: Samples) -> NDArray[np.float64]:
    """Return one row for each frame."""
    padded = np.pad(samples, (0, WINDOW))
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[: len(samples) : FRAME_SAMPLES]
    power = np.abs(np.fft.rfft(windows * np.hanning(WINDOW), 512)) ** 2
    # Bands that widen with the frequency, as ears hear it.
    edges = np.unique(np.geomspace(3, 256, BANDS + 1).astype(int))
    bands = np.stack([power[:, low:high].mean(axis=1) for low, high in itertools.pairwise(edges)], axis=1)
    logs = np.log10(bands + 1e4)
    return np.asarray(logs - logs.mean(axis=0))


def _aligned(one: NDArray[np.float64], other: NDArray[np.float64]) -> dict[int, int]:
    """Return for each row of one the first row of the other that it is aligned with."""
    # Lists, because single cells of an array are slow.
    costs: list[list[float]] = np.linalg.norm(one[:, None, :] - other[None, :, :], axis=2).tolist()
    total = [[0.0, *[np.inf] * len(other)]]
    for frame in costs:
        before, here = total[-1], [np.inf]
        for at, cost in enumerate(frame):
            here.append(cost + min(before[at], before[at + 1], here[at]))
        total.append(here)
    path, row, column = {}, len(one), len(other)
    while row and column:
        path[row - 1] = column - 1
        places = ((row - 1, column - 1), (row - 1, column), (row, column - 1))
        row, column = min(places, key=lambda place: total[place[0]][place[1]])
    return path
