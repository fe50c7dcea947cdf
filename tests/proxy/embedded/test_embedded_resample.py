"""Resampling, measured with tones."""

import numpy as np
import pytest
from embedded_spark.resample import BLOCK, Samples, resample

RATE = 22_050
STEPS = [RATE / 8_000, RATE / 16_000, RATE / 44_100, 0.9, 1.22]


def tone(hertz: float, rate: float, samples: int = RATE) -> Samples:
    """A full-scale tone."""
    wave: Samples = np.sin(2 * np.pi * hertz * np.arange(samples) / rate).astype(np.float32)
    return wave


def middle(samples: Samples) -> Samples:
    """Without the ends, where a filter has too little to go by."""
    return samples[len(samples) // 10 : -len(samples) // 10]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("hertz", [100, 440, 3_000])
def test_a_tone_stays_itself(step: float, hertz: float) -> None:
    """At every place, to 40 dB and better; across blocks, too."""
    resampled = resample(tone(hertz, RATE), step)
    assert len(resampled) == int(RATE / step)
    assert np.abs(middle(resampled - tone(hertz, RATE / step, len(resampled)))).max() < 0.01
    assert resampled.dtype == np.float32


@pytest.mark.parametrize(("step", "hertz"), [(RATE / 8_000, 5_500), (RATE / 16_000, 10_500)])
def test_what_the_new_rate_cannot_hold_is_gone(step: float, hertz: float) -> None:
    """Instead of folding down into the speech."""
    assert np.abs(middle(resample(tone(hertz, RATE), step))).max() < 0.02


def test_the_same_rate_changes_nothing() -> None:
    samples = tone(440, RATE)
    assert resample(samples, 1.0) is samples


@pytest.mark.parametrize("length", [0, 1, 2, BLOCK, BLOCK + 1])
def test_any_length_will_do(length: int) -> None:
    assert len(resample(np.ones(length, np.float32), 0.5)) == 2 * length
