"""What every kind of answer, or silence, makes of every state: soon after it was entered, and long after.

Read a column downwards for all that leads out of a state; a dot means that it stays. Nothing but time and another
answer is needed to leave a state: `test_no_state_waits_for_ever` has the times.
"""

import pytest
from spark_engine.healing.health import Health, Observation, Outcome, Policy, State
from spark_engine.healing.state_machine import canary_due, gave_up, observe, restart_sent

POLICY = Policy()

SHORT = {
    "unk": State.UNKNOWN,
    "sta": State.STARTING,
    "hea": State.HEALTHY,
    "asl": State.ASLEEP,
    "sus": State.SUSPECT,
    "mem": State.OUT_OF_MEMORY,
    "wed": State.WEDGED,
    "res": State.RESTARTING,
    "awa": State.UNREACHABLE,
    "wro": State.WRONG_SERVER,
    "gav": State.GAVE_UP,
}

FIVE_SECONDS_LATER = """
                        unk sta hea asl sus mem wed res awa wro gav
success         canary  hea hea  .  hea hea hea hea hea hea hea hea
success         traffic hea hea  .  hea hea  .   .  hea hea hea  .
signed_fault    canary  sus sus sus sus  .  sus  .   .  sus sus  .
signed_fault    traffic sus sus sus sus  .  sus  .   .  sus sus  .
ambiguous_fault canary  sus  .  sus sus  .   .   .   .  sta sus  .
ambiguous_fault traffic sus  .  sus sus  .   .   .   .  sta sus  .
fault           canary  sus  .  sus sus  .   .   .   .  sta sus  .
fault           traffic sus  .  sus sus  .   .   .   .  sta sus  .
killed          canary  sus  .  sus sus  .   .   .   .  sta sus  .
killed          traffic sus  .  sus sus  .   .   .   .  sta sus  .
wrong_answer    canary  hea hea sus sus  .   .   .   .  sus sus  .
wrong_answer    traffic hea hea sus sus  .   .   .   .  sus sus  .
timed_out       canary  sus  .  sus sus  .   .   .   .  sta sus  .
timed_out       traffic sus  .  sus sus  .   .   .   .  sta sus  .
out_of_memory   canary  mem mem mem mem mem  .  mem  .  mem mem mem
out_of_memory   traffic sus sus  .  sus  .   .   .   .  sus sus  .
unreachable     canary  awa awa awa awa awa awa awa  .   .  awa  .
unreachable     traffic awa awa awa awa awa awa awa  .   .  awa  .
loading         canary  sta  .  sta sta sta sta sta  .  sta sta  .
loading         traffic sta  .   .  sta sta sta sta  .  sta sta  .
asleep          canary  asl asl asl  .   .   .   .   .  asl asl  .
asleep          traffic asl asl asl  .   .   .   .   .  asl asl  .
wrong_server    canary  wro wro wro wro wro wro wro  .  wro  .  wro
wrong_server    traffic wro wro wro wro wro wro wro  .  wro  .  wro
unauthorized    canary   .  unk  .   .   .   .   .   .  unk unk  .
unauthorized    traffic  .  unk  .   .   .   .   .   .  unk unk  .
abandoned       canary   .   .   .   .   .   .   .   .   .   .   .
abandoned       traffic  .   .   .   .   .   .   .   .   .   .   .
queued          canary   .   .   .   .   .   .   .   .   .   .   .
queued          traffic  .   .   .   .   .   .   .   .   .   .   .
no_evidence     canary   .  unk  .   .   .   .   .   .  unk unk  .
no_evidence     traffic  .  unk  .   .   .   .   .   .  unk unk  .
"""

LONG_AFTER = """
                        unk sta hea asl sus mem wed res awa wro gav
success         canary  hea hea  .  hea hea hea hea hea hea hea hea
success         traffic hea hea  .  hea hea  .   .  hea hea hea  .
signed_fault    canary  sus sus sus sus  .  sus  .  wed sus sus  .
signed_fault    traffic sus sus sus sus  .  sus  .  wed sus sus  .
ambiguous_fault canary  sus sus sus sus  .  sus  .  wed sta sus  .
ambiguous_fault traffic sus sus sus sus  .  sus  .  wed sta sus  .
fault           canary  sus sus sus sus  .  sus  .  wed sta sus  .
fault           traffic sus sus sus sus  .  sus  .  wed sta sus  .
killed          canary  sus sus sus sus  .  sus  .  wed sta sus  .
killed          traffic sus sus sus sus  .  sus  .  wed sta sus  .
wrong_answer    canary  hea hea sus sus  .  sus  .  wed sus sus  .
wrong_answer    traffic hea hea sus sus  .  sus  .  wed sus sus  .
timed_out       canary  sus sus sus sus  .  sus  .  wed sta sus  .
timed_out       traffic sus sus sus sus  .  sus  .  wed sta sus  .
out_of_memory   canary  mem mem mem mem mem wed mem mem mem mem mem
out_of_memory   traffic sus sus  .  sus  .   .   .   .  sus sus  .
unreachable     canary  awa awa awa awa awa awa awa awa  .  awa  .
unreachable     traffic awa awa awa awa awa awa awa awa  .  awa  .
loading         canary  sta  .  sta sta sta sta sta sta sta sta  .
loading         traffic sta  .   .  sta sta sta sta sta sta sta  .
asleep          canary  asl asl asl  .   .   .   .   .  asl asl  .
asleep          traffic asl asl asl  .   .   .   .   .  asl asl  .
wrong_server    canary  wro wro wro wro wro wro wro wro wro  .  wro
wrong_server    traffic wro wro wro wro wro wro wro wro wro  .  wro
unauthorized    canary   .  unk unk  .   .   .   .  unk unk unk  .
unauthorized    traffic  .  unk  .   .   .   .   .  unk unk unk  .
abandoned       canary   .   .   .   .   .   .   .   .   .   .   .
abandoned       traffic  .   .   .   .   .   .   .   .   .   .   .
queued          canary   .   .   .   .   .   .   .   .   .   .   .
queued          traffic  .   .   .   .   .   .   .   .   .   .   .
no_evidence     canary   .  unk unk  .   .   .   .  unk unk unk  .
no_evidence     traffic  .  unk  .   .   .   .   .  unk unk unk  .
"""


