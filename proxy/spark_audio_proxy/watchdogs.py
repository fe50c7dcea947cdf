"""Builds the watchdogs of all servers from the settings."""

from collections.abc import Iterator

from aiohttp import ClientSession
from spark_engine.healing.budget import Budget
from spark_engine.healing.canary import Canary
from spark_engine.healing.health import Policy
from spark_engine.healing.watchdog import Watchdog, WatchdogSettings
from spark_engine.spark import Spark, SparkAddress, member_names, split_list, split_places

from .config import Settings, SettingsError
from .journal import Journal, JournaledWatchdog
from .restarts.ledger import FileStore, state_folder
from .restarts.targets import RestartSettings, TargetError, create_target


def create_spark(session: ClientSession, settings: Settings, journal: Journal) -> Spark:
    """The Spark, watched unless somebody else does; what its watchdogs see goes into the journal.

    Raises SettingsError where a restart target cannot be understood.
    """
    wanted = dict(_restart_settings(settings))
    folder = state_folder(settings.state_dir)
    how = WatchdogSettings(
        policy=Policy(interval=settings.canary_interval, start_grace=settings.start_grace),
        budget=Budget(limit=settings.restart_limit, window=settings.restart_window),
        automatic=settings.auto_restart,
    )

    def watch(name: str, canary: Canary) -> Watchdog:
        try:
            target = create_target(session, wanted[name])
        except TargetError as err:
            raise SettingsError(f"restart target of {name}: {err}") from err
        return JournaledWatchdog(name, canary, FileStore(folder / f"{name}.json"), journal, target=target, settings=how)

    address = SparkAddress(
        parakeet_url=settings.parakeet_url,
        magpie_url=settings.magpie_url,
        parakeet_token=settings.parakeet_token,
        magpie_token=settings.magpie_token,
    )
    return Spark(session, address, watch if settings.watch else None)


def _restart_settings(settings: Settings) -> Iterator[tuple[str, RestartSettings]]:
    """What is set for each server: items of comma separated lists, in the order of the URLs.

    Raises SettingsError where there are more items than servers: a comma within a command is no separator to a reader.
    """
    for service in ("parakeet", "magpie"):
        names = member_names(service, len(split_list(getattr(settings, f"{service}_url"))))
        kinds = {
            kind: split_places(getattr(settings, f"{service}_restart_{kind}"))
            for kind in ("url", "token", "docker", "command", "ssh")
        }
        for kind, items in kinds.items():
            if len(items) > len(names) > 0:
                raise SettingsError(f"{service}_restart_{kind}: {len(items)} items for {len(names)} servers")
        for number, name in enumerate(names):
            yield name, RestartSettings(**{kind: items[number] for kind, items in kinds.items() if number < len(items)})
