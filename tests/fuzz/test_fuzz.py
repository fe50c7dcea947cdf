"""Readers of foreign bytes against bytes that are almost right. `scripts/bench fuzz` goes on for longer."""

from itertools import islice

import pytest

from tests.fuzz.mutation import mutations
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_no_bytes_break_a_reader(name: str) -> None:
    target = TARGETS[name]
    for case in islice(mutations(target.seeds, seed=1), target.cases):
        try:
            target.read(case)
        except Exception as err:
            err.add_note(f"{name}: {case!r}")
            raise


def test_the_same_cases_come_each_time() -> None:
    """So that a failure can be looked into."""
    first, second = (list(islice(mutations((b"[1, 2]", b"abc"), seed=7), 200)) for _ in range(2))
    assert first == second
    assert len(set(first)) > 150


def test_a_reader_that_breaks_is_noticed() -> None:
    def read(data: bytes) -> None:
        data.decode()

    with pytest.raises(UnicodeDecodeError):
        for case in islice(mutations((b"[1, 2]",), seed=7), 200):
            read(case)
