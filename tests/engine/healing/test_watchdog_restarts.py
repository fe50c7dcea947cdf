"""The loop on a fake clock: when it restarts, how often, and what a person may do besides."""

import asyncio

import pytest
from spark_engine.errors import ServerFault
from spark_engine.healing.budget import Budget, Ledger
from spark_engine.healing.health import State
from spark_engine.healing.restart import Trial, TrialResult
from spark_engine.healing.watchdog import RestartRefused, RestartUnderWay

from tests.helpers.engine.watchdog_scene import (
    CUDA,
    FAULT,
    GONE,
    GOOD,
    LOADING,
    SIGNED,
    FakeClock,
    MemoryStore,
    scene,
    wedge,
)


async def test_a_wedge_is_restarted_at_once_and_verified() -> None:
    """A failing request, a failing canary, a restart, a good canary: the whole story in order."""
    it = scene()
    await wedge(it)
    failed_at = it.server.clock.now
    await it.live(1)
    assert it.target.sent == [failed_at]
    await it.live(10)
    assert it.states == [State.HEALTHY, State.SUSPECT, State.WEDGED, State.RESTARTING, State.HEALTHY]
    assert it.dog.restarter.ledger.recoveries
    assert it.dog.restarter.restarts_left == 2


async def test_without_a_signature_the_restart_comes_after_the_second_canary() -> None:
    it = scene()
    await wedge(it, FAULT, ServerFault("Internal Server Error", status=500))
    failed_at = it.server.clock.now
    await it.live(4)
    assert it.target.sent == []
    await it.live(2)
    assert it.target.sent == [failed_at + 5]


async def test_three_attempts_then_it_gives_up() -> None:
    """A minute apart at least, and never again by itself, however long the service stays dead."""
    it = scene()
    it.target.heals = False
    await wedge(it)
    await it.live(4 * 3600)
    assert len(it.target.sent) == 3
    assert all(later - earlier >= 60 for earlier, later in zip(it.target.sent, it.target.sent[1:], strict=False))
    assert it.dog.health.state is State.GAVE_UP
    assert "3 restarts in 30 min did not help" in it.dog.health.evidence


async def test_a_person_may_restart_what_was_given_up() -> None:
    """A manual restart counts as an attempt."""
    it = scene()
    it.target.heals = False
    await wedge(it)
    await it.live(600)
    it.target.heals = True
    await it.dog.restart()
    await it.live(10)
    assert len(it.target.sent) == 4
    assert it.dog.health.state is State.HEALTHY
    assert it.dog.restarter.restarts_left == 0


async def test_recovery_does_not_refill_the_window() -> None:
    """Three wedges within half an hour are three restarts; the fourth is a person's."""
    it = scene()
    for _ in range(4):
        await wedge(it)
        await it.live(120)
    assert (len(it.target.sent), it.dog.health.state) == (3, State.GAVE_UP)
    it.server.answer = GOOD
    await it.live(61)
    assert it.dog.health.state is State.HEALTHY


async def test_a_restart_by_hand_is_refused_only_while_one_is_under_way() -> None:
    """Also after an automatic one."""
    it = scene()
    it.target.hangs = True
    await wedge(it)
    await it.live(1)
    with pytest.raises(RestartUnderWay):
        await it.dog.restart()
    assert len(it.target.sent) == 1
    await it.dog.stop()


async def test_only_a_refusal_of_this_restart_is_told_as_one() -> None:
    """A dry run that failed may have been early: the target's answer to the restart itself counts."""
    it = scene()
    it.target.trial = TrialResult(Trial.FAILS, "The program cannot be found.")
    await it.live(1)
    await it.dog.restart()
    await it.live(120)
    it.target.refuses = "No such container."
    with pytest.raises(RestartRefused, match="No such container"):
        await it.dog.restart()


