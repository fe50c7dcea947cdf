"""Hear by the clock of the microphone: each frame that Home Assistant hands over is 10 ms later."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import override

import pytest

from custom_components.spark_audio import stt
from custom_components.spark_audio.spark_engine.models import Audio, Transcript
from custom_components.spark_audio.spark_engine.speech.listening import Heard, Listening, Transcribe
from custom_components.spark_audio.spark_engine.speech.turn_end import TurnRule
from custom_components.spark_audio.spark_engine.speech.voice_activity import VoiceDetector

BYTES_PER_SECOND = 32_000


def listen_by_its_clock(monkeypatch: pytest.MonkeyPatch, frames: list[int]) -> None:
    """Add the size of each frame that the entity takes to `frames`. While Parakeet is asked, no frame comes."""
    asking: set[asyncio.Event] = set()

    def listening(
        *,
        transcribe: Transcribe,
        detector: VoiceDetector | None,
        may_ask_early: Callable[[], bool],
        rule: TurnRule | None,
        language: str,
        longest: float,
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
                        for answered in list(asking):
                            await answered.wait()

                return await super().listen(paced())

        async def ask(audio: Audio) -> Transcript:
            answered = asyncio.Event()
            asking.add(answered)
            try:
                return await transcribe(audio)
            finally:
                asking.discard(answered)
                answered.set()

        return Microphone(
            transcribe=ask,
            detector=detector,
            may_ask_early=may_ask_early,
            rule=rule,
            language=language,
            clock=lambda: sum(taken) / BYTES_PER_SECOND,
            longest=longest,
        )

    monkeypatch.setattr(stt, "Listening", listening)
