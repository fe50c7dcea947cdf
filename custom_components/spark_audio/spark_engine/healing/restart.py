"""What performs a restart over HTTP, and how it is written. Other kinds are with their host."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
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
from yarl import URL

from ..servers.refusals import phrase

STOP_GRACE = 10
"""Seconds that Docker gives a container to stop before it kills it."""

RESTART_DEADLINE = STOP_GRACE + 60.0
"""Seconds for the answer: shorter, and a restart that works would be taken for one that failed."""

TRIAL_DEADLINE = 5.0
"""Seconds for a dry run."""

DOCKER_API = "v1.44"

_CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
"""What Docker takes for a container's name or id."""

_API_VERSION = re.compile(r"v1\.[0-9]{1,2}")


class TargetError(ValueError):
    """A restart target that cannot be understood, or that could not work. The message is one sentence."""


class Answer(StrEnum):
    """What a restart target made of the request."""

    ACCEPTED = "accepted"
    UNCONFIRMED = "unconfirmed"
    """It may have restarted the server, or not: canaries decide."""
    REFUSED = "refused"
    """A clear no, or no connection: nothing was restarted."""


@dataclass(frozen=True, slots=True)
class RestartReply:
    """How the target answered; `detail` is one sentence for people."""

    answer: Answer
    detail: str


