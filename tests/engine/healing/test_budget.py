"""How many restarts are allowed, and when the next one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spark_engine.healing.budget import RECOVERIES_KEPT, Budget, Ledger, in_window, restarts_left, wait_before_restart

NOW = 1_000_000.0
BUDGET = Budget()


@pytest.mark.parametrize(
    ("ages", "left", "wait"),
    [
        ([], 3, 0.0),
        ([10], 2, Budget().spacing - 10),
        ([Budget().spacing], 2, 0.0),
        ([900, 600], 1, 0.0),
        ([900, 600, 300], 0, None),
        ([1800, 600, 300], 1, 0.0),
        ([-3600], 2, Budget().spacing),
        ([-3600, -7200, -1], 0, None),
    ],
    ids=["none", "just now", "a minute ago", "two", "spent", "one is over", "from the future", "clock set back"],
)
def test_the_budget_allows_three_in_thirty_minutes(ages: list[float], left: int, wait: float | None) -> None:
    """At least a minute apart; a time stamp in the future counts as now."""
    attempts = [NOW - age for age in ages]
    assert restarts_left(attempts, NOW, BUDGET) == left
    assert wait_before_restart(attempts, NOW, BUDGET) == wait


@given(st.lists(st.floats(0, 2e6)), st.floats(0, 2e6), st.integers(0, 5), st.floats(1, 1e5))
def test_nothing_is_allowed_once_the_window_is_full(
    attempts: list[float], now: float, limit: int, window: float
) -> None:
    budget = Budget(limit=limit, window=window)
    counted = in_window(attempts, now, budget)
    assert all(0 <= now - at < window for at in counted)
    assert (wait_before_restart(attempts, now, budget) is None) == (len(counted) >= limit)


def test_what_recoveries_take_is_the_median_of_the_last() -> None:
    """One that took long for a reason of its own does not count for much, and old ones not at all."""
    ledger = Ledger()
    assert ledger.expected_recovery is None
    for seconds in (900.0, *range(20, 20 + RECOVERIES_KEPT)):
        ledger = ledger.with_recovery(seconds)
    assert len(ledger.recoveries) == RECOVERIES_KEPT
    assert ledger.expected_recovery == 22


def test_a_restart_that_was_not_made_is_taken_back() -> None:
    ledger = Ledger().with_restart(NOW - 100, BUDGET).with_restart(NOW, BUDGET)
    assert ledger.without_restart(NOW) == Ledger((NOW - 100,))


def test_a_ledger_forgets_what_no_longer_counts() -> None:
    assert Ledger((NOW - 2000, NOW - 10)).with_restart(NOW, BUDGET) == Ledger((NOW - 10, NOW))


def test_restarts_in_the_future_are_made_now() -> None:
    assert Ledger((NOW - 5, NOW + 1e9)).at(NOW) == Ledger((NOW - 5, NOW))
