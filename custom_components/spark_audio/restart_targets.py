"""Restart targets from the options: the engine's two over HTTP, and whatever Home Assistant itself can do."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, override

from aiohttp import ClientSession
from homeassistant.const import ATTR_ENTITY_ID, STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant, split_entity_id
from homeassistant.exceptions import HomeAssistantError, ServiceNotFound, ServiceValidationError
from homeassistant.helpers.start import async_at_started

from .const import CONF_RESTART_KIND, RestartKind, restart_option
from .other_entities import current_entity_id
from .spark_engine.healing.restart import (
    RESTART_DEADLINE,
    Answer,
    RestartReply,
    RestartTarget,
    Trial,
    TrialResult,
    parse_docker,
    parse_hook,
)
from .spark_engine.models import Service

LOGGER = logging.getLogger(__name__)

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'<>]+", re.IGNORECASE)

SERVICE_PRESS = "press"
"""The same for buttons and for those that a user made up (`input_button`)."""


def create_target(
    hass: HomeAssistant, session: ClientSession, options: Mapping[str, Any], service: Service
) -> RestartTarget | None:
    """Return what restarts a service, None where nothing is chosen. Raises ValueError where it cannot be understood."""
    kind = RestartKind(options.get(CONF_RESTART_KIND, RestartKind.NONE))

    def option(what: str) -> str:
        return str(options.get(restart_option(service, what)) or "")

    match kind:
        case RestartKind.HOOK if url := option("url"):
            return parse_hook(session, url, option("token"))
        case RestartKind.DOCKER if text := option("docker"):
            return parse_docker(session, text)
        case RestartKind.ACTION if action := option("action"):
            return ActionTarget(hass, action)
        case RestartKind.BUTTON if button := option("button"):
            return ButtonTarget(hass, button)
    return None


@dataclass(frozen=True, slots=True)
class ActionTarget(RestartTarget):
    """Any action: a script, a shell command, another integration's."""

    hass: HomeAssistant
    action: str
    """`domain.service`"""
    kind: str = RestartKind.ACTION

    @override
    async def restart(self) -> RestartReply:
        domain, service = split_entity_id(self.action)
        return await _performed(
            self.hass, lambda: self.hass.services.async_call(domain, service, blocking=True), self.action
        )

    @override
    async def try_out(self) -> TrialResult:
        await _started(self.hass)
        if not self.hass.services.has_service(*split_entity_id(self.action)):
            return TrialResult(Trial.FAILS, f"There is no action {self.action}.")
        return TrialResult(Trial.UNTRIED, f"{self.action} is there. Only a restart tells what it does.")


@dataclass(frozen=True, slots=True)
class ButtonTarget(RestartTarget):
    """A button entity, for example Portainer's for the container."""

    hass: HomeAssistant
    button: str
    """A `button` or an `input_button`, by registry id or entity id."""
    kind: str = RestartKind.BUTTON

    @override
    async def restart(self) -> RestartReply:
        # Home Assistant would take the press of a button that is not there for done.
        button = self._entity_id
        if not self._is_available:
            return RestartReply(Answer.REFUSED, f"The button {button} is not available.")
        domain, _ = split_entity_id(button)
        data = {ATTR_ENTITY_ID: button}
        return await _performed(
            self.hass,
            lambda: self.hass.services.async_call(domain, SERVICE_PRESS, data, blocking=True),
            f"The button {button}",
        )

    @override
    async def try_out(self) -> TrialResult:
        await _started(self.hass)
        if not self._is_available:
            return TrialResult(Trial.FAILS, f"The button {self._entity_id} is not available.")
        return TrialResult(Trial.UNTRIED, f"The button {self._entity_id} is there. Only a restart tells what it does.")

    @property
    def _entity_id(self) -> str:
        return current_entity_id(self.hass, self.button)

    @property
    def _is_available(self) -> bool:
        state = self.hass.states.get(self._entity_id)
        return state is not None and state.state != STATE_UNAVAILABLE


async def _started(hass: HomeAssistant) -> None:
    """Wait until Home Assistant has started: before, actions and buttons of others may not be there yet."""
    started = asyncio.Event()
    async_at_started(hass, lambda _: started.set())
    await started.wait()


async def _performed(hass: HomeAssistant, call: Callable[[], Awaitable[object]], what: str) -> RestartReply:
    """Return what came of it. It goes on by itself where it takes longer, and where the caller has left."""

    async def perform() -> RestartReply:
        try:
            await call()
        except ServiceNotFound, ServiceValidationError:
            return RestartReply(Answer.REFUSED, f"{what} is not there, or does not take the call.")
        except HomeAssistantError as err:
            # With many actions the address is the secret.
            return RestartReply(Answer.UNCONFIRMED, f"{what} failed: {_ADDRESS.sub('...', str(err))}")
        except Exception as err:
            # Other people's code may raise anything; canaries tell what it did.
            LOGGER.debug("%s failed", what, exc_info=True)
            return RestartReply(Answer.UNCONFIRMED, f"{what} failed ({type(err).__name__}).")
        return RestartReply(Answer.ACCEPTED, f"{what} was performed.")

    task = hass.async_create_task(perform(), name=f"restart by {what}")
    done, _ = await asyncio.wait({task}, timeout=RESTART_DEADLINE)
    if done:
        return task.result()
    return RestartReply(Answer.UNCONFIRMED, f"{what} takes longer than {RESTART_DEADLINE:.0f} s.")
