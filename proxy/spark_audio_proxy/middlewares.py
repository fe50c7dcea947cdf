"""What every request passes on its way: log line with request id, CORS, no foreign web pages, key."""

import asyncio
import hmac
import logging
import re
import secrets
import time
from contextlib import nullcontext
from http import HTTPStatus

from aiohttp import web
from spark_engine.servers.transport import REQUEST_ID

from .api import ALWAYS_OPEN, INFERENCE, OPEN_LISTS, PRIVILEGED, endpoint
from .app_state import HISTORY, JOURNAL, SETTINGS
from .journal import Journal, Outcome, RequestServed
from .origins import is_foreign, is_own_host
from .problems import CLIENT_GONE, CUT, STARTED, TOLD, Handler, Problem, Told
from .streamed_answer import deliver

LOGGER = logging.getLogger("spark_audio_proxy.access")

REQUEST_ID_KEY = web.RequestKey("request_id", str)

_SANE_ID = re.compile(r"[\x21-\x7e]{1,128}")
_CORS_DAY = "86400"
_KEY_PROTOCOL = "openai-insecure-api-key."

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # What is no page shows nothing, runs nothing and cannot be framed, whatever a browser takes it for.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    # Speech and text are not kept on the way either.
    "Cache-Control": "no-store",
}
"""On every answer, errors and streams included; the page has stricter or wider ones of its own."""


@web.middleware
async def access_log(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Log one line per request; its request id comes in, goes out, into the log and to the Spark."""
    is_kept = request.match_info.handler in INFERENCE
    with request.app[HISTORY].noting() if is_kept else nullcontext():
        return await _logged(request, handler)


async def _logged(request: web.Request, handler: Handler) -> web.StreamResponse:
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _SANE_ID.fullmatch(given) else secrets.token_hex(16)
    request[REQUEST_ID_KEY] = request_id
    token = REQUEST_ID.set(request_id)
    started = time.monotonic()
    status = CLIENT_GONE
    try:
        response = await handler(request)
        try:
            await deliver(request, response)
            status = response.status
        except ConnectionError:
            LOGGER.debug("%s %s: the caller has gone", request.method, request.path)
        return response
    finally:
        REQUEST_ID.reset(token)
        if isinstance(request.get(STARTED), web.WebSocketResponse):
            # A session ends when its client leaves.
            status = HTTPStatus.SWITCHING_PROTOCOLS
        seconds = time.monotonic() - started
        # In the loop's next round: the caller must not wait for the log.
        asyncio.get_running_loop().call_soon(_write_down, request, request.app[JOURNAL], status, seconds)


def _write_down(request: web.Request, journal: Journal, status: int, seconds: float) -> None:
    resource = request.match_info.route.resource
    path = endpoint(resource) if resource else "(unknown URL)"
    request_id = request[REQUEST_ID_KEY]
    # Health checks and the page come often and would hide everything else.
    level = logging.DEBUG if request.match_info.handler in ALWAYS_OPEN and status < 400 else logging.INFO
    LOGGER.log(
        level,
        "%s %s %d %.3f s id=%s",
        *(request.method, path, status, seconds, request_id),
        extra={"request_id": request_id},
    )
    told: Told | None = request.get(TOLD)
    # A stream or a session that went wrong had begun with 200 or 101.
    ended = told.status if told and status < 400 else status
    outcome = "cut" if request.get(CUT) else _outcome(ended)
    code = told.code if told else None
    journal.tell(RequestServed(path if resource else "unknown", outcome, seconds, status, code))


def _outcome(status: int) -> Outcome:
    match status:
        case 429:
            return "busy"
        case _ if status == CLIENT_GONE:
            return "gone"
        case _ if status >= 500:
            return "failed"
    return "rejected" if status >= 400 else "ok"


@web.middleware
async def answer_preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell browsers of other origins what they may ask, where the settings name them, and why not elsewhere."""
    if request.method != "OPTIONS" or "Origin" not in request.headers:
        return await handler(request)
    if not _cors_headers(request):
        origin = request.headers["Origin"][:100]
        message = f"Pages of {origin!r} may not ask: name it in --cors-origins (SPARK_AUDIO_CORS_ORIGINS)."
        raise Problem(403, message, code="foreign_origin")
    asked = request.headers.get("Access-Control-Request-Headers", "authorization, content-type")
    headers = {"Access-Control-Allow-Methods": "GET, POST", "Access-Control-Allow-Headers": asked}
    return web.Response(status=204, headers=headers | {"Access-Control-Max-Age": _CORS_DAY})


def _cors_headers(request: web.Request) -> dict[str, str]:
    origin = request.headers.get("Origin")
    allowed = request.app[SETTINGS].cors_origins
    if origin is None or not (origin in allowed or "*" in allowed):
        return {}
    exposed = "X-Request-ID, X-Spark-Audio-Left-Out-Seconds"
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin", "Access-Control-Expose-Headers": exposed}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer carries; a signal and no middleware, since a stream is on its way before those see it."""
    request[STARTED] = response
    response.headers["X-Request-ID"] = request[REQUEST_ID_KEY]
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.update(_cors_headers(request))


@web.middleware
async def refuse_foreign_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse foreign pages where there is no key: those rebound to this address, and those that post blindly."""
    settings = request.app[SETTINGS]
    if settings.api_key or request.match_info.handler in ALWAYS_OPEN:
        return await handler(request)
    host = request.headers.get("Host")
    if host is not None and not is_own_host(host, settings.allowed_hosts):
        message = f"Without a key this is not served as {host[:100]!r}: set a key, or name it in --allowed-hosts."
        raise Problem(403, message, code="foreign_host")
    if is_foreign(request.method, request.headers, settings.cors_origins):
        message = "Without a key pages of other origins may not ask: set a key, or name theirs in --cors-origins."
        raise Problem(403, message, code="foreign_origin")
    return await handler(request)


@web.middleware
async def require_key(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let only callers with a key pass, where there are keys; lists stay open unless the settings close them."""
    settings = request.app[SETTINGS]
    handler_of_route = request.match_info.handler
    is_open = handler_of_route in ALWAYS_OPEN or (handler_of_route in OPEN_LISTS and not settings.protect_lists)
    if settings.api_key and not is_open:
        sent = _sent_keys(request)
        is_admin = _is_key(sent, settings.admin_key)
        if not (is_admin or _is_key(sent, settings.api_key)):
            raise Problem(401, "Incorrect API key provided.", code="invalid_api_key")
        if settings.admin_key and handler_of_route in PRIVILEGED and not is_admin:
            raise Problem(403, "This key may not restart a service; an admin key may.", code="admin_key_required")
    return await handler(request)


def _sent_keys(request: web.Request) -> list[str]:
    """Return the keys that a caller sends: as OpenAI's clients do, and as Azure's."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    sent = [key.strip()] if scheme.lower() == "bearer" else []
    # A browser's WebSocket can send no header but this one.
    offered = map(str.strip, request.headers.get("Sec-WebSocket-Protocol", "").split(","))
    in_protocols = [name.removeprefix(_KEY_PROTOCOL) for name in offered if name.startswith(_KEY_PROTOCOL)]
    return [*sent, *request.headers.getall("api-key", ()), *in_protocols]


def _is_key(sent: list[str], keys: tuple[str, ...]) -> bool:
    """Compare with every key, each in constant time, so that timing tells nothing."""
    given = [each.encode("utf-8", "surrogateescape") for each in sent]
    matches = [hmac.compare_digest(each, key.encode()) for each in given for key in keys]
    return any(matches)
