"""The loop on a fake clock: what it must never restart, and never a storm."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spark_engine.errors import Busy, Rejected, ServerFault, SparkError, TimedOut, Unauthorized, Unreachable
from spark_engine.healing.budget import Budget, Ledger
from spark_engine.healing.health import Observation, Outcome, State
from spark_engine.healing.watchdog import NoRestartTarget

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


@pytest.mark.parametrize(
    "error", [Rejected("bad", status=400), Busy("later", status=429), Unauthorized("no", status=401), None]
)
async def test_what_is_no_evidence_changes_nothing(error: SparkError | None) -> None:
    """A caller's own mistake, a full queue, a key that is refused."""
    it = scene()
    await it.live(1)
    it.dog.report(error)
    await it.live(100)
    assert it.states == [State.HEALTHY]
    assert len(it.server.canaries) == 1


async def test_one_bad_recording_among_good_ones_restarts_nothing() -> None:
    """It always fails; the canary passes each time."""
    it = scene()
    await it.live(1)
    for _ in range(20):
        it.dog.report(SIGNED)
        await it.live(1)
        it.dog.report(None)
    assert it.target.sent == []
    assert it.dog.health.state is State.HEALTHY


async def test_slow_but_right_is_left_alone() -> None:
    """Time-outs under load, with a success now and then."""
    it = scene()
    await it.live(1)
    for _ in range(20):
        it.server.answer = Observation(Outcome.TIMED_OUT, canary=True)
        it.dog.report(TimedOut("no answer"))
        await it.live(40)
        it.dog.report(None)
    assert it.target.sent == []


class TestGuards:
    async def test_switched_off(self) -> None:
        """The wedge is seen and shown, and nothing is restarted."""
        it = scene(automatic=False)
        await wedge(it)
        await it.live(3600)
        assert it.dog.health.state is State.WEDGED
        assert it.target.sent == []

    async def test_another_owner(self) -> None:
        """Where Home Assistant is connected through the proxy, one of them watches without acting: no target."""
        it = scene(has_target=False)
        await wedge(it)
        await it.live(3600)
        assert it.dog.health.state is State.WEDGED
        with pytest.raises(NoRestartTarget):
            await it.dog.restart()

    async def test_shutting_down(self) -> None:
        """A wedge that is noticed while we stop."""
        it = scene()
        await wedge(it)
        await it.dog.stop()
        await it.live(60)
        assert it.target.sent == []

    async def test_a_restart_under_way(self) -> None:
        """Faults of the old process while it stops."""
        it = scene()
        it.target.hangs = True
        it.target.heals = False
        await wedge(it)
        await it.live(200)
        assert len(it.target.sent) == 1
        await it.dog.stop()

    async def test_service_starting(self) -> None:
        """A model that loads fails in many ways."""
        it = scene(LOADING)
        await it.live(20)
        it.server.answer = FAULT
        it.dog.report(ServerFault("Internal Server Error", status=500))
        await it.live(100)
        assert it.dog.health.state is State.STARTING
        assert it.target.sent == []

    async def test_host_unreachable(self) -> None:
        """A box that is off is not wedged."""
        it = scene()
        await wedge(it, GONE, Unreachable("refused"))
        await it.live(24 * 3600)
        assert it.dog.health.state is State.UNREACHABLE
        assert it.target.sent == []

    async def test_budget_spent(self) -> None:
        """The attempts are in a record from before."""
        clock = FakeClock()
        it = scene(store=MemoryStore(Ledger((clock.time() - 60, clock.time() - 50, clock.time() - 40))))
        await wedge(it)
        await it.live(60)
        assert it.dog.health.state is State.GAVE_UP
        assert it.target.sent == []


ANSWERS = [GOOD, CUDA, FAULT, GONE, LOADING, Observation(Outcome.TIMED_OUT, canary=True)]
ANSWERS += [Observation(Outcome.WRONG_ANSWER, canary=True)]
TRAFFIC: list[SparkError | None] = [
    SIGNED,
    ServerFault("x", status=500),
    TimedOut("x"),
    Unreachable("x"),
    Busy("x", status=503),
    None,
]
TRAFFIC += [Rejected("x")]
EVENTS = st.one_of(st.sampled_from(ANSWERS), st.sampled_from(TRAFFIC), st.sampled_from([1.0, 6.0, 61.0, 200.0, 700.0]))


@settings(max_examples=150, deadline=None)
@given(events=st.lists(EVENTS, max_size=60), heals=st.booleans())
async def test_never_a_storm_and_never_a_restart_without_a_failed_canary(
    *, events: Sequence[Observation | SparkError | float | None], heals: bool
) -> None:
    """At most three automatic restarts in any thirty minutes, in any order of events."""
    it = scene()
    it.target.heals = heals
    for event in events:
        if isinstance(event, Observation):
            it.server.answer = event
        elif isinstance(event, float):
            await it.live(event)
        else:
            it.dog.report(event)
            await it.live(0)
    sent, window = it.target.sent, Budget().window
    assert all(sum(start <= at < start + window for at in sent) <= 3 for start in sent)
    assert all(any(at - 90 <= failure <= at for failure in it.server.failed) for at in sent)
