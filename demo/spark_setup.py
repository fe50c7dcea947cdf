"""Spark Audio in a running Home Assistant, the way a user sets it up: config flow, entities, pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass

from .answers import Json, items, pick, text
from .errors import DemoError
from .home_assistant import LANGUAGE, HomeAssistant, Socket
from .processes import HOME_ASSISTANT, SPARK, Child

DOMAIN = "spark_audio"
COUNTRY = "US"
PIPELINE = "Spark Audio"
HOME: Mapping[str, Json] = {
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


@dataclass(frozen=True, slots=True)
class Engines:
    """The entities an Assist pipeline speaks and hears with."""

    stt: str
    tts: str


async def furnish(home_assistant: HomeAssistant) -> None:
    """Say where the home is, and put its devices into their rooms."""
    async with home_assistant.socket() as socket:
        await socket.call("config/core/update", **HOME)
        for entity_id, area in AREAS.items():
            await socket.call("config/entity_registry/update", entity_id=entity_id, area_id=area)
        start_page: Json = {
            "favorite_entities": list(AREAS),
            "hide_suggested_entities": True,
            "welcome_banner_dismissed": True,
        }
        await socket.call("frontend/set_system_data", key="home", value=start_page)


async def add_spark_audio(home_assistant: HomeAssistant, urls: Mapping[str, str]) -> None:
    """Run Spark Audio's config flow with `urls` (`parakeet_url`, `magpie_url`); DemoError with what it objects to."""
    flow = await home_assistant.request("POST", "/api/config/config_entries/flow", {"handler": DOMAIN})
    while pick(flow, "type") in {"menu", "form"}:
        answers: dict[str, Json]
        if pick(flow, "type") == "menu":
            answers = {"next_step_id": "direct"}
        elif errors := pick(flow, "errors"):
            raise DemoError(f"Spark Audio's config flow refuses the embedded Spark: {errors}", HOME_ASSISTANT, SPARK)
        else:
            fields = {text(field, "name") for field in items(flow, "data_schema")}
            answers = {name: url for name, url in urls.items() if name in fields}
        flow = await home_assistant.request("POST", f"/api/config/config_entries/flow/{text(flow, 'flow_id')}", answers)
    if pick(flow, "type") != "create_entry":
        raise DemoError(f"Spark Audio's config flow ended early: {pick(flow, 'reason') or flow}", HOME_ASSISTANT)


async def find_engines(home_assistant: HomeAssistant, child: Child) -> Engines:
    """Wait until Spark Audio is loaded and find its entities."""

    async def loaded() -> str | None:
        entry = (await home_assistant.entries(DOMAIN))[0]
        if pick(entry, "state") in {"setup_error", "setup_retry", "migration_error"}:
            raise DemoError(
                f"Spark Audio was added, but does not start: {pick(entry, 'reason') or pick(entry, 'state')}",
                HOME_ASSISTANT,
            )
        return text(entry, "entry_id") if pick(entry, "state") == "loaded" else None

    entry_id = await child.until(loaded, within=30)
    async with home_assistant.socket() as socket:
        entities = items(await socket.call("config/entity_registry/list"))
    own = [text(entity, "entity_id") for entity in entities if pick(entity, "config_entry_id") == entry_id]

    def only(domain: str, purpose: str) -> str:
        for entity_id in own:
            if entity_id.startswith(f"{domain}."):
                return entity_id
        raise DemoError(
            f"Spark Audio brought no {purpose} entity, only: {', '.join(own) or 'nothing'}.", HOME_ASSISTANT
        )

    return Engines(only("stt", "speech-to-text"), only("tts", "text-to-speech"))


async def prefer_pipeline(home_assistant: HomeAssistant, engines: Engines) -> str:
    """Make an Assist pipeline out of `engines` unless there is one, prefer it, and give its id."""
    async with home_assistant.socket() as socket:
        listing = await socket.call("assist_pipeline/pipeline/list")
        named = (item for item in items(listing, "pipelines") if pick(item, "name") == PIPELINE)
        pipeline = next(named, None) or await _create_pipeline(socket, engines)
        pipeline_id = text(pipeline, "id")
        await socket.call("assist_pipeline/pipeline/set_preferred", pipeline_id=pipeline_id)
        return pipeline_id


async def _create_pipeline(socket: Socket, engines: Engines) -> Json:
    stt_language = await _best_language(socket, "stt", engines.stt)
    tts_language = await _best_language(socket, "tts", engines.tts)
    voices = pick(await socket.call("tts/engine/voices", engine_id=engines.tts, language=tts_language), "voices")
    voice = text(items(voices)[0], "voice_id") if voices else None
    return await socket.call(
        "assist_pipeline/pipeline/create",
        name=PIPELINE,
        language=LANGUAGE,
        conversation_engine="conversation.home_assistant",
        conversation_language=LANGUAGE,
        stt_engine=engines.stt,
        stt_language=stt_language,
        tts_engine=engines.tts,
        tts_language=tts_language,
        tts_voice=voice,
        wake_word_entity=None,
        wake_word_id=None,
    )


async def _best_language(socket: Socket, kind: str, engine: str) -> str:
    listing = await socket.call(f"{kind}/engine/list", language=LANGUAGE, country=COUNTRY)
    for provider in items(listing, "providers"):
        if pick(provider, "engine_id") == engine:
            languages = items(provider, "supported_languages")
            if languages:
                return text(languages[0])
    raise DemoError(f"{engine} is not available, or does not speak English.", HOME_ASSISTANT)
