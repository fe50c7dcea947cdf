"""The last requests without their content: when, what, how long, and how it ended.

Kept in memory, and only where a setting says how many. There is no text, no transcript, no audio, no key, no address of
a caller, no voice and no file name in it.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime

from spark_engine.healing.traffic import RequestOutcome
from spark_engine.models import Json, ServerName

from .journal import AudioPassed, Event, InputTaken, Outcome, RequestServed, ServerEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRequest:
    """One request that has ended. `at` is when it came, in seconds since 1970; `seconds` is how long it took."""

    at: float
    endpoint: str
    """Its route, never its URL."""
    seconds: float
    audio_seconds: float | None
    """Of the recording that was sent in, or of the speech that was sent out."""
    characters: int | None
    """Of the text to speak."""
    outcome: Outcome
    status: int
    """As in the log: 499 where the caller had gone."""
    code: str | None
    """Of the error object that the caller got."""
    server: ServerName | None
    """The server that was asked last, None where none was, or where the proxy does not watch it."""

    def to_json(self) -> dict[str, Json]:
        """Return it as `GET /api/requests` has it."""
        return {
            "at": datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds"),
            "endpoint": self.endpoint,
            "seconds": round(self.seconds, 3),
            "audio_seconds": None if self.audio_seconds is None else round(self.audio_seconds, 3),
            "characters": self.characters,
            "outcome": self.outcome,
            "status": self.status,
            "code": self.code,
            "server": None if self.server is None else str(self.server),
        }


@dataclass(slots=True)
class _Notes:
    """What is known of a request that is under way."""

    taken: float | None = None
    spoken: float | None = None
    characters: int | None = None
    server: ServerName | None = None


_NOTES = ContextVar[_Notes | None]("request_notes", default=None)
"""Of the request that the current task works for: what a journal is told names no request."""


class RequestHistory:
    """The last requests of callers that asked a service for something."""

    def __init__(self, most: int, added: Callable[[], None], clock: Callable[[], float] = time.time) -> None:
        """Keep `most` at most. `added` is called for each; `clock` returns wall clock seconds."""
        self.most = most
        self._added = added
        self._clock = clock
        self._requests = deque[PastRequest](maxlen=most)
        self._count = 0

    @property
    def count(self) -> int:
        """Return how many there were since the start, those that are not kept any more included."""
        return self._count

    @contextmanager
    def noting(self) -> Generator[None]:
        """Take what the journal is told in this context as that of one request."""
        token = _NOTES.set(_Notes())
        try:
            yield
        finally:
            _NOTES.reset(token)

    def tell(self, event: Event) -> None:
        """Take in an event of the journal."""
        notes = _NOTES.get()
        if notes is None:
            return
        match event:
            case InputTaken(seconds, characters):
                notes.taken = _sum(notes.taken, seconds)
                notes.characters = (notes.characters or 0) + characters if characters else notes.characters
            case AudioPassed("spoken", seconds):
                notes.spoken = _sum(notes.spoken, seconds)
            case ServerEvent(server, RequestOutcome()):
                notes.server = server
            case RequestServed():
                self._add(event, notes)

    def since(self, count: int) -> Sequence[PastRequest]:
        """Return those that were added since `count` was what it is now, oldest first; of those only what is kept."""
        new = min(self._count - count, len(self._requests))
        return list(self._requests)[len(self._requests) - new :]

    def document(self) -> dict[str, Json]:
        """Return all that are kept, newest first."""
        return {"kept": self.most, "requests": [request.to_json() for request in reversed(self._requests)]}

    def _add(self, served: RequestServed, notes: _Notes) -> None:
        request = PastRequest(
            at=self._clock() - served.seconds,
            endpoint=served.endpoint,
            seconds=served.seconds,
            audio_seconds=notes.taken if notes.spoken is None else notes.spoken,
            characters=notes.characters,
            outcome=served.outcome,
            status=served.status,
            code=served.code,
            server=notes.server,
        )
        self._requests.append(request)
        self._count += 1
        self._added()


def _sum(before: float | None, more: float | None) -> float | None:
    return before if more is None else (before or 0.0) + more
