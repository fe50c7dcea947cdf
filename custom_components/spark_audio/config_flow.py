"""Set-up: two URLs, each tried out before it is kept."""

import asyncio
from collections.abc import Mapping
from typing import Any, override

import voluptuous as vol
from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigFlow, ConfigFlowResult
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig, TextSelectorType
from homeassistant.helpers.typing import UNDEFINED
from yarl import URL

from .const import CONF_MAGPIE_URL, CONF_PARAKEET_URL, DOMAIN
from .errors import TRANSLATION_KEYS
from .spark_engine.audio import silence
from .spark_engine.errors import Rejected, ServerFault, SparkError
from .spark_engine.parakeet import SAMPLE_RATE
from .spark_engine.services import MagpieService, ParakeetService
from .spark_engine.spark import Spark, SparkAddress

URL_FIELD = TextSelector(TextSelectorConfig(type=TextSelectorType.URL, autocomplete="url"))
SCHEMA = vol.Schema({vol.Optional(CONF_PARAKEET_URL): URL_FIELD, vol.Optional(CONF_MAGPIE_URL): URL_FIELD})
EXAMPLES = {"parakeet_example": "http://192.168.1.50:9001", "magpie_example": "http://192.168.1.50:9000"}

TEST_LANGUAGE = "en-US"
"""Language of the test recording: every Parakeet knows it, and some refuse a recording without any."""

type Urls = dict[str, str | None]


class SparkAudioConfigFlow(ConfigFlow, domain=DOMAIN):
    """Asks for the URLs, now and whenever they change."""

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Add a Spark."""
        return await self._ask("user", user_input, {})

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Change where a Spark is."""
        return await self._ask("reconfigure", user_input, self._get_reconfigure_entry().data)

    async def _ask(self, step_id: str, user_input: dict[str, Any] | None, known: Mapping[str, Any]) -> ConfigFlowResult:
        errors: dict[str, str] = {}
        if user_input is not None:
            urls, errors = read_urls(user_input)
            if not errors:
                self._async_abort_entries_match(urls)
                errors = await self._check(urls)
            if not errors:
                return self._keep(urls)
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(SCHEMA, known if user_input is None else user_input),
            errors=errors,
            description_placeholders=EXAMPLES,
        )

    async def _check(self, urls: Urls) -> dict[str, str]:
        """What is wrong with each field; empty where all that was given really works."""
        address = SparkAddress(parakeet_url=urls[CONF_PARAKEET_URL], magpie_url=urls[CONF_MAGPIE_URL])
        spark = Spark(async_get_clientsession(self.hass), address)
        parakeet, magpie = await asyncio.gather(check_parakeet(spark.parakeet), check_magpie(spark.magpie))
        return {field: error for field, error in ((CONF_PARAKEET_URL, parakeet), (CONF_MAGPIE_URL, magpie)) if error}

    def _keep(self, urls: Urls) -> ConfigFlowResult:
        if self.source != SOURCE_RECONFIGURE:
            return self.async_create_entry(title=title(urls), data=urls)
        entry = self._get_reconfigure_entry()
        # A title that somebody chose stays.
        new_title = title(urls) if entry.title == title(entry.data) else UNDEFINED
        return self.async_update_reload_and_abort(entry, title=new_title, data=urls)


def read_urls(user_input: Mapping[str, str]) -> tuple[Urls, dict[str, str]]:
    """The URLs as they are kept, None for those left out; and the errors of fields that hold none."""
    urls: Urls = {}
    errors: dict[str, str] = {}
    for field in (CONF_PARAKEET_URL, CONF_MAGPIE_URL):
        text = user_input.get(field, "").strip()
        try:
            urls[field] = normalize_url(text) if text else None
        except ValueError:
            errors[field] = "invalid_url"
    if not errors and not any(urls.values()):
        errors["base"] = "no_url"
    return urls, errors


def normalize_url(text: str) -> str:
    """One spelling for one server: lower case, no default port, no slash or /v1 at the end.

    Raises ValueError for what is no http or https URL, and for parts that have no place in one here: user and password
    (they would end up in logs), query and fragment.
    """
    url = URL(text)
    if url.scheme not in ("http", "https") or not url.host or any(char.isspace() or char == "," for char in text):
        raise ValueError("not an http or https URL")
    if url.user is not None or url.password is not None or url.query_string or url.fragment:
        raise ValueError("more than an address")
    url.host.encode("idna")
    path = url.path.rstrip("/").removesuffix("/v1").rstrip("/")
    return str(url.origin()) + str(URL.build(path=path))


def title(urls: Mapping[str, str | None]) -> str:
    """The hosts: what tells one Spark from another."""
    return ", ".join(dict.fromkeys(str(URL(url).host) for url in urls.values() if url))


async def check_parakeet(parakeet: ParakeetService | None) -> str | None:
    """The error of the URL, found out by transcribing a second of silence."""
    try:
        if parakeet:
            await parakeet.transcribe(silence(1, SAMPLE_RATE), language=TEST_LANGUAGE)
    except SparkError as err:
        return "not_parakeet" if _is_another_service(err) else TRANSLATION_KEYS[type(err)]
    return None


async def check_magpie(magpie: MagpieService | None) -> str | None:
    """The error of the URL, found out by listing the voices."""
    try:
        if magpie and not await magpie.voices():
            return "no_voices"
    except SparkError as err:
        return "not_magpie" if _is_another_service(err) else TRANSLATION_KEYS[type(err)]
    return None


def _is_another_service(err: SparkError) -> bool:
    """Whether a server in good health does not know what it was asked for, or answers something else."""
    match err:
        case Rejected(status=404 | 405):
            return True
        case ServerFault(status=int(status)):
            return status < 400
    return False
