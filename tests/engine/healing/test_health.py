"""The state machine, step by step: what was seen, and what state follows."""

import pytest
from spark_engine.healing.health import (
    Health,
    Observation,
    Outcome,
    Policy,
    State,
)
from spark_engine.healing.state_machine import canary_due, gave_up, observe, restart_sent

POLICY = Policy()

OK = Observation(Outcome.SUCCESS, canary=True)
OK_TRAFFIC = Observation(Outcome.SUCCESS, canary=False)
SIGNED = Observation(Outcome.SIGNED_FAULT, canary=False, detail="CUDA error")
SIGNED_CANARY = Observation(Outcome.SIGNED_FAULT, canary=True, detail="CUDA error")
FAULT = Observation(Outcome.FAULT, canary=False, detail="500")
FAULT_CANARY = Observation(Outcome.FAULT, canary=True, detail="500")
WRONG = Observation(Outcome.WRONG_ANSWER, canary=True, detail="wrong words")
LATE = Observation(Outcome.TIMED_OUT, canary=False, detail="no answer")
LATE_CANARY = Observation(Outcome.TIMED_OUT, canary=True, detail="no answer")
GONE = Observation(Outcome.UNREACHABLE, canary=False, detail="refused")
LOADING = Observation(Outcome.LOADING, canary=True, detail="503")
LOADING_TRAFFIC = Observation(Outcome.LOADING, canary=False, detail="503")
NOTHING = Observation(Outcome.NO_EVIDENCE, canary=False)
REFUSED = Observation(Outcome.UNAUTHORIZED, canary=True, detail="401")

type Story = list[tuple[float, Observation]]


def live(story: Story, start: Health | None = None) -> Health:
    """The health after these observations, each at its time."""
    health = start or Health(since=0.0)
    for at, seen in story:
        health = observe(health, seen, at, POLICY)
    return health


HEALTHY: Story = [(0, OK)]


@pytest.mark.parametrize(
    ("story", "state"),
    [
        ([], State.UNKNOWN),
        ([(0, OK)], State.HEALTHY),
        ([(0, OK_TRAFFIC)], State.HEALTHY),
        ([(0, NOTHING)], State.UNKNOWN),
        ([(0, REFUSED)], State.UNKNOWN),
        ([(0, GONE)], State.UNREACHABLE),
        ([(0, LOADING)], State.STARTING),
        ([*HEALTHY, (1, GONE), (20, OK)], State.HEALTHY),
        ([*HEALTHY, (1, NOTHING)], State.HEALTHY),
        ([*HEALTHY, (1, REFUSED), (2, REFUSED)], State.HEALTHY),
    ],
)
def test_the_first_observations(story: Story, state: State) -> None:
    assert live(story).state is state


@pytest.mark.parametrize(
    ("story", "state"),
    [
        ([*HEALTHY, (1, SIGNED)], State.SUSPECT),
        ([*HEALTHY, (1, SIGNED), (2, SIGNED)], State.SUSPECT),
        ([*HEALTHY, (1, SIGNED), (2, FAULT_CANARY)], State.WEDGED),
        ([*HEALTHY, (1, SIGNED), (2, LATE_CANARY)], State.WEDGED),
        ([*HEALTHY, (1, SIGNED), (2, OK)], State.HEALTHY),
        ([*HEALTHY, (1, SIGNED), (2, OK_TRAFFIC), (3, FAULT_CANARY)], State.SUSPECT),
        ([*HEALTHY, (1, SIGNED_CANARY)], State.SUSPECT),
        ([*HEALTHY, (1, SIGNED_CANARY), (6, SIGNED_CANARY)], State.WEDGED),
        ([(0, SIGNED), (1, SIGNED_CANARY)], State.WEDGED),
    ],
)
def test_a_signature_is_confirmed_by_one_canary(story: Story, state: State) -> None:
    """Never by more traffic, and never without a canary."""
    assert live(story).state is state


@pytest.mark.parametrize(
    ("story", "state"),
    [
        ([*HEALTHY, (1, FAULT), (2, FAULT), (3, FAULT)], State.SUSPECT),
        ([*HEALTHY, (1, FAULT), (1, FAULT_CANARY)], State.SUSPECT),
        ([*HEALTHY, (1, FAULT), (1, FAULT_CANARY), (6, FAULT_CANARY)], State.WEDGED),
        ([*HEALTHY, (1, FAULT), (1, FAULT_CANARY), (3, OK_TRAFFIC), (6, FAULT_CANARY)], State.WEDGED),
        ([*HEALTHY, (1, FAULT), (1, FAULT_CANARY), (3, OK), (6, FAULT_CANARY)], State.SUSPECT),
        ([*HEALTHY, (1, FAULT), (1, OK)], State.HEALTHY),
    ],
)
def test_without_a_signature_two_canaries_must_fail(story: Story, state: State) -> None:
    """One recording that always fails is no wedge: the canary passes. Only a canary clears a canary's failure."""
    assert live(story).state is state


@pytest.mark.parametrize(
    ("story", "state"),
    [
        ([*HEALTHY, (30, LATE), (60, LATE), (80, LATE_CANARY)], State.SUSPECT),
        ([*HEALTHY, (30, LATE), (60, LATE), (91, LATE_CANARY)], State.WEDGED),
        ([*HEALTHY, (30, LATE), (60, LATE), (91, LATE)], State.SUSPECT),
        ([*HEALTHY, (60, LATE), (91, LATE_CANARY)], State.SUSPECT),
        ([*HEALTHY, (30, LATE), (60, LATE), (70, OK_TRAFFIC), (91, LATE_CANARY)], State.SUSPECT),
        ([(5, LATE_CANARY), (50, LATE_CANARY), (100, LATE_CANARY)], State.SUSPECT),
        ([(5, LATE_CANARY), (190, LATE_CANARY), (195, LATE_CANARY), (200, LATE_CANARY)], State.WEDGED),
    ],
)
def test_time_outs_need_three_and_ninety_quiet_seconds(story: Story, state: State) -> None:
    """A busy server must not be shot."""
    assert live(story).state is state


