"""Incidents of the bench: what their figures are made of, and real ones through a proxy. No time is asserted."""

import pytest
from aiohttp import ClientSession

from tests.fakes.server import FakeServer, running, text
from tools.bench import incidents
from tools.bench.relay import Relay
from tools.stack.tables import Table
from tools.stack.wedge import PARAKEET, Answer, Call, Outage

OUTAGE = Outage(
    100.0,
    [
        Call(99.0, 99.5, Answer("500")),
        Call(100.5, 100.7, Answer("503")),
        Call(101.0, 101.4, Answer("502")),
        Call(103.0, 106.0, Answer(None)),
    ],
)


def test_an_incident_counts_from_its_beginning() -> None:
    """Nothing from before; the longest wait is that of a request that was served, too."""
    row = incidents.judge(incidents.MEMORY, PARAKEET, OUTAGE, 100.25, 3.0, is_left_alone=True)
    assert row == ("out of memory", PARAKEET, "503, then 502", 0.25, 3.0, 2, 3.0, "yes")
    row = incidents.judge(incidents.ASLEEP, PARAKEET, OUTAGE, None, 3.0, is_left_alone=False)
    assert (row[3], row[-1]) == (None, "no")


@pytest.mark.parametrize(
    ("named", "is_left_alone", "held"),
    [(100.25, True, [True, True, False]), (None, True, [False, True, False]), (100.25, False, [True, False, False])],
)
def test_aims_tell_what_was_not_named_and_not_left_alone(
    named: float | None, held: list[bool], *, is_left_alone: bool
) -> None:
    """And what a sleep has cost, where there was one."""
    row = incidents.judge(incidents.ASLEEP, PARAKEET, OUTAGE, named, 3.0, is_left_alone=is_left_alone)
    assert [aim.held for aim in incidents.aims(Table("", incidents.COLUMNS, (row,)))] == held
    row = incidents.judge(incidents.MEMORY, PARAKEET, OUTAGE, named, 3.0, is_left_alone=is_left_alone)
    assert [aim.held for aim in incidents.aims(Table("", incidents.COLUMNS, (row,)))] == held[:2]


async def test_a_relay_leads_to_another_server() -> None:
    """Callers who are connected meet it, too."""
    first, second = (FakeServer({("GET", "/"): text(name)}) for name in ("first", "second"))
    async with running(first) as one, running(second) as other, ClientSession() as session:
        relay = Relay(one.url)
        async with relay.serving() as url:
            for server, name in ((one, "first"), (other, "second")):
                await relay.lead_to(server.url)
                async with session.get(url) as response:
                    assert await response.text() == name


@pytest.mark.slow
async def test_real_incidents_are_named_and_left_alone() -> None:
    """With real processes: a model that sleeps is not woken by canaries, and its first request is served."""
    table = await incidents.measure(((incidents.ASLEEP, PARAKEET), (incidents.MEMORY, PARAKEET)))
    assert [(row[0], row[-1]) for row in table.rows] == [("asleep", "yes"), ("out of memory", "yes")]
    assert all(aim.held for aim in incidents.aims(table))
