"""How the servers of a Spark are: made from their watchdogs, written as JSON by the proxy, read back by Home Assistant.

The document is that of `GET /api/status` (docs/api.md). A new field is one line in a dataclass, in `to_json` and in
`from_json`.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import override

from ..models import Json, ServerName
from ..servers.magpie import Magpie
from ..servers.magpie_dialects import MagpieServer
from ..servers.parakeet import Parakeet
from ..servers.parakeet_dialects import ParakeetServer
from .budget import Budget, in_window
from .canary import CanaryResult
from .health import Observation, Outcome, State, Transition
from .pool import PoolMember


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerKind:
    """What a server was found out to be. None for what it does not tell."""

    dialect: str
    model: str | None = None
    version: str | None = None
    voices: int | None = None
    """How many voices a Magpie has."""

    @classmethod
    def of(cls, server: ParakeetServer | MagpieServer) -> ServerKind:
        """Return what probing has found out."""
        voices = len(server.voices) if isinstance(server, MagpieServer) else None
        return cls(dialect=server.dialect.name, model=server.model, version=server.version, voices=voices)

    @override
    def __str__(self) -> str:
        has = f"model {self.model or 'unnamed'}" if self.voices is None else f"{self.voices} voices"
        return f"{self.dialect}, {has}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerStatus:
    """One server of a service. Moments are seconds since 1970, None where there was none."""

    name: ServerName
    url: str
    kind: ServerKind | None = None
    """What it is, None while that is not known."""
    problem: str | None = None
    """Why it is not known what it is."""
    watched: bool = False
    """Whether it is watched; if not, its state stays unknown."""
    state: State = State.UNKNOWN
    since: float | None = None
    evidence: str = ""
    last_canary: CanaryResult | None = None
    last_success: float | None = None
    automatic: bool = False
    """Whether its watcher restarts it without being asked."""
    restart_target: str | None = None
    """The kind of its restart target."""
    restart_problem: str | None = None
    """Why it cannot be restarted now, one sentence: what the target answered, or that the ledger cannot be written."""
    restarts: tuple[float, ...] = ()
    """Those that count, oldest first."""
    restarts_left: int | None = None
    history: tuple[Transition, ...] = ()
    canaries: tuple[CanaryResult, ...] = ()

    @property
    def has_owner(self) -> bool:
        """Return whether its watcher restarts it without being asked."""
        return self.automatic and self.restart_target is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class SparkStatus:
    """What a proxy tells: its lasting id, None where it has no place to keep one, its settings, and its servers."""

    proxy_id: str | None
    servers: tuple[ServerStatus, ...]
    automatic: bool
    budget: Budget


def status_of(
    member: PoolMember[Parakeet] | PoolMember[Magpie], kind: ServerKind | None = None, problem: str | None = None
) -> ServerStatus:
    """Return the status of a server of this process."""
    watchdog = member.watchdog
    if watchdog is None:
        return ServerStatus(name=member.name, url=member.url, kind=kind, problem=problem)
    return ServerStatus(
        name=member.name,
        url=member.url,
        kind=kind,
        problem=problem,
        watched=True,
        state=watchdog.health.state,
        since=watchdog.since,
        evidence=watchdog.health.evidence,
        last_canary=watchdog.last_canary,
        last_success=watchdog.last_success,
        automatic=watchdog.settings.automatic,
        restart_target=target.kind if (target := watchdog.restarter.target) else None,
        restarts=watchdog.restarter.restarts,
        restarts_left=watchdog.restarter.restarts_left,
        restart_problem=watchdog.restarter.problem,
        history=tuple(watchdog.history),
        canaries=tuple(watchdog.canaries),
    )


def to_json(status: SparkStatus) -> dict[str, Json]:
    """Return the document."""
    return {
        "id": status.proxy_id,
        "automatic_restarts": status.automatic,
        "restart_limit": status.budget.limit,
        "restart_window": status.budget.window,
        "services": [server_to_json(server) for server in status.servers],
    }


def server_to_json(server: ServerStatus) -> dict[str, Json]:
    """Return one server of the document."""
    document: dict[str, Json] = {"name": str(server.name), "url": server.url, "server": None}
    if kind := server.kind:
        document["server"] = str(kind)
        document |= {"dialect": kind.dialect, "model": kind.model, "version": kind.version}
        if kind.voices is not None:
            document["voices"] = kind.voices
    if server.problem is not None:
        document["server_error"] = server.problem
    if server.watched:
        document |= {
            "state": server.state,
            "since": None if server.since is None else _date(server.since),
            "evidence": server.evidence,
            "last_canary": None if server.last_canary is None else _canary_to_json(server.last_canary),
            "last_success": None if server.last_success is None else _date(server.last_success),
            "restart_target": server.restart_target,
            "restart_problem": server.restart_problem,
            "restarts": [_date(at) for at in server.restarts],
            "restarts_left": server.restarts_left,
            "history": [_transition_to_json(change) for change in server.history],
            "canaries": [_canary_to_json(result) for result in server.canaries],
        }
    return document


def _canary_to_json(result: CanaryResult) -> Json:
    seen = result.observation
    return {
        "at": _date(result.at),
        "latency": round(result.latency, 3),
        "outcome": seen.outcome.name.lower(),
        "detail": seen.detail,
    }


def _transition_to_json(change: Transition) -> Json:
    item: dict[str, Json] = {
        "at": _date(change.at),
        "from": change.before,
        "to": change.after,
        "evidence": change.evidence,
    }
    return item | {name: True for name in ("by_hand", "refused") if getattr(change, name)}


def from_json(document: Json) -> SparkStatus:
    """Return what the document says. Servers of services that are unknown here are left out.

    Raises KeyError, TypeError, ValueError, OverflowError where it is another document.
    """
    about = _object(document)
    budget = Budget(limit=int(_number(about["restart_limit"])), window=_number(about["restart_window"]))
    automatic = bool(about["automatic_restarts"])
    known = _known(_list(about["services"]))
    servers = tuple(_server_from_json(name, item, budget, automatic=automatic) for name, item in known)
    return SparkStatus(proxy_id=_optional(_text, about["id"]), servers=servers, automatic=automatic, budget=budget)


def _known(items: Iterable[Json]) -> Iterator[tuple[ServerName, Mapping[str, Json]]]:
    """Yield the servers of services that there are here: a newer proxy may have others."""
    for item in items:
        if isinstance(item, dict) and isinstance(name := item.get("name"), str):
            with suppress(ValueError):
                yield ServerName.parse(name), item


def _server_from_json(name: ServerName, item: Mapping[str, Json], budget: Budget, *, automatic: bool) -> ServerStatus:
    url, kind = _text(item["url"]), _kind_from_json(item)
    problem = _optional(_text, item.get("server_error"))
    if "state" not in item:
        return ServerStatus(name=name, url=url, kind=kind, problem=problem)
    return ServerStatus(
        name=name,
        url=url,
        kind=kind,
        problem=problem,
        watched=True,
        state=_state(item["state"]),
        since=_optional(_moment, item["since"]),
        evidence=_text(item["evidence"]),
        last_canary=_optional(_canary_from_json, item["last_canary"]),
        last_success=_optional(_moment, item["last_success"]),
        automatic=automatic,
        restart_target=_optional(_text, item["restart_target"]),
        restart_problem=_optional(_text, item.get("restart_problem")),
        restarts=tuple(in_window(map(_moment, _list(item["restarts"])), time.time(), budget)),
        restarts_left=int(_number(item["restarts_left"])),
        history=tuple(_transition_from_json(_object(change)) for change in _list(item["history"])),
        canaries=tuple(map(_canary_from_json, _list(item.get("canaries", [])))),
    )


def _kind_from_json(item: Mapping[str, Json]) -> ServerKind | None:
    dialect = _optional(_text, item.get("dialect"))
    if not dialect:
        return None
    model, version = (_optional(_text, item.get(name)) for name in ("model", "version"))
    voices = _optional(_number, item.get("voices"))
    return ServerKind(dialect=dialect, model=model, version=version, voices=None if voices is None else int(voices))


def _canary_from_json(value: Json) -> CanaryResult:
    item = _object(value)
    try:
        outcome = Outcome[_text(item["outcome"]).upper()]
    except KeyError:
        # Of a newer proxy.
        outcome = Outcome.NO_EVIDENCE
    return CanaryResult(
        _moment(item["at"]), _number(item["latency"]), Observation(outcome, canary=True, detail=_text(item["detail"]))
    )


def _transition_from_json(item: Mapping[str, Json]) -> Transition:
    return Transition(
        _moment(item["at"]),
        _state(item["from"]),
        _state(item["to"]),
        _text(item["evidence"]),
        by_hand=bool(item.get("by_hand")),
        refused=bool(item.get("refused")),
    )


def _state(value: Json) -> State:
    """Return the state, unknown for one of a newer proxy."""
    text = _text(value)
    return State(text) if text in State else State.UNKNOWN


def _optional[T](read: Callable[[Json], T], value: Json) -> T | None:
    return None if value is None else read(value)


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _moment(value: Json) -> float:
    return datetime.fromisoformat(_text(value)).timestamp()


def _object(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise TypeError("not a number")
    return value
