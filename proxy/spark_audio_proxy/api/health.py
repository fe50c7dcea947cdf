"""How the services are, for people and programs; and the two things that can be asked of them."""

from aiohttp import web
from spark_engine.errors import SparkError
from spark_engine.healing.budget import Budget
from spark_engine.healing.health import State
from spark_engine.healing.proxy_client import REFUSED, UNDER_WAY_OR_NO_TARGET
from spark_engine.healing.status import ServerKind, ServerStatus, SparkStatus, server_to_json, status_of, to_json
from spark_engine.healing.watchdog import NoRestartTarget, RestartRefused, RestartUnderWay, Watchdog
from spark_engine.models import Json
from spark_engine.spark import AnyMember

from spark_audio_proxy.app_state import AVAILABILITY, PROXY_ID, SETTINGS, SPARK
from spark_audio_proxy.config import is_loopback
from spark_audio_proxy.origins import is_loopback_host, is_other_origin, was_forwarded
from spark_audio_proxy.problems import Problem


async def healthz(_: web.Request) -> web.Response:
    """`GET /healthz`: this process runs. Says nothing about any service, on purpose."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """`GET /readyz`: 200 while each service has a server that is alive, else 503; the states either way."""
    spark = request.app[SPARK]
    services = [service for service in (spark.parakeet, spark.magpie) if service]
    ready = all(not all(map(_is_down, service.members)) for service in services)
    states = {str(member.name): member.state for member in spark.members}
    return web.json_response({"ready": ready, "services": states}, status=200 if ready else 503)


async def bridge_health(_: web.Request) -> web.Response:
    """`GET /v1/health`: exactly what Wyoming bridges look for before they list our voices by themselves."""
    return web.Response(text="OK")


async def status(request: web.Request) -> web.Response:
    """`GET /api/status`: everything that is known about every server."""
    only_for_us(request)
    return web.json_response(await describe(request))


async def describe(request: web.Request) -> dict[str, Json]:
    """Return what is known about every server."""
    settings = request.app[SETTINGS]
    servers = [await _status(member) for member in request.app[SPARK].members]
    budget = Budget(limit=settings.restart_limit, window=settings.restart_window)
    document = to_json(
        SparkStatus(
            proxy_id=request.app.get(PROXY_ID), servers=tuple(servers), automatic=settings.auto_restart, budget=budget
        )
    )
    availability = request.app[AVAILABILITY]
    document["services"] = [
        server_to_json(server) | ({"availability": availability.of(server.name)} if server.watched else {})
        for server in servers
    ]
    return document


async def restart(request: web.Request) -> web.Response:
    """`POST /api/services/{name}/restart`: restart a server because a person wants it."""
    member, watchdog = _watched(request)
    try:
        await watchdog.restart()
    except RestartUnderWay as err:
        message = f"{member.name} is being restarted already."
        raise Problem(UNDER_WAY_OR_NO_TARGET, message, code="restart_under_way") from err
    except NoRestartTarget as err:
        message = f"No restart target is set for {member.name}."
        raise Problem(UNDER_WAY_OR_NO_TARGET, message, code="no_restart_target") from err
    except RestartRefused as err:
        raise Problem(REFUSED, str(err), code="restart_refused") from err
    except OSError as err:
        raise Problem(
            500, f"The restart was not sent, since it cannot be written down: {err.strerror}.", code="no_record"
        ) from err
    return web.json_response(server_to_json(status_of(member)), status=202)


async def check(request: web.Request) -> web.Response:
    """`POST /api/services/{name}/check`: send a canary now and tell what it showed."""
    member, watchdog = _watched(request)
    await watchdog.check()
    return web.json_response(server_to_json(status_of(member)))


def _watched(request: web.Request) -> tuple[AnyMember, Watchdog]:
    """Return the server that the path names, and its watchdog."""
    only_for_us(request)
    name = request.match_info["name"]
    for member in request.app[SPARK].members:
        if str(member.name) == name and member.watchdog:
            return member, member.watchdog
    raise Problem(404, f"There is no service {name[:100]!r}.", code="unknown_service")


def only_for_us(request: web.Request) -> None:
    """Without a key: only from this machine, and never for a foreign web page. With one, the key has been checked.

    A browser sends `Origin` with every cross-site POST; a page that rebinds its name to us shows in `Host`.
    """
    if request.app[SETTINGS].api_key:
        return
    is_here = is_loopback(request.remote or "") and is_loopback_host(request.host)
    if not is_here or was_forwarded(request.headers):
        raise Problem(403, "Without a key this answers on loopback only.", code="loopback_only")
    if is_other_origin(request.headers):
        raise Problem(403, "Other origins may not ask for this.", code="foreign_origin")


def _is_down(member: AnyMember) -> bool:
    return member.holds or member.state is State.UNREACHABLE


async def _status(member: AnyMember) -> ServerStatus:
    if _is_down(member):
        return status_of(member)
    try:
        return status_of(member, kind=ServerKind.of(await member.client.server()))
    except SparkError as err:
        return status_of(member, problem=err.message)
