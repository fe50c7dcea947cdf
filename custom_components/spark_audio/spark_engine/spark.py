"""Spark: one object that holds the clients of one box. What both hosts build."""

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from dataclasses import dataclass

from aiohttp import ClientSession

from .audio import silence
from .magpie import Magpie
from .models import Audio, SpeechStyle
from .parakeet import Parakeet
from .speaking import speak
from .text import utterances
from .transport import Transport

UNSPEAKABLE_PAUSE = 0.2
"""Seconds of silence for text with nothing to say: an empty answer is an error to every player."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SparkAddress:
    """Where the services are. None where the Spark does not have one."""

    parakeet_url: str | None = None
    magpie_url: str | None = None


class Spark:
    """The services of one Spark. `parakeet` and `magpie` are None where it has none."""

    def __init__(self, session: ClientSession, address: SparkAddress) -> None:
        """Nothing is sent yet. The session stays the caller's to close."""
        self.parakeet = Parakeet(Transport(session, address.parakeet_url)) if address.parakeet_url else None
        self.magpie = Magpie(Transport(session, address.magpie_url)) if address.magpie_url else None

    async def speak(self, text: AsyncIterable[str], style: SpeechStyle) -> AsyncGenerator[Audio]:
        """Speak text while it is still being written.

        All pieces have the same sample rate. Text with nothing to say gives a short silence. Raises SparkError.
        """
        if self.magpie is None:
            raise RuntimeError("this Spark has no Magpie")
        magpie, spoken = self.magpie, False
        async with aclosing(speak(utterances(text), lambda piece: magpie.synthesize(piece, style))) as pieces:
            async for audio in pieces:
                spoken = True
                yield audio
        if not spoken:
            yield silence(UNSPEAKABLE_PAUSE, style.sample_rate)
