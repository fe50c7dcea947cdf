"""What performs a restart. Kinds that need more than HTTP live with their host."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, override

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientHandlerType,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ServerDisconnectedError,
    UnixConnector,
)

STOP_GRACE = 10
"""Seconds that Docker gives a container to stop before it kills it."""

RESTART_DEADLINE = STOP_GRACE + 60.0
"""Seconds for the answer: shorter, and a restart that works would be taken for one that failed."""

DOCKER_API = "v1.44"


@dataclass(frozen=True, slots=True)
class RestartReply:
    """How the target answered. Not accepted means unconfirmed: canaries decide what really happened."""

    accepted: bool
    detail: str


class RestartTarget(Protocol):
    """Restarts one service. Called once per attempt, and never again for the same one."""

    kind: str

    async def restart(self) -> RestartReply:
        """Send the request, once. Never raises for what the target does."""


@dataclass(frozen=True, slots=True)
class HookTarget(RestartTarget):
    """A URL on the host that restarts the service when it is called. The least right there is."""

    session: ClientSession
    url: str = field(repr=False)
    """Kept out of logs: with many hooks the path is the secret."""
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    expected: tuple[int, ...] = ()
    """Statuses that mean yes; any 2xx where none are given."""
    kind: str = "hook"

    @override
    async def restart(self) -> RestartReply:
        return await _send(self.session, self.method, self.url, self.headers, self.expected)


@dataclass(frozen=True, slots=True)
class DockerTarget(RestartTarget):
    """The Docker API: exactly one request, so that a socket proxy can allow just that path."""

    session: ClientSession | None
    """None for a Unix socket: it gets a session of its own, once per restart."""
    address: str
    """`http://host:port`, or the path of a Unix socket."""
    container: str
    api_version: str = DOCKER_API
    kind: str = "docker"

    @override
    async def restart(self) -> RestartReply:
        path = f"/{self.api_version}/containers/{self.container}/restart?t={STOP_GRACE}"
        if self.session is not None:
            return await _send(self.session, "POST", self.address + path, {}, ())
        async with ClientSession(connector=UnixConnector(self.address)) as session:
            return await _send(session, "POST", f"http://docker{path}", {}, ())


async def _send(
    session: ClientSession, method: str, url: str, headers: Mapping[str, str], expected: tuple[int, ...]
) -> RestartReply:
    # Not kept alive: the next restart may find the connection stale, and what is lost on it is not sent again.
    headers = {**headers, "Connection": "close"}
    timeout = ClientTimeout(total=RESTART_DEADLINE)
    try:
        async with session.request(
            method, url, headers=headers, timeout=timeout, allow_redirects=False, middlewares=(_once,)
        ) as response:
            accepted = response.status in expected if expected else 200 <= response.status < 300
            return RestartReply(accepted, f"The restart target answered {response.status}.")
    except TimeoutError:
        return RestartReply(False, f"The restart target did not answer within {RESTART_DEADLINE:.0f} s.")
    except ClientConnectorError as err:
        return RestartReply(False, f"The restart target cannot be reached: {err.os_error.strerror or 'no connection'}.")
    except ClientError:
        return RestartReply(False, "The restart target's answer broke off or is not HTTP.")


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep aiohttp from repeating a GET or PUT on a broken connection: as another kind of error it is passed on."""
    try:
        return await handler(request)
    except ClientConnectorError:
        raise
    except (ClientOSError, ServerDisconnectedError) as err:
        raise ClientError from err
