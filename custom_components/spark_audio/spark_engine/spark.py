"""Spark: one object that holds the servers of one box. What both hosts build."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass, field

from aiohttp import ClientSession

from .healing.canary import MagpieCheck, ParakeetCheck, ServerCheck
from .healing.pool import MagpiePool, ParakeetPool, PoolMember
from .healing.watchdog import Watchdog
from .models import Audio, ServerName, Service, SpeechStyle
from .servers.deadlines import Deadlines
from .servers.magpie import Magpie
from .servers.parakeet import Parakeet
from .servers.transport import Transport
from .speech.audio import silence
from .speech.replacements import AS_WRITTEN, Replacements
from .speech.resample import in_one_rate
from .speech.speaking import speak
from .speech.text import utterances

UNSPEAKABLE_PAUSE = 0.2
"""Seconds of silence for text with nothing to say: an empty answer is an error to every player."""

type Watch = Callable[[ServerName, ServerCheck], Watchdog]
"""Builds the watchdog of one server from its name and what it is to ask."""

type Admit = Callable[[], AbstractAsyncContextManager[None]]
"""What one request to Magpie waits for and is made within."""

type AnyMember = PoolMember[Parakeet] | PoolMember[Magpie]


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where one server is, and the bearer token that it expects."""

    url: str
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class SparkAddress:
    """Where the servers of each service are: none, one or several, the first one being number 1."""

    parakeet: tuple[ServerAddress, ...] = ()
    magpie: tuple[ServerAddress, ...] = ()


class Spark:
    """The services of one Spark. `parakeet` and `magpie` are None where it has none."""

    def __init__(
        self,
        session: ClientSession,
        address: SparkAddress,
        watch: Watch | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        """Send nothing yet. The session stays the caller's to close. Without `watch`, nothing is watched here."""

        def transport(server: ServerAddress) -> Transport:
            return Transport(session, server.url, server.token, deadlines)

        parakeets = [
            PoolMember(name, server.url, client, watch(name, ParakeetCheck(client)) if watch else None)
            for name, server in _named(Service.PARAKEET, address.parakeet)
            for client in (Parakeet(transport(server)),)
        ]
        magpies = [
            PoolMember(name, server.url, client, watch(name, MagpieCheck(client)) if watch else None)
            for name, server in _named(Service.MAGPIE, address.magpie)
            for client in (Magpie(transport(server)),)
        ]
        self.parakeet = ParakeetPool(parakeets) if parakeets else None
        self.magpie = MagpiePool(magpies) if magpies else None

    @property
    def members(self) -> tuple[AnyMember, ...]:
        """Return all servers of all services."""
        parakeets = self.parakeet.members if self.parakeet else ()
        return (*parakeets, *(self.magpie.members if self.magpie else ()))

    async def watch(self) -> None:
        """Run all watchdogs until cancelled."""
        async with asyncio.TaskGroup() as group:
            for member in self.members:
                if member.watchdog:
                    group.create_task(member.watchdog.run(), name=f"watchdog {member.name}")

    async def speak(
        self,
        text: str | AsyncGenerator[str],
        style: SpeechStyle,
        *,
        speed: float = 1.0,
        replacements: Replacements | None = None,
        fills_pauses: bool = True,
        admit: Admit = nullcontext,
    ) -> AsyncGenerator[Audio]:
        """Speak text that is complete, or that is still being written: the audio begins sooner then.

        All pieces have the same sample rate and the voice's own tempo; `speed` tells at how many times that tempo the
        caller will play them. `replacements` hold for the language that is spoken. Where the text pauses, silence
        `fills_pauses`. Text with nothing to say gives a short silence. Raises SparkError, and what `admit` raises.
        """
        if self.magpie is None:
            raise RuntimeError("this Spark has no Magpie")
        magpie, has_spoken = self.magpie, False
        rewrite = replacements.for_language(await magpie.spoken_language(style)) if replacements else AS_WRITTEN

        async def synthesize(utterance: str) -> AsyncGenerator[Audio]:
            async with admit(), aclosing(magpie.synthesize(utterance, style, rewrite=rewrite)) as pieces:
                async for audio in pieces:
                    yield audio

        speech = speak(utterances(text, rewrite), synthesize, speed=speed, fills_pauses=fills_pauses)
        async with aclosing(in_one_rate(speech)) as pieces:
            async for audio in pieces:
                has_spoken = True
                yield audio
        if not has_spoken:
            yield silence(UNSPEAKABLE_PAUSE, style.sample_rate)


def _named(service: Service, servers: tuple[ServerAddress, ...]) -> list[tuple[ServerName, ServerAddress]]:
    return [(ServerName(service, number), server) for number, server in enumerate(servers, 1)]
