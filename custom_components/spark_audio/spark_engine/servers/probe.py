"""Ask a server for a few small pages at once, so that its dialect can be told from what it answers; and remember it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import Busy, Rejected, ServerFault, SparkError, TimedOut, Unauthorized, Unreachable
from ..models import Json
from .transport import Reply, Transport

_ABSENT = (404, 405, 501)

_DOUBTS = (Unreachable, Unauthorized, TimedOut, Busy, ServerFault)
"""Errors that leave open what a page would have said, the most telling first."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What each path answered."""

    replies: Mapping[str, Reply | SparkError]

    def exists(self, path: str) -> bool:
        """Return whether the server has such a page, and could show it."""
        return isinstance(self.replies.get(path), Reply)

    def lacks(self, path: str) -> bool:
        """Return whether the server says that it has no such page."""
        reply = self.replies.get(path)
        return isinstance(reply, SparkError) and reply.status in _ABSENT

    def posts_to(self, path: str) -> bool:
        """Return whether the path is there for POST: a GET is answered 405, not 404."""
        match self.replies.get(path):
            case Rejected(status=405):
                return True
        return False

    def document(self, path: str) -> Mapping[str, Json]:
        """Return the JSON object that the path answered, empty where there was none."""
        reply = self.replies.get(path)
        try:
            document = reply.json() if isinstance(reply, Reply) else None
        except ServerFault:
            return {}
        return document if isinstance(document, dict) else {}

    def models(self) -> tuple[Mapping[str, Json], ...]:
        """Return the items of OpenAI's model list."""
        listed = self.document("/v1/models").get("data")
        return tuple(item for item in listed if isinstance(item, dict)) if isinstance(listed, list) else ()

    def model_ids(self) -> tuple[str, ...]:
        """Return the ids in OpenAI's model list."""
        return ids(self.models())

    def version(self) -> str | None:
        """Return the version that the server tells beside its health."""
        version = self.document("/health").get("version")
        return version if isinstance(version, str) and version else None

    def is_xr_ai(self) -> bool:
        """Return whether this is one of the two servers of NVIDIA's xr-ai that hold their model themselves."""
        match self.models():
            case [{"id": _, "object": "model", "owned_by": "local", **rest}] if not rest:
                return self.document("/health") == {"status": "ok"}
        return False

    def settle(self, paths: Sequence[str]) -> None:
        """Raise what keeps us from knowing: while any of these cannot be read, the server may be of any family."""
        for kind in _DOUBTS:
            for path in paths:
                reply = self.replies[path]
                if isinstance(reply, kind) and reply.status not in _ABSENT:
                    raise reply


def ids(models: Sequence[Mapping[str, Json]]) -> tuple[str, ...]:
    """Return the ids of some items of a model list."""
    return tuple(name for item in models if isinstance(name := item.get("id"), str))


def strings(items: Json) -> tuple[str, ...]:
    """Return the strings in a JSON list; none where it is no list."""
    return tuple(item for item in items if isinstance(item, str)) if isinstance(items, list) else ()


async def probe(transport: Transport, paths: Sequence[str]) -> Answers:
    """GET every path, all at once."""

    async def ask(path: str) -> Reply | SparkError:
        try:
            return await transport.get(path, deadline=transport.deadlines.page)
        except SparkError as err:
            return err

    return Answers(dict(zip(paths, await asyncio.gather(*map(ask, paths)), strict=True)))


class Identification[ServerT]:
    """Which server is behind a URL: found out at the first call, remembered until it may be another one."""

    def __init__(self, identify: Callable[[], Awaitable[ServerT]]) -> None:
        """`identify` probes; what it raises is passed on, and nothing is remembered then."""
        self._identify = identify
        self._server: ServerT | None = None
        self._identifying = asyncio.Lock()

    async def server(self) -> ServerT:
        """Return what the server is. Raises SparkError."""
        async with self._identifying:
            if self._server is None:
                self._server = await self._identify()
            return self._server

    async def refresh(self) -> ServerT:
        """Probe now. What was remembered stays where that fails. Raises SparkError."""
        async with self._identifying:
            self._server = await self._identify()
            return self._server

    def forget(self) -> None:
        """Probe again at the next call."""
        self._server = None

    @contextmanager
    def forgetting(self) -> Iterator[None]:
        """Around each request: forget the server where the error may mean that another one was started in its place."""
        try:
            yield
        except SparkError as err:
            if _may_be_another(err):
                self.forget()
            raise


def _may_be_another(err: SparkError) -> bool:
    match err:
        case Unreachable():
            return True
        case ServerFault(status=None):
            # No HTTP status: the connection was cut, or what came is of another kind.
            return True
        case Rejected(status=404 | 405):
            return True
    return False
