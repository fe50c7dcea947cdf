"""Whatever goes wrong, as OpenAI's error object: the one place where the proxy translates errors."""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web
from spark_engine.errors import (
    Busy,
    Held,
    OutOfMemory,
    Rejected,
    ServerFault,
    SparkError,
    TimedOut,
    Unauthorized,
    Unreachable,
    WrongServer,
)

from .streamed_answer import StreamedAnswer

LOGGER = logging.getLogger(__name__)

FAULT_RETRY = 60
UNREACHABLE_RETRY = 30
BUSY_RETRY = 5
LONGEST_SILENT_RETRY = 10
"""Seconds above which clients are told not to retry by themselves: OpenAI's would sleep it out silently."""

CLIENT_GONE = 499
"""The status, for our log alone, where the caller had gone before the answer."""

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Problem(Exception):
    """An answer that is an error. `param` names the field of the request that is at fault."""

    status: int
    message: str
    param: str | None = None
    code: str | None = None
    retry_after: float | None = None


def bad_request(message: str, param: str | None = None, code: str | None = None) -> Problem:
    """Return the request's own fault."""
    return Problem(400, message, param, code)


def internal_error() -> Problem:
    """Return what a caller gets for a mistake of ours."""
    return Problem(500, "Internal error; the proxy's log has the details.")


def problem_for(error: SparkError) -> Problem:
    """Return what a caller gets for an error of the engine (the table in docs/api.md)."""
    match error:
        case Rejected(status=413 | 415 as refused):
            return Problem(refused, error.message)
        case Rejected(status=400 | 422):
            return Problem(400, error.message)
    status, code, retry_after = UPSTREAM[type(error)]
    if isinstance(error, Held | OutOfMemory | Busy | ServerFault):
        retry_after = error.retry_after or retry_after
    return Problem(status, error.message, code=code, retry_after=retry_after)


UPSTREAM: Mapping[type[SparkError], tuple[int, str, float | None]] = {
    Rejected: (502, "wrong_upstream", None),
    Unauthorized: (502, "upstream_unauthorized", None),
    TimedOut: (504, "upstream_timeout", None),
    Unreachable: (503, "upstream_unreachable", UNREACHABLE_RETRY),
    ServerFault: (503, "upstream_fault", FAULT_RETRY),
    WrongServer: (502, "wrong_server", None),
    OutOfMemory: (503, "out_of_memory", None),
    Held: (503, "service_held", None),
    Busy: (429, "busy", BUSY_RETRY),
}
"""Status, code, and the seconds to wait where the error itself tells none."""


def error_object(problem: Problem) -> dict[str, object]:
    """OpenAI's error body."""
    kind = {401: "authentication_error", 429: "rate_limit_error"}.get(
        problem.status, "invalid_request_error" if problem.status < 500 else "server_error"
    )
    return {"error": {"message": problem.message, "type": kind, "param": problem.param, "code": problem.code}}


def response_for(problem: Problem) -> web.Response:
    """Return the answer: body, Retry-After, and the message in the reason phrase, where Open WebUI looks for it."""
    headers = {}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(round(problem.retry_after))
        if problem.retry_after > LONGEST_SILENT_RETRY:
            headers["x-should-retry"] = "false"
    return web.json_response(
        error_object(problem), status=problem.status, headers=headers, reason=_reason_phrase(problem.message)
    )


def _reason_phrase(message: str) -> str:
    """Return the first line, in what a status line may hold."""
    line = message.partition("\n")[0].encode("ascii", "replace").decode()
    return re.sub(r"[\x00-\x1f\x7f]", " ", line)[:200]


STARTED = web.RequestKey("started", web.StreamResponse)
"""The answer whose headers are on their way already."""

CUT = web.RequestKey("cut", bool)
"""Whether that answer was cut off because something failed on the way."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is remembered of a problem. The problem itself would keep the upload alive, by its traceback."""

    status: int
    code: str | None


TOLD = web.RequestKey("told", Told)
"""The last problem that the caller was told of."""


def note_told(request: web.Request, problem: Problem) -> None:
    """Remember that the caller is told of it: as the answer, or within a stream or a session that goes on."""
    request[TOLD] = Told(problem.status, problem.code)


@web.middleware
async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every exception into an error object; after the first byte, cut the connection instead."""
    try:
        return await _ended(await handler(request))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = response_for(_routing_problem(request, error))
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except Problem as problem:
        return _end(request, problem)
    except SparkError as error:
        LOGGER.warning("%s %s: %s", request.method, request.path, error.message)
        return _end(request, problem_for(error))
    except Exception as error:
        if isinstance(error, OSError) and _is_gone(request):
            return _unheard(request)
        LOGGER.exception("%s %s failed", request.method, request.path)
        return _end(request, internal_error())


async def _ended(response: web.StreamResponse) -> web.StreamResponse:
    """Return the answer, a stream with its end written: aiohttp would not tell that a caller does not take it."""
    if isinstance(response, StreamedAnswer):
        await response.write_eof()
    return response


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _unheard(request: web.Request) -> web.Response:
    """Return what aiohttp gets where the caller has gone: it would log the traceback of an error."""
    if request.transport is not None:
        # Half closed by a caller that reads no more, it would be kept open for what is still in its buffer.
        request.transport.abort()
    return web.Response(status=CLIENT_GONE)


def _end(request: web.Request, problem: Problem) -> web.StreamResponse:
    note_told(request, problem)
    started: web.StreamResponse | None = request.get(STARTED)
    if started is None:
        response = response_for(problem)
        if request.content.exception() is not None:
            # Where the body ends is not known: aiohttp closes the connection, and says so only if asked to.
            response.force_close()
        return response
    request[CUT] = True
    # A clean end would let clients keep half an answer for ever.
    if request.transport is not None:
        request.transport.abort()
    return started


def _routing_problem(request: web.Request, error: web.HTTPException) -> Problem:
    path = request.path[:100]
    match error.status:
        case 404:
            return Problem(404, f"Unknown URL: {request.method} {path}.", code="unknown_url")
        case 405:
            allowed = error.headers.get("Allow", "")
            return Problem(
                405, f"{request.method} is not allowed for {path}; use {allowed}.", code="method_not_allowed"
            )
        case status:
            return Problem(status, error.text or HTTPStatus(status).phrase)
