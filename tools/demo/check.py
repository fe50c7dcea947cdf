"""`--check`: one spoken command through everything, and whether all of it held."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from spark_engine.healing.canary import canary_clip

from tools.stack.command import line
from tools.stack.home_assistant import HomeAssistant
from tools.stack.processes import HOME_ASSISTANT, PROXY, SPARK, Processes
from tools.stack.satellite import Turn, say
from tools.stack.spoken import COMMAND, decoded_seconds, in_a_quiet_room, names_the_light
from tools.stack.tables import Cell, lay_out
from tools.stack.wedge import Answer, hear

from .verdict import Check, pronounce

LIGHT = "light.kitchen_light"
# The light follows its circuit within a few turns of Home Assistant's loop.
SETTLE_SECONDS = 3.0
SHORTEST_REPLY_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a spoken command brought about: the light's state before and after, the reply's length in seconds."""

    turn: Turn
    before: str
    after: str
    reply_seconds: float
    proxy: Answer


async def run(processes: Processes, home: HomeAssistant, pipeline: str, proxy_url: str) -> bool:
    """Speak the command, print what came of it, and return whether all of it held."""
    command = canary_clip()
    line(f'Speaking "{COMMAND}" ({command.seconds:.2f} s) to the Assist pipeline.')
    await home.act("light.turn_off", LIGHT)
    before = await _state(home, "off")
    turn = await say(home, pipeline, in_a_quiet_room(command.pcm, before=0.0))
    outcome = Outcome(
        turn,
        before,
        after=await _state(home, "on"),
        reply_seconds=await asyncio.to_thread(decoded_seconds, turn.reply.audio) if turn.reply else 0.0,
        proxy=await hear(home.session, proxy_url),
    )
    line(f"\n  heard     {turn.heard or turn.fault or 'nothing'}")
    line(f"  answered  {turn.answered or 'nothing'}")
    line(f"  reply     {outcome.reply_seconds:.2f} s of speech\n")
    line(f"{stage_table(turn)}\n")
    return pronounce(assess(outcome), processes)


def assess(outcome: Outcome) -> Sequence[Check]:
    """Return what must hold of a command."""
    turn, home, both = outcome.turn, HOME_ASSISTANT, (HOME_ASSISTANT, SPARK)
    heard = turn.heard or ""
    switched = (outcome.before, outcome.after)
    length = outcome.reply_seconds
    return (
        Check("Home Assistant heard the command", names_the_light(heard), heard or turn.fault or "nothing", both),
        Check("the kitchen light went on", switched == ("off", "on"), " -> ".join(switched), (home,)),
        Check("the answer was spoken", length > SHORTEST_REPLY_SECONDS, turn.fault or f"{length:.2f} s", both),
        Check(
            "the proxy heard the command",
            outcome.proxy.fault is None,
            outcome.proxy.said or outcome.proxy.fault or "nothing",
            (PROXY, SPARK),
        ),
    )


def stage_table(turn: Turn) -> str:
    """Return the steps of a turn as a table; what was not reached is empty."""

    def at(kind: str) -> float | None:
        event = turn.find(kind)
        return event.at if event else None

    moments = {
        "speech sent": turn.spoke_until,
        "end of command noticed": at("stt-vad-end"),
        "transcript": at("stt-end"),
        "answer text": at("intent-end"),
        "first byte of the spoken reply": turn.reply.arrivals[0][0] if turn.reply else None,
        "spoken reply complete": turn.reply.arrivals[-1][0] if turn.reply else None,
    }
    if moments["end of command noticed"] is None:
        # An engine may end a turn without telling Home Assistant.
        del moments["end of command noticed"]

    def since(start: float | None, moment: float | None) -> Cell:
        return None if moment is None or start is None else moment - start

    rows = [(name, since(turn.began, each), since(turn.spoke_until, each)) for name, each in moments.items()]
    return lay_out(("stage", "since the start, s", "since speech ended, s"), rows)


async def _state(home: HomeAssistant, expected: str) -> str:
    """Return the light's state, once it is `expected` or has had time to become it."""
    state = ""
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_SECONDS):
            while state != expected:
                state = await home.state(LIGHT)
                await asyncio.sleep(0.02)
    return state
