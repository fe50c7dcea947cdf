"""Set-up: where the services are, tried out before it is kept. One form each for adding, changing and a new key."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, override

import voluptuous as vol
from aiohttp import ClientSession
from homeassistant.config_entries import (
    SOURCE_REAUTH,
    SOURCE_RECONFIGURE,
    ConfigFlow,
    ConfigFlowResult,
    OptionsFlow,
)
from homeassistant.const import CONF_API_KEY, CONF_NAME, CONF_VERIFY_SSL
from homeassistant.core import callback
from homeassistant.helpers.selector import BooleanSelector, TextSelector, TextSelectorConfig, TextSelectorType
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from homeassistant.helpers.translation import async_get_translations
from homeassistant.helpers.typing import UNDEFINED

from .addresses import (
    announced_name,
    announced_url,
    follows_announcements,
    host,
    is_through_proxy,
    normalize_url,
    read_key,
    session_for,
    title,
)
from .checks import Findings, Problem, find_proxy, try_direct, try_proxy
from .const import (
    CONF_CONNECTION,
    CONF_MAGPIE_URL,
    CONF_PARAKEET_URL,
    CONF_PROXY_URL,
    CONNECTION_DIRECT,
    CONNECTION_PROXY,
    DOMAIN,
)
from .coordinator import SparkConfigEntry
from .options_flow import SparkAudioOptionsFlow
from .same_spark import spark_with_same_server

URL_FIELD = TextSelector(TextSelectorConfig(type=TextSelectorType.URL, autocomplete="url"))
KEY_FIELD = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off"))
ACCESS = {vol.Optional(CONF_API_KEY): KEY_FIELD, vol.Required(CONF_VERIFY_SSL, default=True): BooleanSelector()}
NAME = {vol.Optional(CONF_NAME): TextSelector()}
DIRECT_SCHEMA = vol.Schema(
    {vol.Optional(CONF_PARAKEET_URL): URL_FIELD, vol.Optional(CONF_MAGPIE_URL): URL_FIELD, **ACCESS, **NAME}
)
PROXY_SCHEMA = vol.Schema({vol.Required(CONF_PROXY_URL): URL_FIELD, **ACCESS, **NAME})
KEY_SCHEMA = vol.Schema({vol.Required(CONF_API_KEY): KEY_FIELD})

EXAMPLES = {
    "parakeet_example": "`http://192.168.1.50:8000`",
    "magpie_example": "`http://192.168.1.50:9000`",
    "proxy_example": "`http://192.168.1.50:8600`",
}
"""Quoted: a bare URL would become a link that leads nowhere."""

VOICE_ASSISTANTS = "https://my.home-assistant.io/redirect/voice_assistants/"
"""Where the engines are chosen, in the user's own Home Assistant."""

type Data = dict[str, Any]

TRIES: Mapping[str, Callable[[ClientSession, Data], Awaitable[Findings]]] = {
    CONNECTION_DIRECT: try_direct,
    CONNECTION_PROXY: try_proxy,
}


