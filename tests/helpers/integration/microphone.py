"""A microphone whose frames are the clock: what the tests of early transcription and of turn ends listen with."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from dataclasses import replace
from typing import TypedDict, Unpack, override

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spark_audio import stt
from custom_components.spark_audio.spark_engine.healing.health import State
from custom_components.spark_audio.spark_engine.models import Transcript
from custom_components.spark_audio.spark_engine.speech.listening import Heard, Listening, Transcribe
from custom_components.spark_audio.spark_engine.speech.live_turn import HearLive
from custom_components.spark_audio.spark_engine.speech.turn_end import Meaning, TurnRule
from custom_components.spark_audio.spark_engine.speech.voice_activity import VoiceDetector

BYTES_PER_SECOND = 32_000

FRAME = bytes(320)
"""10 ms of silence at 16 kHz."""

AHEAD = 20
"""Frames that a satellite has sent and the entity has not taken yet, at most."""


async def frame_by_frame(spoken: bytes, taken: list[int], is_on: Callable[[], bool]) -> AsyncGenerator[bytes]:
    """Yield the frames of 16 kHz s16le mono audio and then of silence, as fast as the entity takes them.

    `taken` is what `listening_by` fills. Ends when the microphone is switched off.
    """
    before, sent = len(taken), 0
    while is_on():
        if sent < len(taken) - before + AHEAD:
            yield spoken[sent * len(FRAME) : (sent + 1) * len(FRAME)].ljust(len(FRAME), b"\0")
            sent += 1
        await asyncio.sleep(0)


class Options(TypedDict):
    """What the entity says of how it listens, beside what it asks of others."""

    hear_live: HearLive | None
    detector: VoiceDetector | None
    may_ask_early: Callable[[], bool]
    understood: Callable[[Transcript], None]
    rule: TurnRule | None
    language: str
    longest: float


def listening_by(frames: list[int]) -> Callable[..., Listening]:
    """What makes a Listening by the clock of the stream itself: while Parakeet or the home is asked, no frame comes.

    `frames` gets the bytes that are taken, frame by frame.
    """
    asking: set[asyncio.Event] = set()

    def listening(
        *,
        transcribe: Transcribe,
        meaning: Callable[[str], Awaitable[Meaning]],
        **options: Unpack[Options],
    ) -> Listening:
        taken: list[int] = []

        class Microphone(Listening):
            @override
            async def listen(self, stream: AsyncIterable[bytes]) -> Heard:
                async def paced() -> AsyncGenerator[bytes]:
                    async for chunk in stream:
                        taken.append(len(chunk))
                        frames.append(len(chunk))
                        yield chunk
                        await asyncio.sleep(0)
                        while asking:
                            await next(iter(asking)).wait()

                return await super().listen(paced())

        def holding[Asked, Answer](ask: Callable[[Asked], Awaitable[Answer]]) -> Callable[[Asked], Awaitable[Answer]]:
            """Return what asks the same, with no frame before the answer."""

            async def asked(question: Asked) -> Answer:
                answered = asyncio.Event()
                asking.add(answered)
                try:
                    return await ask(question)
                finally:
                    asking.discard(answered)
                    answered.set()

            return asked

        return Microphone(
            transcribe=holding(transcribe),
            meaning=holding(meaning),
            clock=lambda: sum(taken) / BYTES_PER_SECOND,
            **options,
        )

    return listening


def listen_by_its_clock(monkeypatch: pytest.MonkeyPatch, frames: list[int]) -> None:
    """Have the entity listen like that."""
    monkeypatch.setattr(stt, "Listening", listening_by(frames))


def tell(entry: MockConfigEntry, state: State) -> None:
    """What the health of all services is to be."""
    coordinator = entry.runtime_data
    coordinator.async_set_updated_data({n: replace(status, state=state) for n, status in coordinator.data.items()})
