"""Set-up: where the services are, tried out before it is kept. One form each for adding, changing and a new key."""

from collections.abc import Mapping
from typing import Any, override

import voluptuous as vol
from homeassistant.config_entries import (
    SOURCE_REAUTH,
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigFlow,
    ConfigFlowResult,
    OptionsFlow,
)
from homeassistant.const import CONF_API_KEY, CONF_VERIFY_SSL
from homeassistant.core import callback
from homeassistant.helpers.selector import BooleanSelector, TextSelector, TextSelectorConfig, TextSelectorType
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from homeassistant.helpers.typing import UNDEFINED

from .addresses import (
    announced_url,
    follows_announcements,
    host,
    is_through_proxy,
    normalize_url,
    read_key,
    session_for,
    title,
)
from .checks import Findings, find_proxy, try_direct, try_proxy
from .const import (
    CONF_CONNECTION,
    CONF_MAGPIE_URL,
    CONF_PARAKEET_URL,
    CONF_PROXY_URL,
    CONNECTION_DIRECT,
    CONNECTION_PROXY,
    DOMAIN,
)
from .options_flow import SparkAudioOptionsFlow
from .spark_engine.errors import SparkError

URL_FIELD = TextSelector(TextSelectorConfig(type=TextSelectorType.URL, autocomplete="url"))
KEY_FIELD = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off"))
ACCESS = {vol.Optional(CONF_API_KEY): KEY_FIELD, vol.Required(CONF_VERIFY_SSL, default=True): BooleanSelector()}
DIRECT_SCHEMA = vol.Schema(
    {vol.Optional(CONF_PARAKEET_URL): URL_FIELD, vol.Optional(CONF_MAGPIE_URL): URL_FIELD, **ACCESS}
)
PROXY_SCHEMA = vol.Schema({vol.Required(CONF_PROXY_URL): URL_FIELD, **ACCESS})
KEY_SCHEMA = vol.Schema({vol.Required(CONF_API_KEY): KEY_FIELD})

EXAMPLES = {
    "parakeet_example": "`http://192.168.1.50:9001`",
    "magpie_example": "`http://192.168.1.50:9000`",
    "proxy_example": "`http://192.168.1.50:8600`",
}
"""Quoted: a bare URL would become a link that leads nowhere."""

type Data = dict[str, Any]


