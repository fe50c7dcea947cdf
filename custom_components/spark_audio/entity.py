"""What all entities of a Spark have in common, and the devices that they belong to."""

from typing import override

from homeassistant.const import CONF_NAME, Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import Entity, EntityDescription
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import CONF_PROXY_URL, DOMAIN
from .coordinator import SparkConfigEntry, SparkCoordinator
from .spark_engine.healing.status import ServerStatus
from .spark_engine.models import ServerName
from .spark_engine.servers.magpie_dialects import OPENAI


def spark_identifier(entry_id: str) -> tuple[str, str]:
    """Under which the device registry knows a Spark."""
    return DOMAIN, entry_id


def device_identifier(entry_id: str, name: ServerName) -> tuple[str, str]:
    """Under which the device registry knows one server of one Spark."""
    return DOMAIN, f"{entry_id}_{name}"


class SparkEntity(Entity):
    """An entity on the device of its server, named by its key in the translations."""

    _attr_has_entity_name = True

    def __init__(self, entry: SparkConfigEntry, name: ServerName, key: str) -> None:
        """Set what never changes. `name` is the server's: its service's, or with a number where there are several."""
        self._attr_translation_key = key
        self._attr_unique_id = f"{entry.entry_id}_{name}_{key}"
        self._attr_device_info = DeviceInfo(
            configuration_url=entry.data.get(CONF_PROXY_URL),
            entry_type=DeviceEntryType.SERVICE,
            identifiers={device_identifier(entry.entry_id, name)},
            # Of the model. Servers are others' work; which one it is, is said once it has answered.
            manufacturer="NVIDIA",
            # The first Spark of a home has no name; others need one, in every picker.
            name=f"{name.display_name} ({called})" if (called := entry.data.get(CONF_NAME)) else name.display_name,
            via_device_id=dr.async_get_device_id_by_identifier(
                entry.runtime_data.hass,
                spark_identifier(entry.entry_id),
                config_entry_id=entry.entry_id,
            ),
        )


class HealthEntity(SparkEntity, CoordinatorEntity[SparkCoordinator]):
    """An entity that shows something of a server's health, or acts on it."""

    def __init__(self, entry: SparkConfigEntry, name: ServerName, description: EntityDescription) -> None:
        """Follow this server."""
        CoordinatorEntity.__init__(self, entry.runtime_data)
        SparkEntity.__init__(self, entry, name, description.key)
        self.entity_description = description
        self._name = name

    @property
    @override
    def available(self) -> bool:
        return super().available and self._name in self.coordinator.data

    @property
    def status(self) -> ServerStatus:
        """Return how the server is."""
        return self.coordinator.data[self._name]


NAMELESS = OPENAI.name
"""The dialect of servers whose product is unknown."""


@callback
def forget_entity(hass: HomeAssistant, platform: Platform, entity: SparkEntity) -> None:
    """Remove an entity that is not added any more from the registry, if it is there."""
    registry = er.async_get(hass)
    if entity.unique_id and (entity_id := registry.async_get_entity_id(platform, DOMAIN, entity.unique_id)):
        registry.async_remove(entity_id)


@callback
def add_spark(hass: HomeAssistant, entry: SparkConfigEntry) -> None:
    """The Spark, which its servers hang on; devices of servers that it does not have any more go."""
    registry = dr.async_get(hass)
    registry.async_get_or_create(
        config_entry_id=entry.entry_id,
        configuration_url=entry.data.get(CONF_PROXY_URL),
        entry_type=DeviceEntryType.SERVICE,
        identifiers={spark_identifier(entry.entry_id)},
        translation_key="spark",
        translation_placeholders={"title": entry.title},
    )
    names = entry.runtime_data.data
    kept = {spark_identifier(entry.entry_id), *(device_identifier(entry.entry_id, name) for name in names)}
    for device in dr.async_entries_for_config_entry(registry, entry.entry_id):
        if device.identifiers.isdisjoint(kept):
            registry.async_remove_device(device.id)


@callback
def describe_servers(hass: HomeAssistant, entry: SparkConfigEntry) -> None:
    """Show which server and which model each one is. What was known stays while it is away."""
    registry = dr.async_get(hass)
    for status in entry.runtime_data.data.values():
        device = registry.async_get_device_by_identifier(device_identifier(entry.entry_id, status.name), entry.entry_id)
        if device is None or status.kind is None:
            continue
        service, kind = status.name.service, status.kind
        # "magpie" is what is asked for where no model is listed.
        says_more = kind.model and kind.model.lower() != service
        registry.async_update_device(
            device.id,
            model=service.display_name if kind.dialect == NAMELESS else f"{service.display_name}, {kind.dialect}",
            model_id=kind.model if says_more else None,
            sw_version=kind.version,
        )
