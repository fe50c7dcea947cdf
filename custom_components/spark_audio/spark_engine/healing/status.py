"""How one server is, in one piece: what a host shows of it, whoever watches over it."""

from dataclasses import dataclass

from ..servers.magpie import Magpie
from ..servers.magpie_dialects import MagpieServer
from ..servers.parakeet import Parakeet
from ..servers.parakeet_dialects import ParakeetServer
from .budget import in_window
from .health import State
from .incidents import CanaryResult, Transition
from .pool import Member


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerKind:
    """What a server was found out to be. None for what it does not tell."""

    dialect: str
    model: str | None = None
    version: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceStatus:
    """One server of a service. Moments are seconds since 1970, None where there was none."""

    name: str
    """`parakeet`, `parakeet-2`, ..., `magpie`."""
    url: str
    kind: ServerKind | None = None
    """What it is, None while that is not known."""
    watched: bool = False
    """Whether anybody watches over it; if not, its state stays unknown."""
    state: State = State.UNKNOWN
    since: float | None = None
    evidence: str = ""
    last_canary: CanaryResult | None = None
    last_success: float | None = None
    automatic: bool = False
    """Whether its watcher restarts it without being asked."""
    restart_target: str | None = None
    """The kind of its restart target."""
    restarts: tuple[float, ...] = ()
    """Those that count, oldest first."""
    restarts_left: int | None = None
    history: tuple[Transition, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ProxyStatus:
    """What a proxy tells: its lasting id, None where it has no place to keep one, and how its servers are."""

    proxy_id: str | None
    services: tuple[ServiceStatus, ...]


def kind_of(server: ParakeetServer | MagpieServer) -> ServerKind:
    """What probing has found out."""
    return ServerKind(dialect=server.dialect.name, model=server.model, version=server.version)


def status_of(member: Member[Parakeet] | Member[Magpie]) -> ServiceStatus:
    """The status of a server that is watched here."""
    watchdog = member.watchdog
    if watchdog is None:
        return ServiceStatus(name=member.name, url=member.url)
    return ServiceStatus(
        name=member.name,
        url=member.url,
        watched=True,
        state=watchdog.health.state,
        since=watchdog.since,
        evidence=watchdog.health.evidence,
        last_canary=watchdog.last_canary,
        last_success=watchdog.last_success,
        automatic=watchdog.settings.automatic,
        restart_target=watchdog.target.kind if watchdog.target else None,
        restarts=tuple(in_window(watchdog.attempts, watchdog.clock.time(), watchdog.settings.budget)),
        restarts_left=watchdog.restarts_left,
        history=tuple(watchdog.history),
    )
