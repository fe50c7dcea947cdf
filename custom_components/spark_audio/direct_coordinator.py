"""A Spark that Home Assistant watches itself."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any, override

from aiohttp import ClientSession
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed, ConfigEntryNotReady

from .addresses import DEADLINES, address_for, session_for
from .checks import TEST_LANGUAGE
from .const import (
    CONF_AUTOMATIC_RESTART,
    CONF_CANARY_INTERVAL,
    CONF_KEEP_WARM,
    CONF_MAGPIE_URL,
    CONF_PARAKEET_URL,
    DEFAULT_CANARY_INTERVAL,
)
from .coordinator import SparkConfigEntry, SparkCoordinator, Statuses
from .errors import translated
from .restart_targets import create_target
from .spark_engine.errors import SparkError, Unauthorized
from .spark_engine.healing.canary import ServerCheck
from .spark_engine.healing.health import Outcome, Policy, State, Transition
from .spark_engine.healing.proxy_client import ProxyClient
from .spark_engine.healing.restart import RestartTarget, TrialResult
from .spark_engine.healing.status import ServerKind, ServerStatus, status_of
from .spark_engine.healing.watchdog import RestartAnswered, Watchdog, WatchdogEvent, WatchdogSettings
from .spark_engine.models import SAMPLE_RATE, ServerName, Service
from .spark_engine.spark import AnyMember, Spark
from .spark_engine.speech.audio import silence
from .stored import StoredLedger

LOGGER = logging.getLogger(__name__)

URL_OPTIONS = {Service.PARAKEET: CONF_PARAKEET_URL, Service.MAGPIE: CONF_MAGPIE_URL}


class DirectCoordinator(SparkCoordinator):
    """Owns the watchdogs: their transitions are pushed, the rest is looked up every now and then."""

    def __init__(self, hass: HomeAssistant, entry: SparkConfigEntry) -> None:
        """Nothing is sent yet."""
        super().__init__(hass, entry)
        session = session_for(hass, entry.data)
        self._watchdogs: dict[ServerName, Watchdog] = {}
        self._kinds: dict[ServerName, ServerKind] = {}
        self._seen_well: set[ServerName] = set()

        def watch(name: ServerName, server_check: ServerCheck) -> Watchdog:
            self._watchdogs[name] = _watchdog(hass, session, entry, name, server_check)
            return self._watchdogs[name]

        self.spark = Spark(session, address_for(entry.data), watch, DEADLINES)
        self._members: Mapping[ServerName, AnyMember] = {member.name: member for member in self.spark.members}

    @override
    async def _async_setup(self) -> None:
        await self.store.load()
        await asyncio.gather(self._find_parakeet(), self._find_voices())

    async def _find_parakeet(self) -> None:
        """Ask Parakeet whether it is there, and takes the key.

        Raises ConfigEntryAuthFailed, and ConfigEntryNotReady where it has never answered at this address.
        """
        if self.spark.parakeet is None:
            return
        [member] = self.spark.parakeet.members
        try:
            try:
                await member.client.server()
            except Unauthorized:
                # A gateway may refuse all pages and pass the one request that counts.
                await member.client.transcribe(silence(1, SAMPLE_RATE), language=TEST_LANGUAGE)
        except Unauthorized as err:
            raise translated(ConfigEntryAuthFailed, err, Service.PARAKEET) from err
        except SparkError as err:
            if member.url not in [server.url for server in self.store.spark.servers]:
                raise translated(ConfigEntryNotReady, err, Service.PARAKEET) from err
            LOGGER.debug("%s: Parakeet has answered before: %s", self.config_entry.title, err)
        else:
            await self.store.learn([ServerStatus(name=member.name, url=member.url, watched=True)])

    @override
    async def _async_update_data(self) -> Statuses:
        return self._look()

    @override
    def start(self) -> None:
        for watchdog in self._watchdogs.values():
            self.config_entry.async_on_unload(watchdog.subscribe(self._push))
        self._in_background(self._find_other_owners(), "other owners")
        self._in_background(self.spark.watch(), "watchdogs")

    @override
    async def _restart(self, name: ServerName) -> None:
        await self._watchdogs[name].restart()

    @override
    async def _check(self, name: ServerName) -> None:
        await self._watchdogs[name].check()

    @callback
    def _push(self, _: ServerName, event: WatchdogEvent) -> None:
        if isinstance(event, Transition | RestartAnswered | TrialResult):
            self.async_set_updated_data(self._look())

    @callback
    def _look(self) -> Statuses:
        now = {name: status_of(member, self._kinds.get(name)) for name, member in self._members.items()}
        self._look_at_voices(self.data or {}, now)
        self._look_at_kinds(now)
        canaries = [status.last_canary for status in now.values() if status.last_canary]
        if any(canary.observation.outcome is Outcome.UNAUTHORIZED for canary in canaries):
            self.config_entry.async_start_reauth_if_available(self.hass)
        return now

    @callback
    def _look_at_kinds(self, now: Statuses) -> None:
        """Learn what a server is, each time that it turns out well: it was asked then, and its client knows."""
        well = {name for name, status in now.items() if status.state is State.HEALTHY}
        for name in well - self._seen_well:
            self._in_background(self._learn_kind(name), f"kind of {name}")
        self._seen_well = well

    async def _learn_kind(self, name: ServerName) -> None:
        try:
            kind = ServerKind.of(await self._members[name].client.server())
        except SparkError as err:
            LOGGER.debug("%s: what %s is stays as it was: %s", self.config_entry.title, name, err)
            return
        if kind != self._kinds.get(name):
            self._kinds[name] = kind
            self.async_set_updated_data({**self.data, name: replace(self.data[name], kind=kind)})

    async def _find_other_owners(self) -> None:
        """Whether what we restart is a proxy that restarts the same service itself."""
        doubly = set()
        for name, member in self._members.items():
            watchdog = self._watchdogs[name]
            if watchdog.restarter.target is None or not watchdog.settings.automatic:
                continue
            try:
                status = await ProxyClient(member.client.transport).status()
            except SparkError:
                # Nearly always: a Parakeet or a Magpie, and no proxy.
                continue
            if any(other.has_owner and other.name.service is name.service for other in status.servers):
                doubly.add(name)
        if doubly:
            self.two_owners = frozenset(doubly)
            self.async_update_listeners()

    def _in_background(self, target: Coroutine[Any, Any, None], what: str) -> None:
        self.config_entry.async_create_background_task(self.hass, target, f"{self.name} - {what}")


def _watchdog(
    hass: HomeAssistant, session: ClientSession, entry: SparkConfigEntry, name: ServerName, server_check: ServerCheck
) -> Watchdog:
    options = entry.options
    settings = WatchdogSettings(
        policy=Policy(interval=float(options.get(CONF_CANARY_INTERVAL, DEFAULT_CANARY_INTERVAL))),
        automatic=bool(options.get(CONF_AUTOMATIC_RESTART, True)),
        keep_warm=bool(options.get(CONF_KEEP_WARM, False)),
        log_name=f"{entry.title}, {name.display_name}",
    )
    target: RestartTarget | None = None
    try:
        target = create_target(hass, session, options, name.service)
    except ValueError as err:
        LOGGER.error("%s cannot be restarted, its restart target cannot be understood: %s", settings.log_name, err)
    store = StoredLedger(hass, entry.entry_id, name, str(entry.data[URL_OPTIONS[name.service]]))
    return Watchdog(name, server_check, store, target=target, settings=settings, deadlines=DEADLINES)
