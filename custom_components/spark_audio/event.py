"""What happens to a service, as events for automations."""

from collections.abc import Iterable, Sequence
from typing import override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.components.event.const import ATTR_EVENT_TYPE
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import SparkConfigEntry
from .entity import HealthEntity
from .spark_engine.healing.health import State, Transition
from .spark_engine.models import ServerName

PARALLEL_UPDATES = 0

WEDGED = "wedged"
RESTART_REQUESTED = "restart_requested"
RECOVERED = "recovered"
GAVE_UP = "gave_up"

TROUBLE = {State.WEDGED: WEDGED, State.RESTARTING: RESTART_REQUESTED, State.GAVE_UP: GAVE_UP}

INCIDENT = EventEntityDescription(key="incident", event_types=[*TROUBLE.values(), RECOVERED])


async def async_setup_entry(
    _hass: HomeAssistant, entry: SparkConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add one entity for every server."""
    async_add_entities(IncidentEvent(entry, name, INCIDENT) for name in entry.runtime_data.data)


class IncidentEvent(HealthEntity, EventEntity):
    """Trouble and its end. A service that hiccups and goes on is none."""

    def __init__(self, entry: SparkConfigEntry, name: ServerName, description: EventEntityDescription) -> None:
        """What happened before now is history."""
        super().__init__(entry, name, description)
        self._seen = self.status.history

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        if self._name in self.coordinator.data:
            history = self.status.history
            for change in new_transitions(self._seen, history):
                self._tell(change)
            self._seen = history
        super()._handle_coordinator_update()

    def _tell(self, change: Transition) -> None:
        kind = TROUBLE.get(change.after)
        # What was told last, before a restart of Home Assistant perhaps, tells whether there is anything to recover of.
        if change.after is State.HEALTHY and self.state_attributes[ATTR_EVENT_TYPE] in TROUBLE.values():
            kind = RECOVERED
        if kind:
            self._trigger_event(kind, {"evidence": change.evidence})
            self.async_write_ha_state()


def new_transitions(seen: Sequence[Transition], history: Sequence[Transition]) -> Iterable[Transition]:
    """Return those after the last one that was seen; all, where that one is gone: then the proxy has been restarted."""
    if seen and seen[-1] in history:
        return history[history.index(seen[-1]) + 1 :]
    return history
