"""The story of a wedge, from the first failing request to the first good one: what happened when. Pure.

All moments are wall clock seconds, those the proxy tells included: both run on one machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from textwrap import shorten

from .answers import Json, items, pick, text
from .processes import PROXY, SPARK
from .report import Check, seconds, table

HANG_SECONDS = 5.0
"""A caller who waits longer for a refusal has been left hanging: what fails here fails in milliseconds."""

WIDTH = 100
"""Characters of a sentence that are shown: CUDA's are long."""


class Kind(StrEnum):
    """What a caller asked for."""

    TRANSCRIPTION = "transcription"
    SPEECH = "speech"


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the proxy. `said` is the transcript, or the sentence that a refused caller reads.

    `status` is None where no answer came.
    """

    kind: Kind
    sent: float
    answered: float
    status: int | None
    good: bool
    said: str
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A change of Parakeet's state."""

    at: float
    state: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Watched:
    """What the proxy tells about Parakeet: its changes of state, the restarts it asked for, and how many it may."""

    state: str = "unknown"
    changes: tuple[Change, ...] = ()
    restarts: tuple[float, ...] = ()
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Moment:
    """Something worth telling."""

    at: float
    sentence: str


@dataclass(slots=True)
class Story:
    """Everything seen since the requests began.

    `starting_at` is when Parakeet was first seen to load its model, `restarted` how many restarts it has seen.
    """

    wedged_at: float | None = None
    calls: list[Call] = field(default_factory=list)
    watched: Watched = field(default_factory=Watched)
    starting_at: float | None = None
    restarted: int = 0

    def since_wedge(self, kind: Kind) -> list[Call]:
        """The calls answered since the wedge, in the order of their answers."""
        calls = [call for call in self.calls if call.kind is kind and call.answered >= (self.wedged_at or 0.0)]
        return sorted(calls, key=lambda call: call.answered)

    @property
    def lost(self) -> list[Call]:
        """The transcriptions that failed since the wedge."""
        return [call for call in self.since_wedge(Kind.TRANSCRIPTION) if not call.good]

    @property
    def first_failing(self) -> float | None:
        """When the first of them was sent."""
        return min((call.sent for call in self.lost), default=None)

    @property
    def recovered(self) -> Call | None:
        """The first good transcription sent after the first failing one, and after the wedge."""
        if self.first_failing is None or self.wedged_at is None:
            return None
        after = max(self.first_failing, self.wedged_at)
        return next((call for call in self.since_wedge(Kind.TRANSCRIPTION) if call.good and call.sent > after), None)

    def reached(self, state: str) -> Change | None:
        """The first time since the wedge that Parakeet came into this state."""
        return next(
            (change for change in self.watched.changes if change.state == state and change.at >= (self.wedged_at or 0)),
            None,
        )


def read_status(status: Json) -> Watched:
    """Parakeet's part of the proxy's `/api/status`. DemoError where it has none."""
    service = next((one for one in items(status, "services") if pick(one, "name") == "parakeet"), None)
    limit = pick(status, "restart_limit")
    return Watched(
        state=text(service, "state"),
        changes=tuple(
            Change(_moment(change, "at"), text(change, "to"), text(change, "evidence"))
            for change in items(service, "history")
        ),
        restarts=tuple(_moment(at) for at in items(service, "restarts")),
        limit=limit if isinstance(limit, int) else 0,
    )


def _moment(answer: Json, *path: str) -> float:
    return datetime.fromisoformat(text(answer, *path)).timestamp()


_TOLD = {
    "suspect": "suspected",
    "wedged": "wedged, since a canary fails, too",
    "unreachable": "unreachable",
    "gave_up": "given up",
    "healthy": "healthy",
}


