"""Which server is asked, what moves to the next one, and what callers are told when no server can answer."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import override

import pytest
from aiohttp import ClientSession
from spark_engine.errors import Busy, Held, Rejected, ServerFault, SparkError, TimedOut, Unreachable
from spark_engine.healing.budget import Budget, Ledger
from spark_engine.healing.health import State
from spark_engine.healing.held import GAVE_UP_RETRY, RECOVERY
from spark_engine.healing.pool import ParakeetPool, Pool, PoolMember
from spark_engine.healing.restarter import Restarter
from spark_engine.healing.watchdog import Watchdog
from spark_engine.models import Audio, AudioSource, Transcript
from spark_engine.servers.parakeet import Parakeet
from spark_engine.servers.transport import Transport

from tests.helpers.engine.watchdog_scene import PARAKEET, FakeServer, FakeTarget, MemoryStore

PCM = Audio(b"\1\0", 16_000)


class Client:
    """A server that answers with its name, or raises an error."""

    transport: Transport
    """Declared as the protocol wants it; no test asks for it."""

    def __init__(self, name: str, error: SparkError | None = None) -> None:
        self.name, self.error, self.asked = name, error, 0

    async def server(self) -> str:
        """The name that the protocol asks for."""
        return await self.answer()

    async def answer(self) -> str:
        """Its name, or its error."""
        self.asked += 1
        if self.error:
            raise self.error
        return self.name

    async def speak(self, pieces: int = 0) -> AsyncGenerator[Audio]:
        """That many pieces, then its error, if any; else one piece."""
        self.asked += 1
        for _ in range(pieces if self.error else 1):
            yield PCM
        if self.error:
            raise self.error


async def answer(member: PoolMember[Client]) -> str:
    """What the server answers."""
    return await member.client.answer()


def speak(member: PoolMember[Client]) -> AsyncGenerator[Audio]:
    """What the server says."""
    return member.client.speak()


def member(client: Client, state: State = State.HEALTHY, recovery: float | None = None) -> PoolMember[Client]:
    """A server in that state."""
    server = FakeServer()
    dog = Watchdog(PARAKEET, server, MemoryStore(), clock=server.clock)
    dog.health = replace(dog.health, state=state, since=server.clock.now)
    if recovery is not None:
        dog.restarter.recovered(recovery)
    return PoolMember(PARAKEET, "http://127.0.0.1", client, dog)


def service(*members: PoolMember[Client]) -> Pool[Client]:
    """A service of these servers."""
    return Pool(members)


FAULT = ServerFault("broken", status=500)


@pytest.mark.parametrize("error", [FAULT, TimedOut("late"), Unreachable("gone"), Busy("full", status=429)])
async def test_a_failure_moves_to_the_next_server(error: SparkError) -> None:
    it = service(member(Client("parakeet", error)), member(Client("parakeet-2")))
    assert await it.ask(answer) == "parakeet-2"


async def test_a_request_at_fault_stays_at_fault() -> None:
    """Another server would say the same."""
    second = Client("parakeet-2")
    it = service(member(Client("parakeet", Rejected("bad", status=400))), member(second))
    with pytest.raises(Rejected):
        await it.ask(answer)
    assert second.asked == 0


async def test_when_all_fail_the_last_ones_error_is_told() -> None:
    """No error is swallowed."""
    it = service(member(Client("a", FAULT)), member(Client("b", TimedOut("late"))))
    with pytest.raises(TimedOut):
        await it.ask(answer)


@pytest.mark.parametrize(
    ("states", "asked"),
    [
        ((State.SUSPECT, State.HEALTHY), ["b"]),
        ((State.UNREACHABLE, State.SUSPECT), ["b"]),
        ((State.HEALTHY, State.HEALTHY), ["a"]),
        ((State.WEDGED, State.UNREACHABLE), ["b"]),
    ],
)
async def test_the_healthiest_is_asked_first(states: tuple[State, State], asked: list[str]) -> None:
    """Among equals, the first."""
    clients = [Client("a"), Client("b")]
    it = service(*(member(client, state) for client, state in zip(clients, states, strict=True)))
    await it.ask(answer)
    assert [client.name for client in clients if client.asked] == asked


HELD: list[tuple[State, float | None, float, str]] = [
    (State.WEDGED, None, RECOVERY, "has stopped working: operator action required"),
    (State.RESTARTING, None, RECOVERY, "is being restarted"),
    (State.RESTARTING, 25.0, 25.0, "is being restarted"),
    (State.STARTING, None, RECOVERY, "is starting"),
    (State.GAVE_UP, 25.0, GAVE_UP_RETRY, "does not recover by restarting: operator action required"),
]


@pytest.mark.parametrize(("state", "recovery", "wait", "said"), HELD)
async def test_a_server_that_cannot_answer_is_not_asked(
    state: State, recovery: float | None, wait: float, said: str
) -> None:
    """Everyone fails fast, with a sentence and a time to come back."""
    client = Client("parakeet")
    it = service(member(client, state, recovery))
    with pytest.raises(Held, match=said) as caught:
        await it.ask(answer)
    assert caught.value.retry_after == wait
    with pytest.raises(Held, match=said):
        [audio async for audio in it.stream(speak)]
    assert client.asked == 0


async def test_a_restart_is_promised_only_where_one_will_follow() -> None:
    """With a target, and automatic restarts."""
    it = member(Client("parakeet"), State.WEDGED)
    assert it.watchdog is not None
    store = MemoryStore()
    it.watchdog.restarter.target = FakeTarget(FakeServer(), store)
    with pytest.raises(Held, match="is about to be restarted"):
        await service(it).ask(answer)


async def test_the_soonest_of_all_is_promised() -> None:
    """One given up, one on its way."""
    it = service(member(Client("a"), State.GAVE_UP), member(Client("b"), State.RESTARTING, 9.0))
    with pytest.raises(Held) as caught:
        await it.ask(answer)
    assert caught.value.retry_after == 9.0


async def wedged_again(*, seconds_ago: float, recovery: float | None) -> PoolMember[Client]:
    """A server that was restarted so long ago, and is wedged."""
    it = member(Client("parakeet", ServerFault("broken", status=500)), State.WEDGED, recovery)
    assert it.watchdog is not None
    store = MemoryStore(Ledger((it.watchdog.clock.time() - seconds_ago,), (recovery,) if recovery else ()))
    it.watchdog.restarter = Restarter(
        "parakeet",
        FakeTarget(FakeServer(), store),
        store,
        Budget(),
        it.watchdog.clock,
        answered=lambda _: None,
        tried=lambda _: None,
    )
    await it.watchdog.restarter.load()
    return it


@pytest.mark.parametrize(("recovery", "wait"), [(None, RECOVERY), (20.0, 20.0)])
async def test_the_wait_for_the_next_restart_is_told(recovery: float | None, wait: float) -> None:
    """Restarts are a minute apart: a recovery that begins in 40 s ends no sooner."""
    it = await wedged_again(seconds_ago=20, recovery=recovery)
    with pytest.raises(Held) as caught:
        await service(it).ask(answer)
    assert caught.value.retry_after == 40 + wait


async def test_the_first_failure_tells_it_as_well() -> None:
    it = await wedged_again(seconds_ago=300, recovery=20.0)
    assert it.watchdog is not None
    it.watchdog.health = replace(it.watchdog.health, state=State.HEALTHY)
    with pytest.raises(ServerFault) as caught:
        await service(it).ask(answer)
    assert caught.value.retry_after == 20.0


type Speak = Callable[[Client], AsyncGenerator[Audio]]


async def test_a_stream_moves_only_before_the_first_sound() -> None:
    """A voice must not change in the middle of a word."""
    second = Client("b")
    it = service(member(Client("a", FAULT)), member(second))
    assert [audio async for audio in it.stream(lambda member: member.client.speak(0))] == [PCM]
    second = Client("b")
    it = service(member(Client("a", FAULT)), member(second))
    heard: list[Audio] = []
    with pytest.raises(ServerFault):
        async for audio in it.stream(lambda member: member.client.speak(1)):
            heard.append(audio)
    assert heard == [PCM]
    assert second.asked == 0


async def test_traffic_is_evidence_and_asking_what_it_is_is_none() -> None:
    """A model list proves nothing about the GPU."""
    broken = member(Client("a", FAULT), State.SUSPECT)
    it = service(broken)
    assert broken.watchdog is not None
    with pytest.raises(ServerFault):
        await it.first(Client.answer)
    broken.client.error = None
    assert await it.first(Client.answer) == "a"
    before = broken.state
    await it.ask(answer)
    assert (before, broken.state) == (State.SUSPECT, State.HEALTHY)


async def test_an_unwatched_server_is_always_asked() -> None:
    """Its health is watched elsewhere."""
    it = Pool([PoolMember(PARAKEET, "http://127.0.0.1", Client("a"))])
    assert await it.ask(answer) == "a"
    assert it.members[0].state is State.UNKNOWN


async def test_a_deadline_of_the_caller_is_a_time_out_of_the_server() -> None:
    """The watchdog sees it, and the next server is asked."""

    class Slow(Parakeet):
        """Never answers."""

        @override
        async def transcribe(
            self,
            audio: AudioSource,
            *,
            language: str | None = None,
            times: bool = False,
            hints: Sequence[str] = (),
            load_seconds: float = 0.0,
        ) -> Transcript:
            await asyncio.Event().wait()
            raise AssertionError

    async with ClientSession() as session:
        transport = Transport(session, "http://127.0.0.1:9")
        server = FakeServer()
        dog = Watchdog(PARAKEET, server, MemoryStore(), clock=server.clock)
        it = ParakeetPool([PoolMember(PARAKEET, "http://127.0.0.1:9", Slow(transport), dog)])
        with pytest.raises(TimedOut, match=r"within 0\.01 s"):
            await it.transcribe(PCM, deadline=0.01)
    assert dog.health.state is State.SUSPECT
