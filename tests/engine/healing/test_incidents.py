"""Incidents as they happen in homes, each as a story in virtual time: when it is noticed, and what is done about it."""

import asyncio
from itertools import pairwise

import pytest
from spark_engine.errors import Held, OutOfMemory, WrongServer
from spark_engine.healing.health import Policy, State, Transition
from spark_engine.healing.held import RECOVERY, held

from tests.helpers.engine.simulated_server import LOAD, Callers, Cure, Mode, world
from tests.helpers.engine.virtual_time import run

POLICY = Policy()


class TestCanariesThatProveNothing:
    """A model that knows only German refuses the English canary."""

    def test_a_box_that_boots_is_used_once_it_serves(self) -> None:
        """One 503, then nothing but refusals: callers come through."""

        async def live() -> None:
            async with world(Mode.LOADING) as it:
                await asyncio.sleep(30)
                await it.become(Mode.OTHER_LANGUAGE, 20)
                assert not it.watchdog.holds
                assert it.watchdog.health.state is State.HEALTHY

        run(live())

    def test_a_restart_that_worked_is_found_out(self) -> None:
        """By a caller's request, since no canary tells."""

        async def live() -> None:
            async with world(Mode.OTHER_LANGUAGE) as it:
                await asyncio.sleep(30)
                await it.watchdog.restart()
                it.server.become(Mode.OTHER_LANGUAGE)
                await asyncio.sleep(POLICY.still_wedged_after + 30)
                assert it.watchdog.health.state is State.HEALTHY
                assert it.server.served[-1] > it.server.now - 10

        run(live())

    def test_failing_requests_confirm_the_wedge(self) -> None:
        async def live() -> None:
            async with world(Mode.OTHER_LANGUAGE) as it:
                await asyncio.sleep(30)
                it.server.become(Mode.OTHER_LANGUAGE_CUDA)
                assert await it.until(State.RESTARTING, 30) < 30
                assert len(it.server.restarts) == 1

        run(live())

    def test_a_key_that_is_refused_after_a_restart_holds_no_one(self) -> None:
        """The caller gets the server's own answer, which names the cause."""

        async def live() -> None:
            async with world(Mode.CUDA) as it:
                await it.until(State.RESTARTING, 30)
                it.server.become(Mode.WRONG_KEY)
                await asyncio.sleep(POLICY.still_wedged_after + 30)
                assert not it.watchdog.holds

        run(live())


class TestTraffic:
    def test_callers_that_give_up_do_not_starve_the_canary(self) -> None:
        """A server that hangs, and callers that wait three seconds each and try again."""

        async def live() -> None:
            async with world(callers=Callers.IMPATIENT) as it:
                await asyncio.sleep(30)
                it.server.become(Mode.HANGS)
                assert await it.until(State.SUSPECT, 30) < 30
                await it.until(State.RESTARTING, 180)

        run(live())

    def test_steady_answers_of_garbage_are_noticed(self) -> None:
        """Requests succeed all the time; the canary comes after four intervals at most."""

        async def live() -> None:
            async with world(interval=10.0) as it:
                await asyncio.sleep(30)
                it.server.become(Mode.GARBAGE)
                assert await it.until(State.SUSPECT, 60) <= 4 * 10 + 1
                await it.until(State.RESTARTING, 10)

        run(live())

    def test_a_server_that_fails_every_second_request_is_restarted(self) -> None:
        """Every canary fails: requests that succeed between them do not clear that."""

        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                it.server.become(Mode.HALF)
                await it.until(State.RESTARTING, 60)
                await it.until(State.HEALTHY, LOAD + 5)

        run(live())

    def test_a_busy_server_is_left_alone(self) -> None:
        """It works on one recording after the other, and what queues behind our own requests proves nothing."""

        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                await it.become(Mode.SLOW, 500)
                assert it.server.restarts == []

        run(live())

    def test_a_request_from_before_the_restart_proves_nothing(self) -> None:
        """It ends well on the old process while the new one starts."""

        async def live() -> None:
            async with world(callers=Callers.NONE) as it:
                await asyncio.sleep(10)
                with it.watchdog.watching():
                    await asyncio.sleep(1)
                    await it.watchdog.restart()
                    it.server.become(Mode.LOADING)
                    await asyncio.sleep(1)
                assert it.watchdog.health.state is State.RESTARTING

        run(live())


