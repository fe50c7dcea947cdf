"""The loop on a fake clock: what it sees, what it does, and what it must never do."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spark_engine.budget import Budget
from spark_engine.errors import Busy, Rejected, ServerFault, SparkError, TimedOut, Unauthorized, Unreachable
from spark_engine.health import Observation, Outcome, Policy, State
from spark_engine.incidents import Transition
from spark_engine.restart import RestartReply, RestartTarget
from spark_engine.watchdog import NoRestartTarget, RestartUnderWay, Watchdog, WatchdogSettings

GOOD = Observation(Outcome.SUCCESS, canary=True, detail="right words")
CUDA = Observation(Outcome.SIGNED_FAULT, canary=True, detail="CUDA error")
FAULT = Observation(Outcome.FAULT, canary=True, detail="500")
GONE = Observation(Outcome.UNREACHABLE, canary=True, detail="refused")
LOADING = Observation(Outcome.LOADING, canary=True, detail="503")
SIGNED = ServerFault("CUDA error: boom", status=500, signature="cuda error")


@dataclass
class FakeClock:
    """Time goes on when the test says so; the wall clock may be stepped."""

    now: float = 1000.0
    step: float = 1_700_000_000.0

    def monotonic(self) -> float:
        """Only ever on."""
        return self.now

    def time(self) -> float:
        """May jump."""
        return self.now + self.step


@dataclass
class MemoryStore:
    """A record of restarts, and what was known when."""

    attempts: tuple[float, ...] = ()
    fails_to_load: Exception | None = None
    fails_to_save: OSError | None = None
    saved: list[tuple[float, ...]] = field(default_factory=list)

    async def load(self) -> tuple[float, ...]:
        """What was kept."""
        if self.fails_to_load:
            raise self.fails_to_load
        return self.attempts

    async def save(self, attempts: tuple[float, ...]) -> None:
        """Keep it."""
        if self.fails_to_save:
            raise self.fails_to_save
        self.attempts = attempts
        self.saved.append(attempts)


@dataclass
class FakeTarget(RestartTarget):
    """Counts restarts; what they do is up to the test."""

    server: FakeServer
    store: MemoryStore
    kind: str = "fake"
    sent: list[float] = field(default_factory=list)
    heals: bool = True
    hangs: bool = False

    async def restart(self) -> RestartReply:
        """Restart."""
        assert len(self.store.saved) > len(self.sent), "sent before it was written down"
        self.sent.append(self.server.clock.now)
        if self.hangs:
            await asyncio.Event().wait()
        if self.heals:
            self.server.answer = GOOD
        return RestartReply(accepted=True, detail="204")


@dataclass
class FakeServer:
    """Answers canaries as it is told."""

    clock: FakeClock = field(default_factory=FakeClock)
    answer: Observation = GOOD
    canaries: list[float] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)

    async def canary(self) -> Observation:
        """One canary."""
        self.canaries.append(self.clock.now)
        if self.answer.outcome is not Outcome.SUCCESS:
            self.failed.append(self.clock.now)
        return self.answer


@dataclass
class Scene:
    """A watchdog and everything around it."""

    server: FakeServer
    store: MemoryStore
    target: FakeTarget
    dog: Watchdog

    async def live(self, seconds: float) -> None:
        """Let time go by, doing what is due."""
        end = self.server.clock.now + seconds
        while True:
            delay = await self.dog.tick()
            await asyncio.sleep(0)
            if self.server.clock.now + delay > end:
                break
            self.server.clock.now += delay
        self.server.clock.now = end

    @property
    def states(self) -> list[State]:
        """The states that were entered, in order."""
        return [change.after for change in self.dog.history]


def scene(
    answer: Observation = GOOD,
    store: MemoryStore | None = None,
    *,
    automatic: bool = True,
    has_target: bool = True,
    policy: Policy | None = None,
) -> Scene:
    """A scene with these properties."""
    server, record = FakeServer(answer=answer), store or MemoryStore()
    target = FakeTarget(server, record)
    dog = Watchdog(
        "parakeet",
        server.canary,
        record,
        target=target if has_target else None,
        settings=WatchdogSettings(policy=policy or Policy(), automatic=automatic),
        clock=server.clock,
    )
    return Scene(server, record, target, dog)


async def wedge(it: Scene, answer: Observation = CUDA, error: SparkError = SIGNED) -> None:
    """Let a healthy service break, as a caller notices it."""
    await it.live(1)
    it.server.answer = answer
    it.dog.report(error)


async def test_a_wedge_is_restarted_at_once_and_verified() -> None:
    """A failing request, a failing canary, a restart, a good canary: the whole story in order."""
    it = scene()
    await wedge(it)
    failed_at = it.server.clock.now
    await it.live(1)
    assert it.target.sent == [failed_at]
    await it.live(10)
    assert it.states == [State.HEALTHY, State.SUSPECT, State.WEDGED, State.RESTARTING, State.HEALTHY]
    assert it.dog.recovery_seconds is not None
    assert it.dog.restarts_left == 2


async def test_without_a_signature_the_restart_comes_after_the_second_canary() -> None:
    """Five seconds later."""
    it = scene()
    await wedge(it, FAULT, ServerFault("Internal Server Error", status=500))
    failed_at = it.server.clock.now
    await it.live(4)
    assert it.target.sent == []
    await it.live(2)
    assert it.target.sent == [failed_at + 5]


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


async def test_when_it_last_worked() -> None:
    """By the wall clock, of a canary or of anybody's request; told before listeners hear of the new state."""
    it = scene()
    clock, told = it.server.clock, []
    it.dog.subscribe(lambda _: told.append(it.dog.last_success))
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
    """By hand, and it counts."""
    it = scene()
    it.target.heals = False
    await wedge(it)
    await it.live(600)
    it.target.heals = True
    await it.dog.restart()
    await it.live(10)
    assert len(it.target.sent) == 4
    assert it.dog.health.state is State.HEALTHY
    assert it.dog.restarts_left == 0


