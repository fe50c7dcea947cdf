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
    (web.get, "audio/speech/stream", door.speech),
    (web.get, "realtime", door.realtime),
    (web.get, "models", lists.models),
    (web.get, "models/{model:.+?}", lists.model),
    (web.get, "audio/models", lists.speech_models),
    (web.get, "audio/voices", lists.voices),
)
"""They are tried in this order; those that callers wait for come first."""

_ROOT = "/{root:/*(?:openai/+(?:deployments/+[^/]+/+)?)?(?:v1/+)*}"
_END = "{end:/*}"

_OURS: Sequence[Endpoint] = (
    (web.get, "/healthz", health.healthz),
    (web.get, "/readyz", health.readyz),
    (web.get, "/v1/health", health.bridge_health),
    (web.get, "/api/status", health.status),
    (web.get, "/api/requests", events.requests),
    (web.get, "/api/events", events.events),
    (web.post, "/api/services/{name}/restart", health.restart),
    (web.post, "/api/services/{name}/check", health.check),
)

OPEN_LISTS = frozenset({lists.models, lists.model, lists.speech_models, lists.voices})
"""Handlers that answer without a key, unless the settings close them."""

ALWAYS_OPEN = frozenset({health.healthz, health.readyz, health.bridge_health, page.page, page.part})
"""Handlers that always do: a container's health check has no key, and the page is there to ask for one."""

INFERENCE = frozenset(
    {
        *(transcriptions.transcriptions, transcriptions.translations, speech.speech),
        *(door.realtime, door.speech, relay.relay),
    }
)
"""Handlers that ask a service to do something: what the list of the last requests has."""

PRIVILEGED = frozenset({health.restart})
"""Handlers that want an admin key, where there is one."""


def routes(settings: Settings) -> list[web.RouteDef]:
    """OpenAI's endpoints, each with any number of /v1 and slashes in front, as people type URLs, and slashes behind.

    They are where Azure has them as well: its clients put `openai/deployments/NAME` in front.
    """
    endpoints = [*_AUDIO]
    if settings.llm_url:
        endpoints += [(web.post, path, relay.relay) for path in relay.PATHS]
    aliased = [method(_ROOT + path + _END, handler) for method, path, handler in endpoints]
    # Ours have one spelling in front. A 200 at /v1/readyz would make Wyoming bridges take us for another server.
    return [
        web.get("/", page.page),
        web.get("/web/{name}", page.part),
        *(method(path + _END, handler) for method, path, handler in _OURS),
        *aliased,
    ]


def endpoint(resource: web.AbstractResource) -> str:
    """Return the name of a route in the log and in the metrics: `/v1/models/{model}`, however it was spelt."""
    return resource.canonical.replace("{root}", "v1/").replace("{end}", "")
