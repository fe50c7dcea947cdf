"""Build the Spark and the watchdogs of its servers from the settings."""

from dataclasses import replace

from aiohttp import ClientSession
from spark_engine.healing.budget import Budget
from spark_engine.healing.canary import ServerCheck
from spark_engine.healing.health import Policy
from spark_engine.healing.restart import TargetError
from spark_engine.healing.watchdog import Listener, Watchdog, WatchdogSettings
from spark_engine.models import ServerName, Service
from spark_engine.servers.deadlines import Deadlines
from spark_engine.spark import ServerAddress, Spark, SparkAddress

from .config import ServerSettings, Settings, SettingsError
from .restarts.ledger import FileStore
from .restarts.targets import create_target
from .state_folder import state_folder


def create_spark(
    session: ClientSession,
    settings: Settings,
    listener: Listener,
    *,
    deadlines: Deadlines | None = None,
    policy: Policy | None = None,
    budget: Budget | None = None,
) -> Spark:
    """Return the Spark, watched unless the settings leave that to another watcher; `listener` gets every event.

    `deadlines`, `policy` and `budget` are what no setting says. Raises SettingsError where a restart target cannot be
    understood.
    """
    servers = {Service.PARAKEET: settings.parakeet, Service.MAGPIE: settings.magpie}
    folder = state_folder(settings.state_dir)
    how = WatchdogSettings(
        policy=replace(policy or Policy(), interval=settings.canary_interval, start_grace=settings.start_grace),
        budget=replace(budget or Budget(), limit=settings.restart_limit, window=settings.restart_window),
        automatic=settings.auto_restart,
        keep_warm=settings.keep_warm,
    )

    def watch(name: ServerName, server_check: ServerCheck) -> Watchdog:
        server = servers[name.service][name.number - 1]
        try:
            target = create_target(session, server.restart)
        except TargetError as err:
            raise SettingsError(f"restart target of {name}: {err}") from err
        store = FileStore(folder / f"{name}.json", server.url or "")
        watchdog = Watchdog(name, server_check, store, target=target, settings=how, deadlines=deadlines)
        watchdog.subscribe(listener)
        return watchdog

    address = SparkAddress(parakeet=_addresses(settings.parakeet), magpie=_addresses(settings.magpie))
    return Spark(session, address, watch if settings.watch else None, deadlines)


def _addresses(servers: tuple[ServerSettings, ...]) -> tuple[ServerAddress, ...]:
    return tuple(ServerAddress(server.url, server.token) for server in servers if server.url)
