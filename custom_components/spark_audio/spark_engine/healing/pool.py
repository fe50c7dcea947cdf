"""All servers of one service: the best one is asked, and the next one where that fails."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, aclosing, nullcontext, suppress
from dataclasses import dataclass
from typing import Protocol

from ..errors import (
    Busy,
    OutOfMemory,
    Rejected,
    ServerFault,
    SparkError,
    TimedOut,
    Unauthorized,
    Unreachable,
    WrongServer,
)
from ..models import Audio, AudioSource, ServerName, SpeechStyle, Transcript, Voice
from ..servers.magpie import Magpie
from ..servers.magpie_dialects import MagpieServer
from ..servers.parakeet import Parakeet
from ..servers.parakeet_dialects import ParakeetServer
from ..servers.transport import Transport
from ..speech.replacements import AS_WRITTEN, Rewrite
from .health import State
from .held import expected_recovery, held, retry_after
from .traffic import Request
from .watchdog import Watchdog

_ELSEWHERE = (ServerFault, TimedOut, Unreachable, Busy, OutOfMemory, Unauthorized, WrongServer)
"""Errors that another server may not have; a request that is at fault itself stays at fault."""

_PREFERRED = (State.HEALTHY, State.UNKNOWN, State.ASLEEP, State.STARTING, State.SUSPECT, State.UNREACHABLE)


class Client[ServerT](Protocol):
    """What Parakeet and Magpie have in common."""

    transport: Transport

    async def server(self) -> ServerT:
        """Return what the server is."""


@dataclass(frozen=True, slots=True)
class PoolMember[ClientT]:
    """One server of a pool. Without a watchdog it is always asked: its health is watched elsewhere."""

    name: ServerName
    url: str
    client: ClientT
    watchdog: Watchdog | None = None

    @property
    def state(self) -> State:
        """Return its state, unknown where it is not watched here."""
        return self.watchdog.health.state if self.watchdog else State.UNKNOWN

    @property
    def holds(self) -> bool:
        """Return whether it is not asked in its state."""
        return self.watchdog is not None and self.watchdog.holds

    def watching(self, language: str | None = None) -> AbstractContextManager[Request | None]:
        """Count what happens inside as a request of real traffic."""
        return self.watchdog.watching(language) if self.watchdog else nullcontext()


class Pool[ClientT: Client[object]]:
    """All servers of one service."""

    def __init__(self, members: Sequence[PoolMember[ClientT]]) -> None:
        """At least one."""
        self.members = tuple(members)

    async def ask[T](self, call: Callable[[PoolMember[ClientT]], Awaitable[T]], *, language: str | None = None) -> T:
        """Ask the best server, and the next one where that fails. Raises SparkError: the last server's."""
        error: SparkError | None = None
        for member in self._in_order():
            try:
                with member.watching(language):
                    return await call(member)
            except _ELSEWHERE as err:
                _look_at(err, member.watchdog)
                error = err
        raise error or self._held()

    async def stream(
        self, call: Callable[[PoolMember[ClientT]], AsyncGenerator[Audio]], *, language: str | None = None
    ) -> AsyncGenerator[Audio]:
        """Ask for a stream: another server is asked only as long as nothing was yielded. Raises SparkError."""
        error: SparkError | None = None
        for member in self._in_order():
            has_begun = False
            try:
                with member.watching(language) as request:
                    async with aclosing(call(member)) as pieces:
                        async for audio in pieces:
                            has_begun = True
                            if request:
                                request.begun()
                            yield audio
            except _ELSEWHERE as err:
                _look_at(err, member.watchdog)
                if has_begun:
                    raise
                error = err
            else:
                return
        raise error or self._held()

    async def first[T](self, call: Callable[[ClientT], Awaitable[T]]) -> T:
        """Ask for something that needs no inference, even of a server that is not well: it proves nothing about it.

        Raises SparkError.
        """
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

    def _in_order(self) -> list[PoolMember[ClientT]]:
        alive = [member for member in self.members if not member.holds]
        return sorted(alive, key=lambda member: _PREFERRED.index(member.state))

    def _held(self) -> SparkError:
        """Return why no server was asked: of the one that is expected back first."""
        return min((held(member.watchdog) for member in self.members if member.watchdog), key=retry_after)