def moments(story: Story) -> list[Moment]:
    """What has happened so far since the wedge, in its order."""
    told = [] if story.starting_at is None else [Moment(story.starting_at, "Parakeet is starting: 503, loading")]
    # Who notices is told what went wrong; who comes later, that it is being taken care of.
    answers = {call.said: call for call in reversed(story.lost)}
    told += [Moment(call.answered, f"a caller gets {_answer(call)}") for call in answers.values()]
    told += [
        Moment(change.at, f"{_TOLD[change.state]}: {_short(change.evidence)}")
        for change in story.watched.changes
        if change.state in _TOLD and change.at >= (story.wedged_at or 0.0)
    ]
    told += [
        Moment(at, f"restart requested ({number} of {story.watched.limit})")
        for number, at in enumerate(story.watched.restarts, 1)
    ]
    if story.recovered:
        told.append(Moment(story.recovered.answered, f'the first good answer: "{story.recovered.said}"'))
    return sorted(told, key=lambda moment: moment.at)


def _answer(call: Call) -> str:
    if call.status is None:
        return f"no answer: {call.said}"
    wait = f" Retry-After: {call.retry_after}" if call.retry_after else ""
    return f'{call.status} "{_short(call.said)}"{wait}'


def _short(sentence: str) -> str:
    return shorten(sentence, WIDTH, placeholder=" ...")


def summary(story: Story) -> str:
    """The times as a table, and what it cost."""
    first = story.first_failing
    steps = [
        ("first failing request", first),
        ("wedge detected", _at(story.reached("wedged"))),
        ("restart requested", story.watched.restarts[0] if story.watched.restarts else None),
        ("first good answer", story.recovered.answered if story.recovered else None),
    ]
    rows = [(name, _since(at, story.wedged_at), _since(at, first)) for name, at in steps]
    heard, spoken = story.since_wedge(Kind.TRANSCRIPTION), story.since_wedge(Kind.SPEECH)
    unspoken = [call for call in spoken if not call.good]
    return "\n".join(
        [
            table(("", "since the wedge", "since the first failing request"), rows),
            "",
            f"  transcriptions lost   {len(story.lost)} of {len(heard)}",
            f"  speeches lost         {len(unspoken)} of {len(spoken)}",
            f"  restarts used         {len(story.watched.restarts)} of {story.watched.limit}",
        ]
    )


def _at(change: Change | None) -> float | None:
    return change.at if change else None


def _since(at: float | None, start: float | None) -> str:
    return seconds(None if at is None or start is None else at - start)


def assess(story: Story) -> Sequence[Check]:
    """What must hold of a wedge that heals, and whose logs tell why it does not."""
    wedged, recovered = story.reached("wedged"), story.recovered
    before = [call for call in story.calls if call.answered < (story.wedged_at or 0.0)]
    unexplained = [call for call in story.lost if call.status != 503 or not call.retry_after]
    longest = max((call.answered - call.sent for call in story.lost), default=0.0)
    spoken = story.since_wedge(Kind.SPEECH)
    failed = [call for call in spoken if not call.good]
    both = (PROXY, SPARK)
    return (
        Check("all was well before", bool(before) and all(call.good for call in before), _count(before), both),
        Check(
            "the wedge was detected",
            wedged is not None,
            _short(wedged.evidence) if wedged else story.watched.state,
            both,
        ),
        Check(
            "exactly one restart",
            (len(story.watched.restarts), story.restarted) == (1, 1),
            f"{len(story.watched.restarts)} requested, {story.restarted} arrived",
            both,
        ),
        Check("Parakeet hears again", recovered is not None, recovered.said if recovered else "no good answer", both),
        Check(
            "whoever lost a request was told when to come back",
            bool(story.lost) and not unexplained,
            _answer(unexplained[0]) if unexplained else f"{len(story.lost)} times 503 with Retry-After",
            (PROXY,),
        ),
        Check("nobody was left hanging", longest < HANG_SECONDS, f"the longest wait was {seconds(longest)}", (PROXY,)),
        Check(
            "Magpie went on speaking",
            bool(spoken) and not failed,
            _answer(failed[0]) if failed else _count(spoken),
            both,
        ),
    )


def _count(calls: Sequence[Call]) -> str:
    return f"{sum(call.good for call in calls)} of {len(calls)} requests served"
