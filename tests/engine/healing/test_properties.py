"""What holds whatever happens: a real watchdog, simulated servers and callers, hours in virtual time."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from spark_engine.healing.budget import Budget
from spark_engine.healing.health import Policy, State

from tests.helpers.engine.simulated_server import LOAD, Callers, Cure, Mode, World, world
from tests.helpers.engine.virtual_time import run

type Phase = tuple[Mode, Callers, float]

INTERVAL = 60.0
"""Seconds between canaries here: the bounds grow with it."""

PHASES = st.lists(
    st.tuples(st.sampled_from(Mode), st.sampled_from(Callers), st.floats(0.5, 400.0, width=16)), max_size=5
)

CURABLE = (Mode.CUDA, Mode.FAULT, Mode.GARBAGE, Mode.HALF, Mode.HANGS, Mode.OTHER_LANGUAGE_CUDA)
"""What a restart could cure."""

INCURABLE = (Mode.MEMORY, Mode.AWAY, Mode.LOADING, Mode.GATEWAY, Mode.WRONG_KEY, Mode.WRONG_SERVER)

WORKING = (Mode.WORKS, Mode.ASLEEP, Mode.SLOW, Mode.OTHER_LANGUAGE)


async def go_through(it: World, phases: Sequence[Phase]) -> None:
    for mode, it.callers, seconds in phases:
        it.server.become(mode)
        await asyncio.sleep(seconds)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(PHASES, st.sampled_from(Cure), st.sampled_from([Mode.WORKS, Mode.OTHER_LANGUAGE]))
def test_a_server_that_works_again_is_used_again(phases: Sequence[Phase], cure: Cure, mode: Mode) -> None:
    """Whatever came before, and whether canaries can tell or not: within three minutes and a restart."""

    async def live() -> None:
        async with world(cure=cure, interval=INTERVAL) as it:
            await go_through(it, phases)
            it.callers = Callers.STEADY
            it.server.become(mode)
            # A restart that was on its way already may still come.
            await asyncio.sleep(180 + LOAD)
            it.server.become(mode)
            await asyncio.sleep(20)
            assert not it.watchdog.holds, it.watchdog.history
            assert it.server.served[-1] > it.server.now - 20, it.watchdog.history

    run(live())


@settings(deadline=None, max_examples=60, derandomize=True)
@given(PHASES, st.sampled_from((*CURABLE, *INCURABLE)), st.sampled_from(Callers))
def test_a_server_that_fails_every_request_is_called_unwell(
    phases: Sequence[Phase], mode: Mode, callers: Callers
) -> None:
    """Whatever traffic does: a canary comes after four intervals at most."""

    async def live() -> None:
        async with world(cure=Cure.REFUSED, interval=INTERVAL) as it:
            # A model of another language answers the canary with other words from the first.
            await asyncio.sleep(1)
            await go_through(it, phases)
            it.callers = callers
            it.server.become(mode)
            # Our own unfinished requests to a slow server excuse it for a while.
            was_slow = any(phase[0] is Mode.SLOW for phase in phases)
            await asyncio.sleep(4 * INTERVAL + 120 + (Policy().busy_patience if was_slow else 0))
            if mode is Mode.WRONG_KEY or (mode is Mode.OTHER_LANGUAGE_CUDA and callers is not Callers.STEADY):
                # That shows at the canary itself, which is refused.
                assert not it.server.served or it.server.served[-1] < it.server.now - INTERVAL
                return
            assert it.watchdog.health.state not in (State.HEALTHY, State.UNKNOWN, State.ASLEEP), it.watchdog.history

    run(live())


@settings(deadline=None, max_examples=40, derandomize=True)
@given(PHASES, st.sampled_from(CURABLE), st.sampled_from([Cure.NOTHING, Cure.UNCONFIRMED, Cure.HEALS]))
def test_never_more_than_three_restarts_in_half_an_hour(phases: Sequence[Phase], mode: Mode, cure: Cure) -> None:
    async def live() -> None:
        async with world(cure=cure, interval=INTERVAL) as it:
            for _ in range(4):
                await go_through(it, phases)
                it.server.become(mode)
                await asyncio.sleep(900)
            budget = Budget()
            for restart in it.server.restarts:
                window = [at for at in it.server.restarts if restart <= at < restart + budget.window]
                assert len(window) <= budget.limit

    run(live())


@pytest.mark.parametrize("callers", [Callers.STEADY, Callers.IMPATIENT])
@pytest.mark.parametrize("mode", CURABLE)
def test_what_a_restart_could_cure_is_restarted(mode: Mode, callers: Callers) -> None:
    async def live() -> None:
        async with world(interval=INTERVAL) as it:
            await asyncio.sleep(400)
            it.callers = callers
            it.server.become(mode)
            await asyncio.sleep(4 * INTERVAL + 180)
            assert len(it.server.restarts) == 1, it.watchdog.history
            await it.until(State.HEALTHY, 60)

    run(live())


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    st.lists(
        st.tuples(st.sampled_from((*WORKING, *INCURABLE)), st.sampled_from(Callers), st.floats(0.5, 400.0, width=16)),
        min_size=1,
        max_size=6,
    )
)
def test_nothing_is_restarted_without_evidence_that_it_could_help(phases: Sequence[Phase]) -> None:
    """Not what works, idles, loads within its grace, is busy or away; not for memory before the last resort."""
    # Where all leave before the first answer, nothing tells how much work there is: it is like a server that hangs.
    assume(
        all(callers is not Callers.IMPATIENT and seconds > 60 for mode, callers, seconds in phases if mode is Mode.SLOW)
    )

    async def live() -> None:
        # Patience has bounds, which are tested on their own: within them, nothing is restarted.
        async with world(interval=INTERVAL, memory_patience=1e6, busy_patience=1e6, start_grace=1e6) as it:
            await asyncio.sleep(30)
            await go_through(it, phases)
            assert it.server.restarts == [], it.watchdog.history

    run(live())
