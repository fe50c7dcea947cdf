"""The application: what it is made of, and the order in which it starts and stops."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web
from spark_engine.errors import SparkError
from spark_engine.healing.budget import Budget
from spark_engine.healing.health import Policy
from spark_engine.healing.watchdog import Listener
from spark_engine.servers.deadlines import Deadlines
from spark_engine.spark import Spark

from .api import routes
from .app_state import (
    AVAILABILITY,
    DECODERS,
    ENCODERS,
    HEARING,
    HISTORY,
    JOURNAL,
    LIVE,
    PROXY_ID,
    SESSION,
    SESSIONS,
    SETTINGS,
    SPARK,
    SPEAKING,
    UPLOADS,
)
from .availability import Availability
from .config import Settings, SettingsError
from .identity import lasting_id
from .journal import Journal
from .middlewares import access_log, add_headers, answer_preflight, refuse_foreign_pages, require_key
from .problems import answer_problems
from .realtime.limits import Limits, Sessions
from .request_history import RequestHistory
from .state_folder import only_user, state_folder
from .transcode.decoders import Decoders
from .uploads.admission import BytesInFlight, Gate
from .watchdogs import create_spark

LOGGER = logging.getLogger(__name__)

KEEP_ALIVE = 75.0
"""Seconds that an idle connection to a Spark is kept: a voice turn follows the last one within a minute or so."""


def create_app(
    settings: Settings,
    *,
    deadlines: Deadlines | None = None,
    policy: Policy | None = None,
    budget: Budget | None = None,
    limits: Limits | None = None,
) -> web.Application:
    """Return the proxy for these settings; the other times are what no setting says, for tests to hand in.

    Raises SettingsError where an extra is missing.
    """
    way_in = [access_log, answer_problems, answer_preflight, refuse_foreign_pages, require_key]
    app = web.Application(middlewares=way_in)
    app.on_response_prepare.append(add_headers)
    app[SETTINGS] = settings
    app[JOURNAL] = Journal()
    app[AVAILABILITY] = Availability()
    app[JOURNAL].subscribe(app[AVAILABILITY].tell)
    app[HISTORY] = RequestHistory(settings.request_history, app[JOURNAL].wake)
    if settings.request_history:
        app[JOURNAL].subscribe(app[HISTORY].tell)
    app[HEARING] = Gate("Parakeet", settings.concurrency, settings.queue)
    app[SPEAKING] = Gate("Magpie", settings.concurrency, settings.queue)
    app[LIVE] = Gate("Live recognition", 2 * settings.concurrency, 0)
    app[SESSIONS] = Sessions(limits or Limits())
    app[UPLOADS] = BytesInFlight(settings.bytes_in_flight)
    app.router.add_routes(routes(settings))
    create = partial(create_spark, deadlines=deadlines, policy=policy, budget=budget)
    app.cleanup_ctx.append(partial(_connected, create))
    app.on_shutdown.append(_end_news)
    if settings.metrics:
        _add_metrics(app)
    return app


def _add_metrics(app: web.Application) -> None:
    """Raises SettingsError without the extra."""
    try:
        from .metrics import add_metrics  # noqa: PLC0415 - an optional extra
    except ImportError as err:
        raise SettingsError("--metrics needs an extra: pip install 'spark-audio-proxy[metrics]'") from err
    add_metrics(app)


async def _connected(
    create: Callable[[ClientSession, Settings, Listener], Spark], app: web.Application
) -> AsyncGenerator[None]:
    """Hold what lives as long as the application: connections, threads, the Spark and its watchdogs."""
    folder = state_folder(app[SETTINGS].state_dir)
    connector = TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE, ttl_dns_cache=300)
    processors = os.process_cpu_count() or 1
    with (
        only_user(folder),
        ThreadPoolExecutor(processors, "encode") as encoders,
        closing(Decoders(processors)) as decoders,
    ):
        if proxy_id := await asyncio.to_thread(lasting_id, folder):
            app[PROXY_ID] = proxy_id
        async with ClientSession(connector=connector, cookie_jar=DummyCookieJar()) as session:
            app[DECODERS], app[ENCODERS] = decoders, encoders
            app[SESSION] = session
            app[SPARK] = spark = create(session, app[SETTINGS], app[JOURNAL].tell_of_server)
            await _identify(spark)
            watching = asyncio.create_task(spark.watch(), name="watchdogs")
            yield
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def _end_news(app: web.Application) -> None:
    """End the streams of news, and the realtime sessions: a stop waits for requests in flight."""
    app[JOURNAL].close()
    app[SESSIONS].close()


async def _identify(spark: Spark) -> None:
    """Find out what the servers are. One that is not up yet is asked again when it is needed."""
    servers = await asyncio.gather(*(member.client.server() for member in spark.members), return_exceptions=True)
    for member, server in zip(spark.members, servers, strict=True):
        if isinstance(server, SparkError):
            LOGGER.warning("%s at %s is not ready: %s", member.name, member.url, server.message)
        elif isinstance(server, BaseException):
            raise server
