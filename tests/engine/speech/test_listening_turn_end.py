"""Where a turn ends: by what was said and by silence, on a stream that the test feeds frame by frame."""

import pytest
from spark_engine.models import Transcript
from spark_engine.speech.turn_end import LONGEST_TURN
from spark_engine.speech.voice_activity import FRAME, ONSET

from tests.helpers.engine.spoken_frames import RULE, SILENT, SLAM, SPOKEN, HowToListen, SlowParakeet, start


async def test_a_complete_sentence_ends_the_turn() -> None:
    """After the rule's seconds of silence, and with the transcript that was made in it."""
    parakeet = SlowParakeet()
    parakeet.go.set()
    speaker, listener = start(parakeet, rule=RULE)
    await speaker.say(SPOKEN, 50)
    await speaker.say(SILENT, 39)
    assert not listener.done()
    await speaker.say(SILENT, 1)
    assert (await listener).transcript == Transcript("50 frames.")
    assert (speaker.heard, parakeet.asked) == (90, [50])


async def test_an_unfinished_sentence_gets_more_time() -> None:
    parakeet = SlowParakeet(text="Turn on the")
    parakeet.go.set()
    speaker, listener = start(parakeet, rule=RULE)
    await speaker.say(SPOKEN, 50)
    await speaker.say(SILENT, 119)
    assert not listener.done()
    parakeet.text = "Turn on the kitchen light."
    await speaker.say(SPOKEN, 50)
    await speaker.say(SILENT, 60)
    heard = await listener
    assert heard.transcript == Transcript("Turn on the kitchen light.")
    assert heard.audio.pcm.count(SPOKEN) == 100
    assert speaker.heard == 50 + 119 + 50 + 40


async def test_an_unfinished_sentence_ends_as_well() -> None:
    parakeet = SlowParakeet(text="Turn on the")
    parakeet.go.set()
    speaker, listener = start(parakeet, rule=RULE)
    await speaker.say(SPOKEN, 50)
    await speaker.say(SILENT, 130)
    assert (await listener).transcript == Transcript("Turn on the")
    assert speaker.heard == 50 + 120


@pytest.mark.parametrize("how", [{"may_ask_early": lambda: False}, {}])
async def test_what_is_not_understood_in_time_counts_as_unfinished(how: HowToListen) -> None:
    """A recogniser that is slow, or must not be asked."""
    parakeet = SlowParakeet()
    speaker, listener = start(parakeet, **how | {"rule": RULE})
    await speaker.say(SPOKEN, 50)
    await speaker.say(SILENT, 119)
    assert speaker.heard == 169
    await speaker.say(SILENT, 10)
    assert speaker.heard == 170
    parakeet.go.set()
    assert len((await listener).audio.pcm) == 170 * FRAME


async def test_a_sound_that_may_be_speech_is_waited_for() -> None:
    """The detector needs some time; a word that has just begun must not be cut off."""
    parakeet = SlowParakeet()
    parakeet.go.set()
    speaker, listener = start(parakeet, rule=RULE)
    await speaker.say(SPOKEN, 50)
    await speaker.say(SILENT, 39)
    await speaker.say(SLAM, ONSET - 5)
    assert not listener.done()
    await speaker.say(SPOKEN, 20)
    await speaker.say(SILENT, 50)
    assert (await listener).audio.pcm.count(SPOKEN) == 70


async def test_a_sound_that_is_no_speech_does_not_keep_the_turn_open() -> None:
    """The washing machine goes on and on."""
    parakeet = SlowParakeet()
    parakeet.go.set()
    speaker, listener = start(parakeet, rule=RULE)
    await speaker.say(SPOKEN, 50)
    await speaker.say(SLAM, 100)
    assert (await listener).transcript == Transcript("50 frames.")
    assert speaker.heard == 50 + ONSET


async def test_the_longest_turn() -> None:
    """As long as Home Assistant's own, with or without words."""
    speaker, listener = start(SlowParakeet(), rule=RULE)
    await speaker.say(SILENT, 1600)
    assert (await listener).audio.seconds == LONGEST_TURN


async def test_before_the_first_word_there_is_no_end() -> None:
    """People think before they speak."""
    speaker, listener = start(SlowParakeet(), rule=RULE)
    await speaker.say(SILENT, 1000)
    assert not listener.done()
    await speaker.end()
    assert (await listener).transcript is None
