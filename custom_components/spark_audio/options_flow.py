"""Options: how it sounds, how it listens, how it heals, and who steps in."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult, OptionsFlowWithReload
from homeassistant.core import valid_entity_id
from homeassistant.helpers import entity_registry as er

from .addresses import address_for, is_through_proxy, read_key, session_for
from .chime import find_media
from .const import (
    CHIME_BUILT_IN,
    CHIME_NONE,
    CONF_AUTOMATIC_RESTART,
    CONF_CHIME,
    CONF_REPLACEMENTS,
    CONF_RESTART_KIND,
    RestartKind,
    restart_option,
)
from .options_form import FALLBACK, RESTART_FIELDS, VOICE, Options, form, shown, stored, target_form
from .other_entities import by_entity_id, by_registry_id
from .restart_targets import create_target
from .spark_engine.healing.restart import Trial, parse_docker, parse_hook
from .spark_engine.models import Service
from .spark_engine.servers.magpie_dialects import MagpieServer
from .spark_engine.speech.replacements import BadReplacement, Replacements

EXAMPLES = {
    "parakeet_hook_example": "`http://192.168.1.50:9100/hooks/restart-parakeet`",
    "magpie_hook_example": "`http://192.168.1.50:9100/hooks/restart-magpie`",
    "parakeet_docker_example": "`http://192.168.1.50:2375#parakeet`",
    "magpie_docker_example": "`http://192.168.1.50:2375#magpie`",
}
"""Quoted: a bare URL would become a link that leads nowhere."""


class SparkAudioOptionsFlow(OptionsFlowWithReload):
    """One form, a second one for what the chosen kind of restart has to be told, and what could not be tried of it."""

    _chosen: Options
    _warned_of: Mapping[str, str] | None = None
    """The restart targets that were shown not to work."""
    _untried: Sequence[str] = ()
    """Which restart targets cannot be tried without a restart, and why."""
    _tokens: Mapping[str, str] | None = None
    """The tokens that are known: they are not sent to the browser again, and stay where their fields are left empty."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for everything else."""
        before = by_entity_id(self.hass, self.config_entry.options)
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            errors, placeholders = await self._unusable(user_input)
            if not errors:
                self._chosen = stored(user_input, self._magpie, before)
                return await self._ask_for_targets()
        healing = not is_through_proxy(self.config_entry.data)
        schema = form(self._services, self._magpie, self._own_entities, healing=healing)
        values = shown(before, self._magpie) if user_input is None else user_input
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(schema, values),
            errors=errors,
            description_placeholders=placeholders,
        )

    async def async_step_hook(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask which URLs restart the services."""
        return await self._targets(RestartKind.HOOK, user_input)

    async def async_step_docker(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask which containers the services run in, and where Docker's API is."""
        return await self._targets(RestartKind.DOCKER, user_input)

    async def async_step_action(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask which actions restart the services."""
        return await self._targets(RestartKind.ACTION, user_input)

    async def async_step_button(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask which buttons restart the services."""
        return await self._targets(RestartKind.BUTTON, user_input)

    async def async_step_untried(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Say that only a restart tells whether the restart targets work."""
        if user_input is not None:
            return self._save()
        return self.async_show_form(
            step_id="untried", last_step=True, description_placeholders={"reason": "\n\n".join(self._untried)}
        )

    async def async_step_nothing_restarts(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Say that automatic restarts are on, and that nothing is chosen that could make one."""
        if user_input is not None:
            return self._save()
        return self.async_show_form(step_id="nothing_restarts", last_step=True)

    async def _ask_for_targets(self) -> ConfigFlowResult:
        match self._chosen.get(CONF_RESTART_KIND):
            case RestartKind.HOOK:
                return await self.async_step_hook()
            case RestartKind.DOCKER:
                return await self.async_step_docker()
            case RestartKind.ACTION:
                return await self.async_step_action()
            case RestartKind.BUTTON:
                return await self.async_step_button()
            case RestartKind.NONE if self._chosen[CONF_AUTOMATIC_RESTART] and self._changes_restarts:
                return await self.async_step_nothing_restarts()
        return self._save()

    @property
    def _changes_restarts(self) -> bool:
        """Return whether other restarts were chosen than before: what was said once is not said at every change."""
        about = (CONF_AUTOMATIC_RESTART, CONF_RESTART_KIND)
        return any(self._chosen[name] != self.config_entry.options.get(name) for name in about)

    async def _targets(self, kind: RestartKind, user_input: Mapping[str, str] | None) -> ConfigFlowResult:
        errors: dict[str, str] = {}
        unknown: list[str] = []
        reasons: list[str] = []
        if user_input is not None:
            given = {name: text.strip() for name, text in user_input.items() if text.strip()}
            self._tokens = {**self._known_tokens} | {name: text for name, text in given.items() if _is_token(name)}
            given |= {name: text for name, text in self._tokens.items() if name.replace("token", "url") in given}
            if errors := self._wrong(kind, given):
                unknown = [given[name] for name, error in errors.items() if error == "unknown_entity"]
            elif given == self._warned_of:
                self._chosen |= given
                return self._save()
            elif not (reasons := await self._try_out(self._chosen | given)):
                return await self._save_targets(given)
            else:
                # It may be off just now: the same once more is saved.
                self._warned_of, errors = given, {"base": "target_fails"}
        actions = sorted(
            f"{domain}.{action}"
            for domain, actions in self.hass.services.async_services().items()
            for action in actions
        )
        schema = target_form(kind, self._services, actions, self._own_entities)
        values = by_entity_id(self.hass, self.config_entry.options) if user_input is None else user_input
        values = {name: value for name, value in values.items() if not _is_token(name)}
        return self.async_show_form(
            step_id=kind,
            data_schema=self.add_suggested_values_to_schema(schema, values),
            errors=errors,
            description_placeholders={**EXAMPLES, "entity": ", ".join(unknown), "reason": " ".join(reasons)},
        )

    async def _save_targets(self, given: Mapping[str, str]) -> ConfigFlowResult:
        is_new = not given.items() <= by_entity_id(self.hass, self.config_entry.options).items()
        self._chosen |= given
        if is_new and self._untried:
            return await self.async_step_untried()
        return self._save()

    def _save(self) -> ConfigFlowResult:
        return self.async_create_entry(data=by_registry_id(self.hass, self._chosen))

    async def _try_out(self, options: Options) -> list[str]:
        """Return which restart targets fail, and why; keep which cannot be tried. Nothing is restarted."""
        session = session_for(self.hass, self.config_entry.data)
        targets = {service: create_target(self.hass, session, options, service) for service in self._services}
        given = {service: target for service, target in targets.items() if target}
        results = await asyncio.gather(*(target.try_out() for target in given.values()))
        told: dict[Trial, list[str]] = {trial: [] for trial in Trial}
        for service, result in zip(given, results, strict=True):
            told[result.trial].append(f"{service.display_name}: {result.detail}")
        self._untried = told[Trial.UNTRIED]
        return told[Trial.FAILS]

    def _wrong(self, kind: RestartKind, given: Mapping[str, str]) -> dict[str, str]:
        """Return the error of each field."""
        if not any(restart_option(service, RESTART_FIELDS[kind][0]) in given for service in Service):
            return {"base": "no_target"}
        errors = {}
        for service in Service:
            for what in RESTART_FIELDS[kind]:
                name = restart_option(service, what)
                if name in given and (error := self._error_of(what, given[name])):
                    errors[name] = error
        return errors

    def _error_of(self, what: str, text: str) -> str | None:
        if what == "button":
            return self._error_of_entity(text)
        if what == "action":
            known = valid_entity_id(text) and self.hass.services.has_service(*text.split(".", 1))
            return None if known else "unknown_action"
        try:
            match what:
                case "url":
                    parse_hook(session_for(self.hass, self.config_entry.data), text)
                case "token":
                    read_key(text)
                case "docker":
                    parse_docker(session_for(self.hass, self.config_entry.data), text)
        except ValueError:
            return {"url": "invalid_url", "token": "invalid_key", "docker": "invalid_docker"}[what]
        return None

    async def _unusable(self, user_input: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, str], dict[str, str]]:
        """Return what is unusable, shown above its section: the frontend shows no errors within one."""
        for entity_id in user_input[FALLBACK].values():
            if error := self._error_of_entity(entity_id):
                return {FALLBACK: error}, {"entity": entity_id}
        sound = user_input.get(VOICE, {})
        try:
            Replacements.parse(sound.get(CONF_REPLACEMENTS, ""))
        except BadReplacement as err:
            return {VOICE: "bad_replacement"}, {"line": str(err.line)}
        chime = sound.get(CONF_CHIME, CHIME_NONE)
        if chime in (CHIME_NONE, CHIME_BUILT_IN):
            return {}, {}
        if await self.hass.async_add_executor_job(find_media, self.hass, chime) is None:
            return {VOICE: "unknown_chime"}, {"chime": chime}
        return {}, {}

    def _error_of_entity(self, entity_id: str) -> str | None:
        """Return the error of an entity id; the selector takes registry ids, too, and does not offer own entities."""
        registry = er.async_get(self.hass)
        known = valid_entity_id(entity_id) and (registry.async_get(entity_id) or self.hass.states.get(entity_id))
        return None if known else "unknown_entity"

    @property
    def _known_tokens(self) -> Mapping[str, str]:
        if self._tokens is not None:
            return self._tokens
        return {name: text for name, text in self.config_entry.options.items() if _is_token(name)}

    @property
    def _magpie(self) -> MagpieServer | None:
        """Return what the Magpie can say, None where there is none or the entry is not loaded."""
        loaded = self.config_entry.state is ConfigEntryState.LOADED
        magpie: MagpieServer | None = self.config_entry.runtime_data.magpie if loaded else None
        return magpie

    @property
    def _services(self) -> Sequence[Service]:
        """Return the services of this Spark; as far as its URLs tell where the entry is not loaded."""
        if self.config_entry.state is ConfigEntryState.LOADED:
            spark = self.config_entry.runtime_data.spark
            has = {Service.PARAKEET: spark.parakeet, Service.MAGPIE: spark.magpie}
        else:
            address = address_for(self.config_entry.data)
            has = {Service.PARAKEET: address.parakeet, Service.MAGPIE: address.magpie}
        return [service for service in Service if has[service]]

    @property
    def _own_entities(self) -> Sequence[str]:
        """Return the entities of this entry: they cannot stand in for themselves."""
        registry = er.async_get(self.hass)
        return [entity.entity_id for entity in er.async_entries_for_config_entry(registry, self.config_entry.entry_id)]


def _is_token(name: str) -> bool:
    return any(name == restart_option(service, "token") for service in Service)
