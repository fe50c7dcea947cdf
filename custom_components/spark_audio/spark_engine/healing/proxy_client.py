"""The proxy's health API (docs/api.md): a Spark that somebody else watches over."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import override

from ..errors import Rejected, ServerFault
from ..models import Json
from ..servers.bodies import Body
from ..servers.transport import Transport
from .budget import Budget, in_window
from .canary import CANARY_DEADLINE
from .health import Observation, Outcome, State
from .incidents import CanaryResult, Transition
from .status import ProxyStatus, ServerKind, ServiceStatus
from .watchdog import NoRestartTarget, RestartUnderWay

DEADLINE = 10.0
"""Seconds for an answer that needs no inference; the proxy may have to find out about its servers first."""

CHECK_DEADLINE = CANARY_DEADLINE + DEADLINE

_NOTHING = Body("application/octet-stream", (b"",))


@dataclass(frozen=True, slots=True)
class Remote:
    """The health API behind one URL. The transport carries the key."""

    transport: Transport

    @override
    def __repr__(self) -> str:
        return f"Remote({self.transport.base_url})"

    async def status(self) -> ProxyStatus:
        """The proxy and every server of it. Raises SparkError; ServerFault where what answers is no such proxy."""
        reply = await self.transport.get("/api/status", deadline=DEADLINE)
        try:
            return _read(reply.json())
        except (KeyError, TypeError, ValueError, OverflowError) as err:
            raise ServerFault(
                "The server's answer is no status; is this a Spark Audio proxy?", status=reply.status
            ) from err

    async def restart(self, name: str) -> None:
        """Restart a server. Raises RestartUnderWay, NoRestartTarget, SparkError."""
        try:
            await self.transport.post(f"/api/services/{name}/restart", _NOTHING, deadline=DEADLINE)
        except Rejected as err:
            if err.status != 409:
                raise
            services = (await self.status()).services
            if any(service.name == name and service.restart_target is None for service in services):
                raise NoRestartTarget from err
            raise RestartUnderWay from err

    async def check(self, name: str) -> None:
        """Have a canary sent now; the next status tells what it showed. Raises SparkError."""
        await self.transport.post(f"/api/services/{name}/check", _NOTHING, deadline=CHECK_DEADLINE)


def _read(document: Json) -> ProxyStatus:
    """What the document tells. Raises KeyError, TypeError, ValueError, OverflowError where it is another one."""
    about = _object(document)
    budget = Budget(limit=int(_number(about["restart_limit"])), window=_number(about["restart_window"]))
    automatic = bool(about["automatic_restarts"])
    services = tuple(_service(_object(item), budget, automatic) for item in _list(about["services"]))
    return ProxyStatus(proxy_id=_optional(_text, about["id"]), services=services)


def _service(item: Mapping[str, Json], budget: Budget, automatic: bool) -> ServiceStatus:  # noqa: FBT001
    name, url = _text(item["name"]), _text(item["url"])
    kind = _kind(item)
    if "state" not in item:
        return ServiceStatus(name=name, url=url, kind=kind)
    return ServiceStatus(
        name=name,
        url=url,
        kind=kind,
        watched=True,
        state=State(_text(item["state"])),
        since=_moment(item["since"]),
        evidence=_text(item["evidence"]),
        last_canary=_optional(_canary, item["last_canary"]),
        last_success=_optional(_moment, item["last_success"]),
        automatic=automatic,
        restart_target=_optional(_text, item["restart_target"]),
        restarts=tuple(in_window(map(_moment, _list(item["restarts"])), time.time(), budget)),
        restarts_left=int(_number(item["restarts_left"])),
        history=tuple(_transition(_object(change)) for change in _list(item["history"])),
    )


def _kind(item: Mapping[str, Json]) -> ServerKind | None:
    dialect = _optional(_text, item.get("dialect"))
    model, version = (_optional(_text, item.get(name)) for name in ("model", "version"))
    return ServerKind(dialect=dialect, model=model, version=version) if dialect else None


def _canary(value: Json) -> CanaryResult:
    item = _object(value)
    outcome = Outcome[_text(item["outcome"]).upper()]
    seen = Observation(outcome, canary=True, detail=_text(item["detail"]))
    return CanaryResult(_moment(item["at"]), _number(item["latency"]), seen)


def _transition(item: Mapping[str, Json]) -> Transition:
    before, after = State(_text(item["from"])), State(_text(item["to"]))
    return Transition(_moment(item["at"]), before, after, _text(item["evidence"]))


def _optional[T](read: Callable[[Json], T], value: Json) -> T | None:
    return None if value is None else read(value)


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
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    return value
