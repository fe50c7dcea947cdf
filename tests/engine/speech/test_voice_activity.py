"""How long there was no speech: by a detector that is late, and by the level that is not."""

from array import array
from collections.abc import Callable

import pytest
from spark_engine.speech.voice_activity import FRAME, GAP, LAG, ONSET, VoiceActivity


def tone(level: int) -> bytes:
    """10 ms of a square wave, 16 kHz s16le mono."""
    return array("h", [level, -level] * (FRAME // 4)).tobytes()


def late(lag: int, *spoken: range) -> Callable[[bytes], float]:
    """A detector that knows which frames are speech, and tells each end so many frames late."""
    frame = -1

    def detect(_: bytes) -> float:
        nonlocal frame
        frame += 1
        return 0.9 if any(words.start <= frame < words.stop + lag for words in spoken) else 0.1

    return detect


def feed(activity: VoiceActivity, level: int, count: int) -> None:
    """So many frames of that level."""
    for _ in range(count):
        activity.hear(tone(level))


def test_the_detectors_lag_is_not_waited_for() -> None:
    """The level tells the end to the frame, the detector half a second later."""
    activity = VoiceActivity(late(56, range(50, 100)))
    feed(activity, 20, 50)
    assert (activity.speech_end, activity.silence) == (0, 0)
    feed(activity, 3000, 50)
    assert (activity.speech_end, activity.silence) == (100, 0)
    feed(activity, 20, 30)
    assert (activity.speech_end, activity.silence) == (100, 0.3)


def test_a_word_shorter_than_the_detectors_onset() -> None:
    """The detector reports it only once it is over."""
    activity = VoiceActivity(late(0, range(60, 80)))
    feed(activity, 20, 20)
    feed(activity, 3000, 30)
    feed(activity, 20, 5)
    assert activity.silence == 0
    feed(activity, 20, 10)
    assert (activity.speech_end, activity.silence) == (50, 0.15)


def test_steady_noise_is_background() -> None:
    """Speech above a fan ends where only the fan is left."""
    activity = VoiceActivity(late(56, range(100, 150)))
    feed(activity, 400, 100)
    feed(activity, 3000, 50)
    feed(activity, 400, 40)
    assert (activity.speech_end, activity.silence) == (150, 0.4)


def test_in_a_louder_room_the_detector_decides_alone() -> None:
    """Music starts with the last word: as late as the detector, but it ends."""
    activity = VoiceActivity(late(56, range(50, 100)))
    feed(activity, 20, 50)
    feed(activity, 3000, 50)
    feed(activity, 2000, 100)
    assert activity.speech_end == 156
    assert activity.silence == 0.44


def test_a_new_sound_may_be_speech() -> None:
    """Until the detector had the time to tell; then it was a door."""
    activity = VoiceActivity(late(0, range(50)))
    feed(activity, 3000, 50)
    feed(activity, 0, 60)
    assert activity.silence == 0.6
    feed(activity, 3000, 1)
    assert activity.silence == 0
    feed(activity, 0, ONSET - 1)
    assert activity.silence == 0
    feed(activity, 0, 1)
    assert activity.silence == (61 + ONSET) / 100


def test_one_sound_is_undecided_once() -> None:
    """With stops in it that are shorter than a gap, it does not start anew."""
    activity = VoiceActivity(late(0, range(50)))
    feed(activity, 3000, 50)
    feed(activity, 0, 60)
    for _ in range(6):
        feed(activity, 3000, 5)
        feed(activity, 0, GAP - 1)
    assert activity.silence > 0


@pytest.mark.parametrize("level", [0, 3])
def test_digital_silence_is_quiet(level: int) -> None:
    """The detector's lag after it is no speech."""
    activity = VoiceActivity(late(56, range(10)))
    feed(activity, 3000, 10)
    feed(activity, level, 20)
    assert activity.silence == 0.2


def test_without_speech_there_is_no_silence() -> None:
    activity = VoiceActivity(late(0))
    feed(activity, 3000, 100)
    feed(activity, 0, 100)
    assert (activity.speech_end, activity.silence) == (0, 0)


def test_a_detector_is_not_shown_long_silence() -> None:
    """It costs a hundred times what the level costs; the next sound it hears again."""
    shown = 0

    def detect(_: bytes) -> float:
        nonlocal shown
        shown += 1
        return -1.0 if shown < 120 else 0.9

    activity = VoiceActivity(detect, skips_silence=True)
    feed(activity, 20, 500)
    assert shown == 120  # until it was warm
    feed(activity, 3000, 50)
    assert (shown, activity.speech_end) == (169, 550)
    feed(activity, 20, 500)
    assert shown == 169 + LAG


def test_the_threshold_is_the_callers() -> None:
    activity = VoiceActivity(lambda _: 0.7, 0.8)
    feed(activity, 3000, 50)
    assert activity.speech_end == 0
