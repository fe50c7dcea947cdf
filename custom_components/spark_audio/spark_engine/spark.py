"""Spark: one object that holds the services of one box. What both hosts build."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

from aiohttp import ClientSession

from .healing.canary import Canary, hear_canary, speak_canary
from .healing.pool import MagpieService, Member, ParakeetService
from .healing.watchdog import Watchdog
from .models import Audio, SpeechStyle
from .servers.magpie import Magpie
from .servers.parakeet import Parakeet
from .servers.transport import Transport
from .speech.audio import silence
from .speech.speaking import speak
from .speech.text import utterances

UNSPEAKABLE_PAUSE = 0.2
"""Seconds of silence for text with nothing to say: an empty answer is an error to every player."""

type Watch = Callable[[str, Canary], Watchdog]
"""Builds the watchdog of one server from its name (`parakeet`, `parakeet-2`, ...) and its canary."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SparkAddress:
    """Where the services are. None where the Spark does not have one.

    Several URLs for one service, and several tokens, are comma separated, in the same order.
    """

    parakeet_url: str | None = None
    magpie_url: str | None = None
    parakeet_token: str | None = field(default=None, repr=False)
    magpie_token: str | None = field(default=None, repr=False)


class Spark:
    """The services of one Spark. `parakeet` and `magpie` are None where it has none."""

    def __init__(self, session: ClientSession, address: SparkAddress, watch: Watch | None = None) -> None:
        """Nothing is sent yet. The session stays the caller's to close. Without `watch`, somebody else watches."""
        ears = [
            Member(name, url, client, watch(name, partial(hear_canary, client)) if watch else None)
            for name, url, token in _servers("parakeet", address.parakeet_url, address.parakeet_token)
            for client in (Parakeet(Transport(session, url, token)),)
        ]
        mouths = [
            Member(name, url, client, watch(name, partial(speak_canary, client)) if watch else None)
            for name, url, token in _servers("magpie", address.magpie_url, address.magpie_token)
            for client in (Magpie(Transport(session, url, token)),)
        ]
        self.parakeet = ParakeetService(ears) if ears else None
        self.magpie = MagpieService(mouths) if mouths else None

    @property
    def members(self) -> tuple[Member[Parakeet] | Member[Magpie], ...]:
        """All servers of all services."""
        ears = self.parakeet.members if self.parakeet else ()
        return (*ears, *(self.magpie.members if self.magpie else ()))

    async def watch(self) -> None:
        """Run all watchdogs until cancelled."""
        async with asyncio.TaskGroup() as group:
            for member in self.members:
                if member.watchdog:
                    group.create_task(member.watchdog.run(), name=f"watchdog {member.name}")

    async def speak(
        self, text: str | AsyncGenerator[str], style: SpeechStyle, *, speed: float = 1.0
    ) -> AsyncGenerator[Audio]:
        """Speak text that is all there, or that is still being written: what there is to hear begins sooner then.

        All pieces have the same sample rate and the voice's own tempo; `speed` tells at how many times that tempo the
        caller will play them. Text with nothing to say gives a short silence. Raises SparkError.
        """
        if self.magpie is None:
            raise RuntimeError("this Spark has no Magpie")
        magpie, spoken = self.magpie, False
        speech = speak(utterances(text), lambda piece: magpie.synthesize(piece, style), speed=speed)
        async with aclosing(speech) as pieces:
            async for audio in pieces:
                spoken = True
                yield audio
        if not spoken:
            yield silence(UNSPEAKABLE_PAUSE, style.sample_rate)


def split_list(value: str | None) -> list[str]:
    """The items of a comma separated list."""
    return [item for item in (part.strip() for part in (value or "").split(",")) if item]


def split_places(value: str | None) -> list[str | None]:
    """The items of a comma separated list whose places count: an empty one is None."""
    return [part.strip() or None for part in value.split(",")] if value else []


def member_names(service: str, count: int) -> list[str]:
    """`parakeet`, `parakeet-2`, ..."""
    return [service if number == 1 else f"{service}-{number}" for number in range(1, count + 1)]


def _servers(service: str, urls: str | None, tokens: str | None) -> list[tuple[str, str, str | None]]:
    """(name, URL, token) of every server of a service."""
    addresses = split_list(urls)
    keys = [*split_places(tokens), *[None] * len(addresses)]
    return list(zip(member_names(service, len(addresses)), addresses, keys, strict=False))
