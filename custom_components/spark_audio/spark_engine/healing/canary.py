"""A real inference with a known answer: the only evidence that a GPU service is alive."""

import re
from array import array
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from importlib.resources import files

from ..errors import SparkError
from ..models import Audio, SpeechStyle
from ..servers.magpie import Magpie
from ..servers.parakeet import Parakeet
from ..speech.audio import read_wav
from .health import Observation, Outcome, observed

type Canary = Callable[[], Awaitable[Observation]]


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """A canary that came back, or did not: when (wall clock), how long it took in seconds, what it showed."""

    at: float
    latency: float
    observation: Observation


CLIP_WORDS = frozenset({"turn", "on", "the", "kitchen", "light"})
ENOUGH_WORDS = 3
"""Of the clip's five words: a small model may mishear two, garbage hits none."""

SPOKEN = "Good morning."
SHORTEST_SPOKEN = 0.3
"""Seconds: two words cannot be said faster."""

LOUD_ENOUGH = 200
"""Peak of 32,767 that speech always exceeds and digital silence with dither does not."""


_CLIP = read_wav(files(__package__).joinpath("canary.wav").read_bytes())
"""Read while modules are imported: the event loop must not wait for a disk."""


def canary_clip() -> Audio:
    """Return the packaged clip: 16 kHz mono, "Turn on the kitchen light."."""
    return _CLIP


async def parakeet_canary(parakeet: Parakeet) -> Observation:
    """Have Parakeet transcribe the clip. Never raises SparkError."""
    try:
        transcript = await parakeet.transcribe(canary_clip(), language="en-US")
    except SparkError as err:
        return observed(err, canary=True)
    heard = set(re.findall(r"[a-z]+", transcript.text.lower()))
    if len(CLIP_WORDS & heard) < ENOUGH_WORDS:
        return Observation(Outcome.WRONG_ANSWER, canary=True, detail="The canary was answered with the wrong words.")
    return Observation(Outcome.SUCCESS, canary=True, detail="The canary was heard right.")


async def magpie_canary(magpie: Magpie) -> Observation:
    """Have Magpie speak two words, judged by their length and by not being silence. Never raises SparkError."""
    peak, seconds = 0, 0.0
    try:
        async with aclosing(magpie.synthesize(SPOKEN, SpeechStyle(language="en-US"))) as pieces:
            async for audio in pieces:
                peak = max(peak, *map(abs, array("h", audio.pcm)))
                seconds += audio.seconds
    except SparkError as err:
        return observed(err, canary=True)
    if seconds < SHORTEST_SPOKEN:
        return Observation(Outcome.FAULT, canary=True, detail=f"The canary was answered with {seconds:.2f} s of audio.")
    if peak < LOUD_ENOUGH:
        return Observation(Outcome.WRONG_ANSWER, canary=True, detail="The canary was answered with silence.")
    return Observation(Outcome.SUCCESS, canary=True, detail="The canary was spoken.")
