"""A Home Assistant that is started and set up as a user does it: account, place, integrations, options, pipelines."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession

from .errors import ToolError
from .folders import HOME_ASSISTANT as INSTALLED
from .folders import LOOPBACK
from .home_assistant import LANGUAGE, Account, HomeAssistant
from .http import Json, items, pick, text
from .processes import HOME_ASSISTANT, SPARK, Child, Processes

DOMAIN = "spark_audio"
PIPELINE = "Spark Audio"
AGENT = "conversation.home_assistant"

START_SECONDS = 120.0
LOADED_SECONDS = 30.0

COUNTRY = "US"
PLACE: Mapping[str, Json] = {
    "location_name": "Spark Audio demo",
    "latitude": 37.3707,
    "longitude": -121.9630,
    "elevation": 15,
    "unit_system": "us_customary",
    "currency": "USD",
    "country": COUNTRY,
    "language": LANGUAGE,
    "time_zone": "America/Los_Angeles",
}
# The areas come from onboarding. On the start page these devices show what a command did.
AREAS = {"light.kitchen_light": "kitchen", "switch.coffee_maker": "kitchen", "light.living_room_lamp": "living_room"}

FLOWS = "/api/config/config_entries/flow"
OPTIONS = "/api/config/config_entries/options/flow"


@dataclass(frozen=True, slots=True)
class Engines:
    """The speech entities of one config entry; None where it has no such engine."""

    stt: str | None
    tts: str | None


def new_account(user: str) -> Account:
    """Return an account with a password short enough to type, which a page that reaches loopback cannot guess."""
    return Account(user, secrets.token_hex(4))


@dataclass(frozen=True, slots=True)
class Home:
    """A Home Assistant that runs, with its owner signed up."""

    client: HomeAssistant
    process: Child
    account: Account

    async def until(self, entity_id: str, state: str, within: float) -> None:
        """Wait until an entity has that state. Raises ToolError where it does not come."""

        async def reached() -> bool | None:
            return await self.client.state(entity_id) == state or None

        await self.process.until(reached, within=within)

    async def furnish(self) -> None:
        """Say where the home is, and put its devices into their rooms. Raises ToolError."""
        start_page: Json = {
            "favorite_entities": list(AREAS),
            "hide_suggested_entities": True,
            "welcome_banner_dismissed": True,
        }
        async with self.client.socket() as socket:
            await socket.call("config/core/update", **PLACE)
            for entity_id, area in AREAS.items():
                await socket.call("config/entity_registry/update", entity_id=entity_id, area_id=area)
            await socket.call("frontend/set_system_data", key="home", value=start_page)

    async def add(self, domain: str, answers: Mapping[str, Json]) -> str:
        """Run an integration's config flow and return the id of the entry. Raises ToolError with what it objects to.

        Each form gets those of `answers` that it has a field for.
        """
        flow = await self.client.request("POST", FLOWS, {"handler": domain})
        while pick(flow, "type") in {"menu", "form"}:
            if errors := pick(flow, "errors"):
                raise ToolError(f"The config flow of {domain} refuses {dict(answers)}: {errors}", HOME_ASSISTANT, SPARK)
            given: Mapping[str, Json] = {"next_step_id": "direct"}
            if pick(flow, "type") == "form":
                given = _known(answers, items(flow, "data_schema"))
            flow = await self.client.request("POST", f"{FLOWS}/{text(flow, 'flow_id')}", given)
        if pick(flow, "type") != "create_entry":
            raise ToolError(f"The config flow of {domain} ended early: {pick(flow, 'reason') or flow}", HOME_ASSISTANT)
        return text(flow, "result", "entry_id")

    async def choose(self, entry: str, options: Mapping[str, Json]) -> None:
        """Set options of Spark Audio; all others stay as shipped. Raises ToolError."""
        flow = await self.client.request("POST", OPTIONS, {"handler": entry})
        answers = fill_in(items(flow, "data_schema"), options)
        while pick(flow, "type") == "form" and not pick(flow, "errors"):
            # What follows the options is a question that needs no answer.
            flow = await self.client.request("POST", f"{OPTIONS}/{text(flow, 'flow_id')}", answers)
            answers = {}
        if pick(flow, "type") != "create_entry":
            raise ToolError(f"Spark Audio refuses the options {options}: {pick(flow, 'errors')}", HOME_ASSISTANT)

    async def engines(self, entry: str) -> Engines:
        """Wait until an entry is loaded and return its speech entities. Raises ToolError."""

        async def loaded() -> bool | None:
            answer = await self.client.call("config_entries/get_single", entry_id=entry)
            state = pick(answer, "config_entry", "state")
            if state in {"setup_error", "setup_retry", "migration_error"}:
                why = pick(answer, "config_entry", "reason") or state
                raise ToolError(f"An integration was added, but does not start: {why}", HOME_ASSISTANT)
            return state == "loaded" or None

        await self.process.until(loaded, within=LOADED_SECONDS)
        entities = items(await self.client.call("config/entity_registry/list"))
        own = [text(entity, "entity_id") for entity in entities if pick(entity, "config_entry_id") == entry]
        stt, tts = (next((name for name in own if name.startswith(f"{kind}.")), None) for kind in ("stt", "tts"))
        return Engines(stt, tts)

    async def add_pipeline(self, name: str, engines: Engines, agent: str = AGENT, *, with_voice: bool = False) -> str:
        """Make an Assist pipeline and return its id; it speaks with the first voice, or as the engine chooses.

        Raises ToolError where one of the engines is missing.
        """
        if engines.stt is None or engines.tts is None:
            raise ToolError(f"{name} brought no {'tts' if engines.stt else 'stt'} entity.", HOME_ASSISTANT)
        tts_language, voice = await self._language("tts", engines.tts), None
        if with_voice:
            voices = await self.client.call("tts/engine/voices", engine_id=engines.tts, language=tts_language)
            voice = text(items(voices, "voices")[0], "voice_id")
        pipeline = await self.client.call(
            "assist_pipeline/pipeline/create",
            name=name,
            language=LANGUAGE,
            conversation_engine=agent,
            conversation_language=LANGUAGE,
            stt_engine=engines.stt,
            stt_language=await self._language("stt", engines.stt),
            tts_engine=engines.tts,
            tts_language=tts_language,
            tts_voice=voice,
            wake_word_entity=None,
            wake_word_id=None,
        )
        return text(pipeline, "id")

    async def prefer_spark_audio(self) -> str:
        """Make a pipeline out of Spark Audio's engines unless there is one, prefer it, and return its id."""
        [entry, *_] = await self.client.entries(DOMAIN)
        engines = await self.engines(entry)
        listing = await self.client.call("assist_pipeline/pipeline/list")
        known = [text(each, "id") for each in items(listing, "pipelines") if pick(each, "name") == PIPELINE]
        pipeline = known[0] if known else await self.add_pipeline(PIPELINE, engines, with_voice=True)
        await self.client.call("assist_pipeline/pipeline/set_preferred", pipeline_id=pipeline)
        return pipeline

    async def _language(self, kind: str, engine: str) -> str:
        """Return the first language of an engine that is English."""
        listing = await self.client.call(f"{kind}/engine/list", language=LANGUAGE, country=COUNTRY)
        for provider in items(listing, "providers"):
            if pick(provider, "engine_id") == engine and (languages := items(provider, "supported_languages")):
                return text(languages[0])
        raise ToolError(f"{engine} is not there, or knows no English.", HOME_ASSISTANT)


