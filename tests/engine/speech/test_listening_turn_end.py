"""Where a turn ends: by what was said and by silence, on a stream that the test feeds frame by frame."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable

import pytest
from spark_engine.models import Transcript
from spark_engine.speech.turn_end import LONGEST_TURN, Meaning
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


class Home:
    """What a home makes of sentences, when it is let to."""

    def __init__(self, meaning: Meaning) -> None:
        self.meaning = meaning
        self.asked: list[str] = []
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, transcript: str) -> Meaning:
        self.asked.append(transcript)
        await self.go.wait()
        return self.meaning


@pytest.mark.parametrize(
    ("text", "meaning", "frames"),
    [
        ("turn on the light", Meaning.WHOLE, 25),
        ("turn on the light", Meaning.UNKNOWN, 120),
        ("Turn on the kitchen.", Meaning.MAY_GO_ON, 120),
        ("Turn on the kitchen.", Meaning.UNKNOWN, 40),
    ],
)
async def test_what_the_home_makes_of_it_ends_the_turn(text: str, meaning: Meaning, frames: int) -> None:
    parakeet, home = SlowParakeet(text=text), Home(meaning)
    parakeet.go.set()
    speaker, listener = start(parakeet, rule=RULE, meaning=home)
    await speaker.say(SPOKEN, 50)
    await speaker.say(SILENT, frames - 1)
    assert not listener.done()
    await speaker.say(SILENT, 1)
    assert (await listener).transcript == Transcript(text)
    assert (speaker.heard, home.asked) == (50 + frames, [text])


async def test_the_meaning_of_what_went_before_is_not_that_of_the_whole() -> None:
    parakeet, home = SlowParakeet(text="turn on the light"), Home(Meaning.WHOLE)
    parakeet.go.set()
    speaker, listener = start(parakeet, rule=RULE, meaning=home)
    await speaker.say(SPOKEN, 50)
    await speaker.say(SILENT, 22)
    parakeet.text, home.meaning = "turn on the light in the", Meaning.UNKNOWN
    await speaker.say(SPOKEN, 50)
    await speaker.say(SILENT, 119)
    assert not listener.done()
    assert home.asked == ["turn on the light", "turn on the light in the"]
    await speaker.say(SILENT, 1)
    await listener


async def test_without_a_rule_no_home_is_asked() -> None:
    parakeet, home = SlowParakeet(), Home(Meaning.WHOLE)
    parakeet.go.set()
    speaker, listener = start(parakeet, meaning=home)
    await speaker.say(SPOKEN, 50)
    await speaker.say(SILENT, 50)
    await speaker.end()
    await listener
    assert not home.asked


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
    assert speaker.heard == 50 + round(RULE.complete * 100)


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


async def test_the_end_that_a_live_server_hears_ends_the_turn() -> None:
    """Where the words have no full stop; without that end they get more time."""
    for has_ended, frames in ((True, 40), (False, 120)):

        async def hear(audio: AsyncIterable[bytes], *, has_ended: bool = has_ended) -> AsyncGenerator[Transcript]:
            yield Transcript("turn on the light", has_ended=has_ended)
            async for _ in audio:
                pass
            yield Transcript("turn on the light")

        speaker, listener = start(SlowParakeet(), rule=RULE, hear_live=hear)
        await speaker.say(SPOKEN, 50)
        await speaker.say(SILENT, frames - 1)
        assert not listener.done()
        await speaker.say(SILENT, 1)
        assert (await listener).transcript == Transcript("turn on the light")
        assert speaker.heard == 50 + frames
