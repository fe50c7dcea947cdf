"""What is known of a Spark at this moment, for all its entities: how its servers are, and which voices there are."""

import logging
import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed, ConfigEntryNotReady, HomeAssistantError
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from .const import DOMAIN
from .errors import translated
from .home_names import Corrections
from .spark_engine.errors import SparkError, Unauthorized
from .spark_engine.healing.health import State
from .spark_engine.healing.pool import MagpiePool
from .spark_engine.healing.status import ServerStatus
from .spark_engine.healing.watchdog import NoRestartTarget, RestartRefused, RestartUnderWay
from .spark_engine.models import ServerName, Service
from .spark_engine.servers.magpie_dialects import MagpieServer
from .spark_engine.spark import Spark
from .stored import SparkStore
from .turns import Turns

LOGGER = logging.getLogger(__name__)

POLL = timedelta(seconds=30)
"""Between two looks while all is well."""

VOICES_EVERY = 900.0
"""Seconds between two looks at the voices of a Magpie that is well."""

type Statuses = Mapping[ServerName, ServerStatus]

type SparkConfigEntry = ConfigEntry[SparkCoordinator]


class SparkCoordinator(DataUpdateCoordinator[Statuses]):
    """Either kind: watching itself, or showing what the proxy sees."""

    config_entry: SparkConfigEntry
    spark: Spark

    def __init__(self, hass: HomeAssistant, entry: SparkConfigEntry) -> None:
        """Nothing is sent yet."""
        super().__init__(hass, LOGGER, config_entry=entry, name=f"Spark Audio {entry.title}", update_interval=POLL)
        self.store = SparkStore(hass, entry.entry_id)
        self.magpie: MagpieServer | None = None
        """What this Spark's Magpie can say: the last good list. None where there is no Magpie."""
        self.two_owners: frozenset[ServerName] = frozenset()
        """Servers that are restarted from here, and by their own proxy as well."""
        self.corrections: Corrections | None = None
        """The names that were put right in transcripts; None where that is switched off, or there is no Parakeet."""
        self.turns = Turns()
        """The voice turns that this Spark hears and answers."""
        self._voices_due = 0.0
        self._listing = False

    @abstractmethod
    def start(self) -> None:
        """Begin to watch: the entities are there to see it."""

    @abstractmethod
    async def _restart(self, name: ServerName) -> None:
        """Raise RestartUnderWay, NoRestartTarget, RestartRefused, OSError, SparkError."""

    @abstractmethod
    async def _check(self, name: ServerName) -> None:
        """Raise SparkError."""

    def address_of(self, server: ServerStatus) -> str:
        """Return the URL that has to answer for a server to be reached."""
        return server.url

    async def async_restart(self, name: ServerName) -> None:
        """Restart a server because a person wants it. Raises HomeAssistantError."""
        try:
            await self._restart(name)
        except RestartUnderWay as err:
            raise _refused(name, translation_key="restart_under_way") from err
        except NoRestartTarget as err:
            raise _refused(name, translation_key="no_restart_target") from err
        except RestartRefused as err:
            await self.async_refresh()
            raise _refused(name, translation_key="restart_refused", reason=str(err)) from err
        except OSError as err:
            raise _refused(name, translation_key="no_record") from err
        except SparkError as err:
            raise self._failed(err, name) from err
        await self.async_refresh()

    async def async_check(self, name: ServerName) -> None:
        """Send a canary now; the health shows what came of it. Raises HomeAssistantError where none can be sent."""
        try:
            await self._check(name)
        except SparkError as err:
            raise self._failed(err, name) from err
        await self.async_refresh()

    def _failed(self, err: SparkError, name: ServerName) -> HomeAssistantError:
        if isinstance(err, Unauthorized):
            self.config_entry.async_start_reauth_if_available(self.hass)
        return translated(HomeAssistantError, err, name.service)

    async def _find_voices(self) -> None:
        """The voices for set-up: from Magpie, else those that it had last.

        Raises ConfigEntryAuthFailed, and ConfigEntryNotReady where Magpie has never listed any.
        """
        if self.spark.magpie is None:
            return
        try:
            magpie = await self.spark.magpie.server()
        except Unauthorized as err:
            raise translated(ConfigEntryAuthFailed, err, Service.MAGPIE) from err
        except SparkError as err:
            self.magpie = self.store.spark.magpie
            if self.magpie is None:
                raise translated(ConfigEntryNotReady, err, Service.MAGPIE) from err
            LOGGER.debug("The voices are those of last time: %s", err)
            return
        self.magpie = magpie if magpie.voices else self.store.spark.magpie
        if self.magpie is None:
            raise ConfigEntryNotReady(translation_domain=DOMAIN, translation_key="no_voices")
        if magpie.voices:
            await self.store.learn(magpie=magpie)
            self._voices_due = time.monotonic() + VOICES_EVERY

    @callback
    def _look_at_voices(self, before: Statuses, now: Statuses) -> None:
        """List the voices again after a recovery, which may have brought another model, and now and then."""
        if self.spark.magpie is None or self._listing:
            return
        magpie = [service for service in now.values() if service.name.service is Service.MAGPIE]
        if any(_recovered(before.get(service.name), service) for service in magpie):
            self._voices_due = 0.0
        well = any(service.state is State.HEALTHY or not service.watched for service in magpie)
        if well and time.monotonic() >= self._voices_due:
            self._listing = True
            self._voices_due = time.monotonic() + VOICES_EVERY
            self.config_entry.async_create_background_task(
                self.hass, self._list_voices(self.spark.magpie), f"{self.name} - voices"
            )

    async def _list_voices(self, pool: MagpiePool) -> None:
        try:
            magpie = await pool.refresh()
        except Unauthorized:
            self.config_entry.async_start_reauth_if_available(self.hass)
        except SparkError as err:
            LOGGER.debug("The voices stay as they were: %s", err)
        else:
            if magpie.voices and magpie != self.magpie:
                self.magpie = magpie
                await self.store.learn(magpie=magpie)
                self.async_update_listeners()
        finally:
            self._listing = False


def _recovered(before: ServerStatus | None, now: ServerStatus) -> bool:
    return now.state is State.HEALTHY and (before is None or before.state is not State.HEALTHY)


def _refused(name: ServerName, *, translation_key: str, **placeholders: str) -> HomeAssistantError:
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key=translation_key,
        translation_placeholders={"service": name.display_name, **placeholders},
    )


def away(statuses: Statuses, state: State, evidence: str) -> Statuses:
    """Return the same servers for a time in which their state is not known."""
    return {
        name: replace(
            service, state=state, evidence=evidence, since=service.since if service.state is state else time.time()
        )
        for name, service in statuses.items()
    }
