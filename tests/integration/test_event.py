"""What happens to a service, as events for automations."""

import pytest
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import snapshot_platform
from syrupy.assertion import SnapshotAssertion

from custom_components.spark_audio.event import INCIDENT as DESCRIPTION
from custom_components.spark_audio.event import new_transitions
from custom_components.spark_audio.spark_engine.healing.health import State, Transition
from tests.helpers.integration.translations import TRANSLATIONS
from tests.helpers.integration.watched import fake_proxy, only, proxy_entry

pytestmark = pytest.mark.usefixtures("assist")

ONE, TWO, THREE = (Transition(at, State.HEALTHY, State.SUSPECT, "") for at in (1.0, 2.0, 3.0))


@pytest.mark.usefixtures("socket_enabled")
async def test_events(hass: HomeAssistant, entity_registry: er.EntityRegistry, snapshot: SnapshotAssertion) -> None:
    """One for each service."""
    async with fake_proxy() as proxy, only(Platform.EVENT, hass, proxy_entry(proxy.url, entry_id="events")) as entry:
        await snapshot_platform(hass, entity_registry, snapshot, entry.entry_id)


@pytest.mark.parametrize(
    ("seen", "history", "new"),
    [
        ((), (), []),
        ((), (ONE,), [ONE]),
        ((ONE,), (ONE, TWO, THREE), [TWO, THREE]),
        ((ONE, TWO), (TWO, THREE), [THREE]),
        ((ONE, TWO), (ONE, TWO), []),
        ((ONE, TWO), (), []),
        ((ONE, TWO), (THREE,), [THREE]),
    ],
    ids=["nothing", "the first", "two more", "the oldest dropped", "no news", "forgotten", "another history"],
)
def test_what_is_new(seen: tuple[Transition, ...], history: tuple[Transition, ...], new: list[Transition]) -> None:
    """Each transition is told once, also after the proxy was restarted."""
    assert list(new_transitions(seen, history)) == new


def test_every_type_has_a_name() -> None:
    names = TRANSLATIONS["entity"]["event"]["incident"]["state_attributes"]["event_type"]["state"]
    assert set(names) == set(DESCRIPTION.event_types or [])
