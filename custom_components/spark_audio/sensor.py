"""How the services are, as sensors."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import EntityCategory, Platform, UnitOfTime
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.typing import StateType
from homeassistant.util.dt import utc_from_timestamp

from .coordinator import SparkConfigEntry
from .entity import HealthEntity, SparkEntity, forget_entity
from .spark_engine.healing.health import State
from .spark_engine.healing.status import ServerStatus
from .spark_engine.models import ServerName, Service

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class ServiceSensorDescription(SensorEntityDescription):
    """What a sensor shows of a server."""

    value: Callable[[ServerStatus], StateType | datetime]


LONGEST_STATE = 255
"""Characters."""

MILLISECONDS = 3
"""Decimal places of seconds."""

HEALTH = ServiceSensorDescription(
    key="health",
    device_class=SensorDeviceClass.ENUM,
    # Home Assistant has a state of its own for what is not known.
    options=[state.value for state in State if state is not State.UNKNOWN],
    value=lambda service: None if service.state is State.UNKNOWN else service.state.value,
)
"""No diagnostic entity: it is what automations and dashboards go by."""

REASON = ServiceSensorDescription(
    key="reason",
    entity_category=EntityCategory.DIAGNOSTIC,
    value=lambda service: " ".join(filter(None, (service.evidence, service.restart_problem)))[:LONGEST_STATE] or None,
)
"""Why the health is what it is, where people look: on the page of the device, in the history and in the logbook."""

DIAGNOSTICS: tuple[ServiceSensorDescription, ...] = (
    ServiceSensorDescription(
        key="canary_latency",
        device_class=SensorDeviceClass.DURATION,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_display_precision=2,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value=lambda service: service.last_canary.latency if service.last_canary else None,
    ),
    ServiceSensorDescription(
        key="last_success",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value=lambda service: None if service.last_success is None else utc_from_timestamp(service.last_success),
    ),
    ServiceSensorDescription(
        key="restarts",
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        value=lambda service: len(service.restarts),
    ),
    ServiceSensorDescription(
        key="restarts_left",
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        value=lambda service: service.restarts_left,
    ),
)


SILENCE = SensorEntityDescription(
    key="silence",
    device_class=SensorDeviceClass.DURATION,
    state_class=SensorStateClass.MEASUREMENT,
    native_unit_of_measurement=UnitOfTime.SECONDS,
    suggested_display_precision=2,
)
"""No diagnostic entity, and enabled: it tells how fast the assistant is, and changes once for each command."""


async def async_setup_entry(
    hass: HomeAssistant, entry: SparkConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the sensors of every server, and that of the turns where both services are there."""
    names = entry.runtime_data.data
    async_add_entities(HealthSensor(entry, name, HEALTH) for name in names)
    async_add_entities(AlwaysThere(entry, name, REASON) for name in names)
    async_add_entities(ServiceSensor(entry, name, description) for name in names for description in DIAGNOSTICS)
    silence, spark = SilenceSensor(entry, SILENCE), entry.runtime_data.spark
    if spark.parakeet and spark.magpie:
        async_add_entities([silence])
    else:
        forget_entity(hass, Platform.SENSOR, silence)


class ServiceSensor(HealthEntity, SensorEntity):
    """One value of a server."""

    entity_description: ServiceSensorDescription

    @property
    @override
    def native_value(self) -> StateType | datetime:
        return self.entity_description.value(self.status)


class AlwaysThere(ServiceSensor):
    """A sensor that tells that nothing can be reached, too."""

    @property
    @override
    def available(self) -> bool:
        return True

    @property
    @override
    def native_value(self) -> StateType | datetime:
        # The proxy may have dropped the server: the entry is about to be loaded again.
        return super().native_value if self._name in self.coordinator.data else None


class HealthSensor(AlwaysThere):
    """The state of a server, what it was concluded from, and why it cannot be restarted."""

    _unrecorded_attributes = frozenset({"evidence", "restart_problem"})

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any]:
        if self._name not in self.coordinator.data:
            return {}
        return {"evidence": self.status.evidence, "restart_problem": self.status.restart_problem}


class SilenceSensor(SparkEntity, SensorEntity):
    """The silence of the last voice turn that this Spark heard and answered, and its parts.

    Unknown after a restart of Home Assistant: no turn was measured since.
    """

    _attr_should_poll = False

    def __init__(self, entry: SparkConfigEntry, description: SensorEntityDescription) -> None:
        """Follow the turns. The device is that of Magpie, which ends the silence."""
        super().__init__(entry, ServerName(Service.MAGPIE), description.key)
        self.entity_description = description
        self._turns = entry.runtime_data.turns

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        self.async_on_remove(self._turns.listen(self._show))

    @callback
    def _show(self) -> None:
        if silence := self._turns.silence:
            parts = {name: round(seconds, MILLISECONDS) for name, seconds in asdict(silence).items()}
            self._attr_native_value = round(sum(parts.values()), MILLISECONDS)
            self._attr_extra_state_attributes = parts
            self.async_write_ha_state()
