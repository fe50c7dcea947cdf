"""`scripts/bench loudness`: what becomes of the figures."""

from math import pi, sin
from struct import pack

import pytest
from spark_engine.models import Audio

from tools.bench.loudness import by_voice, levelled, loudness, starts, summary


def tone(level: float) -> Audio:
    """Two seconds of 1 kHz at a level in dB below full scale, 16 kHz."""
    peak = 32_767 * 10 ** (level / 20)
    return Audio(b"".join(pack("<h", round(peak * sin(2 * pi * at / 16))) for at in range(32_000)), 16_000)


def test_a_tone_has_the_loudness_that_it_has() -> None:
    """A sine of 1 kHz in one channel at -20 dB: -23 LUFS (EBU Tech 3341)."""
    assert loudness(tone(-20)) == pytest.approx(-23.0, abs=0.2)


def test_voices_before_and_after() -> None:
    """The quiet one and the loud one are one level afterwards, and how much is held back is told."""
    voices = {"quiet": tone(-28), "loud": tone(-16)}
    after = {name: levelled(audio) for name, audio in voices.items()}
    assert by_voice(voices, after).figures("off LUFS") == pytest.approx([-31, -19], abs=0.2)
    spread = summary(voices, after)
    assert spread.figures("loudest - quietest LU", **{"even loudness": "off"}) == pytest.approx([12], abs=0.2)
    assert max(spread.figures("loudest - quietest LU", **{"even loudness": "on"})) < 1
    assert after["quiet"].fed == pytest.approx(0.3)
    assert after["quiet"].audio.size == voices["quiet"].size


def test_first_sounds_are_milliseconds() -> None:
    assert starts({"off": [0.1, 0.2], "on": [0.3]}).figures("p95 ms") == [200, 300]
