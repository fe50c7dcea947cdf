"""What a person can ask of a service: restart it, look at it now."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.button import (  # type: ignore[attr-defined] # 2026.9 has the class nowhere else
    ButtonDeviceClass,
    ButtonEntity,
    ButtonEntityDescription,
)
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import SparkConfigEntry, SparkCoordinator
from .entity import HealthEntity, forget_entity
from .spark_engine.healing.status import ServerStatus
from .spark_engine.models import ServerName

# A watchdog refuses a second restart itself, and the services have nothing to do with each other.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class ServiceButtonDescription(ButtonEntityDescription):
    """What a button does, and for which servers there is one."""

    exists: Callable[[ServerStatus], bool]
    press: Callable[[SparkCoordinator, ServerName], Awaitable[None]]


BUTTONS: tuple[ServiceButtonDescription, ...] = (
    ServiceButtonDescription(
        key="restart",
        device_class=ButtonDeviceClass.RESTART,
        entity_category=EntityCategory.CONFIG,
        exists=lambda service: service.restart_target is not None,
        press=lambda coordinator, name: coordinator.async_restart(name),
    ),
    ServiceButtonDescription(
        key="check",
        entity_category=EntityCategory.DIAGNOSTIC,
        exists=lambda service: service.watched,
        press=lambda coordinator, name: coordinator.async_check(name),
    ),
)


async def async_setup_entry(
    hass: HomeAssistant, entry: SparkConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the buttons that would do something, and forget those that would not any more."""
    servers = entry.runtime_data.data.values()
    buttons = [(ServiceButton(entry, server.name, each), each.exists(server)) for server in servers for each in BUTTONS]
    async_add_entities(button for button, exists in buttons if exists)
    for button, exists in buttons:
        if not exists:
            forget_entity(hass, Platform.BUTTON, button)


class ServiceButton(HealthEntity, ButtonEntity):
    """One thing to do with a server."""

    entity_description: ServiceButtonDescription

    @override
    async def async_press(self) -> None:
        await self.entity_description.press(self.coordinator, self._name)
