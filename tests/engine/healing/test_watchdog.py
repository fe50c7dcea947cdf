"""The loop on a fake clock: what it sees, when it asks, and what it tells."""

import asyncio
import logging
from typing import override

import pytest
from spark_engine.errors import Rejected, ServerFault
from spark_engine.healing.health import Observation, Policy, State, Transition
from spark_engine.healing.watchdog import Watchdog, WatchdogSettings

from tests.helpers.engine.watchdog_scene import (
    FAULT,
    GOOD,
    MAGPIE,
    PARAKEET,
    SIGNED,
    FakeServer,
    FakeTarget,
    MemoryStore,
    scene,
    wedge,
)


async def test_when_it_last_worked() -> None:
    """By the wall clock, of a canary or of any request; told before listeners hear of the new state."""
    it = scene()
    clock, told = it.server.clock, []
    it.dog.subscribe(lambda _, event: told.append(it.dog.last_success) if isinstance(event, Transition) else None)
    born = clock.time()
    assert (it.dog.last_success, it.dog.since) == (None, born)
    await it.live(1)
    assert told == [it.dog.last_success] == [born]
    clock.step += 5000
    clock.now += 10
    it.dog.report(None)
    requested = clock.time()
    assert it.dog.last_success == requested
    clock.now += 10
    it.dog.report(Rejected("bad", status=400))
    it.dog.report(SIGNED)
    assert (it.dog.last_success, it.dog.since) == (requested, clock.time())
    clock.step += 5000
    assert it.dog.last_success == requested


async def test_a_healthy_service_costs_one_canary_an_interval() -> None:
    """One in four intervals while traffic succeeds."""
    it = scene()
    await it.live(3600)
    assert len(it.server.canaries) == 13
    busy = scene()
    for _ in range(360):
        await busy.live(10)
        busy.dog.report(None)
    assert len(busy.server.canaries) == 4


async def test_no_canary_while_a_young_request_tells() -> None:
    """Busy is not wedged; an old one does not count."""
    it = scene(policy=Policy(interval=10))
    await it.live(1)
    with it.dog.watching():
        await it.live(25)
        assert len(it.server.canaries) == 1
        await it.live(20)
        assert len(it.server.canaries) > 1


async def test_never_two_canaries_at_once() -> None:
    """A caller that asks meanwhile waits for the same canary."""
    it, go, asked = scene(), asyncio.Event(), 0

    class Slow(FakeServer):
        """Answers when it is told to."""

        @override
        async def canary(self, language: str | None) -> Observation:
            nonlocal asked
            asked += 1
            await go.wait()
            return GOOD

    await it.live(1)
    dog = Watchdog(MAGPIE, Slow(), it.store, clock=it.server.clock)
    checks = [asyncio.create_task(dog.check()) for _ in range(3)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert asked == 1
    go.set()
    results = [await check for check in checks]
    assert {result.observation.detail for result in results} == {GOOD.detail}
    assert asked == 1


async def test_what_happens_to_requests_is_counted() -> None:
    """Success, failure, and a caller who goes away."""
    it = scene(FAULT)
    with it.dog.watching():
        pass
    first = it.dog.health
    assert first.state is State.HEALTHY
    with pytest.raises(ServerFault), it.dog.watching():
        raise SIGNED
    assert it.dog.health.state is State.SUSPECT
    before = it.dog.health
    with pytest.raises(asyncio.CancelledError), it.dog.watching():
        raise asyncio.CancelledError
    assert it.dog.health is before


async def test_listeners_and_log_get_each_transition_once(caplog: pytest.LogCaptureFixture) -> None:
    """One line with its evidence, one warning for a restart."""
    caplog.set_level(logging.INFO)
    it, seen = scene(), list[Transition]()
    unsubscribe = it.dog.subscribe(lambda _, event: seen.append(event) if isinstance(event, Transition) else None)
    await wedge(it)
    await it.live(10)
    unsubscribe()
    it.dog.report(SIGNED)
    assert seen == list(it.dog.history)[: len(seen)]
    assert len(it.dog.history) == len(seen) + 1
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert ("INFO", "parakeet: healthy -> suspect: CUDA error: boom") in lines
    assert [text for level, text in lines if level == "WARNING"] == ["parakeet: restart 1 of 3 in 30 min (CUDA error)"]


async def test_the_loop_runs_by_itself_and_wakes_on_bad_news() -> None:
    """On the real clock: the second canary is asked for by the report, not by the interval of five minutes."""
    seen, checked = asyncio.Event(), asyncio.Event()

    class Told(FakeServer):
        """Tells when it is asked."""

        @override
        async def canary(self, language: str | None) -> Observation:
            result = await super().canary(language)
            (checked if len(self.canaries) > 1 else seen).set()
            return result

    server, store = Told(), MemoryStore()
    target = FakeTarget(server, store)
    dog = Watchdog(PARAKEET, server, store, target=target)
    task = asyncio.create_task(dog.run())
    await seen.wait()
    await asyncio.sleep(0)
    dog.report(SIGNED)
    await checked.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    # Two within moments; by its rhythm alone the second would have come after five minutes.
    assert len(server.canaries) >= 2
    assert target.sent == []


async def test_a_bug_in_one_round_does_not_end_the_watch(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the next round comes."""
    again, rounds = asyncio.Event(), 0

    class Buggy(FakeServer):
        """Raises what no check may raise, once."""

        @override
        async def canary(self, language: str | None) -> Observation:
            nonlocal rounds
            rounds += 1
            if rounds == 1:
                raise RuntimeError("a bug")
            again.set()
            return GOOD

    quick = WatchdogSettings(policy=Policy(suspect_interval=0.01))
    dog = Watchdog(PARAKEET, Buggy(), MemoryStore(), settings=quick)
    task = asyncio.create_task(dog.run())
    await again.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "a round of the watchdog failed" in caplog.text
