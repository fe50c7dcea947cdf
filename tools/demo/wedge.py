"""`--wedge`: break Parakeet under two requests a second, and print how it heals, as it happens."""

import asyncio
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from embedded_spark.wedge import Mode

from tools.stack.command import line
from tools.stack.http import new_session, text
from tools.stack.processes import PROXY, SPARK, Processes
from tools.stack.services import start_proxy, start_spark
from tools.stack.spoken import COMMAND
from tools.stack.tables import lay_out
from tools.stack.wedge import (
    LOOK_SECONDS,
    PARAKEET,
    Answer,
    Call,
    Callers,
    Control,
    Outage,
    hear,
    history,
    speak,
    until_healthy,
)

from .verdict import Check, pronounce

FOLDER = "wedge"
MODE = Mode.CUBLAS

BEFORE_SECONDS = 2.0
AFTER_SECONDS = 2.0
"""Of good requests, before the wedge and after it."""

SPEECH_PACE = 1.0
"""Seconds from one speech to the next: the embedded voice needs half of that on two cores."""

PATIENCE_SECONDS = 40.0
"""For the healing: it takes 5 to 10."""

CALL_SECONDS = 30.0
"""After which a caller gives up; no answer takes that long unless something is wrong."""

HANG_SECONDS = 5.0
"""A caller who waits longer for a refusal has been left hanging: what fails here fails in milliseconds."""

WIDTH = 100
"""Characters of a sentence that are shown: CUDA's are long."""

