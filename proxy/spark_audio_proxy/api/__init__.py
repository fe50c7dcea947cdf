"""The routes: one file per family of OpenAI's endpoints."""

from collections.abc import Callable, Sequence

from aiohttp import web
from aiohttp.typedefs import Handler

from spark_audio_proxy.config import Settings

from . import lists, relay, speech, transcriptions

type Endpoint = tuple[Callable[..., web.RouteDef], str, Handler]

_AUDIO: Sequence[Endpoint] = (
    (web.get, "models", lists.models),
    (web.get, "models/{model:.+}", lists.model),
    (web.get, "audio/models", lists.speech_models),
    (web.get, "audio/voices", lists.voices),
    (web.post, "audio/speech", speech.speech),
    (web.post, "audio/transcriptions", transcriptions.transcriptions),
    (web.post, "audio/translations", transcriptions.translations),
)


def routes(settings: Settings) -> list[web.RouteDef]:
    """OpenAI's endpoints, each with any number of /v1 and slashes in front, as people type URLs."""
    endpoints = [*_AUDIO]
    if settings.llm_url:
        endpoints += [(web.post, path, relay.relay) for path in relay.PATHS]
    return [method("/{root:/*(?:v1/+)*}" + path, handler) for method, path, handler in endpoints]
