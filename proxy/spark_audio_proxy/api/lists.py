"""Models and voices, in every shape that clients look for."""

from functools import lru_cache

from aiohttp import web
from spark_engine.errors import SparkError
from spark_engine.models import Voice
from spark_engine.speech.voices import OPENAI_VOICES, find_voice, label, short_ids

from spark_audio_proxy.app_state import SPARK

from .relay import relayed_models

CREATED = 1_735_689_600
"""A fixed date (2025-01-01): OpenAI's model objects must have one, and ours were not created on any."""

_SPEAKING_WORDS = ("tts", "magpie", "speech", "kokoro", "piper")
"""What the names of speaking models hold."""

type Item = dict[str, object]


async def models(request: web.Request) -> web.Response:
    """`GET /v1/models`: what hears, what speaks, and what a language model server adds."""
    own = [*await _hearing(request), *await _speaking(request)]
    return web.json_response({"object": "list", "data": own + await relayed_models(request)})


async def model(request: web.Request) -> web.Response:
    """`GET /v1/models/{id}`: one model; a speaking one carries its voices, as Wyoming bridges want them.

    Any name is accepted where text is spoken or speech is heard, so that any name is a model here.
    """
    wanted = request.match_info["model"]
    hearing, speaking = await _hearing(request), await _speaking(request)
    known = next((item for item in [*speaking, *hearing, *await relayed_models(request)] if item["id"] == wanted), None)
    item = known or _stand_in(wanted, hearing, speaking)
    if any(item.get("name") == each["name"] for each in speaking):
        item = item | {"voices": await _voice_items(request)}
    return web.json_response(item)


def _stand_in(name: str, hearing: list[Item], speaking: list[Item]) -> Item:
    """Return what does the work of a model of that name."""
    for_speech = any(word in name.lower() for word in _SPEAKING_WORDS)
    [first, *_] = [*speaking, *hearing] if for_speech else [*hearing, *speaking]
    return first | {"id": name}


async def speech_models(request: web.Request) -> web.Response:
    """`GET /v1/audio/models`: speaking models only, for Open WebUI."""
    items = [{"id": item["id"], "name": item["name"]} for item in await _speaking(request)]
    return web.json_response({"models": items})


async def voices(request: web.Request) -> web.Response:
    """`GET /v1/audio/voices`: every voice of Magpie, and OpenAI's names for some of them."""
    return web.json_response({"voices": await _voice_items(request)})


async def _hearing(request: web.Request) -> list[Item]:
    parakeet = request.app[SPARK].parakeet
    if parakeet is None:
        return []
    try:
        model_id = (await parakeet.server()).model or "parakeet"
    except SparkError:
        # A service that is down for now stays on the list: any model name is accepted once it is back.
        model_id = "parakeet"
    return [_item(model_id, "Parakeet")]


async def _speaking(request: web.Request) -> list[Item]:
    magpie = request.app[SPARK].magpie
    if magpie is None:
        return []
    try:
        model_id = (await magpie.server()).model
    except SparkError:
        model_id = "magpie"
    return [_item(model_id, "Magpie")]


def _item(model_id: str, name: str) -> Item:
    return {"id": model_id, "object": "model", "created": CREATED, "owned_by": "nvidia", "name": name}


async def _voice_items(request: web.Request) -> list[Item]:
    magpie = request.app[SPARK].magpie
    if magpie is None:
        return []
    return list(_listed(await magpie.voices()))


@lru_cache(4)
def _listed(known: tuple[Voice, ...]) -> tuple[Item, ...]:
    """Return the items for these voices, made once: anyone may ask for them."""
    ids = short_ids(known)
    items = [_voice_item(voice_id, label(voice), voice) for voice_id, voice in ids.items()]
    names = {voice.name: voice_id for voice_id, voice in ids.items()}
    aliases = ((name, find_voice(known, name)) for name in OPENAI_VOICES)
    return (
        *items,
        *(
            _voice_item(name, f"{name} → {label(voice)}", voice) | {"alias_of": names[voice.name]}
            for name, voice in aliases
            if voice
        ),
    )


def _voice_item(voice_id: str, name: str, voice: Voice) -> Item:
    return {
        "id": voice_id,
        "name": name,
        "full_name": voice.name,
        "language": voice.language,
        "speaker": voice.speaker,
        "emotion": voice.emotion,
    }
