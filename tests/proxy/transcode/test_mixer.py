"""Two channels made one."""

from math import pi, sin

import pytest
from spark_audio_proxy.transcode.mixer import Channel

from tests.helpers.proxy.decoding import decoded
from tests.helpers.proxy.recordings import recorded, two_sides


def voice(at: float) -> float:
    """Something that is not silent."""
    return sin(2 * pi * 300 * at)


def loudness(pcm: bytes) -> float:
    """On average, of 32,768."""
    samples = memoryview(pcm).cast("h")
    return sum(map(abs, samples)) / len(samples)


def test_channels_that_cancel_each_other_out_are_heard() -> None:
    """A microphone whose wires are swapped: the mix of both is silence."""
    result = decoded(two_sides(voice, lambda at: -voice(at)))
    assert loudness(result.pcm) > 8000
    assert result.seconds == pytest.approx(2.0, abs=0.01)


def test_the_louder_one_is_heard_where_they_cancel_out() -> None:
    """Both halves of a recording of which first one side is louder, then the other."""
    result = decoded(
        two_sides(
            lambda at: voice(at) * (1.0 if at < 2 else 0.9), lambda at: -voice(at) * (0.9 if at < 2 else 1.0), 4.0
        )
    )
    for half in (result.pcm[: len(result.pcm) // 2], result.pcm[len(result.pcm) // 2 :]):
        assert loudness(half) == pytest.approx(20_000 * 2 / pi, rel=0.05)


def test_two_channels_are_mixed_where_they_do_not() -> None:
    """Who speaks on one alone is heard, and so is who speaks on the other."""
    result = decoded(two_sides(lambda at: voice(at) * (at < 1), lambda at: voice(at) * (at >= 1)))
    for half in (result.pcm[: len(result.pcm) // 2], result.pcm[len(result.pcm) // 2 :]):
        assert 4000 < loudness(half) < 13_000


def test_one_channel_of_two() -> None:
    """Nothing of the other one."""
    file = two_sides(lambda at: voice(at) / 2, lambda _: 0.0)
    assert loudness(decoded(file, Channel.LEFT).pcm) > 4000
    assert loudness(decoded(file, Channel.RIGHT).pcm) == 0


@pytest.mark.parametrize(("layout", "number"), [("mono", 1), ("5.1", 6)])
def test_one_channel_of_another_number_is_refused(layout: str, number: int) -> None:
    with pytest.raises(ValueError, match=f"needs a recording with two channels; this one has {number}"):
        decoded(recorded("flac", "flac", channels=layout), Channel.LEFT)
