"""Speech that goes on in another sample rate: the same sound, as long as it was."""

from array import array
from collections.abc import AsyncGenerator
from math import pi, sin

import pytest
from spark_engine.models import Audio
from spark_engine.speech.resample import Resampler, in_one_rate

RATES = [(22_050, 44_100), (44_100, 22_050), (22_000, 22_050), (24_000, 22_050), (8_000, 96_000), (96_000, 8_000)]


def tone(rate: int, seconds: float = 0.2, pitch: float = 440.0) -> bytes:
    """A sine at half volume."""
    return array("h", [round(16_000 * sin(2 * pi * pitch * n / rate)) for n in range(round(seconds * rate))]).tobytes()


def changed(source: int, target: int, pcm: bytes, piece: int = 0) -> array[int]:
    """All of it, given in pieces of so many bytes."""
    resampler, made = Resampler(source, target), b""
    for at in range(0, len(pcm), piece or len(pcm)):
        made += resampler.feed(pcm[at : at + (piece or len(pcm))])
    return array("h", made + resampler.finish())


@pytest.mark.parametrize(("source", "target"), RATES)
def test_a_tone_stays_as_it_is(source: int, target: int) -> None:
    """Pitch, loudness and length: it is compared with the same tone made at the other rate."""
    made, wanted = changed(source, target, tone(source)), array("h", tone(target))
    assert abs(len(made) - len(wanted)) <= 2
    edge = len(wanted) // 10
    assert max(abs(a - b) for a, b in zip(made[edge:-edge], wanted[edge:-edge], strict=False)) < 200


def test_pieces_make_no_difference() -> None:
    """Nothing clicks where one ends."""
    pcm = tone(44_100)
    assert (
        changed(44_100, 22_050, pcm, piece=2) == changed(44_100, 22_050, pcm, piece=998) == changed(44_100, 22_050, pcm)
    )


def test_what_the_slower_rate_cannot_hold_is_left_out() -> None:
    """Else it would sound as another tone."""
    made = changed(44_100, 16_000, tone(44_100, pitch=12_000))
    assert max(map(abs, made[200:-200])) < 200


def test_full_volume_is_not_turned_around() -> None:
    loud = array("h", [32_767, -32_768] * 500).tobytes()
    assert max(changed(22_050, 24_000, loud)) > 0 > min(changed(22_050, 24_000, loud))


async def pieces(*audio: Audio) -> AsyncGenerator[Audio]:
    """As a Magpie makes them."""
    for piece in audio:
        yield piece


async def test_another_rate_within_a_text_is_changed_to_the_first() -> None:
    """And back: the first server is well again. No time is lost or added."""
    first, second, third = (Audio(tone(rate), rate) for rate in (22_050, 44_100, 24_000))
    said = [audio async for audio in in_one_rate(pieces(first, second, second, third, first, second))]
    assert {audio.sample_rate for audio in said} == {22_050}
    assert sum(audio.seconds for audio in said) == pytest.approx(6 * 0.2, abs=0.005)
    assert said[0] is first


async def test_one_rate_is_passed_on_as_it_is() -> None:
    audio = Audio(tone(22_050), 22_050)
    assert [piece async for piece in in_one_rate(pieces(audio, audio))] == [audio, audio]