def _known(answers: Mapping[str, Json], fields: Sequence[Json]) -> dict[str, Json]:
    names = {text(field, "name") for field in fields}
    return {name: value for name, value in answers.items() if name in names}


def fill_in(schema: Sequence[Json], wanted: Mapping[str, Json]) -> dict[str, dict[str, Json]]:
    """Return answers to a form of sections. Raises ToolError for a wish that no section has a field for."""
    answers = {text(part, "name"): _known(wanted, items(part, "schema")) for part in schema}
    if missing := set(wanted) - {name for fields in answers.values() for name in fields}:
        raise ToolError(f"Spark Audio has no option {', '.join(sorted(missing))}.")
    return answers


async def start_home(
    processes: Processes,
    session: ClientSession,
    folder: Path,
    port: int,
    account: Account,
    *,
    installed: Path = INSTALLED,
    environment: Mapping[str, str] | None = None,
    is_new: bool = True,
) -> Home:
    """Start the Home Assistant that was laid out in `folder`, sign up or log in, and return it once it runs.

    `installed` is the Python environment that it is in, `environment` its variables. Raises ToolError.
    """
    hass, options = installed / "bin/hass", ("--skip-pip", "--log-no-color", "-c", folder)
    process = await processes.start(HOME_ASSISTANT, hass, *options, cwd=folder, environment=environment)
    client = HomeAssistant(session, f"http://{LOOPBACK}:{port}")
    await process.until(client.is_up, within=START_SECONDS)
    await (client.sign_up(account) if is_new else client.log_in(account))
    await process.until(client.is_running, within=START_SECONDS)
    return Home(client, process, account)
