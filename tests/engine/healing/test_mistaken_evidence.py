"""What looks like evidence and is none, or is of something else: each as a story in virtual time."""

import asyncio

import pytest
from spark_engine.errors import Held
from spark_engine.healing.budget import Ledger
from spark_engine.healing.health import Policy, State
from spark_engine.healing.held import RECOVERY, held

from tests.helpers.engine.simulated_server import Callers, Cure, Mode, world
from tests.helpers.engine.virtual_time import EPOCH, VirtualClock, run
from tests.helpers.engine.watchdog_scene import MemoryStore, scene, wedge

POLICY = Policy()


class TestProcessThatDied:
    def test_one_that_came_back_is_not_dead_when_the_box_is_switched_off_later(self) -> None:
        """It answered meanwhile, if only that it loads."""

        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                await it.become(Mode.DIES, 10)
                await it.become(Mode.LOADING, 60)
                await it.become(Mode.AWAY, 3600)
                assert (it.server.restarts, it.watchdog.health.state) == ([], State.UNREACHABLE)

        run(live())


class TestMemory:
    def test_a_lack_from_before_the_box_was_off_does_not_count(self) -> None:
        """The last resort comes after a lack that lasted, not after two short ones."""

        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                await it.become(Mode.MEMORY, 60)
                await it.become(Mode.AWAY, 3600)
                await it.become(Mode.MEMORY, POLICY.memory_patience - 60)
                assert (it.server.restarts, it.watchdog.health.state) == ([], State.OUT_OF_MEMORY)

        run(live())


class TestRequestsThatFailWhereCanariesDoNot:
    """Longer ones, or those in another language."""

    @pytest.mark.parametrize("mode", [Mode.REQUESTS_FAIL, Mode.REQUESTS_CUDA])
    def test_the_state_does_not_change_at_each_request(self, mode: Mode) -> None:
        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                await it.become(mode, 600)
                assert it.watchdog.health.state is State.SUSPECT
                assert len(it.states) <= 4
                assert not it.held
                assert it.server.restarts == []
                it.server.become(Mode.WORKS)
                await it.until(State.HEALTHY, 3.3 + 1)

        run(live())

    def test_without_callers_the_canary_clears_it(self) -> None:
        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                await it.become(Mode.REQUESTS_FAIL, 60)
                it.callers = Callers.NONE
                await it.until(State.HEALTHY, POLICY.requests_fade + POLICY.suspect_interval + 1)

        run(live())


class TestGateway:
    """nginx, Traefik and Cloudflare answer 502 while nothing listens behind them."""

    def test_a_server_that_loads_behind_one_is_not_restarted(self) -> None:
        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                await it.become(Mode.GATEWAY, 100)
                await it.become(Mode.WORKS, 20)
                assert (it.server.restarts, it.watchdog.health.state) == ([], State.HEALTHY)

        run(live())

    def test_one_that_stays_away_is_restarted(self) -> None:
        """It has worked before: the process behind the gateway may have ended."""

        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                it.server.become(Mode.GATEWAY)
                waited = await it.until(State.RESTARTING, POLICY.start_grace + 30)
                assert waited >= POLICY.start_grace

        run(live())


class TestRecoveries:
    def test_what_a_person_mended_is_no_measure(self) -> None:
        """The restart did nothing, and the box was repaired hours later."""

        async def live() -> None:
            async with world(cure=Cure.NOTHING) as it:
                await asyncio.sleep(30)
                await it.become(Mode.CUDA, 5 * 3600)
                assert it.watchdog.health.state is State.GAVE_UP
                it.server.become(Mode.WORKS)
                await it.until(State.HEALTHY, 61)
                await asyncio.sleep(400)
                assert it.server.ledger.recoveries == ()
                it.server.cure = Cure.HEALS
                it.server.become(Mode.CUDA)
                await it.until(State.RESTARTING, 15)
                error = held(it.watchdog)
                assert isinstance(error, Held)
                assert error.retry_after == RECOVERY

        run(live())

    def test_a_restart_that_the_target_refuses_late_has_cured_nothing(self) -> None:
        """The old process still answered well."""

        async def live() -> None:
            async with world(Mode.WORKS, cure=Cure.REFUSED_LATE) as it:
                await asyncio.sleep(30)
                with pytest.raises(Exception, match=r"No such container\."):
                    await it.watchdog.restart()
                await asyncio.sleep(400)
                assert it.server.ledger == Ledger()

        run(live())