async def test_simultaneous_manual_restarts_send_one_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saving the attempt takes a moment."""
    it = scene()
    await it.live(1)
    go = asyncio.Event()
    save = it.store.save

    async def slow(ledger: Ledger) -> None:
        await go.wait()
        await save(ledger)

    monkeypatch.setattr(it.store, "save", slow)
    presses = [asyncio.create_task(it.dog.restart()) for _ in range(3)]
    await asyncio.sleep(0)
    go.set()
    results = await asyncio.gather(*presses, return_exceptions=True)
    await asyncio.sleep(0)
    assert sorted(type(result).__name__ for result in results) == ["NoneType", "RestartUnderWay", "RestartUnderWay"]
    assert len(it.target.sent) == 1


async def test_a_limit_of_zero_means_no_automatic_restart() -> None:
    """The service is not given up either: nothing was tried."""
    it = scene(budget=Budget(limit=0))
    await wedge(it)
    await it.live(600)
    assert (it.dog.health.state, it.target.sent) == (State.WEDGED, [])


@pytest.mark.parametrize("hangs", [True, False])
async def test_canaries_go_on_while_the_target_thinks(*, hangs: bool) -> None:
    """A target that hangs, or one whose answer was lost: canaries decide. Sent once either way."""
    it = scene()
    it.target.hangs = hangs
    it.target.heals = False
    await wedge(it)
    await it.live(20)
    it.server.answer = GOOD
    await it.live(30)
    assert it.dog.health.state is State.HEALTHY
    assert len(it.target.sent) == 1
    await it.dog.stop()


async def test_a_restart_that_takes_two_minutes_is_waited_for() -> None:
    """Gone, loading, back: one restart."""
    it = scene()
    it.target.heals = False
    await wedge(it)
    await it.live(5)
    for answer, seconds in ((GONE, 30), (LOADING, 85), (GOOD, 10)):
        it.server.answer = answer
        await it.live(seconds)
    assert len(it.target.sent) == 1
    assert it.dog.health.state is State.HEALTHY


class TestRecord:
    async def test_it_is_written_before_the_restart_is_sent(self) -> None:
        """Killed in between, the attempt counts; the target asserts the order."""
        it = scene()
        await wedge(it)
        await it.live(1)
        assert it.store.saved[0] == Ledger((it.dog.clock.time() - 1,))

    async def test_a_damaged_record_counts_as_a_spent_budget(self, caplog: pytest.LogCaptureFixture) -> None:
        """Better a person too early than a storm."""
        it = scene(store=MemoryStore(fails_to_load=ValueError("not JSON")))
        await wedge(it)
        await it.live(600)
        assert it.target.sent == []
        assert it.dog.health.state is State.GAVE_UP
        assert "damaged" in caplog.text

    @pytest.mark.parametrize("what", ["fails_to_load", "fails_to_save"])
    async def test_a_record_that_cannot_be_kept_means_no_automatic_restart(
        self, what: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The error is logged."""
        denied = PermissionError(13, "Permission denied")
        loads = what == "fails_to_save"
        it = scene(store=MemoryStore(fails_to_save=denied) if loads else MemoryStore(fails_to_load=denied))
        await wedge(it)
        await it.live(600)
        assert it.target.sent == []
        assert it.dog.health.state is State.WEDGED
        assert [record.levelname for record in caplog.records if "Permission denied" in record.message] == ["ERROR"]

    async def test_a_write_that_failed_is_tried_again_each_round(self, caplog: pytest.LogCaptureFixture) -> None:
        """The disk was full for a moment: the restart comes once it is not, and the log says it once."""
        it = scene(store=MemoryStore(fails_to_save=OSError(28, "No space left on device")))
        await wedge(it)
        await it.live(60)
        problem = it.dog.restarter.problem
        it.store.fails_to_save = None
        await it.live(20)
        assert len(it.target.sent) == 1
        sentence = "No restarts: the ledger of restarts cannot be written (No space left on device)."
        assert (problem, it.dog.restarter.problem) == (sentence, None)
        assert len([record for record in caplog.records if "No space left" in record.message]) == 1

    async def test_restarts_in_the_future_are_rewritten_as_now_and_saved(self) -> None:
        """The clock was wrong: without a battery, say. They must not count until then."""
        clock = FakeClock()
        year = 365 * 86_400.0
        it = scene(store=MemoryStore(Ledger((clock.time() + year, clock.time() + year, clock.time() + year))))
        await it.live(1)
        assert it.store.ledger == Ledger((clock.time(),) * 3)
        await it.live(Budget().window + 1)
        it.server.answer = CUDA
        it.dog.report(SIGNED)
        await it.live(1)
        assert len(it.target.sent) == 1

    async def test_a_recovery_is_written_down(self) -> None:
        """So that the next process knows what to tell its callers."""
        it = scene()
        await wedge(it)
        await it.live(400)
        [seconds] = it.store.ledger.recoveries
        assert it.store.ledger.expected_recovery == seconds

    @pytest.mark.parametrize("hours", [-5, 5])
    async def test_a_stepped_clock_gives_no_more_restarts(self, hours: int) -> None:
        """Back: attempts lie in the future and count as now. On: intervals do not follow the wall clock."""
        it = scene()
        it.target.heals = False
        await wedge(it)
        await it.live(1)
        it.server.clock.step += hours * 3600
        await it.live(1500)
        assert len(it.target.sent) <= (3 if hours < 0 else 4)
