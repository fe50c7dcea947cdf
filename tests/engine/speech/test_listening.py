"""Transcribing in the pauses: order of events, on a stream that the test feeds frame by frame."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from spark_engine.errors import Busy, ServerFault, SparkError, TimedOut
from spark_engine.models import Audio, Transcript
from spark_engine.speech.listening import MOST_EARLY_REQUESTS, PADDING, Listening, TooLong
from spark_engine.speech.turn_end import TurnRule
from spark_engine.speech.voice_activity import FRAME

from tests.helpers.engine.spoken_frames import (
    NOISE,
    RULE,
    SILENT,
    SPOKEN,
    HowToListen,
    SlowParakeet,
    Speaker,
    detector,
    start,
)


async def test_the_answer_is_there_when_the_stream_ends() -> None:
    """Asked in the pause, answered before the end."""
    parakeet = SlowParakeet()
    speaker, listener = start(parakeet)
    await speaker.say(SPOKEN, 50)
    await speaker.say(SILENT, 19)
    assert parakeet.asked == []
    await speaker.say(SILENT, 1)
    assert parakeet.asked == [50]
    parakeet.go.set()
    await speaker.say(SILENT, 50)
    await speaker.end()
    heard = await listener
    assert heard.transcript == Transcript("50 frames.")
    assert len(heard.audio.pcm) == 120 * FRAME
    assert parakeet.asked == [50]


async def test_a_recogniser_slower_than_the_silence_is_waited_for() -> None:
    """Not asked a second time."""
    parakeet = SlowParakeet()
    speaker, listener = start(parakeet)
    await speaker.say(SPOKEN, 50)
    await speaker.say(SILENT, 70)
    await speaker.end()
    assert not listener.done()
    parakeet.go.set()
    assert (await listener).transcript == Transcript("50 frames.")
    assert parakeet.asked == [50]


async def test_speech_that_goes_on_drops_the_guess_and_the_next_pause_is_tried() -> None:
    """While the request runs; never two at once."""
    parakeet = SlowParakeet()
    speaker, listener = start(parakeet)
    await speaker.say(SPOKEN, 30)
    await speaker.say(SILENT, 25)
    assert parakeet.asked == [30]
    await speaker.say(SPOKEN, 1)
    assert parakeet.cancelled == 1
    await speaker.say(SPOKEN, 29)
    parakeet.go.set()
    await speaker.say(SILENT, 70)
    await speaker.end()
    assert (await listener).transcript == Transcript("60 frames.")
    assert parakeet.asked == [30, 60]


async def test_a_finished_guess_is_dropped_as_well_when_speech_goes_on() -> None:
    """The transcript that is returned holds every frame of speech."""
    parakeet = SlowParakeet()
    parakeet.go.set()
    speaker, listener = start(parakeet)
    await speaker.say(SPOKEN, 30)
    await speaker.say(SILENT, 25)
    await speaker.say(SPOKEN, 5)
    await speaker.end()
    heard = await listener
    assert heard.transcript is None
    assert heard.audio.pcm.count(SPOKEN) == 35


async def test_words_so_far_are_told_in_each_pause() -> None:
    """As soon as they are known; never of a request that was dropped."""
    told: list[str] = []
    parakeet = SlowParakeet()
    speaker, listener = start(parakeet, understood=lambda so_far: told.append(so_far.text))
    await speaker.say(SPOKEN, 30)
    await speaker.say(SILENT, 25)
    await speaker.say(SPOKEN, 10)
    assert (parakeet.asked, told) == ([30], [])
    parakeet.go.set()
    await speaker.say(SILENT, 25)
    assert told == ["40 frames."]
    await speaker.say(SPOKEN, 10)
    await speaker.say(SILENT, 25)
    assert told == ["40 frames.", "50 frames."]
    await speaker.end()
    assert (await listener).transcript == Transcript("50 frames.")
    assert told == ["40 frames.", "50 frames."]


async def test_trailing_noise_is_no_speech() -> None:
    parakeet = SlowParakeet()
    parakeet.go.set()
    speaker, listener = start(parakeet)
    await speaker.say(SPOKEN, 30)
    await speaker.say(NOISE, 70)
    await speaker.end()
    assert (await listener).transcript == Transcript("30 frames.")
    assert parakeet.asked == [30]


@pytest.mark.parametrize("length", [1, 8])
async def test_a_very_short_command_is_enough(length: int) -> None:
    parakeet = SlowParakeet()
    parakeet.go.set()
    speaker, listener = start(parakeet)
    await speaker.say(SILENT, 40)
    assert parakeet.asked == []
    await speaker.say(SPOKEN, length)
    await speaker.say(SILENT, 30)
    await speaker.end()
    assert (await listener).transcript == Transcript(f"{length} frames.")


async def test_what_is_transcribed_early_ends_in_silence() -> None:
    """A recogniser takes a sound that breaks off for a sentence that does; the turn's own audio stays as it was."""
    heard = []

    async def transcribe(audio: Audio) -> Transcript:
        heard.append(audio.pcm)
        return Transcript("Turn it on.")

    speaker = Speaker(SlowParakeet())
    listening = Listening(transcribe=transcribe, detector=detector, clock=lambda: speaker.now)
    listener = asyncio.create_task(listening.listen(speaker.stream()))
    await speaker.say(SPOKEN, 30)
    await speaker.say(NOISE, 30)
    await speaker.end()
    assert (await listener).audio.pcm == SPOKEN * 30 + NOISE * 30
    assert heard == [SPOKEN * 30 + NOISE * 20 + PADDING]
    assert not any(PADDING)