def test_garbage_counts_only_where_a_canary_has_passed() -> None:
    """An English clip on a German model is no wedge."""
    assert live([(0, WRONG), (300, WRONG), (600, WRONG)]).state is State.HEALTHY
    assert live([*HEALTHY, (300, WRONG), (305, WRONG)]).state is State.WEDGED


def test_garbage_is_cleared_by_a_canary_alone() -> None:
    """Real traffic gets its 200 with garbage as well."""
    assert live([*HEALTHY, (300, WRONG), (301, OK_TRAFFIC)]).state is State.SUSPECT
    assert live([*HEALTHY, (300, WRONG), (301, OK_TRAFFIC), (305, OK)]).state is State.HEALTHY


@pytest.mark.parametrize(
    ("story", "state"),
    [
        ([(0, LOADING), (100, FAULT_CANARY), (105, FAULT_CANARY)], State.STARTING),
        ([(0, LOADING), (181, FAULT_CANARY), (186, FAULT_CANARY)], State.WEDGED),
        ([(0, LOADING), (1000, LOADING)], State.STARTING),
        ([*HEALTHY, (1, LOADING_TRAFFIC)], State.HEALTHY),
        ([*HEALTHY, (1, LOADING)], State.STARTING),
        ([*HEALTHY, (1, LOADING), (100, LOADING)], State.STARTING),
        ([*HEALTHY, (1, LOADING), (182, LOADING), (187, LOADING)], State.WEDGED),
        ([*HEALTHY, (1, GONE), (30, FAULT_CANARY), (35, FAULT_CANARY)], State.STARTING),
    ],
)
def test_a_service_that_starts_may_fail_for_a_while(story: Story, state: State) -> None:
    """Models load for minutes; a 503 for ever on a server that was healthy is a fault."""
    assert live(story).state is state


def restarted(at: float = 100.0) -> Health:
    """A service that is being restarted."""
    return restart_sent(live([*HEALTHY, (1, SIGNED), (2, SIGNED_CANARY)]), at, "restart requested")


@pytest.mark.parametrize(
    ("story", "state"),
    [
        ([], State.RESTARTING),
        ([(101, FAULT_CANARY), (106, SIGNED_CANARY)], State.RESTARTING),
        ([(101, GONE), (106, LOADING), (111, OK)], State.HEALTHY),
        ([(100 + POLICY.still_wedged_after, SIGNED_CANARY)], State.WEDGED),
        ([(100 + POLICY.still_wedged_after, LATE_CANARY)], State.RESTARTING),
        ([(281, LATE_CANARY)], State.WEDGED),
        ([(281, GONE)], State.UNREACHABLE),
        ([(220, OK)], State.HEALTHY),
    ],
)
def test_after_a_restart_the_canaries_decide(story: Story, state: State) -> None:
    """Old evidence is gone; the old process may answer for a moment; a model may load for minutes."""
    assert live(story, restarted()).state is state


@pytest.mark.parametrize("seen", [SIGNED_CANARY, GONE, LOADING, LATE_CANARY, WRONG])
def test_only_a_success_leads_out_of_giving_up(seen: Observation) -> None:
    """A person must act, or the service recovers."""
    lost = gave_up(restarted(), 200, "3 restarts did not help")
    assert observe(lost, seen, 10_000, POLICY).state is State.GAVE_UP
    assert observe(lost, OK, 10_000, POLICY).state is State.HEALTHY


def test_a_transition_keeps_its_time_and_its_evidence() -> None:
    """More of the same does not make it newer."""
    health = live([*HEALTHY, (10, SIGNED), (11, FAULT)])
    assert (health.since, health.evidence) == (10, "CUDA error")


@pytest.mark.parametrize(
    ("story", "now", "due"),
    [
        ([], 0, 0),
        ([(0, OK)], 100, 200),
        ([(0, OK), (200, OK_TRAFFIC)], 200, 300),
        ([(0, OK), (1100, OK_TRAFFIC)], 1100, 100),
        ([(0, OK), (1300, OK_TRAFFIC)], 1300, 0),
        ([(0, OK), (10, FAULT)], 10, 0),
        ([(0, OK), (10, FAULT), (10, FAULT_CANARY)], 10, 5),
        ([(0, LOADING)], 1, 4),
        ([(0, OK), (1, SIGNED), (2, SIGNED_CANARY)], 2, 15),
        ([(0, LATE_CANARY), (1, GONE)], 1, 14),
    ],
)
def test_the_rhythm_of_the_canaries(story: Story, now: float, due: float) -> None:
    """Every interval when healthy, at once on a suspicion, postponed by traffic four times at most."""
    assert canary_due(live(story), now, POLICY) == due


def test_the_rhythm_after_a_restart_and_after_giving_up() -> None:
    """At once, then every five seconds; and a minute."""
    assert canary_due(restarted(), 100, POLICY) == 0
    assert canary_due(restart_sent(live(HEALTHY), 100, "by hand"), 100, POLICY) == 5
    health = observe(restarted(), FAULT_CANARY, 101, POLICY)
    assert canary_due(health, 101, POLICY) == 5
    assert canary_due(gave_up(health, 101, ""), 101, POLICY) == 60