class TestStarting:
    def test_a_server_that_fails_while_it_loads_is_not_restarted(self) -> None:
        """500 for 100 s, from the first sight of it on."""

        async def live() -> None:
            async with world(Mode.FAULT) as it:
                await asyncio.sleep(100)
                await it.become(Mode.WORKS, 20)
                assert (it.server.restarts, it.watchdog.health.state) == ([], State.HEALTHY)

        run(live())

    def test_a_server_that_never_worked_gets_one_restart(self) -> None:
        """Its software does not fit together, say: that is told, and it is left alone."""

        async def live() -> None:
            async with world(Mode.FAULT, cure=Cure.NOTHING) as it:
                await asyncio.sleep(4 * 3600)
                assert len(it.server.restarts) == 1
                assert it.watchdog.health.state is State.GAVE_UP
                assert it.watchdog.health.evidence.startswith("It has never served a request here")

        run(live())

    @pytest.mark.parametrize("mode", [Mode.AWAY, Mode.LOADING])
    def test_a_server_is_used_as_soon_as_it_is_back(self, mode: Mode) -> None:
        """The port and the health page are looked at twice a second, and bring the canary."""

        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                await it.become(mode, 47)
                it.server.become(Mode.WORKS)
                assert await it.until(State.HEALTHY, 1) <= 1

        run(live())

    def test_a_503_that_lasts_is_a_fault_of_a_server_that_worked(self) -> None:
        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                it.server.become(Mode.LOADING)
                waited = await it.until(State.RESTARTING, POLICY.start_grace + 30)
                assert waited >= POLICY.start_grace

        run(live())


class TestAsleep:
    def test_an_idle_server_sleeps_and_is_not_woken(self) -> None:
        async def live() -> None:
            async with world(callers=Callers.NONE) as it:
                await asyncio.sleep(30)
                before = it.server.asked
                await it.become(Mode.ASLEEP, 12 * 3600)
                assert it.watchdog.health.state is State.ASLEEP
                assert it.server.asked == before
                assert it.server.restarts == []

        run(live())

    def test_the_first_request_waits_for_the_load(self) -> None:
        """Callers are let through, and get the time that a load takes."""

        async def live() -> None:
            async with world(callers=Callers.NONE) as it:
                await asyncio.sleep(30)
                await it.become(Mode.ASLEEP, 600)
                assert it.watchdog.load_seconds == POLICY.start_grace
                it.callers = Callers.STEADY
                await asyncio.sleep(LOAD + 5)
                assert it.failed == []
                assert it.watchdog.health.state is State.HEALTHY
                assert it.watchdog.load_seconds == 0

        run(live())

    def test_a_wedge_at_the_first_request_is_found(self) -> None:
        """A signature is no load."""

        async def live() -> None:
            async with world(callers=Callers.NONE) as it:
                await asyncio.sleep(30)
                await it.become(Mode.ASLEEP, 600)
                it.server.become(Mode.CUDA)
                it.callers = Callers.STEADY
                await it.until(State.RESTARTING, 15)

        run(live())


class TestMemory:
    def test_it_is_named_waited_for_and_over(self) -> None:
        """Another program took the GPU's memory for ten minutes."""

        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                it.server.become(Mode.MEMORY)
                await it.until(State.OUT_OF_MEMORY, 15)
                error = held(it.watchdog)
                assert isinstance(error, OutOfMemory)
                assert "The GPU's memory is full" in error.message
                await asyncio.sleep(570)
                it.server.become(Mode.WORKS)
                await it.until(State.HEALTHY, POLICY.suspect_interval + 1)
                assert it.server.restarts == []

        run(live())

    def test_one_restart_is_the_last_resort(self) -> None:
        """After a quarter of an hour, and never a second one."""

        async def live() -> None:
            async with world(cure=Cure.NOTHING) as it:
                await asyncio.sleep(30)
                it.server.become(Mode.MEMORY)
                began = it.server.now
                await asyncio.sleep(6 * 3600)
                [restart] = it.server.restarts
                assert restart - began >= POLICY.memory_patience
                assert it.watchdog.health.state is State.OUT_OF_MEMORY

        run(live())

    def test_where_only_canaries_fit_it_stays_suspect(self) -> None:
        """A short clip proves nothing about longer ones; callers are let through, as a short command may fit, too."""

        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                await it.become(Mode.TIGHT, 600)
                assert it.states[1:] == [State.SUSPECT]
                assert not it.held
                it.server.become(Mode.WORKS)
                await it.until(State.HEALTHY, 3.3 + 1)
                assert it.server.restarts == []

        run(live())

    def test_without_callers_the_canary_clears_it(self) -> None:
        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                await it.become(Mode.TIGHT, 60)
                assert it.watchdog.health.state is State.SUSPECT
                it.callers = Callers.NONE
                await it.until(State.HEALTHY, POLICY.memory_fades + POLICY.suspect_interval + 1)

        run(live())

    def test_a_recording_that_does_not_fit_changes_nothing(self) -> None:
        """Others do, and so does the canary."""

        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                before = len(it.watchdog.canaries)
                await it.become(Mode.TIGHT_AT_TIMES, 600)
                assert it.states == [State.HEALTHY]
                assert 0 < len(it.watchdog.canaries) - before <= 600 / POLICY.suspect_interval

        run(live())

    @pytest.mark.parametrize("mode", [Mode.FAULT, Mode.GARBAGE, Mode.HANGS, Mode.CUDA])
    def test_what_breaks_meanwhile_is_restarted(self, mode: Mode) -> None:
        """The memory is free again, and the server was broken by it: nothing speaks of memory any more."""

        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                await it.become(Mode.MEMORY, 60)
                it.server.become(mode)
                within = POLICY.memory_fades + POLICY.timeout_floor + 3 * POLICY.down_interval
                await it.until(State.RESTARTING, within)
                assert len(it.server.restarts) == 1

        run(live())