def _look_at(error: SparkError, watchdog: Watchdog | None) -> None:
    """Tell when to come back to a broken server. What may have killed it must not be sent to the next one: raised."""
    if not isinstance(error, ServerFault):
        return
    if watchdog:
        error.retry_after = expected_recovery(watchdog)
    if error.killed:
        raise error


class ParakeetPool(Pool[Parakeet]):
    """Speech to text."""

    async def server(self) -> ParakeetServer:
        """Return what the first server is that can be asked. Raises SparkError."""
        return await self.first(lambda parakeet: parakeet.server())

    async def transcribe(
        self,
        audio: AudioSource,
        *,
        language: str | None = None,
        times: bool = False,
        hints: Sequence[str] = (),
        deadline: float | None = None,
    ) -> Transcript:
        """Transcribe as `Parakeet.transcribe` does, by the best server.

        `deadline`, in seconds, is for each server that is asked, where its own would be later.
        """

        async def transcribe(member: PoolMember[Parakeet]) -> Transcript:
            load = member.watchdog.load_seconds if member.watchdog else 0.0
            limit = None if deadline is None else deadline + load
            try:
                async with asyncio.timeout(limit):
                    return await member.client.transcribe(
                        audio, language=language, times=times, hints=hints, load_seconds=load
                    )
            except TimeoutError as err:
                # Raised in here, so that the watchdog sees it.
                raise TimedOut(f"The server did not answer within {limit:g} s.") from err

        return await self.ask(transcribe, language=language)

    @property
    def hears_live(self) -> bool:
        """Return whether a server that can be asked now may hear live."""
        return any(member.client.hears_live for member in self._in_order())

    async def transcribe_live(
        self, audio: AsyncIterable[bytes], *, language: str | None = None, deadline: float | None = None
    ) -> AsyncGenerator[Transcript]:
        """Transcribe as `Parakeet.transcribe_live` does, by the best server that hears live.

        `deadline`, in seconds, is for the transcript once the audio has ended. Another server is not asked: the audio
        has been sent. What this shows of its health counts from the end of the audio on, since until then it waits for
        the speaker. Raises SparkError.
        """
        member = next((member for member in self._in_order() if member.client.hears_live), None)
        if member is None:
            raise Rejected("No server hears live.")
        load = member.watchdog.load_seconds if member.watchdog else 0.0
        with ExitStack() as counting:
            is_counted = False

            def count() -> None:
                nonlocal is_counted
                if not is_counted:
                    is_counted = True
                    counting.enter_context(member.watching(language))

            async def counted() -> AsyncGenerator[bytes]:
                async for pcm in audio:
                    yield pcm
                count()

            try:
                async with aclosing(
                    member.client.transcribe_live(
                        counted(), language=language, longest_wait=deadline, load_seconds=load
                    )
                ) as pieces:
                    async for so_far in pieces:
                        yield so_far
            except SparkError:
                count()
                raise


class MagpiePool(Pool[Magpie]):
    """Text to speech."""

    async def server(self) -> MagpieServer:
        """Return what the first server is that can be asked. Raises SparkError."""
        return await self.first(lambda magpie: magpie.server())

    async def refresh(self) -> MagpieServer:
        """Probe anew, where a server may have other voices by now. What is known stays where that fails.

        Raises SparkError.
        """
        return await self.first(lambda magpie: magpie.identification.refresh())

    async def voices(self) -> tuple[Voice, ...]:
        """Return the voices. Raises SparkError."""
        return (await self.server()).voices

    async def spoken_language(self, style: SpeechStyle) -> str | None:
        """Return the language that the best server speaks in that style; the style's own where it cannot be asked."""
        for member in self._in_order()[:1]:
            with suppress(SparkError):
                return (await member.client.server()).spoken_language(style)
        return style.language

    def synthesize(self, text: str, style: SpeechStyle, *, rewrite: Rewrite = AS_WRITTEN) -> AsyncGenerator[Audio]:
        """Speak as `Magpie.synthesize` does, by the best server."""

        def synthesize(member: PoolMember[Magpie]) -> AsyncGenerator[Audio]:
            load = member.watchdog.load_seconds if member.watchdog else 0.0
            return member.client.synthesize(text, style, rewrite=rewrite, load_seconds=load)

        return self.stream(synthesize, language=style.language)
