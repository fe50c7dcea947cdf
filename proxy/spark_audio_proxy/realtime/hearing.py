"""Parakeet, as realtime sessions ask it: beside requests, never before them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from functools import partial
from typing import override

from aiohttp import web
from spark_engine.healing.health import State
from spark_engine.healing.pool import ParakeetPool
from spark_engine.models import Audio, Transcript
from spark_engine.speech.live_turn import HearLive

from spark_audio_proxy.app_state import HEARING, JOURNAL, LIVE
from spark_audio_proxy.journal import AudioPassed, InputTaken
from spark_audio_proxy.problems import Problem, note_told

from .turn import Hearing


class PooledHearing(Hearing):
    """All Parakeets of this proxy, through the gate that every request passes."""

    def __init__(self, request: web.Request, parakeet: ParakeetPool) -> None:
        """Ask nothing yet; `request` opened the session."""
        app = request.app
        self._request = request
        self._gate = app[HEARING]
        self._live = app[LIVE]
        self._journal = app[JOURNAL]
        self._parakeet = parakeet

    @override
    def may_ask_early(self) -> bool:
        return self._gate.has_room and self._is_well()

    @override
    async def ask(self, audio: Audio, language: str | None) -> Transcript:
        with self._gate.place():
            async with self._gate.turn():
                return await self._parakeet.transcribe(audio, language=language)

    @override
    def live(self, language: str | None) -> HearLive | None:
        if not self._parakeet.hears_live or not self._live.has_room:
            return None
        return partial(self._hear_live, language)

    @override
    async def until_back(self, retry_after: float) -> None:
        if not any(member.watchdog for member in self._parakeet.members):
            await asyncio.sleep(retry_after)
            return
        while not self._is_well():
            # Taken before the look, so that nothing falls between.
            news = self._journal.next_news
            if not self._is_well():
                await news.wait()

    @override
    def take(self, seconds: float) -> None:
        self._journal.tell(InputTaken(seconds=seconds))

    @override
    def failed(self, problem: Problem) -> None:
        note_told(self._request, problem)

    @override
    def count(self, seconds: float) -> None:
        self._journal.tell(AudioPassed("heard", seconds))

    async def _hear_live(self, language: str | None, audio: AsyncIterable[bytes]) -> AsyncGenerator[Transcript]:
        with self._live.place():
            async with aclosing(self._parakeet.transcribe_live(audio, language=language)) as pieces:
                async for so_far in pieces:
                    yield so_far

    def _is_well(self) -> bool:
        return any(member.state is State.HEALTHY or not member.watchdog for member in self._parakeet.members)
