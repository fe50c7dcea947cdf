"""What a person has to do something about, shown under Repairs until it is done."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, override

from homeassistant.components.repairs import ConfirmRepairFlow, RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir

from .addresses import is_through_proxy
from .const import DOCUMENTATION, DOMAIN
from .coordinator import SparkConfigEntry
from .other_entities import missing_fallback, missing_restart_target
from .outages import is_long
from .spark_engine.healing.health import State
from .spark_engine.healing.status import ServerStatus
from .spark_engine.models import ServerName, Service

GAVE_UP = "gave_up"
NO_RESTART_TARGET = "no_restart_target"
NO_RESTART_TARGET_PROXY = "no_restart_target_proxy"
TWO_OWNERS = "two_owners"
UNREACHABLE = "unreachable"
OUT_OF_MEMORY = "out_of_memory"
WRONG_SERVER = "wrong_server"
RESTART_PROBLEM = "restart_problem"
FALLBACK_GONE = "fallback_gone"
RESTART_TARGET_GONE = "restart_target_gone"

ISSUES = (
    GAVE_UP,
    NO_RESTART_TARGET,
    NO_RESTART_TARGET_PROXY,
    TWO_OWNERS,
    UNREACHABLE,
    OUT_OF_MEMORY,
    WRONG_SERVER,
    RESTART_PROBLEM,
)

ISSUES_OF_OTHERS: Mapping[str, Callable[[HomeAssistant, Mapping[str, Any], Service], str | None]] = {
    FALLBACK_GONE: missing_fallback,
    RESTART_TARGET_GONE: missing_restart_target,
}
"""What is missing of others, and how that is found out."""

_SEVERITIES = {GAVE_UP: ir.IssueSeverity.ERROR, WRONG_SERVER: ir.IssueSeverity.ERROR}


@callback
def update_issues(hass: HomeAssistant, entry: SparkConfigEntry) -> None:
    """Create the issues that there are, and delete those that there are not any more."""
    for service in entry.runtime_data.data.values():
        current = set(_issues(hass, entry, service))
        for issue in ISSUES:
            issue_id = _issue_id(issue, entry.entry_id, service.name)
            if issue not in current:
                ir.async_delete_issue(hass, DOMAIN, issue_id)
                continue
            ir.async_create_issue(
                hass,
                DOMAIN,
                issue_id,
                data={"entry_id": entry.entry_id, "name": str(service.name)},
                is_fixable=issue == GAVE_UP,
                learn_more_url=f"{DOCUMENTATION}#repairs",
                severity=_SEVERITIES.get(issue, ir.IssueSeverity.WARNING),
                translation_key=issue,
                translation_placeholders={
                    "service": service.name.display_name,
                    "title": entry.title,
                    "url": f"`{entry.runtime_data.address_of(service)}`",
                    "reason": (service.restart_problem if issue == RESTART_PROBLEM else None) or service.evidence,
                },
            )


@callback
def update_issues_of_others(hass: HomeAssistant, entry: SparkConfigEntry) -> None:
    """Create and delete the issues about entities and actions of others that the options name."""
    for issue, find_missing in ISSUES_OF_OTHERS.items():
        for service in {name.service for name in entry.runtime_data.data}:
            issue_id = _issue_id(issue, entry.entry_id, ServerName(service))
            missing = find_missing(hass, entry.options, service)
            if missing is None:
                ir.async_delete_issue(hass, DOMAIN, issue_id)
                continue
            ir.async_create_issue(
                hass,
                DOMAIN,
                issue_id,
                is_fixable=False,
                severity=ir.IssueSeverity.WARNING,
                translation_key=issue,
                translation_placeholders={
                    "service": service.display_name,
                    "title": entry.title,
                    "missing": f"`{missing}`",
                },
            )


@callback
def forget_issues(hass: HomeAssistant, entry: SparkConfigEntry) -> None:
    """Delete all issues: nothing is watched any more, so that nothing is known to be wrong."""
    for name in entry.runtime_data.data:
        for issue in (*ISSUES, *ISSUES_OF_OTHERS):
            ir.async_delete_issue(hass, DOMAIN, _issue_id(issue, entry.entry_id, name))


def _issue_id(issue: str, entry_id: str, name: ServerName) -> str:
    return f"{issue}_{entry_id}_{name}"


def _issues(hass: HomeAssistant, entry: SparkConfigEntry, service: ServerStatus) -> Iterator[str]:
    match service.state:
        case State.GAVE_UP:
            yield GAVE_UP
        case State.WRONG_SERVER:
            yield WRONG_SERVER
        case State.UNREACHABLE if is_long(service):
            yield UNREACHABLE
        case State.OUT_OF_MEMORY if is_long(service):
            yield OUT_OF_MEMORY
    is_told = missing_restart_target(hass, entry.options, service.name.service) is not None
    if service.restart_problem is not None and service.automatic and not is_told:
        yield RESTART_PROBLEM
    wedged = service.state is State.WEDGED or any(change.after is State.WEDGED for change in service.history)
    if wedged and service.automatic and service.restart_target is None:
        # It stays after a recovery: the next wedge will not mend itself either.
        yield NO_RESTART_TARGET_PROXY if is_through_proxy(entry.data) else NO_RESTART_TARGET
    if not is_through_proxy(entry.data) and service.has_owner:
        doubly = service.name in entry.runtime_data.two_owners
        if doubly or _another_entry_owns(hass, entry, service):
            yield TWO_OWNERS


def _another_entry_owns(hass: HomeAssistant, entry: SparkConfigEntry, service: ServerStatus) -> bool:
    """Return whether the same server is restarted by another Spark of this Home Assistant, or by that one's proxy."""
    others: list[SparkConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    return any(
        other_service.has_owner and _is_same(other_service, service)
        for other in others
        if other.entry_id != entry.entry_id
        for other_service in other.runtime_data.data.values()
    )


def _is_same(one: ServerStatus, other: ServerStatus) -> bool:
    return one.name.service is other.name.service and _address(one) == _address(other)


def _address(service: ServerStatus) -> str:
    """Return one spelling of the URLs that people paste for one server."""
    return service.url.rstrip("/").removesuffix("/v1").rstrip("/").lower()


class RestartFlow(ConfirmRepairFlow):
    """Restart now: the user has looked at the box."""

    @override
    async def async_step_confirm(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        if user_input is None:
            return await super().async_step_confirm()
        about = self.data or {}
        entry: SparkConfigEntry | None = self.hass.config_entries.async_get_entry(str(about.get("entry_id")))
        if entry is None or entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="not_loaded")
        coordinator, name = entry.runtime_data, ServerName.parse(str(about["name"]))
        if name not in coordinator.data or coordinator.data[name].state is not State.GAVE_UP:
            return self.async_abort(reason="not_needed")
        try:
            await coordinator.async_restart(name)
        except HomeAssistantError as err:
            return self.async_abort(reason="failed", description_placeholders={"reason": str(err)})
        return self.async_create_entry(data={})


async def async_create_fix_flow(
    _hass: HomeAssistant, _issue_id: str, _data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Return the flow: only `gave_up` can be fixed from here."""
    return RestartFlow()