class SparkAudioConfigFlow(ConfigFlow, domain=DOMAIN):
    """Asks where a Spark is, now and whenever that changes. What was entered is tried out before it is kept."""

    _found: Data
    _announced: str
    _wanted: vol.Schema
    """What a discovered proxy's entry will say, and what has to be asked for."""
    _entered: Mapping[str, Any] | None = None
    """What was entered last, without the key: that is not shown again."""
    _key: str | None = None
    _tried: Data
    _tried_in: str
    _findings = Findings()
    """What would be kept, the step that it was entered in, and what came out when it was tried."""

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: SparkConfigEntry) -> OptionsFlow:
        return SparkAudioOptionsFlow()

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Choose how to connect."""
        return self.async_show_menu(step_id="user", menu_options=[CONNECTION_DIRECT, CONNECTION_PROXY])

    async def async_step_reconfigure(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Choose how to connect from now on."""
        return self.async_show_menu(step_id="reconfigure", menu_options=[CONNECTION_DIRECT, CONNECTION_PROXY])

    async def async_step_reauth(self, _entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Ask for a new key."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the key alone: where the services are stays as it is."""
        return await self._step("reauth_confirm", KEY_SCHEMA, user_input, self._entry().data)

    async def async_step_direct(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Connect to Parakeet and Magpie themselves."""
        return await self._step("direct", DIRECT_SCHEMA, user_input, {CONF_CONNECTION: CONNECTION_DIRECT})

    async def async_step_proxy(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Connect to both through Spark Audio's proxy."""
        return await self._step("proxy", PROXY_SCHEMA, user_input, {CONF_CONNECTION: CONNECTION_PROXY})

    @override
    async def async_step_zeroconf(self, discovery_info: ZeroconfServiceInfo) -> ConfigFlowResult:
        """Take up a proxy that announces itself; one that is known may have moved."""
        announced, unique_id = announced_url(discovery_info), discovery_info.properties.get("id")
        if not announced or not unique_id:
            return self.async_abort(reason="not_proxy")
        known = await self.async_set_unique_id(unique_id)
        before = [known.data.get(CONF_PROXY_URL) or ""] if known else []
        if any(url == announced or not follows_announcements(url) for url in before):
            self._abort_if_unique_id_configured()
        self._async_abort_entries_match({CONF_PROXY_URL: announced})
        # A proxy that still answers where it was stays there, whatever is announced.
        found = await find_proxy(session_for(self.hass, {}), [*before, announced])
        if isinstance(found, Problem):
            placeholders = {"problem": await self._sentence(found)}
            return self.async_abort(reason="not_usable", description_placeholders=placeholders)
        url, wants_key = found
        self._abort_if_unique_id_configured({CONF_PROXY_URL: url})
        self._found, _ = read_data({CONF_CONNECTION: CONNECTION_PROXY, CONF_PROXY_URL: url})
        self._wanted = KEY_SCHEMA.extend(NAME) if wants_key else vol.Schema(NAME)
        self._entered = {CONF_NAME: announced_name(discovery_info)}
        self.context["title_placeholders"] = {"name": host(url)}
        return await self.async_step_zeroconf_confirm()

    async def async_step_zeroconf_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask whether to add the proxy that was found, and for its key where it wants one."""
        return await self._step("zeroconf_confirm", self._wanted, user_input, self._found)

    async def async_step_not_ready(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Say what does not work just now, and ask whether to keep it all the same."""
        services = {CONF_PARAKEET_URL: "Parakeet", CONF_MAGPIE_URL: "Magpie"}
        told = [
            f"**{problem.service.display_name if problem.service else services.get(name, 'Proxy')}:** "
            + await self._sentence(problem)
            for name, problem in self._findings.problems.items()
        ]
        return self.async_show_menu(
            step_id="not_ready",
            menu_options=["save_anyway", self._tried_in],
            description_placeholders={"problems": "\n\n".join(told)},
        )

    async def async_step_save_anyway(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Keep what did not work just now: it is connected to as soon as it does."""
        return await self._keep()

    async def _step(
        self, step_id: str, schema: vol.Schema, user_input: Mapping[str, Any] | None, known: Mapping[str, Any]
    ) -> ConfigFlowResult:
        """Show a form, or take what was entered in it; `known` is what it does not ask for."""
        if user_input is None:
            return await self._form(step_id, schema)
        self._entered = {name: value for name, value in user_input.items() if name != CONF_API_KEY}
        connection = CONNECTION_PROXY if is_through_proxy(known) else CONNECTION_DIRECT
        data, errors = read_data({**known, **user_input, CONF_CONNECTION: connection})
        self._key = data.get(CONF_API_KEY) or self._key or self._kept_key(connection)
        self._tried = {**data, CONF_API_KEY: self._key}
        if errors:
            self._findings = Findings({name: Problem(error) for name, error in errors.items()})
            return await self._form(step_id, schema)
        urls = (CONF_PROXY_URL,) if connection == CONNECTION_PROXY else (CONF_PARAKEET_URL, CONF_MAGPIE_URL)
        self._async_abort_entries_match({name: data[name] for name in urls})
        self._findings = await TRIES[connection](session_for(self.hass, data), self._tried)
        if not self._findings.problems:
            return await self._keep()
        self._tried_in = step_id
        return await (self.async_step_not_ready() if self._findings.may_pass else self._form(step_id, schema))

    async def _form(self, step_id: str, schema: vol.Schema) -> ConfigFlowResult:
        values = (self._entry().data if self._changes else {}) if self._entered is None else self._entered
        shown = {str(key) for key in schema.schema}
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        for name, problem in self._findings.problems.items():
            # What is wrong with a URL that was not asked for is told above the form.
            errors[name if name in shown else "base"] = "behind_proxy" if problem.service else problem.key
            for placeholder, said in problem.placeholders.items():
                # Both fields may have the same error, and only one text.
                told = [placeholders[placeholder]] if placeholder in placeholders else []
                placeholders[placeholder] = "; ".join(dict.fromkeys([*told, said]))
            if problem.service:
                placeholders["service"] = problem.service.display_name
                placeholders["problem"] = await self._sentence(problem)
        named = {"name": self._entry().title} if self.source == SOURCE_REAUTH else {}
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(
                schema, {name: value for name, value in values.items() if name != CONF_API_KEY}
            ),
            errors=errors,
            description_placeholders={
                **EXAMPLES,
                **self.context.get("title_placeholders", {}),
                **named,
                **placeholders,
            },
        )

    async def _sentence(self, problem: Problem) -> str:
        """Return the error as text, in the language of Home Assistant: where it is a part of another text."""
        texts = await async_get_translations(self.hass, self.hass.config.language, "config", [DOMAIN])
        return texts[f"component.{DOMAIN}.config.error.{problem.key}"].format(**problem.placeholders)

    def _entry(self) -> SparkConfigEntry:
        return self._get_reauth_entry() if self.source == SOURCE_REAUTH else self._get_reconfigure_entry()

    def _kept_key(self, connection: str) -> str | None:
        """Return the key of the entry that is being changed, which its server alone may see."""
        if not self._changes:
            return None
        data = self._entry().data
        return data.get(CONF_API_KEY) if is_through_proxy(data) is (connection == CONNECTION_PROXY) else None

    async def _keep(self) -> ConfigFlowResult:
        """Create or change the entry. A proxy that tells no id leaves the one that its announcement told."""
        data = self._tried
        unique_id = self._findings.unique_id or (None if self._changes else self.unique_id)
        known = await self.async_set_unique_id(unique_id, raise_on_progress=False) if unique_id else None
        changed = self._entry() if self._changes else None
        if changed is None:
            self._abort_if_unique_id_configured()
        elif known and known.entry_id != changed.entry_id:
            return self.async_abort(reason="already_configured")
        elif unique_id and changed.unique_id and is_through_proxy(changed.data):
            self._abort_if_unique_id_mismatch()
        if other := await spark_with_same_server(self.hass, data, changed):
            return self.async_abort(reason="same_server", description_placeholders={"title": other.title})
        if changed is None:
            if not data.get(CONF_NAME) and self._async_current_entries():
                data[CONF_NAME] = title(data)
            return self.async_create_entry(
                title=title(data), data=data, description_placeholders={"voice_assistants": VOICE_ASSISTANTS}
            )
        # A title that the user chose stays.
        new_title = title(data) if changed.title == title(changed.data) else UNDEFINED
        new_id = unique_id if unique_id or not is_through_proxy(data) else UNDEFINED
        return self.async_update_reload_and_abort(changed, unique_id=new_id, title=new_title, data=data)

    @property
    def _changes(self) -> bool:
        """Return whether an entry that is there is changed."""
        return self.source in (SOURCE_REAUTH, SOURCE_RECONFIGURE)


def read_data(user_input: Mapping[str, Any]) -> tuple[Data, dict[str, str]]:
    """Return the entry's data, None where nothing was entered; and the errors of fields."""
    data: Data = {CONF_CONNECTION: user_input[CONF_CONNECTION]}
    through_proxy = is_through_proxy(data)
    errors: dict[str, str] = {}
    for name, read, error in (
        (CONF_PARAKEET_URL, normalize_url, "invalid_url"),
        (CONF_MAGPIE_URL, normalize_url, "invalid_url"),
        (CONF_PROXY_URL, normalize_url, "invalid_url"),
        (CONF_API_KEY, read_key, "invalid_key"),
    ):
        text = (user_input.get(name) or "").strip()
        try:
            data[name] = read(text) if text else None
        except ValueError:
            errors[name] = error
    if name := (user_input.get(CONF_NAME) or "").strip():
        data[CONF_NAME] = name
    if not errors and through_proxy and not data[CONF_PROXY_URL]:
        errors[CONF_PROXY_URL] = "invalid_url"
    elif not errors and not through_proxy and not (data[CONF_PARAKEET_URL] or data[CONF_MAGPIE_URL]):
        errors["base"] = "no_url"
    return {**data, CONF_VERIFY_SSL: user_input.get(CONF_VERIFY_SSL, True)}, errors