async def test_recovery_does_not_refill_the_window() -> None:
    """Three wedges within half an hour are three restarts; the fourth is a person's."""
    it = scene()
    for _ in range(4):
        await wedge(it)
        await it.live(120)
    assert len(it.target.sent) == 3
    assert it.dog.health.state is State.GAVE_UP
    it.server.answer = GOOD
    await it.live(61)
    assert it.dog.health.state is State.HEALTHY


async def test_a_restart_by_hand_is_refused_only_while_one_is_under_way() -> None:
    """Also right after an automatic one."""
    it = scene()
    it.target.hangs = True
    await wedge(it)
    await it.live(1)
    with pytest.raises(RestartUnderWay):
        await it.dog.restart()
    assert len(it.target.sent) == 1
    await it.dog.stop()


async def test_two_who_press_the_button_at_once_restart_once() -> None:
    """Writing the attempt down takes a moment."""
    it = scene()
    await it.live(1)
    go = asyncio.Event()
    save = it.store.save

    async def slow(attempts: tuple[float, ...]) -> None:
        await go.wait()
        await save(attempts)

    it.store.save = slow  # type: ignore[method-assign]
    presses = [asyncio.create_task(it.dog.restart()) for _ in range(3)]
    await asyncio.sleep(0)
    go.set()
    results = await asyncio.gather(*presses, return_exceptions=True)
    await asyncio.sleep(0)
    assert sorted(type(result).__name__ for result in results) == ["NoneType", "RestartUnderWay", "RestartUnderWay"]
    assert len(it.target.sent) == 1


async def test_a_limit_of_nothing_means_no_automatic_restart() -> None:
    """And no giving up what was never begun."""
    it = scene()
    it.dog.settings = WatchdogSettings(budget=Budget(limit=0))
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


