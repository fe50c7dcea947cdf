"""A service as callers see it: one server or several, watched, and the next one asked when one fails."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from typing import Protocol

from ..errors import Busy, Held, ServerFault, SparkError, TimedOut, Unreachable
from ..models import Audio, SpeechStyle, Transcript, Voice
from ..servers.magpie import Magpie
from ..servers.magpie_dialects import MagpieServer
from ..servers.parakeet import Parakeet
from ..servers.parakeet_dialects import ParakeetServer
from ..servers.transport import Transport
from ..speech.arriving_audio import IncomingAudio
from .health import HOLDING, State
from .watchdog import Watchdog

RECOVERY = 60.0
"""Seconds after which callers shall come back while nobody knows how long a recovery takes."""

GAVE_UP_RETRY = 600.0

_ELSEWHERE = (ServerFault, TimedOut, Unreachable, Busy)
"""Errors that another server may not have; a request that is at fault itself stays at fault."""

_PREFERRED = (State.HEALTHY, State.UNKNOWN, State.SUSPECT, State.UNREACHABLE)


class Client[ServerT](Protocol):
    """What Parakeet and Magpie have in common."""

    transport: Transport

    async def server(self) -> ServerT:
        """What the server is."""


@dataclass(frozen=True, slots=True)
class Member[ClientT]:
    """One server of a service. Without a watchdog it is always asked: somebody else watches over it."""

    name: str
    url: str
    client: ClientT
    watchdog: Watchdog | None = None

    @property
    def state(self) -> State:
        """Its state, unknown where nobody watches."""
        return self.watchdog.health.state if self.watchdog else State.UNKNOWN


class Service[ClientT: Client[object]]:
    """All servers of one service."""

    def __init__(self, members: Sequence[Member[ClientT]]) -> None:
        """At least one."""
        self.members = tuple(members)

    async def ask[T](self, call: Callable[[ClientT], Awaitable[T]]) -> T:
        """Ask the best server, and the next one where that fails. Raises SparkError: the last server's."""
        error: SparkError | None = None
        for member in self._in_order():
            try:
                with member.watchdog.watching() if member.watchdog else nullcontext():
                    return await call(member.client)
            except _ELSEWHERE as err:
                error = err
        raise error or self._held()

    async def stream(self, call: Callable[[ClientT], AsyncGenerator[Audio]]) -> AsyncGenerator[Audio]:
        """The same for a stream: another server is asked only as long as nothing has been heard."""
        error: SparkError | None = None
        for member in self._in_order():
            heard = False
            try:
                with member.watchdog.watching() if member.watchdog else nullcontext():
                    async with aclosing(call(member.client)) as pieces:
                        async for audio in pieces:
                            heard = True
                            yield audio
            except _ELSEWHERE as err:
                if heard:
                    raise
                error = err
            else:
                return
        raise error or self._held()

    async def first[T](self, call: Callable[[ClientT], Awaitable[T]]) -> T:
        """Ask for something that needs no inference, even of a server that is not well: it proves nothing about it."""
        error: SparkError | None = None
        for member in self._in_order() or self.members:
            try:
                return await call(member.client)
            except SparkError as err:
                error = err
        raise error or self._held()

    async def warm(self) -> None:
        """Open the connection that the next request will use."""
        for member in self._in_order()[:1]:
            await member.client.transport.warm()

    def _in_order(self) -> list[Member[ClientT]]:
        alive = [member for member in self.members if member.state not in HOLDING]
        return sorted(alive, key=lambda member: _PREFERRED.index(member.state))

    def _held(self) -> Held:
        """Why nobody was asked, and when to come back: the soonest of all servers."""
        return min(
            (_reason(member.watchdog) for member in self.members if member.watchdog), key=lambda held: held.retry_after
        )


def _reason(watchdog: Watchdog) -> Held:
    service = watchdog.name.partition("-")[0].capitalize()
    match watchdog.health.state:
        case State.GAVE_UP:
            return Held(
                f"{service} does not recover, and restarting did not help: somebody has to look at it.",
                retry_after=GAVE_UP_RETRY,
            )
        case State.STARTING:
            return Held(f"{service} is starting; its model is being loaded.", retry_after=_expected(watchdog))
        case State.RESTARTING:
            return Held(f"{service} is being restarted.", retry_after=_expected(watchdog))
    if watchdog.restarts_by_itself:
        return Held(f"{service} has stopped working and is about to be restarted.", retry_after=_expected(watchdog))
    return Held(f"{service} has stopped working; somebody has to restart it.", retry_after=RECOVERY)


def _expected(watchdog: Watchdog) -> float:
    """Seconds to the expected end, from how long the last recovery took."""
    if watchdog.recovery_seconds is None:
        return RECOVERY
    elapsed = watchdog.clock.monotonic() - watchdog.health.since
    return max(1.0, watchdog.recovery_seconds - elapsed)


class ParakeetService(Service[Parakeet]):
    """Hearing."""

    async def server(self) -> ParakeetServer:
        """What the first server is that can be asked. Raises SparkError."""
        return await self.first(lambda parakeet: parakeet.server())

    async def transcribe(
        self,
        audio: Audio | IncomingAudio,
        *,
        language: str | None = None,
        times: bool = False,
        deadline: float | None = None,
    ) -> Transcript:
        """As `Parakeet.transcribe`, by whichever server is well.

        `deadline`, in seconds, is for each server that is asked, where its own would be later.
        """

        async def transcribe(parakeet: Parakeet) -> Transcript:
            try:
                async with asyncio.timeout(deadline):
                    return await parakeet.transcribe(audio, language=language, times=times)
            except TimeoutError as err:
                # Raised in here, so that the watchdog hears of it.
                raise TimedOut(f"The server did not answer within {deadline:g} s.") from err

        return await self.ask(transcribe)


class MagpieService(Service[Magpie]):
    """Speaking."""

    async def server(self) -> MagpieServer:
        """What the first server is that can be asked. Raises SparkError."""
        return await self.first(lambda magpie: magpie.server())

    async def voices(self) -> tuple[Voice, ...]:
        """The voices. Raises SparkError."""
        return (await self.server()).voices

    def synthesize(self, text: str, style: SpeechStyle) -> AsyncGenerator[Audio]:
        """As `Magpie.synthesize`, by whichever server is well."""
        return self.stream(lambda magpie: magpie.synthesize(text, style))
