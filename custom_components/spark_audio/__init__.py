"""Speech for Assist from NVIDIA Parakeet and Magpie on the user's own GPU box."""

from homeassistant.const import EVENT_SERVICE_REGISTERED, EVENT_SERVICE_REMOVED, Platform
from homeassistant.core import HomeAssistant, callback, valid_entity_id
from homeassistant.helpers.entity_registry import EVENT_ENTITY_REGISTRY_UPDATED
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.helpers.start import async_at_started

from .addresses import is_through_proxy
from .coordinator import SparkConfigEntry
from .direct_coordinator import DirectCoordinator
from .entity import add_spark, describe_servers
from .other_entities import ENTITY_OPTIONS, by_registry_id
from .proxy_coordinator import ProxyCoordinator
from .repairs import forget_issues, update_issues, update_issues_of_others
from .spark_engine.spark import Spark
from .stored import remove_records


async def async_setup_entry(hass: HomeAssistant, entry: SparkConfigEntry) -> bool:
    """Set up the services of one Spark.

    A box that has answered once is set up even while it is away: a pipeline without its engine fails with an error that
    does not name the cause.
    """
    hass.config_entries.async_update_entry(entry, options=by_registry_id(hass, entry.options))
    coordinator = ProxyCoordinator(hass, entry) if is_through_proxy(entry.data) else DirectCoordinator(hass, entry)
    await coordinator.async_config_entry_first_refresh()
    entry.runtime_data = coordinator
    add_spark(hass, entry)
    await hass.config_entries.async_forward_entry_setups(entry, _platforms(coordinator.spark))
    entry.async_on_unload(coordinator.async_add_listener(lambda: describe_servers(hass, entry)))
    entry.async_on_unload(coordinator.async_add_listener(lambda: update_issues(hass, entry)))
    entry.async_on_unload(lambda: forget_issues(hass, entry))
    describe_servers(hass, entry)
    update_issues(hass, entry)
    _follow_others(hass, entry)
    coordinator.start()
    return True


async def async_unload_entry(hass: HomeAssistant, entry: SparkConfigEntry) -> bool:
    """Remove the entities. Watchdogs end with the entry; connections belong to Home Assistant's own session."""
    return await hass.config_entries.async_unload_platforms(entry, _platforms(entry.runtime_data.spark))


@callback
def _follow_others(hass: HomeAssistant, entry: SparkConfigEntry) -> None:
    """See what becomes of the entities and actions that the options name, once all that others bring is there."""

    @callback
    def look(_: object) -> None:
        update_issues_of_others(hass, entry)

    @callback
    def begin(_: HomeAssistant) -> None:
        # Those that are in no registry: their states tell whether they are there.
        named = [entry.options[name] for name in ENTITY_OPTIONS if valid_entity_id(entry.options.get(name) or "")]
        entry.async_on_unload(async_track_state_change_event(hass, named, look))
        for event in (EVENT_ENTITY_REGISTRY_UPDATED, EVENT_SERVICE_REGISTERED, EVENT_SERVICE_REMOVED):
            entry.async_on_unload(hass.bus.async_listen(event, look))
        update_issues_of_others(hass, entry)

    entry.async_on_unload(async_at_started(hass, begin))


async def async_remove_entry(hass: HomeAssistant, entry: SparkConfigEntry) -> None:
    """Forget what was kept of it."""
    await remove_records(hass, entry.entry_id)


def _platforms(spark: Spark) -> list[Platform]:
    return [
        *([Platform.STT] if spark.parakeet else []),
        *([Platform.TTS] if spark.magpie else []),
        Platform.SENSOR,
        Platform.BUTTON,
        Platform.EVENT,
    ]