class TestGuards:
    """Reasons not to restart."""

    async def test_switched_off(self) -> None:
        """Seen, said, not acted on."""
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
        it.server.answer = CUDA
        it.dog.report(SIGNED)
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
        """By a record from before."""
        clock = FakeClock()
        it = scene(store=MemoryStore(attempts=(clock.time() - 60, clock.time() - 50, clock.time() - 40)))
        await wedge(it)
        await it.live(60)
        assert it.dog.health.state is State.GAVE_UP
        assert it.target.sent == []


class TestRecord:
    """What is written down."""

    async def test_it_is_written_before_the_restart_is_sent(self) -> None:
        """Killed in between, the attempt counts; the target asserts the order."""
        it = scene()
        await wedge(it)
        await it.live(1)
        assert it.store.saved == [(it.dog.clock.time() - 1,)]

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
        """Said loudly."""
        it = scene(store=MemoryStore(**{what: PermissionError(13, "Permission denied")}))  # type: ignore[arg-type]
        await wedge(it)
        await it.live(600)
        assert it.target.sent == []
        assert it.dog.health.state is State.WEDGED
        assert [record.levelname for record in caplog.records if "Permission denied" in record.message] == ["ERROR"]

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
    """Whoever asks meanwhile waits for the same one."""
    it, go, asked = scene(), asyncio.Event(), 0

    async def slow() -> Observation:
        nonlocal asked
        asked += 1
        await go.wait()
        return GOOD

    await it.live(1)
    dog = Watchdog("magpie", slow, it.store, clock=it.server.clock)
    checks = [asyncio.create_task(dog.check()) for _ in range(3)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert asked == 1
    go.set()
    results = [await check for check in checks]
    assert {result.observation for result in results} == {GOOD}
    assert asked == 1


async def test_what_happens_to_requests_is_counted() -> None:
    """Success, failure, and a caller who goes away."""
    it = scene(FAULT)
    with it.dog.watching():
        pass
    assert it.dog.health.state is State.HEALTHY
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
    unsubscribe = it.dog.subscribe(seen.append)
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
    server, store = FakeServer(), MemoryStore()
    target = FakeTarget(server, store)
    seen, checked = asyncio.Event(), asyncio.Event()

    async def canary() -> Observation:
        result = await server.canary()
        (checked if len(server.canaries) > 1 else seen).set()
        return result

    dog = Watchdog("parakeet", canary, store, target=target)
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


async def test_a_bug_in_one_round_does_not_end_the_watch(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged, and the next round comes."""
    monkeypatch.setattr("spark_engine.watchdog.SUSPECT_INTERVAL", 0.01)
    again, rounds = asyncio.Event(), 0

    async def canary() -> Observation:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise RuntimeError("a bug")
        again.set()
        return GOOD

    dog = Watchdog("parakeet", canary, MemoryStore())
    task = asyncio.create_task(dog.run())
    await again.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "a round of the watchdog failed" in caplog.text


ANSWERS = [GOOD, CUDA, FAULT, GONE, LOADING, Observation(Outcome.TIMED_OUT, canary=True)]
ANSWERS += [Observation(Outcome.WRONG_ANSWER, canary=True)]
TRAFFIC = [SIGNED, ServerFault("x", status=500), TimedOut("x"), Unreachable("x"), Busy("x", status=503), None]
TRAFFIC += [Rejected("x")]
EVENTS = st.one_of(st.sampled_from(ANSWERS), st.sampled_from(TRAFFIC), st.sampled_from([1.0, 6.0, 61.0, 200.0, 700.0]))


@settings(max_examples=150, deadline=None)
@given(events=st.lists(EVENTS, max_size=60), heals=st.booleans())
async def test_never_a_storm_and_never_a_restart_without_a_failed_canary(
    *, events: Sequence[Observation | SparkError | float | None], heals: bool
) -> None:
    """Whatever happens: at most three automatic restarts in any thirty minutes."""
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
