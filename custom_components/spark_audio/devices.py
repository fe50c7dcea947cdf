"""The devices of a Spark: itself, and each of its servers. What a server is stands there as soon as it is known."""

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceEntryType

from .const import SERVICE_NAMES, service_of
from .data import SparkConfigEntry
from .entity import device_identifier, spark_identifier
from .spark_engine.servers.magpie_dialects import OPENAI

NAMELESS = OPENAI.name
"""The dialect of servers whose name nobody knows."""


@callback
def add_spark(hass: HomeAssistant, entry: SparkConfigEntry) -> None:
    """The Spark, which its servers hang on; devices of servers that it does not have any more go."""
    registry = dr.async_get(hass)
    registry.async_get_or_create(
        config_entry_id=entry.entry_id,
        entry_type=DeviceEntryType.SERVICE,
        identifiers={spark_identifier(entry.entry_id)},
        manufacturer="NVIDIA",
        translation_key="spark",
        translation_placeholders={"title": entry.title},
    )
    names = entry.runtime_data.coordinator.data
    kept = {spark_identifier(entry.entry_id), *(device_identifier(entry.entry_id, name) for name in names)}
    for device in dr.async_entries_for_config_entry(registry, entry.entry_id):
        if device.identifiers.isdisjoint(kept):
            registry.async_remove_device(device.id)


@callback
def describe_servers(hass: HomeAssistant, entry: SparkConfigEntry) -> None:
    """Show which server and which model each one is. What was known stays while it is away."""
    registry = dr.async_get(hass)
    for status in entry.runtime_data.coordinator.data.values():
        device = registry.async_get_device_by_identifier(device_identifier(entry.entry_id, status.name), entry.entry_id)
        if device is None or status.kind is None:
            continue
        service, kind = service_of(status.name), status.kind
        # "magpie" is what is asked for where no model is listed.
        says_more = kind.model and kind.model.lower() != service
        registry.async_update_device(
            device.id,
            model=SERVICE_NAMES[service] if kind.dialect == NAMELESS else f"{SERVICE_NAMES[service]}, {kind.dialect}",
            model_id=kind.model if says_more else None,
            sw_version=kind.version,
        )
