"""What a watchdog asks of a server: a real inference with a known answer, whether it sleeps, whether it is alive.

Only the inference is evidence that a GPU service works.
"""

import asyncio
import re
from array import array
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from importlib.resources import files
from typing import Protocol, override

from ..errors import Rejected, SparkError
from ..models import Audio, SpeechStyle
from ..servers.magpie import Magpie
from ..servers.parakeet import Parakeet
from ..servers.transport import Transport
from ..speech.audio import read_wav
from .health import Observation, Outcome, observed

CLIP_WORDS = frozenset({"turn", "on", "the", "kitchen", "light"})
ENOUGH_WORDS = 3
"""Of the clip's five words: a small model may mishear two, garbage hits none."""

CLIP_LANGUAGE = "en-US"

SPOKEN = "Good morning."
SHORTEST_SPOKEN = 0.3
"""Seconds: two words cannot be said faster."""

LOUD_ENOUGH = 200
"""Peak of 32,767 that speech always exceeds and digital silence with dither does not."""

LIFE_PAGES = ("/health", "/v1/health/ready")

_CLIP = read_wav(files(__package__).joinpath("canary.wav").read_bytes())
"""Read while modules are imported: the event loop must not wait for a disk."""


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """A canary that came back, or did not: when (wall clock), how long it took in seconds, what it showed."""

    at: float
    latency: float
    observation: Observation


type Life = tuple[int | None, ...]
"""The statuses of a server's health pages, None for those that did not answer."""


class ServerCheck(Protocol):
    """What a watchdog asks of its server. Never raises SparkError."""

    async def canary(self, language: str | None) -> Observation:
        """Send a canary, in the language (BCP-47) that real requests were served in, None where there were none."""

    async def is_asleep(self) -> bool:
        """Return whether the server says that it has unloaded its model. Does not wake it."""

    async def life(self, deadline: float) -> Life:
        """Return what the server's port and health pages show within `deadline` seconds."""


def canary_clip() -> Audio:
    """Return the packaged clip: 16 kHz mono, "Turn on the kitchen light."."""
    return _CLIP


@dataclass(frozen=True, slots=True)
class ParakeetCheck(ServerCheck):
    """Has Parakeet transcribe the clip."""

    client: Parakeet

    @override
    async def canary(self, language: str | None) -> Observation:
        seen = Observation(Outcome.NO_EVIDENCE, canary=True)
        # A model that knows other languages only may refuse one, or insist on one.
        for spoken in dict.fromkeys((language, None, CLIP_LANGUAGE)):
            try:
                transcript = await self.client.transcribe(canary_clip(), language=spoken)
            except Rejected as err:
                seen = observed(err, canary=True)
                continue
            except SparkError as err:
                return observed(err, canary=True)
            return _judge_words(transcript.text)
        return seen

    @override
    async def is_asleep(self) -> bool:
        return await _quietly(self.client.is_asleep)

    @override
    async def life(self, deadline: float) -> Life:
        return await _life(self.client.transport, deadline)


@dataclass(frozen=True, slots=True)
class MagpieCheck(ServerCheck):
    """Has Magpie speak two words, judged by their length and by not being silence."""

    client: Magpie

    @override
    async def canary(self, language: str | None) -> Observation:
        peak, seconds = 0, 0.0
        style = SpeechStyle(language=language or CLIP_LANGUAGE)
        try:
            async with aclosing(self.client.synthesize(SPOKEN, style)) as pieces:
                async for audio in pieces:
                    peak = max(peak, *map(abs, array("h", audio.pcm)))
                    seconds += audio.seconds
        except SparkError as err:
            return observed(err, canary=True)
        if seconds < SHORTEST_SPOKEN:
            return Observation(Outcome.FAULT, True, f"The canary was answered with {seconds:.2f} s of audio.")
        if peak < LOUD_ENOUGH:
            return Observation(Outcome.WRONG_ANSWER, True, "The canary was answered with silence.")
        return Observation(Outcome.SUCCESS, True, "The canary was spoken.")

    @override
    async def is_asleep(self) -> bool:
        return await _quietly(self.client.is_asleep)

    @override
    async def life(self, deadline: float) -> Life:
        return await _life(self.client.transport, deadline)


def _judge_words(text: str) -> Observation:
    heard = set(re.findall(r"[a-z]+", text.lower()))
    if len(CLIP_WORDS & heard) < ENOUGH_WORDS:
        return Observation(Outcome.WRONG_ANSWER, True, "The canary was answered with the wrong words.")
    return Observation(Outcome.SUCCESS, True, "The canary was transcribed right.")


async def _quietly(ask: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await ask()
    except SparkError:
        return False


async def _life(transport: Transport, deadline: float) -> Life:
    async def status(page: str) -> int | None:
        try:
            return (await transport.get(page, deadline=deadline)).status
        except SparkError as err:
            return err.status

    return tuple(await asyncio.gather(*map(status, LIFE_PAGES)))