class TestGivingUp:
    def test_restarts_that_helped_are_not_said_to_have_been_in_vain(self) -> None:
        """It broke again each time."""

        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                for _ in range(4):
                    await it.become(Mode.CUDA, 100)
                assert it.watchdog.health.state is State.GAVE_UP
                assert it.watchdog.health.evidence == "It has broken down again after 3 restarts in 30 min."

        run(live())


async def test_a_damaged_record_is_told_as_what_it_is() -> None:
    """No restart was made: none can have been in vain."""
    it = scene(store=MemoryStore(fails_to_load=ValueError("not JSON")))
    await wedge(it)
    await it.live(60)
    assert it.dog.health.state is State.GAVE_UP
    assert it.dog.health.evidence == "The record of restarts was damaged, and counts as 3 restarts."


class TestClock:
    def test_one_that_is_set_back_while_the_proxy_runs_ends_no_restarts(self) -> None:
        """By a day: what was written before lies in the future now, and counts as made now, once."""

        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                await it.become(Mode.CUDA, 60)
                clock = it.watchdog.clock
                assert isinstance(clock, VirtualClock)
                clock.step = -86_400.0
                await asyncio.sleep(4 * POLICY.interval)
                assert it.server.ledger.restarts[0] <= clock.time()
                it.server.become(Mode.CUDA)
                await it.until(State.RESTARTING, 15)

        run(live())

    def test_one_that_is_set_at_last_gives_no_more_restarts(self) -> None:
        """A box without a battery begins in the past, and is set an hour after."""

        async def live() -> None:
            async with world(cure=Cure.NOTHING) as it:
                clock = it.watchdog.clock
                assert isinstance(clock, VirtualClock)
                clock.step = -EPOCH
                await asyncio.sleep(30)
                await it.become(Mode.CUDA, 400)
                assert it.watchdog.health.state is State.GAVE_UP
                clock.step = 0.0
                await asyncio.sleep(60)
                assert len(it.server.restarts) == 3

        run(live())


class TestCanariesThatAreRefused:
    """As real requests may be, or not."""

    @pytest.mark.parametrize("callers", [Callers.NONE, Callers.STEADY])
    @pytest.mark.parametrize("mode", [Mode.REFUSES, Mode.WRONG_KEY])
    def test_a_server_that_refuses_everything_is_not_healthy(self, mode: Mode, callers: Callers) -> None:
        """A key that was changed, or an image that was: the evidence says what it answers."""

        async def live() -> None:
            async with world(callers=callers) as it:
                await asyncio.sleep(30)
                await it.become(mode, 4 * POLICY.interval)
                assert it.watchdog.health.state is State.UNKNOWN
                assert it.watchdog.health.evidence in ("Unprocessable Entity", "No.")
                assert (it.held, it.server.restarts) == ([], [])
                it.callers = Callers.NONE
                it.server.become(Mode.WORKS)
                await it.until(State.HEALTHY, POLICY.gave_up_interval + 1)

        run(live())

    def test_where_requests_are_served_it_stays_healthy(self) -> None:
        """The model has changed to one that knows other languages."""

        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                await it.become(Mode.OTHER_LANGUAGE, 3600)
                assert it.states == [State.HEALTHY]

        run(live())

    def test_giving_up_is_said_once(self) -> None:
        """A caller's request is let through every minute, since no canary tells; it changes nothing where it fails."""

        async def live() -> None:
            async with world(Mode.OTHER_LANGUAGE, cure=Cure.NOTHING) as it:
                await asyncio.sleep(30)
                await it.become(Mode.OTHER_LANGUAGE_CUDA, 1800)
                assert it.states.count(State.GAVE_UP) == 1
                assert it.watchdog.health.state is State.GAVE_UP
                before = len(it.failed)
                await asyncio.sleep(600)
                assert 8 <= len(it.failed) - before <= 4 * 10
                it.server.become(Mode.OTHER_LANGUAGE)
                await it.until(State.HEALTHY, POLICY.gave_up_interval + 5)

        run(live())

    def test_one_that_was_wedged_before_is_not_suspect_for_ever(self) -> None:
        """The person who restarted it chose a model of another language."""

        async def live() -> None:
            async with world(cure=Cure.REFUSED) as it:
                await asyncio.sleep(30)
                await it.become(Mode.FAULT, 60)
                assert it.watchdog.health.state is State.WEDGED
                it.server.become(Mode.OTHER_LANGUAGE)
                await it.until(State.HEALTHY, 3 * POLICY.gave_up_interval)

        run(live())