class Trial(StrEnum):
    """What a dry run showed."""

    WORKS = "works"
    FAILS = "fails"
    UNTRIED = "untried"
    """Only a restart would tell."""


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What trying a target showed, without restarting anything; `detail` is one sentence for people."""

    trial: Trial
    detail: str


class RestartTarget(Protocol):
    """Restarts one server. Called once per attempt, and never again for the same one."""

    kind: str

    async def restart(self) -> RestartReply:
        """Send the request, once. Never raises for what the target does."""

    async def try_out(self) -> TrialResult:
        """Find out what can be known without a restart: connection, permission, whether the container exists."""


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
    deadline: float = RESTART_DEADLINE
    kind: str = "hook"

    @override
    async def restart(self) -> RestartReply:
        return await _send(self.session, self.method, self.url, self.deadline, self.headers, self.expected)

    @override
    async def try_out(self) -> TrialResult:
        # Some hooks restart on any method, so that nothing is sent.
        url = URL(self.url)
        try:
            async with asyncio.timeout(TRIAL_DEADLINE):
                _, writer = await asyncio.open_connection(url.host, url.port)
        except (OSError, TimeoutError) as err:
            return TrialResult(Trial.FAILS, f"The restart target cannot be reached: {_reason(err)}.")
        writer.close()
        return TrialResult(
            Trial.UNTRIED, "The restart target's host answers. Only a restart tells whether the hook works."
        )


@dataclass(frozen=True, slots=True)
class DockerTarget(RestartTarget):
    """The Docker API: exactly one request, so that a socket proxy can allow just that path."""

    session: ClientSession | None
    """None for a Unix socket: it gets a session of its own, once per restart."""
    address: str
    """`http://host:port`, or the path of a Unix socket."""
    container: str
    api_version: str = DOCKER_API
    deadline: float = RESTART_DEADLINE
    kind: str = "docker"

    @override
    async def restart(self) -> RestartReply:
        path = f"/{self.api_version}/containers/{self.container}/restart?t={STOP_GRACE}"
        if self.session is not None:
            return await _send(self.session, "POST", self.address + path, self.deadline)
        async with ClientSession(connector=UnixConnector(self.address)) as session:
            return await _send(session, "POST", f"http://docker{path}", self.deadline)

    @override
    async def try_out(self) -> TrialResult:
        path = f"/{self.api_version}/containers/{self.container}/json"
        if self.session is not None:
            return await self._inspect(self.session, self.address + path)
        async with ClientSession(connector=UnixConnector(self.address)) as session:
            return await self._inspect(session, f"http://docker{path}")

    async def _inspect(self, session: ClientSession, url: str) -> TrialResult:
        try:
            async with session.get(url, timeout=ClientTimeout(total=TRIAL_DEADLINE), allow_redirects=False) as response:
                status = response.status
        except (OSError, TimeoutError, ClientError) as err:
            return TrialResult(Trial.FAILS, f"The Docker API cannot be reached: {_reason(err)}.")
        match status:
            case 200:
                return TrialResult(Trial.WORKS, f"The Docker API knows the container {self.container}.")
            case 404:
                return TrialResult(Trial.FAILS, f"The Docker API knows no container {self.container}.")
        detail = (
            f"The Docker API answers {status} when asked for the container. Only a restart tells whether that works."
        )
        return TrialResult(Trial.UNTRIED, detail)


def parse_hook(session: ClientSession, text: str, token: str | None = None) -> HookTarget:
    """Return the target for a URL that restarts a service. A query is fine: with many hooks it is the secret.

    Raises TargetError.
    """
    url = _parsed(text)
    if url.scheme not in ("http", "https") or not url.host or any(map(str.isspace, text)):
        raise TargetError("a restart URL starts with http:// or https:// and names a host")
    if url.fragment:
        raise TargetError("a restart URL has no part after #: it would not be sent")
    if not token:
        return HookTarget(session, text)
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise TargetError("a restart token is printable ASCII without spaces")
    if url.user is not None or url.password is not None:
        raise TargetError("a restart URL holds a user or has a token, not both")
    return HookTarget(session, text, headers={"Authorization": f"Bearer {token}"})


def parse_docker(session: ClientSession, text: str) -> DockerTarget:
    """Return the target for `http://host:2375#container` or `unix:///var/run/docker.sock#container`.

    Before the # may stand `?version=v1.41`. Raises TargetError.
    """
    url = _parsed(text)
    if url.password is not None:
        raise TargetError("a Docker address holds no password: it would not be sent")
    version = url.query.get("version", DOCKER_API)
    if not _CONTAINER.fullmatch(url.fragment):
        raise TargetError(f"{text!r} names no container after #")
    if not _API_VERSION.fullmatch(version) or set(url.query) - {"version"}:
        raise TargetError(f"{text!r}: after ? comes nothing but version=v1.NN")
    if url.scheme == "unix" and url.path.strip("/") and not url.host:
        return DockerTarget(None, url.path, url.fragment, version)
    if url.scheme in ("http", "https") and url.host and url.path == "/" and url.user is None:
        return DockerTarget(session, str(url.origin()), url.fragment, version)
    raise TargetError(f"{text!r} is neither unix:///path#container nor http://host:port#container")


def _parsed(text: str) -> URL:
    try:
        return URL(text)
    except ValueError as err:
        raise TargetError(f"not a URL: {err}") from err


async def _send(
    session: ClientSession,
    method: str,
    url: str,
    deadline: float,
    headers: Mapping[str, str] = MappingProxyType({}),
    expected: tuple[int, ...] = (),
) -> RestartReply:
    # Not kept alive: the next restart may find the connection stale, and what is lost on it is not sent again.
    headers = {**headers, "Connection": "close"}
    timeout = ClientTimeout(total=deadline)
    try:
        async with session.request(
            method, url, headers=headers, timeout=timeout, allow_redirects=False, middlewares=(_once,)
        ) as response:
            # Not the reason phrase: it may hold the token, and anything else.
            detail = f"The restart target answered {response.status} {phrase(response.status)}".rstrip() + "."
            return RestartReply(_answer_of(response.status, expected), detail)
    except TimeoutError:
        return RestartReply(Answer.UNCONFIRMED, f"The restart target did not answer within {deadline:.0f} s.")
    except ClientConnectorError as err:
        return RestartReply(Answer.REFUSED, f"The restart target cannot be reached: {_reason(err)}.")
    except ClientError:
        return RestartReply(Answer.UNCONFIRMED, "The restart target's answer broke off or is not HTTP.")


def _answer_of(status: int, expected: tuple[int, ...]) -> Answer:
    """Return what a status means: a server's own fault (5xx) leaves open whether it restarted anything."""
    if status in expected or (not expected and 200 <= status < 300):
        return Answer.ACCEPTED
    return Answer.REFUSED if 300 <= status < 500 else Answer.UNCONFIRMED


def _reason(err: Exception) -> str:
    if isinstance(err, ClientConnectorError):
        err = err.os_error
    if isinstance(err, TimeoutError):
        return f"no answer within {TRIAL_DEADLINE:.0f} s"
    return (err.strerror if isinstance(err, OSError) else None) or "no connection"


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep aiohttp from repeating a GET or PUT on a broken connection: as another kind of error it is passed on."""
    try:
        return await handler(request)
    except ClientConnectorError:
        raise
    except (ClientOSError, ServerDisconnectedError) as err:
        raise ClientError from err
