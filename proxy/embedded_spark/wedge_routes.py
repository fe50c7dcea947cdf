"""How a failure is brought about and cured.

POST /embedded/wedge {"mode": "cublas"}   wedge it: cublas, opaque500, hang, garbage, cuda422 or empty;
                                          memory: the GPU's memory is full
POST /embedded/free                       204; the memory is free again
POST /embedded/unload                     204; the next request waits until the model is loaded
POST /embedded/restart                    204; connections are cut, and after the start delay all is well again
GET  /embedded                            {"mode": null, "starting": false, "loaded": true, "restarts": 0}

Each of the two servers has these routes, for programs on the same machine alone.
"""

import asyncio
import ipaddress
from collections.abc import Callable
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler

from .refusals import Refusal
from .wedge import Mode, WedgeableEngine

WEDGE = "/embedded/wedge"
FREE = "/embedded/free"
UNLOAD = "/embedded/unload"
RESTART = "/embedded/restart"
STATE = "/embedded"
HEALTHZ = "/healthz"
"""RunParakeet's page, which tells whether its model is loaded."""


def add_wedge[ModelT](app: web.Application, engine: WedgeableEngine[ModelT], *, tells_sleep: bool = False) -> None:
    """Make the server around `engine` wedgeable. It has to cancel the handlers of connections that are cut.

    With `tells_sleep` it has HEALTHZ.
    """
    under_way: set[asyncio.Transport] = set()

    @web.middleware
    async def keep_under_way(request: web.Request, handler: Handler) -> web.StreamResponse:
        connection = request.transport
        if connection is None or request.path.startswith(STATE):
            return await handler(request)
        under_way.add(connection)
        try:
            return await handler(request)
        finally:
            under_way.remove(connection)

    app.middlewares.append(keep_under_way)
    app.router.add_get(STATE, partial(_state, engine))
    app.router.add_post(WEDGE, partial(_wedge, engine))
    app.router.add_post(FREE, partial(_do, engine.free))
    app.router.add_post(UNLOAD, partial(_do, engine.unload))
    app.router.add_post(RESTART, partial(_restart, engine, under_way))
    if tells_sleep:
        app.router.add_get(HEALTHZ, partial(_healthz, engine))


async def _state[ModelT](engine: WedgeableEngine[ModelT], request: web.Request) -> web.Response:
    _only_from_here(request)
    wedge = engine.wedge
    return web.json_response(
        {"mode": wedge.mode, "starting": engine.starting, "loaded": engine.loaded, "restarts": wedge.restarts}
    )


async def _healthz[ModelT](engine: WedgeableEngine[ModelT], _: web.Request) -> web.Response:
    return web.json_response({"status": "ok", "loaded": engine.loaded, "idle_unload_seconds": 300})


async def _wedge[ModelT](engine: WedgeableEngine[ModelT], request: web.Request) -> web.Response:
    _only_from_here(request)
    engine.break_down(await _read_mode(request))
    return await _state(engine, request)


async def _do(change: Callable[[], None], request: web.Request) -> web.Response:
    _only_from_here(request)
    change()
    return web.Response(status=204)


async def _restart[ModelT](
    engine: WedgeableEngine[ModelT], under_way: set[asyncio.Transport], request: web.Request
) -> web.Response:
    _only_from_here(request)
    engine.restart()
    for connection in under_way:
        connection.abort()
    return web.Response(status=204)


async def _read_mode(request: web.Request) -> Mode:
    """Return what the body asks for, whatever Content-Type it claims: curl's own is a form's. Raises Refusal."""
    try:
        document = await request.json()
    except ValueError as err:
        raise Refusal(400, "The request's body is not JSON.") from err
    match document:
        case {"mode": str(name)} if name in Mode:
            return Mode(name)
    raise Refusal(400, f"mode must be one of {', '.join(Mode)}.", "mode")


def _only_from_here(request: web.Request) -> None:
    """Raises Refusal for other machines, and for web pages: browsers send Origin with every POST."""
    try:
        is_local = ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        is_local = False
    if not is_local or "Origin" in request.headers:
        raise Refusal(403, "This is for programs on the same machine only.")