async def test_without_a_pause_nothing_is_asked() -> None:
    parakeet = SlowParakeet()
    speaker, listener = start(parakeet)
    await speaker.say(SPOKEN, 1500)
    await speaker.end()
    heard = await listener
    assert (heard.audio.seconds, heard.transcript, parakeet.asked) == (15.0, None, [])


async def test_early_requests_are_bounded() -> None:
    """A few for one utterance, however often the speaker pauses."""
    parakeet = SlowParakeet()
    parakeet.go.set()
    speaker, listener = start(parakeet)
    for _ in range(MOST_EARLY_REQUESTS + 3):
        await speaker.say(SPOKEN, 10)
        await speaker.say(SILENT, 25)
    await speaker.end()
    assert (await listener).transcript is None
    assert len(parakeet.asked) == MOST_EARLY_REQUESTS


@pytest.mark.parametrize("error", [ServerFault("broken"), Busy("full", status=429)])
async def test_a_guess_that_fails_is_forgotten_and_not_tried_again(error: SparkError) -> None:
    """The caller's own request tells what is wrong."""
    parakeet = SlowParakeet(error=error)
    parakeet.go.set()
    speaker, listener = start(parakeet)
    await speaker.say(SPOKEN, 10)
    await speaker.say(SILENT, 25)
    await speaker.say(SPOKEN, 10)
    await speaker.say(SILENT, 25)
    await speaker.end()
    assert (await listener).transcript is None
    assert parakeet.asked == [10]


@pytest.mark.parametrize("how", [{"detector": None}, {"may_ask_early": lambda: False}])
async def test_early_requests_can_be_switched_off(how: HowToListen) -> None:
    """By the user, or because the service is not well."""
    parakeet = SlowParakeet()
    speaker, listener = start(parakeet, **how)
    await speaker.say(SPOKEN, 10)
    await speaker.say(SILENT, 50)
    await speaker.end()
    heard = await listener
    assert (len(heard.audio.pcm), heard.transcript, parakeet.asked) == (60 * FRAME, None, [])


