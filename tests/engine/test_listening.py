"""Transcribing in the pauses: order of events, on a stream that the test feeds frame by frame."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest
from spark_engine.errors import Busy, ServerFault, SparkError
from spark_engine.listening import FRAME, MOST_GUESSES, Listening, TooLong
from spark_engine.models import Audio, Transcript

SPOKEN, SILENT, NOISE = b"\x10\x27" * (FRAME // 2), bytes(FRAME), b"\x05\x00" * (FRAME // 2)


def detector(frame: bytes) -> float:
    """Loud is speech; noise is not."""
    return 0.9 if frame == SPOKEN else 0.1


@dataclass
class SlowParakeet:
    """Transcribes when the test lets it: the transcript is the number of spoken frames it heard."""

    asked: list[int] = field(default_factory=list)
    cancelled: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)
    error: SparkError | None = None

    async def transcribe(self, audio: Audio) -> Transcript:
        """Wait for the test."""
        frames = [audio.pcm[at : at + FRAME] for at in range(0, len(audio.pcm), FRAME)]
        self.asked.append(frames.count(SPOKEN))
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error:
            raise self.error
        return Transcript(f"{frames.count(SPOKEN)} frames")


@dataclass
class Speaker:
    """Feeds a listener."""

    parakeet: SlowParakeet
    frames: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)

    async def stream(self) -> AsyncGenerator[bytes]:
        """What is said, until the speaker ends."""
        while (frame := await self.frames.get()) is not None:
            yield frame

    async def say(self, frame: bytes, count: int) -> None:
        """So many frames of 10 ms, heard one after the other."""
        for _ in range(count):
            self.frames.put_nowait(frame)
        for _ in range(count + 5):
            await asyncio.sleep(0)

    async def end(self) -> None:
        """Home Assistant's detector ends the stream."""
        self.frames.put_nowait(None)
        await asyncio.sleep(0)


def start(parakeet: SlowParakeet, **how: object) -> tuple[Speaker, asyncio.Task[tuple[Audio, Transcript | None]]]:
    """A listener and who talks to it."""
    speaker = Speaker(parakeet)
    listening = Listening(parakeet.transcribe, **({"detector": detector} | how))  # type: ignore[arg-type]
    return speaker, asyncio.create_task(listening.listen(speaker.stream()))


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
    audio, transcript = await listener
    assert transcript == Transcript("50 frames")
    assert len(audio.pcm) == 120 * FRAME
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
    assert (await listener)[1] == Transcript("50 frames")
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
    assert (await listener)[1] == Transcript("60 frames")
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
    audio, transcript = await listener
    assert transcript is None
    assert audio.pcm.count(SPOKEN) == 35


async def test_trailing_noise_is_no_speech() -> None:
    """A fan does not spoil the guess."""
    parakeet = SlowParakeet()
    parakeet.go.set()
    speaker, listener = start(parakeet)
    await speaker.say(SPOKEN, 30)
    await speaker.say(NOISE, 70)
    await speaker.end()
    assert (await listener)[1] == Transcript("30 frames")
    assert parakeet.asked == [30]


@pytest.mark.parametrize("length", [1, 8])
async def test_a_very_short_command_is_enough(length: int) -> None:
    """Stop."""
    parakeet = SlowParakeet()
    parakeet.go.set()
    speaker, listener = start(parakeet)
    await speaker.say(SILENT, 40)
    assert parakeet.asked == []
    await speaker.say(SPOKEN, length)
    await speaker.say(SILENT, 30)
    await speaker.end()
    assert (await listener)[1] == Transcript(f"{length} frames")


async def test_without_a_pause_nothing_is_asked() -> None:
    """Somebody who talks until the host ends it."""
    parakeet = SlowParakeet()
    speaker, listener = start(parakeet)
    await speaker.say(SPOKEN, 1500)
    await speaker.end()
    audio, transcript = await listener
    assert (audio.seconds, transcript, parakeet.asked) == (15.0, None, [])


async def test_thinking_aloud_is_bounded() -> None:
    """A few early requests for one utterance."""
    parakeet = SlowParakeet()
    parakeet.go.set()
    speaker, listener = start(parakeet)
    for _ in range(MOST_GUESSES + 3):
        await speaker.say(SPOKEN, 10)
        await speaker.say(SILENT, 25)
    await speaker.end()
    assert (await listener)[1] is None
    assert len(parakeet.asked) == MOST_GUESSES


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
    assert (await listener)[1] is None
    assert parakeet.asked == [10]


@pytest.mark.parametrize("how", [{"detector": None}, {"may_guess": lambda: False}])
async def test_early_requests_can_be_switched_off(how: dict[str, object]) -> None:
    """By the user, or because the service is not well."""
    parakeet = SlowParakeet()
    speaker, listener = start(parakeet, **how)
    await speaker.say(SPOKEN, 10)
    await speaker.say(SILENT, 50)
    await speaker.end()
    audio, transcript = await listener
    assert (len(audio.pcm), transcript, parakeet.asked) == (60 * FRAME, None, [])


async def test_chunks_need_not_be_frames() -> None:
    """Satellites send what they like."""
    parakeet = SlowParakeet()
    parakeet.go.set()

    async def stream() -> AsyncGenerator[bytes]:
        sound = SPOKEN * 30 + SILENT * 60
        for at in range(0, len(sound), 1001):
            yield sound[at : at + 1001]
            await asyncio.sleep(0)

    audio, transcript = await Listening(parakeet.transcribe, detector).listen(stream())
    assert transcript == Transcript("30 frames")
    assert audio.pcm == SPOKEN * 30 + SILENT * 60


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
    """The person has gone."""
    parakeet = SlowParakeet()
    speaker, listener = start(parakeet)
    await speaker.say(SPOKEN, 10)
    await speaker.say(SILENT, 25)
    listener.cancel()
    await asyncio.gather(listener, return_exceptions=True)
    await asyncio.sleep(0)
    assert parakeet.cancelled == 1
