"""The routes: one file per family of OpenAI's endpoints."""

from collections.abc import Callable, Sequence

from aiohttp import web
from aiohttp.typedefs import Handler

from spark_audio_proxy.config import Settings
from spark_audio_proxy.realtime import door

from . import events, health, lists, page, relay, speech, transcriptions

type Endpoint = tuple[Callable[..., web.RouteDef], str, Handler]

_AUDIO: Sequence[Endpoint] = (
    (web.post, "audio/transcriptions", transcriptions.transcriptions),
    (web.post, "audio/speech", speech.speech),
    (web.post, "audio/translations", transcriptions.translations),
    (web.get, "realtime", door.realtime),
    (web.get, "models", lists.models),
    (web.get, "models/{model:.+}", lists.model),
    (web.get, "audio/models", lists.speech_models),
    (web.get, "audio/voices", lists.voices),
)
"""They are tried in this order; those that callers wait for come first."""


OPEN_LISTS = frozenset({lists.models, lists.model, lists.speech_models, lists.voices})
"""Handlers that answer without a key, unless the settings close them."""

ALWAYS_OPEN = frozenset({health.healthz, health.readyz, health.bridge_health, page.page, page.part})
"""Handlers that always do: a container's health check has no key, and the page is there to ask for one."""


def routes(settings: Settings) -> list[web.RouteDef]:
    """OpenAI's endpoints, each with any number of /v1 and slashes in front, as people type URLs."""
    endpoints = [*_AUDIO]
    if settings.llm_url:
        endpoints += [(web.post, path, relay.relay) for path in relay.PATHS]
    aliased = [method("/{root:/*(?:v1/+)*}" + path, handler) for method, path, handler in endpoints]
    # Ours have one spelling. A 200 at /v1/readyz would make Wyoming bridges take us for another server.
    return [
        web.get("/healthz", health.healthz),
        web.get("/readyz", health.readyz),
        web.get("/v1/health", health.bridge_health),
        web.get("/", page.page),
        web.get("/web/{name}", page.part),
        web.get("/api/status", health.status),
        web.get("/api/events", events.events),
        web.post("/api/services/{name}/restart", health.restart),
        web.post("/api/services/{name}/check", health.check),
        *aliased,
    ]