async def test_chunks_need_not_be_frames() -> None:
    """Satellites send what they like."""
    parakeet = SlowParakeet()
    parakeet.go.set()
    now = 0.0

    async def stream() -> AsyncGenerator[bytes]:
        nonlocal now
        sound = SPOKEN * 30 + SILENT * 60
        for at in range(0, len(sound), 1001):
            now += 1001 / 32_000
            yield sound[at : at + 1001]
            await asyncio.sleep(0)

    listening = Listening(transcribe=parakeet.transcribe, detector=detector, clock=lambda: now)
    heard = await listening.listen(stream())
    assert heard.transcript == Transcript("30 frames.")
    assert heard.audio.pcm == SPOKEN * 30 + SILENT * 60


@pytest.mark.parametrize("rule", [None, RULE])
async def test_a_file_is_not_transcribed_early(rule: TurnRule | None) -> None:
    """It comes faster than speech: its pauses are not used, and nothing of it is lost."""
    parakeet = SlowParakeet()
    speaker, listener = start(parakeet, pace=0.0, rule=rule)
    await speaker.say(SPOKEN, 50)
    await speaker.say(SILENT, 300)
    await speaker.say(SPOKEN, 1500)
    await speaker.end()
    assert (await listener).audio.pcm == SPOKEN * 50 + SILENT * 300 + SPOKEN * 1500
    assert parakeet.asked == []


async def test_a_file_in_one_piece_is_not_searched_for_pauses() -> None:
    """Thousands of frames at once would keep everything else waiting."""
    looked_at = []

    def counting(frame: bytes) -> float:
        looked_at.append(frame)
        return detector(frame)

    speaker, listener = start(SlowParakeet(), detector=counting)
    await speaker.say(SPOKEN * 150 + SILENT * 100, 1)
    await speaker.end()
    assert (await listener).audio.seconds == 2.5
    assert looked_at == []


async def test_an_endless_stream_is_ended() -> None:
    """Memory is bounded, and the guess is not left behind."""
    parakeet = SlowParakeet()
    speaker, listener = start(parakeet, longest=0.5)
    await speaker.say(SPOKEN, 10)
    await speaker.say(SILENT, 25)
    await speaker.say(SILENT, 16)
    with pytest.raises(TooLong):
        await listener
    await asyncio.sleep(0)
    assert parakeet.cancelled == 1


async def test_a_listener_that_is_cancelled_drops_its_guess() -> None:
    parakeet = SlowParakeet()
    speaker, listener = start(parakeet)
    await speaker.say(SPOKEN, 10)
    await speaker.say(SILENT, 25)
    listener.cancel()
    await asyncio.gather(listener, return_exceptions=True)
    await asyncio.sleep(0)
    assert parakeet.cancelled == 1


async def test_a_time_out_is_told_and_not_waited_for_again() -> None:
    """The person has waited long enough."""
    parakeet = SlowParakeet(error=TimedOut("no answer"))
    parakeet.go.set()
    speaker, listener = start(parakeet)
    await speaker.say(SPOKEN, 10)
    await speaker.say(SILENT, 25)
    await speaker.end()
    heard = await listener
    assert (heard.transcript, str(heard.timed_out)) == (None, "no answer")


@pytest.mark.parametrize(
    ("probabilities", "without"),
    [([0.1], True), ([-1.0, 0.02], True), ([0.02, 0.11, 0.02], False), ([-1.0], False), ([0.9], False)],
)
async def test_whether_anything_could_be_speech(probabilities: list[float], *, without: bool) -> None:
    """Of the whole turn; not while the detector warms up, nor where it heard only a part."""
    told = iter(probabilities)

    async def frames() -> AsyncGenerator[bytes]:
        for _ in probabilities:
            yield NOISE

    listening = Listening(transcribe=SlowParakeet().transcribe, detector=lambda _: next(told))
    assert (await listening.listen(frames())).is_without_speech is without


async def test_a_file_is_not_searched_for_speech() -> None:
    async def file() -> AsyncGenerator[bytes]:
        yield NOISE * 200

    listening = Listening(transcribe=SlowParakeet().transcribe, detector=lambda _: 0.0)
    assert not (await listening.listen(file())).is_without_speech
