"""How the services are, for people and programs; and the two things that can be asked of them."""

from datetime import UTC, datetime

from aiohttp import web
from spark_engine.errors import SparkError
from spark_engine.healing.health import HOLDING, State
from spark_engine.healing.incidents import CanaryResult
from spark_engine.healing.pool import Member
from spark_engine.healing.watchdog import NoRestartTarget, RestartUnderWay, Watchdog
from spark_engine.servers.magpie import Magpie
from spark_engine.servers.magpie_dialects import MagpieServer
from spark_engine.servers.parakeet import Parakeet

from spark_audio_proxy.app_state import JOURNAL, PROXY_ID, SETTINGS, SPARK
from spark_audio_proxy.config import is_loopback
from spark_audio_proxy.origins import is_loopback_host, is_other_origin, was_forwarded
from spark_audio_proxy.problems import Problem

type Document = dict[str, object]
type AnyMember = Member[Parakeet] | Member[Magpie]

_DOWN = (*HOLDING, State.UNREACHABLE)


async def healthz(_: web.Request) -> web.Response:
    """`GET /healthz`: this process runs. Says nothing about any service, on purpose."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """`GET /readyz`: 200 while each service has a server that is alive, else 503; the states either way."""
    spark = request.app[SPARK]
    services = [service for service in (spark.parakeet, spark.magpie) if service]
    ready = all(any(member.state not in _DOWN for member in service.members) for service in services)
    states = {member.name: member.state for member in spark.members}
    return web.json_response({"ready": ready, "services": states}, status=200 if ready else 503)


async def bridge_health(_: web.Request) -> web.Response:
    """`GET /v1/health`: exactly what Wyoming bridges look for before they list our voices by themselves."""
    return web.Response(text="OK")


async def status(request: web.Request) -> web.Response:
    """`GET /api/status`: everything that is known about every server."""
    only_for_us(request)
    return web.json_response(await describe(request))


async def describe(request: web.Request) -> Document:
    """What is known about every server, and who tells it."""
    settings, journal, proxy_id = request.app[SETTINGS], request.app[JOURNAL], request.app.get(PROXY_ID)
    return {
        "id": proxy_id,
        "automatic_restarts": settings.auto_restart,
        "restart_limit": settings.restart_limit,
        "restart_window": settings.restart_window,
        "services": [
            await _describe(member)
            | {"canaries": [_canary(result) for result in journal.canaries.get(member.name, ())]}
            for member in request.app[SPARK].members
        ],
    }


async def restart(request: web.Request) -> web.Response:
    """`POST /api/services/{name}/restart`: restart a server because a person wants it."""
    watchdog = _watchdog(request)
    try:
        await watchdog.restart()
    except RestartUnderWay as err:
        raise Problem(409, f"{watchdog.name} is being restarted already.", code="restart_under_way") from err
    except NoRestartTarget as err:
        raise Problem(409, f"No restart target is set for {watchdog.name}.", code="no_restart_target") from err
    except OSError as err:
        raise Problem(
            500, f"The restart was not sent, since it cannot be written down: {err.strerror}.", code="no_record"
        ) from err
    return web.json_response(_watched(watchdog), status=202)


async def check(request: web.Request) -> web.Response:
    """`POST /api/services/{name}/check`: send a canary now and tell what it showed."""
    watchdog = _watchdog(request)
    await watchdog.check()
    return web.json_response(_watched(watchdog))


def _watchdog(request: web.Request) -> Watchdog:
    only_for_us(request)
    name = request.match_info["name"]
    for member in request.app[SPARK].members:
        if member.name == name and member.watchdog:
            return member.watchdog
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


async def _describe(member: AnyMember) -> Document:
    document: Document = {"name": member.name, "url": member.url, "server": None}
    try:
        if member.state not in _DOWN:
            server = await member.client.server()
            document |= {
                "server": str(server),
                "dialect": server.dialect.name,
                "model": server.model,
                "version": server.version,
            }
            if isinstance(server, MagpieServer):
                document["voices"] = len(server.voices)
    except SparkError as err:
        document["server_error"] = err.message
    return document | (_watched(member.watchdog) if member.watchdog else {})


def _watched(watchdog: Watchdog) -> Document:
    canary, success = watchdog.last_canary, watchdog.last_success
    return {
        "name": watchdog.name,
        "state": watchdog.health.state,
        "since": _moment(watchdog.since),
        "evidence": watchdog.health.evidence,
        "last_canary": canary and _canary(canary),
        "last_success": None if success is None else _moment(success),
        "restart_target": watchdog.target.kind if watchdog.target else None,
        "restarts_left": watchdog.restarts_left,
        "restarts": [_moment(at) for at in watchdog.attempts],
        "history": [
            {"at": _moment(change.at), "from": change.before, "to": change.after, "evidence": change.evidence}
            for change in watchdog.history
        ],
    }


def _canary(result: CanaryResult) -> Document:
    return {
        "at": _moment(result.at),
        "latency": round(result.latency, 3),
        "outcome": result.observation.outcome.name.lower(),
        "detail": result.observation.detail,
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