def canary(outcome: Outcome) -> Observation:
    """What a canary shows."""
    return Observation(outcome, canary=True)


def live(*story: tuple[float, Observation]) -> Health:
    """The health after these observations, each at its time."""
    health = Health(since=-20.0)
    for at, seen in story:
        health = observe(health, seen, at, POLICY)
    return health


WELL = (-10.0, canary(Outcome.SUCCESS))
WEDGED = live(WELL, (-1.0, canary(Outcome.SIGNED_FAULT)), (0.0, canary(Outcome.SIGNED_FAULT)))

ENTERED_AT_ZERO = {
    State.UNKNOWN: Health(since=0.0),
    State.STARTING: live((0.0, canary(Outcome.LOADING))),
    State.HEALTHY: live((0.0, canary(Outcome.SUCCESS))),
    State.ASLEEP: live(WELL, (0.0, canary(Outcome.ASLEEP))),
    State.SUSPECT: live(WELL, (0.0, Observation(Outcome.FAULT, canary=False))),
    State.OUT_OF_MEMORY: live(WELL, (0.0, canary(Outcome.OUT_OF_MEMORY))),
    State.WEDGED: WEDGED,
    State.RESTARTING: restart_sent(WEDGED, 0.0, "by hand"),
    State.UNREACHABLE: live(WELL, (0.0, canary(Outcome.UNREACHABLE))),
    State.WRONG_SERVER: live(WELL, (0.0, canary(Outcome.WRONG_SERVER))),
    State.GAVE_UP: gave_up(WEDGED, 0.0, "3 restarts did not help"),
}


def test_every_state_is_entered() -> None:
    assert {state: health.state for state, health in ENTERED_AT_ZERO.items()} == {state: state for state in State}


def rows(table: str) -> dict[tuple[Outcome, bool], dict[State, State]]:
    """What follows, by outcome and whether a canary saw it, for each state."""
    head, *lines = table.strip("\n").splitlines()
    states = [SHORT[word] for word in head.split()]
    found = {}
    for line in lines:
        outcome, who, *cells = line.split()
        after = [state if cell == "." else SHORT[cell] for state, cell in zip(states, cells, strict=True)]
        found[Outcome[outcome.upper()], who == "canary"] = dict(zip(states, after, strict=True))
    return found


@pytest.mark.parametrize(("at", "table"), [(5.0, FIVE_SECONDS_LATER), (1000.0, LONG_AFTER)], ids=["soon", "late"])
def test_what_leads_out_of_every_state(at: float, table: str) -> None:
    wanted = rows(table)
    assert set(wanted) == {(outcome, is_canary) for outcome in Outcome for is_canary in (True, False)}
    for (outcome, is_canary), after in wanted.items():
        seen = Observation(outcome, canary=is_canary)
        found = {state: observe(ENTERED_AT_ZERO[state], seen, at, POLICY).state for state in after}
        assert found == after, (outcome, is_canary)


@pytest.mark.parametrize("state", State)
def test_no_state_waits_for_ever(state: State) -> None:
    """A canary is due within the interval at most, and its success leads to healthy."""
    health = ENTERED_AT_ZERO[state]
    due = canary_due(health, 0.0, POLICY)
    assert due <= POLICY.interval
    assert observe(health, canary(Outcome.SUCCESS), due, POLICY).state is State.HEALTHY


def test_a_server_that_speaks_of_memory_no_more_is_asked_again() -> None:
    """The one answer that came may have been cut on its way."""
    health = ENTERED_AT_ZERO[State.OUT_OF_MEMORY]
    assert canary_due(health, 0.0, POLICY) == POLICY.suspect_interval
    health = observe(health, canary(Outcome.FAULT), 15.0, POLICY)
    assert health.state is State.OUT_OF_MEMORY
    assert canary_due(health, 15.0, POLICY) == POLICY.suspect_interval
