"""Ask a server for a few small pages at once, so that its dialect can be told from what it answers."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .errors import Busy, Rejected, ServerFault, SparkError, TimedOut, Unauthorized, Unreachable
from .transport import Json, Reply, Transport

DEADLINE = 5.0
"""Seconds for one page: none of them needs the GPU."""

_ABSENT = (404, 405, 501)


@dataclass(frozen=True, slots=True)
class Answers:
    """What each path answered."""

    replies: Mapping[str, Reply | SparkError]

    def exists(self, path: str) -> bool:
        """Whether the server knows the path, even if it cannot serve it now."""
        match self.replies.get(path):
            case Reply():
                return True
            case Busy():
                return True
        return False

    def posts_to(self, path: str) -> bool:
        """Whether the path is there for POST: a GET is answered 405, not 404."""
        match self.replies.get(path):
            case Rejected(status=405):
                return True
        return False

    def json(self, path: str) -> Json:
        """The JSON that the path answered, None if there was none."""
        reply = self.replies.get(path)
        if not isinstance(reply, Reply):
            return None
        try:
            return reply.json()
        except ServerFault:
            return None

    def model_ids(self) -> tuple[str, ...]:
        """The ids in OpenAI's model list."""
        match self.json("/v1/models"):
            case {"data": list() as models}:
                return tuple(
                    model["id"] for model in models if isinstance(model, dict) and isinstance(model.get("id"), str)
                )
        return ()


async def probe(transport: Transport, paths: Sequence[str]) -> Answers:
    """GET every path. Raises Unreachable, TimedOut or Unauthorized where that is all the server says."""

    async def ask(path: str) -> Reply | SparkError:
        try:
            return await transport.get(path, deadline=DEADLINE)
        except SparkError as err:
            return err

    replies = dict(zip(paths, await asyncio.gather(*map(ask, paths)), strict=True))
    for kind in (Unreachable, Unauthorized, TimedOut):
        for reply in replies.values():
            if isinstance(reply, kind) and not any(isinstance(other, Reply) for other in replies.values()):
                raise reply
    return Answers(replies)