class TestProcessThatDies:
    """A ggml server aborts on a CUDA error: the connection is cut, and nothing listens any more."""

    def test_without_a_supervisor_it_is_restarted_once(self) -> None:
        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                it.server.become(Mode.DIES)
                waited = await it.until(State.RESTARTING, POLICY.killed_patience + 30)
                assert waited >= POLICY.killed_patience
                await it.until(State.HEALTHY, LOAD + 5)
                assert len(it.server.restarts) == 1

        run(live())

    def test_where_a_supervisor_is_faster_it_is_left_alone(self) -> None:
        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                await it.become(Mode.DIES, 12)
                await it.become(Mode.WORKS, 60)
                assert (it.server.restarts, it.watchdog.health.state) == ([], State.HEALTHY)

        run(live())

    def test_a_box_that_is_switched_off_is_not_restarted(self) -> None:
        """No request of ours killed it."""

        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                await it.become(Mode.AWAY, 24 * 3600)
                assert (it.server.restarts, it.watchdog.health.state) == ([], State.UNREACHABLE)

        run(live())


class TestRestartTarget:
    def test_a_refusal_spends_nothing_and_is_told(self) -> None:
        """In the history, to callers and in the status; and it is asked again less and less often."""

        async def live() -> None:
            async with world(Mode.WORKS, cure=Cure.REFUSED) as it:
                await asyncio.sleep(30)
                told: list[Transition] = []
                it.watchdog.subscribe(lambda _, event: told.append(event) if isinstance(event, Transition) else None)
                it.server.become(Mode.CUDA)
                await it.until(State.WEDGED, 15)
                await asyncio.sleep(2)
                assert [change.evidence for change in told if change.refused] == ["No such container."]
                assert it.watchdog.restarter.restarts_left == 3
                assert it.server.ledger.restarts == ()
                assert it.watchdog.restarter.problem == "No such container."
                assert "operator action required" in held(it.watchdog).message
                await asyncio.sleep(3600)
                refusals = [change.at for change in told if change.refused]
                pauses = [later - earlier for earlier, later in pairwise(refusals)]
                assert [round(pause, -1) for pause in pauses] == [60, 120, 240, 480, 600, 600, 600, 600]
                assert it.watchdog.health.state is State.WEDGED

        run(live())

    def test_once_it_is_mended_the_restart_comes(self) -> None:
        async def live() -> None:
            async with world(cure=Cure.REFUSED) as it:
                await asyncio.sleep(30)
                await it.become(Mode.CUDA, 20)
                it.server.cure = Cure.HEALS
                await it.until(State.HEALTHY, 60 + LOAD + 10)
                assert it.watchdog.restarter.problem is None

        run(live())

    def test_callers_are_told_what_recoveries_took(self) -> None:
        """Once it is known: before, a round figure."""

        async def live() -> None:
            async with world() as it:
                await asyncio.sleep(30)
                waits = []
                for _ in range(2):
                    it.server.become(Mode.CUDA)
                    await it.until(State.RESTARTING, 15)
                    error = held(it.watchdog)
                    assert isinstance(error, Held)
                    waits.append(error.retry_after)
                    await it.until(State.HEALTHY, LOAD + 5)
                    await asyncio.sleep(100)
                assert waits[0] == RECOVERY
                assert waits[1] == pytest.approx(LOAD, abs=1)

        run(live())


def test_a_wrong_server_is_named_once_and_never_restarted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")

    async def live() -> None:
        async with world(Mode.WRONG_SERVER) as it:
            await asyncio.sleep(3600)
            assert it.states == [State.WRONG_SERVER]
            assert isinstance(held(it.watchdog), WrongServer)
            assert it.server.restarts == []

    run(live())
    assert [record.message for record in caplog.records if "web page" in record.message] == [
        "parakeet: unknown -> wrong_server: It is a web page."
    ]
