"""What the options name of others: fallback engines, and buttons and actions that restart. Entities by registry id.

Who renames an entity changes its entity id; its registry id stays. What is in no registry is kept by its entity id.
"""

from collections.abc import Mapping
from typing import Any

from homeassistant.core import HomeAssistant, split_entity_id, valid_entity_id
from homeassistant.helpers import entity_registry as er

from .const import CONF_FALLBACK_STT, CONF_FALLBACK_TTS, CONF_RESTART_KIND, RestartKind, restart_option
from .spark_engine.models import Service

FALLBACK_OPTIONS: Mapping[Service, str] = {Service.PARAKEET: CONF_FALLBACK_STT, Service.MAGPIE: CONF_FALLBACK_TTS}

ENTITY_OPTIONS = (*FALLBACK_OPTIONS.values(), *(restart_option(service, RestartKind.BUTTON) for service in Service))
"""The options that hold an entity."""


def by_registry_id(hass: HomeAssistant, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as they are stored: entities by registry id, where they have one."""
    registry = er.async_get(hass)
    kept = dict(options)
    for name in ENTITY_OPTIONS:
        if (given := options.get(name)) and (entry := registry.async_get(current_entity_id(hass, given))):
            kept[name] = entry.id
    return kept


def by_entity_id(hass: HomeAssistant, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as people see them: entities by entity id. Those that are gone are left out."""
    return {
        name: current_entity_id(hass, value) if name in ENTITY_OPTIONS and value else value
        for name, value in options.items()
        if name not in ENTITY_OPTIONS or (value and _is_known(hass, value))
    }


def current_entity_id(hass: HomeAssistant, kept: str) -> str:
    """Return the entity id of a registry id or an entity id; the last one that is known of an entity that is gone."""
    registry = er.async_get(hass)
    if entity_id := er.async_resolve_entity_id(registry, kept):
        return entity_id
    return next((deleted.entity_id for deleted in registry.deleted_entities.values() if deleted.id == kept), kept)


def missing_fallback(hass: HomeAssistant, options: Mapping[str, Any], service: Service) -> str | None:
    """Return the entity id of this service's fallback where it is removed or disabled."""
    return _missing_entity(hass, options.get(FALLBACK_OPTIONS[service]))


def missing_restart_target(hass: HomeAssistant, options: Mapping[str, Any], service: Service) -> str | None:
    """Return the button or the action that is to restart this service where it is removed, or the button disabled."""
    kind = options.get(CONF_RESTART_KIND)
    name = str(options.get(restart_option(service, str(kind))) or "")
    if kind == RestartKind.BUTTON:
        return _missing_entity(hass, name)
    if kind == RestartKind.ACTION and name and not hass.services.has_service(*split_entity_id(name)):
        return name
    return None


def _missing_entity(hass: HomeAssistant, kept: str | None) -> str | None:
    if not kept:
        return None
    entity_id = current_entity_id(hass, kept)
    entry = er.async_get(hass).async_get(entity_id)
    is_there = _is_known(hass, kept) and not (entry and entry.disabled)
    return None if is_there else entity_id


def _is_known(hass: HomeAssistant, kept: str) -> bool:
    if er.async_get(hass).async_get(current_entity_id(hass, kept)):
        return True
    # What was in the registry and is not any more may still have a state, for a moment.
    return valid_entity_id(kept) and hass.states.get(kept) is not None
