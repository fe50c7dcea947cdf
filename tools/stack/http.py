"""JSON over HTTP: a request that has to succeed, and ways into its answer that say what is missing."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, FormData

from .errors import ToolError

type Json = str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None

ANSWER_SECONDS = 60.0


def new_session(seconds: float = ANSWER_SECONDS) -> ClientSession:
    """Return a session whose requests have so many seconds."""
    return ClientSession(timeout=ClientTimeout(total=seconds, sock_connect=5))


async def ask(
    session: ClientSession,
    method: str,
    url: str,
    whose: str,
    body: Json | FormData = None,
    headers: Mapping[str, str] | None = None,
) -> Json:
    """Make one request and return its JSON; a body that is no form goes out as JSON.

    `whose` names the process that is asked. Raises ToolError on any status but 2xx, with what it answered.
    """
    path = urlsplit(url).path
    form, json = (body, None) if isinstance(body, FormData) else (None, body)
    try:
        async with session.request(method, url, json=json, data=form, headers=headers) as response:
            if not response.ok:
                said = " ".join((await response.text()).split())
                raise ToolError(f"{whose} answered {response.status} to {path}: {said:.500}", whose)
            answer: Json = await response.json(content_type=None)
            return answer
    except TimeoutError:
        raise ToolError(f"{whose} did not answer {path} in time.", whose) from None
    except (ClientError, ValueError) as error:
        raise ToolError(f"{whose} gave no answer to {path}: {error or type(error).__name__}", whose) from error


def pick(answer: Json, *path: str) -> Json:
    """Return the value at `path`, None where the path ends early."""
    for key in path:
        if not isinstance(answer, Mapping):
            return None
        answer = answer.get(key)
    return answer


def text(answer: Json, *path: str) -> str:
    """Return the string at `path`. Raises ToolError if there is none."""
    value = pick(answer, *path)
    if not isinstance(value, str):
        raise ToolError(f"An answer lacks {'.'.join(path) or 'its text'}: {answer!r:.300}")
    return value


def number(answer: Json, *path: str) -> int:
    """Return the whole number at `path`. Raises ToolError if there is none."""
    value = pick(answer, *path)
    if not isinstance(value, int):
        raise ToolError(f"An answer lacks the number {'.'.join(path)}: {answer!r:.300}")
    return value


def items(answer: Json, *path: str) -> Sequence[Json]:
    """Return the list at `path`. Raises ToolError if there is none."""
    value = pick(answer, *path)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ToolError(f"An answer lacks the list {'.'.join(path)}: {answer!r:.300}")
    return value