TOLD = {
    "suspect": "suspected",
    "wedged": "wedged, since a canary fails, too",
    "unreachable": "unreachable",
    "gave_up": "given up",
    "healthy": "healthy",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened."""

    at: float
    sentence: str


def lay_out_folder(folder: Path) -> Path:
    """Return an empty folder for the logs and the proxy's state, beside a demo that is kept."""
    own = folder / FOLDER
    shutil.rmtree(own, ignore_errors=True)
    (own / "logs").mkdir(parents=True)
    return own


async def run(folder: Path, processes: Processes) -> bool:
    """Wedge, watch, print; return whether all held that must."""
    async with new_session(CALL_SECONDS) as session:
        line("Starting the embedded Spark, its speech engines on this machine's CPU.")
        spark = await start_spark(processes)
        proxy_url, _ = await start_proxy(processes, folder / "state", *spark.proxy_settings)
        await until_healthy(session, proxy_url)
        line(f"The proxy answers at {proxy_url}, and watches over both services.\n")
        hearing, speaking = Callers(session, proxy_url, hear), Callers(session, proxy_url, speak, SPEECH_PACE)
        control = Control(session, spark.parakeet_url)
        async with hearing.calling(), speaking.calling():
            line(f'"{COMMAND}" is transcribed twice a second, and Magpie speaks.')
            await asyncio.sleep(BEFORE_SECONDS)
            since = await _watch(control, proxy_url, hearing)
            await asyncio.sleep(AFTER_SECONDS)
        outage = Outage(since, hearing.calls, await history(session, proxy_url, PARAKEET))
        spoken = [call for call in speaking.calls if call.sent >= since]
        restarts = (await control.state()).restarts
    line(f"\n{summary(outage, spoken)}\n")
    return pronounce(assess(outage, spoken, restarts), processes)


async def _watch(control: Control, proxy_url: str, hearing: Callers) -> float:
    """Wedge Parakeet, and print what happens until it is over or patience is; return when that was."""

    async def health() -> str:
        async with control.session.get(f"{control.url}/health") as response:
            return text(await response.json(), "status")

    line("\nsince the wedge")
    since = time.time()
    await control.wedge(MODE)
    _print(since, [Moment(since, f'Parakeet is wedged ({MODE}), and its own health page says "{await health()}"')])
    told: set[Moment] = set()
    starting: tuple[Moment, ...] = ()
    while (looked_at := time.time()) < since + PATIENCE_SECONDS:
        outage = Outage(since, hearing.calls, await history(control.session, proxy_url, PARAKEET))
        if not starting and await health() == "loading":
            starting = (Moment(looked_at, "Parakeet is starting: 503, loading"),)
        # What is newer than this look may have an older cause that it did not show yet.
        new = [each for each in (*starting, *moments(outage)) if each not in told and each.at <= looked_at]
        _print(since, new)
        told.update(new)
        if outage.recovered and outage.recovered.answered <= looked_at:
            return since
        await asyncio.sleep(LOOK_SECONDS)
    line(f"  Parakeet has not recovered within {PATIENCE_SECONDS:.0f} s.")
    return since


def _print(since: float, new: Sequence[Moment]) -> None:
    for moment in sorted(new, key=lambda each: each.at):
        line(f"  {moment.at - since:6.2f} s  {moment.sentence}")


def moments(outage: Outage) -> list[Moment]:
    """Return what has happened so far since the wedge, in its order."""
    # Who notices is told what went wrong; who comes later, that it is being taken care of.
    answers = {call.answer.said: call for call in reversed(outage.lost)}
    found = [Moment(call.answered, f"a caller gets {_quote(call.answer)}") for call in answers.values()]
    found += [
        Moment(change.at, f"{TOLD[change.state]}: {_short(change.evidence)}")
        for change in outage.history.changes
        if change.state in TOLD and change.at >= outage.since
    ]
    found += [
        Moment(at, f"restart requested ({number} of {outage.history.limit})")
        for number, at in enumerate(outage.history.restarts, 1)
    ]
    if outage.recovered:
        found.append(Moment(outage.recovered.answered, f'the first good answer: "{outage.recovered.answer.said}"'))
    return sorted(found, key=lambda moment: moment.at)


def _quote(answer: Answer) -> str:
    wait = f" Retry-After: {answer.retry_after}" if answer.retry_after else ""
    return f'{answer.fault} "{_short(answer.said)}"{wait}'


def _short(sentence: str) -> str:
    return shorten(sentence, WIDTH, placeholder=" ...")


def summary(outage: Outage, spoken: Sequence[Call]) -> str:
    """Return the times as a table, and what it cost."""
    first, wedged, restarts = outage.first_failing, outage.reached("wedged"), outage.history.restarts
    steps = {
        "first failing request": first,
        "wedge detected": wedged.at if wedged else None,
        "restart requested": restarts[0] if restarts else None,
        "first good answer": outage.recovered.answered if outage.recovered else None,
    }
    rows = [
        (name, None if at is None else at - outage.since, None if at is None or first is None else at - first)
        for name, at in steps.items()
    ]
    heard = sum(call.sent >= outage.since for call in outage.calls)
    return "\n".join(
        [
            lay_out(("", "s since the wedge", "s since the first failing request"), rows),
            "",
            f"  transcriptions lost   {len(outage.lost)} of {heard}",
            f"  speeches lost         {sum(not call.is_good for call in spoken)} of {len(spoken)}",
            f"  restarts used         {len(restarts)} of {outage.history.limit}",
        ]
    )


def assess(outage: Outage, spoken: Sequence[Call], restarts: int) -> Sequence[Check]:
    """Return what must hold of a wedge that heals; `restarts` are those that Parakeet has seen."""
    wedged, recovered, lost = outage.reached("wedged"), outage.recovered, outage.lost
    # One that was under way when the server was wedged belongs to neither.
    before = [call for call in outage.calls if call.answered < outage.since]
    unexplained = [call for call in lost if call.answer.fault not in ("429", "503") or not call.answer.retry_after]
    longest = max((call.answered - call.sent for call in lost), default=0.0)
    failed = [call for call in spoken if not call.is_good]
    requested, both = len(outage.history.restarts), (PROXY, SPARK)
    return (
        Check("all was well before", bool(before) and all(call.is_good for call in before), _count(before), both),
        Check("the wedge was detected", wedged is not None, _short(wedged.evidence) if wedged else "no", both),
        Check(
            "exactly one restart", (requested, restarts) == (1, 1), f"{requested} requested, {restarts} arrived", both
        ),
        Check(
            "Parakeet hears again",
            recovered is not None,
            recovered.answer.said if recovered else "no good answer",
            both,
        ),
        Check(
            "each lost request was told when to come back",
            bool(lost) and not unexplained,
            _quote(unexplained[0].answer) if unexplained else f"{len(lost)} times with Retry-After",
            (PROXY,),
        ),
        Check("no caller was left hanging", longest < HANG_SECONDS, f"the longest wait was {longest:.2f} s", (PROXY,)),
        Check(
            "Magpie went on speaking",
            bool(spoken) and not failed,
            _quote(failed[0].answer) if failed else _count(spoken),
            both,
        ),
    )


def _count(calls: Sequence[Call]) -> str:
    return f"{sum(call.is_good for call in calls)} of {len(calls)} requests served"
