"""`--check`: one spoken command through everything, and whether all of it held."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from .assist import Turn, say
from .errors import DemoError
from .processes import HOME_ASSISTANT, PROXY, SPARK
from .report import Check, line, stage_table, verdict
from .scene import Scene
from .sound import ASSIST_RATE, Clip, with_silence
from .speech import synthesize, transcribe

COMMAND = "Turn on the kitchen light."
LIGHT = "light.kitchen_light"
# The light follows its circuit within a few turns of Home Assistant's loop.
SETTLE_SECONDS = 3.0
SHORTEST_REPLY_SECONDS = 0.3


def names_the_light(words: str | None) -> bool:
    """Whether a transcript is about the kitchen light, however it is spelled."""
    return "kitchenlight" in "".join(letter for letter in (words or "").lower() if letter.isalpha())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a spoken command brought about: the light's state before and after, the reply's length in seconds."""

    turn: Turn
    before: str
    after: str
    reply_seconds: float
    proxy_heard: str


async def run(scene: Scene) -> bool:
    """Speak the command, print what came of it; True only if all of it held."""
    speech = await synthesize(scene.session, scene.magpie_url, COMMAND)
    line(f'Speaking "{COMMAND}" ({speech.seconds:.2f} s) to the Assist pipeline.')
    await scene.home_assistant.act("light.turn_off", LIGHT)
    before = await _state(scene, "off")
    turn = await say(scene.home_assistant, scene.pipeline, speech)
    outcome = Outcome(
        turn,
        before,
        after=await _state(scene, "on"),
        reply_seconds=await _length(turn.reply.audio) if turn.reply else 0.0,
        proxy_heard=await transcribe(scene.session, scene.proxy_url, with_silence(speech, 0.5)),
    )
    line(f"\n  heard     {turn.heard or turn.error or 'nothing'}")
    line(f"  answered  {turn.answered or 'nothing'}")
    line(f"  reply     {outcome.reply_seconds:.2f} s of speech\n")
    line(f"{stage_table(turn)}\n")
    checks = assess(outcome)
    line(verdict(checks))
    if faults := {fault for check in checks if not check.held for fault in check.faults}:
        line(scene.processes.last_lines(faults))
    return all(check.held for check in checks)


def assess(outcome: Outcome) -> Sequence[Check]:
    """What must hold of a command, and whose logs tell why it does not."""
    turn = outcome.turn
    return (
        Check(
            "Home Assistant heard the command",
            names_the_light(turn.heard),
            turn.heard or turn.error or "nothing",
            (HOME_ASSISTANT, SPARK),
        ),
        Check(
            "the kitchen light went on",
            (outcome.before, outcome.after) == ("off", "on"),
            f"{outcome.before} -> {outcome.after}",
            (HOME_ASSISTANT,),
        ),
        Check(
            "the answer was spoken",
            outcome.reply_seconds > SHORTEST_REPLY_SECONDS,
            turn.reply_fault or f"{outcome.reply_seconds:.2f} s",
            (HOME_ASSISTANT, SPARK),
        ),
        Check(
            "the proxy heard the command",
            names_the_light(outcome.proxy_heard),
            outcome.proxy_heard or "nothing",
            (PROXY, SPARK),
        ),
    )


async def _state(scene: Scene, expected: str) -> str:
    """The light's state, once it is `expected` or has had time to become it."""
    state = ""
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_SECONDS):
            while state != expected:
                state = await scene.home_assistant.state(LIGHT)
                await asyncio.sleep(0.02)
    return state


async def _length(audio: bytes) -> float:
    """Seconds of sound in an encoded reply, by decoding all of it."""
    decoder = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-hide_banner", "-loglevel", "error", "-i", "pipe:0"),
        *("-f", "s16le", "-ac", "1", "-ar", str(ASSIST_RATE), "pipe:1"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    pcm, complaint = await decoder.communicate(audio)
    if decoder.returncode:
        raise DemoError(f"The spoken reply cannot be decoded: {complaint.decode(errors='replace').strip()}")
    return Clip(pcm, ASSIST_RATE).seconds
