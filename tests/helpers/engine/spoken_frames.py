"""A stream that the test feeds frame by frame, and a Parakeet that waits for the test; for the tests of Listening."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypedDict, Unpack

from spark_engine.errors import SparkError
from spark_engine.models import Audio, Transcript
from spark_engine.speech.listening import Heard, Listening
from spark_engine.speech.live_turn import HearLive
from spark_engine.speech.turn_end import Meaning, TurnRule
from spark_engine.speech.voice_activity import FRAME, VoiceDetector

SPOKEN, SILENT = b"\x10\x27" * (FRAME // 2), bytes(FRAME)
NOISE, SLAM = b"\x05\x00" * (FRAME // 2), b"\x0f\x27" * (FRAME // 2)
RULE = TurnRule(complete=0.4, brief=0.4, unfinished=1.2, known=0.25)


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
    text: str = "{} frames."

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
        return Transcript(self.text.format(frames.count(SPOKEN)))


@dataclass
class Speaker:
    """Feeds a listener, as fast as the words are spoken by the listener's clock; `pace` 0 stops the clock."""

    parakeet: SlowParakeet
    frames: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    pace: float = 0.01
    heard: int = 0

    @property
    def now(self) -> float:
        """The listener's clock, in seconds."""
        return self.heard * self.pace

    async def stream(self) -> AsyncGenerator[bytes]:
        """What is said, until the speaker ends."""
        while (frame := await self.frames.get()) is not None:
            self.heard += 1
            yield frame
            # A microphone leaves time between its frames.
            await asyncio.sleep(0)

    async def say(self, frame: bytes, count: int) -> None:
        """So many frames of 10 ms, heard one after the other."""
        for _ in range(count):
            self.frames.put_nowait(frame)
        for _ in range(3 * count + 5):
            await asyncio.sleep(0)

    async def end(self) -> None:
        """Home Assistant's detector ends the stream."""
        self.frames.put_nowait(None)
        await asyncio.sleep(0)


class HowToListen(TypedDict, total=False):
    """Keyword arguments of Listening."""

    hear_live: HearLive | None
    detector: VoiceDetector | None
    may_ask_early: Callable[[], bool]
    understood: Callable[[Transcript], None]
    rule: TurnRule | None
    meaning: Callable[[str], Awaitable[Meaning]]
    longest: float


def start(
    parakeet: SlowParakeet, pace: float = 0.01, **how: Unpack[HowToListen]
) -> tuple[Speaker, asyncio.Task[Heard]]:
    """A listener, and the speaker it listens to."""
    speaker = Speaker(parakeet, pace=pace)
    usual: HowToListen = {"detector": detector}
    listening = Listening(transcribe=parakeet.transcribe, clock=lambda: speaker.now, **usual | how)
    return speaker, asyncio.create_task(listening.listen(speaker.stream()))