class SparkAudioConfigFlow(ConfigFlow, domain=DOMAIN):
    """Asks where a Spark is, now and whenever that changes."""

    _found: Data
    _wanted: vol.Schema
    """What a discovered proxy's entry will say, and what has to be asked for."""

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> OptionsFlow:
        return SparkAudioOptionsFlow()

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Choose how to connect."""
        return self.async_show_menu(step_id="user", menu_options=[CONNECTION_DIRECT, CONNECTION_PROXY])

    async def async_step_reconfigure(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Choose how to connect from now on."""
        return self.async_show_menu(step_id="reconfigure", menu_options=[CONNECTION_DIRECT, CONNECTION_PROXY])

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Ask for a new key, in the form that has the old one."""
        return await (self.async_step_proxy() if is_through_proxy(entry_data) else self.async_step_direct())

    async def async_step_direct(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Connect to Parakeet and Magpie themselves."""
        data, findings = self._known(), Findings({})
        if user_input is not None:
            data, errors = read_direct(user_input)
            if not errors:
                self._async_abort_entries_match({key: data[key] for key in (CONF_PARAKEET_URL, CONF_MAGPIE_URL)})
            findings = Findings(errors) if errors else await try_direct(session_for(self.hass, data), data)
            if not findings.errors:
                return await self._keep(data, None)
        return self._form("direct", DIRECT_SCHEMA, user_input or data, findings)

    async def async_step_proxy(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Connect to both through Spark Audio's proxy."""
        data, findings = self._known(), Findings({})
        if user_input is not None:
            data, errors = read_proxy(user_input)
            if not errors:
                self._async_abort_entries_match({CONF_PROXY_URL: data[CONF_PROXY_URL]})
            findings = Findings(errors) if errors else await try_proxy(session_for(self.hass, data), data)
            if not findings.errors:
                return await self._keep(data, findings.unique_id)
        return self._form("proxy", PROXY_SCHEMA, user_input or data, findings)

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
        try:
            # A proxy that still answers where it was stays there, whatever is announced.
            url, wants_key = await find_proxy(session_for(self.hass, {}), [*before, announced])
        except SparkError as err:
            return self.async_abort(reason="not_usable", description_placeholders={"reason": err.message})
        self._abort_if_unique_id_configured({CONF_PROXY_URL: url})
        self._found, _ = read_proxy({CONF_PROXY_URL: url})
        self._wanted = KEY_SCHEMA if wants_key else vol.Schema({})
        self.context["title_placeholders"] = {"name": host(url)}
        return await self.async_step_discovered()

    async def async_step_discovered(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask whether to add the proxy that was found, and for its key where it wants one."""
        findings = Findings({})
        if user_input is not None:
            data, errors = read_proxy({**self._found, **user_input})
            findings = Findings(errors) if errors else await try_proxy(session_for(self.hass, data), data)
            if not findings.errors:
                return await self._keep(data, findings.unique_id or self.unique_id)
        return self._form("discovered", self._wanted, user_input or {}, findings)

    def _entry(self) -> ConfigEntry:
        return self._get_reauth_entry() if self.source == SOURCE_REAUTH else self._get_reconfigure_entry()

    def _known(self) -> Mapping[str, Any]:
        """Return what the entry that is being changed says; nothing where one is added."""
        return self._entry().data if self.source in (SOURCE_REAUTH, SOURCE_RECONFIGURE) else {}

    def _form(
        self,
        step_id: str,
        schema: vol.Schema,
        values: Mapping[str, Any],
        findings: Findings,
    ) -> ConfigFlowResult:
        shown = {str(key) for key in schema.schema}
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, values),
            # What is wrong with a URL that was not asked for is told above the form.
            errors={name if name in shown else "base": error for name, error in findings.errors.items()},
            description_placeholders={
                **EXAMPLES,
                **self.context.get("title_placeholders", {}),
                **findings.placeholders,
            },
        )

    async def _keep(self, data: Data, unique_id: str | None) -> ConfigFlowResult:
        """Create or change the entry. A proxy that tells no id leaves the one that its announcement told."""
        known = await self.async_set_unique_id(unique_id, raise_on_progress=False) if unique_id else None
        if self.source not in (SOURCE_REAUTH, SOURCE_RECONFIGURE):
            self._abort_if_unique_id_configured()
            return self.async_create_entry(title=title(data), data=data)
        entry = self._entry()
        if known and known.entry_id != entry.entry_id:
            return self.async_abort(reason="already_configured")
        # A title that the user chose stays.
        new_title = title(data) if entry.title == title(entry.data) else UNDEFINED
        new_id = unique_id if unique_id or not is_through_proxy(data) else UNDEFINED
        return self.async_update_reload_and_abort(entry, unique_id=new_id, title=new_title, data=data)


def read_direct(user_input: Mapping[str, Any]) -> tuple[Data, dict[str, str]]:
    """Return the entry's data for a direct connection, None where nothing was entered; and the errors of fields."""
    data, errors = _read(CONNECTION_DIRECT, user_input)
    if not errors and not (data[CONF_PARAKEET_URL] or data[CONF_MAGPIE_URL]):
        errors["base"] = "no_url"
    return data, errors


def read_proxy(user_input: Mapping[str, Any]) -> tuple[Data, dict[str, str]]:
    """Return the same for a connection through the proxy."""
    data, errors = _read(CONNECTION_PROXY, user_input)
    if not errors and not data[CONF_PROXY_URL]:
        errors[CONF_PROXY_URL] = "invalid_url"
    return data, errors


def _read(connection: str, user_input: Mapping[str, Any]) -> tuple[Data, dict[str, str]]:
    data: Data = {CONF_CONNECTION: connection}
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
    return {**data, CONF_VERIFY_SSL: user_input.get(CONF_VERIFY_SSL, True)}, errors
