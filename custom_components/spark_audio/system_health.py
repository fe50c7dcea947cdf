"""All Sparks at a glance, under Settings > System > Repairs > System information."""

from itertools import chain
from typing import Any

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN
from .coordinator import SparkConfigEntry
from .spark_engine.healing.health import State


@callback
def async_register(_hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Offer the information."""
    register.async_register_info(system_health_info)


async def system_health_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return what real inference has shown. An address that answers proves nothing: a wedged service answers, too."""
    entries: list[SparkConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    services = list(chain.from_iterable(entry.runtime_data.data.values() for entry in entries))
    return {
        "sparks": len(entries),
        "services": len(services),
        "healthy": sum(service.state is State.HEALTHY for service in services),
        "gave_up": sum(service.state is State.GAVE_UP for service in services),
        "restarts": sum(len(service.restarts) for service in services),
    }
