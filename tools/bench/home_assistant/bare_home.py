"""A Home Assistant of names alone, in this process: its own agent, and states and areas for it to know.

Nothing is stored, and no service does anything.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from homeassistant import loader
from homeassistant.auth import auth_manager_from_config
from homeassistant.bootstrap import async_load_base_functionality
from homeassistant.config_entries import ConfigEntries
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component

STATES: Mapping[str, str] = {"climate": "heat", "lock": "locked", "cover": "open", "media_player": "playing"}
"""The state of each kind of entity; all others are on."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a home has: names of entities by domain, and names of areas."""

    entities: Mapping[str, Sequence[str]]
    areas: Sequence[str]
    has_satellite: bool = False
    """Whether there is one in the first area, so that "turn on the lights" makes sense."""


@asynccontextmanager
async def bare_home(names: Names) -> AsyncGenerator[HomeAssistant]:
    """Set up Home Assistant's agent in a home with these names, all of them exposed."""
    with TemporaryDirectory() as folder:
        hass = HomeAssistant(folder)
        hass.config.skip_pip = True
        hass.config_entries = ConfigEntries(hass, {})
        loader.async_setup(hass)
        await async_load_base_functionality(hass)
        hass.auth = await auth_manager_from_config(hass, [{"type": "homeassistant"}], [])
        for component in ("homeassistant", "conversation"):
            if not await async_setup_component(hass, component, {}):
                raise RuntimeError(f"{component} cannot be set up")
        hass.set_state(CoreState.running)
        for area in names.areas:
            ar.async_get(hass).async_create(area)
        if names.has_satellite:
            entities, areas = er.async_get(hass), ar.async_get(hass).async_list_areas()
            satellite = entities.async_get_or_create("assist_satellite", "bench", "satellite")
            entities.async_update_entity(satellite.entity_id, area_id=next(iter(areas)).id)
        for domain, called in names.entities.items():
            for number, name in enumerate(called):
                hass.states.async_set(f"{domain}.bench_{number}", STATES.get(domain, "on"), {"friendly_name": name})
        await hass.async_block_till_done()
        try:
            yield hass
        finally:
            await hass.async_stop(force=True)
