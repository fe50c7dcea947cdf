"""What all entities of a Spark have in common."""

from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import Entity

from .const import DOMAIN, SERVICE_NAMES, Service
from .data import SparkConfigEntry


def device_identifier(entry_id: str, service: Service) -> tuple[str, str]:
    """Under which the device registry knows one service of one Spark."""
    return DOMAIN, f"{entry_id}_{service}"


class SparkEntity(Entity):
    """An entity on the device of its service, named by its key in the translations."""

    _attr_has_entity_name = True

    def __init__(self, entry: SparkConfigEntry, service: Service, key: str) -> None:
        """Set the names that never change."""
        self._attr_translation_key = key
        self._attr_unique_id = f"{entry.entry_id}_{service}_{key}"
        self._attr_device_info = DeviceInfo(
            entry_type=DeviceEntryType.SERVICE,
            identifiers={device_identifier(entry.entry_id, service)},
            manufacturer="NVIDIA",
            name=SERVICE_NAMES[service],
        )
