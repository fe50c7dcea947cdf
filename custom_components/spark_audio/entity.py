"""What all entities of a Spark have in common."""

from typing import override

from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import Entity, EntityDescription
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import DOMAIN, display_name
from .coordinator import SparkCoordinator
from .data import SparkConfigEntry
from .spark_engine.healing.status import ServiceStatus


def spark_identifier(entry_id: str) -> tuple[str, str]:
    """Under which the device registry knows a Spark."""
    return DOMAIN, entry_id


def device_identifier(entry_id: str, name: str) -> tuple[str, str]:
    """Under which the device registry knows one server of one Spark."""
    return DOMAIN, f"{entry_id}_{name}"


class SparkEntity(Entity):
    """An entity on the device of its server, named by its key in the translations."""

    _attr_has_entity_name = True

    def __init__(self, entry: SparkConfigEntry, name: str, key: str) -> None:
        """Set what never changes. `name` is the server's: its service's, or with a number where there are several."""
        self._attr_translation_key = key
        self._attr_unique_id = f"{entry.entry_id}_{name}_{key}"
        self._attr_device_info = DeviceInfo(
            entry_type=DeviceEntryType.SERVICE,
            identifiers={device_identifier(entry.entry_id, name)},
            manufacturer="NVIDIA",
            name=display_name(name),
            via_device_id=dr.async_get_device_id_by_identifier(
                entry.runtime_data.coordinator.hass,
                spark_identifier(entry.entry_id),
                config_entry_id=entry.entry_id,
            ),
        )


class HealthEntity(SparkEntity, CoordinatorEntity[SparkCoordinator]):
    """An entity that shows something of a server's health, or acts on it."""

    def __init__(self, entry: SparkConfigEntry, name: str, description: EntityDescription) -> None:
        """Follow this server."""
        CoordinatorEntity.__init__(self, entry.runtime_data.coordinator)
        SparkEntity.__init__(self, entry, name, description.key)
        self.entity_description = description
        self._name = name

    @property
    @override
    def available(self) -> bool:
        return super().available and self._name in self.coordinator.data

    @property
    def status(self) -> ServiceStatus:
        """How the server is."""
        return self.coordinator.data[self._name]
