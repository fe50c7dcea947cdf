"""What happens to a service, as events for automations."""

from collections.abc import Iterable, Sequence
from typing import override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.components.event.const import ATTR_EVENT_TYPE
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import SparkConfigEntry
from .entity import HealthEntity
from .outages import is_long_unreachable
from .spark_engine.healing.health import State, Transition
from .spark_engine.models import ServerName

PARALLEL_UPDATES = 0

RECOVERED = "recovered"
RESTART_REFUSED = "restart_refused"
UNREACHABLE = "unreachable"

TROUBLE = {
    State.WEDGED: "wedged",
    State.RESTARTING: "restart_requested",
    State.GAVE_UP: "gave_up",
    State.OUT_OF_MEMORY: "out_of_memory",
    State.WRONG_SERVER: "wrong_server",
}
"""What is told at once. A box that is off is told of once that is long."""

BACK = (State.HEALTHY, State.ASLEEP)
"""States in which nothing is left to be told of. A model that was unloaded is loaded by the next request."""

INCIDENT = EventEntityDescription(
    key="incident", event_types=[*TROUBLE.values(), UNREACHABLE, RESTART_REFUSED, RECOVERED]
)


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

    @property
    @override
    def available(self) -> bool:
        # It is what tells that nothing has been reached for long.
        return True

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        if self._name in self.coordinator.data:
            history = self.status.history
            for change in new_transitions(self._seen, history):
                self._tell_change(change)
            self._seen = history
            self._tell_outage()
        super()._handle_coordinator_update()

    @property
    def _told(self) -> str | None:
        """Return what was told last, before a restart of Home Assistant perhaps."""
        told: str | None = self.state_attributes[ATTR_EVENT_TYPE]
        return told

    def _tell_change(self, change: Transition) -> None:
        if change.refused:
            self._tell(RESTART_REFUSED, change.evidence)
        elif change.after in BACK and self._told not in (None, RECOVERED):
            self._tell(RECOVERED, change.evidence)
        elif change.after in TROUBLE:
            self._tell(TROUBLE[change.after], change.evidence)

    def _tell_outage(self) -> None:
        """Tell of an outage once it is long, and of its end: a proxy that was away has no transition to show for it."""
        was_told, status = self._told == UNREACHABLE, self.status
        if not was_told and is_long_unreachable(status):
            self._tell(UNREACHABLE, status.evidence)
        elif was_told and status.state in BACK:
            self._tell(RECOVERED, status.evidence)

    def _tell(self, kind: str, evidence: str) -> None:
        self._trigger_event(kind, {"evidence": evidence})
        self.async_write_ha_state()


def new_transitions(seen: Sequence[Transition], history: Sequence[Transition]) -> Iterable[Transition]:
    """Return those after the last one that was seen; all, where that one is gone: then the proxy has been restarted."""
    if seen and seen[-1] in history:
        return history[history.index(seen[-1]) + 1 :]
    return history
