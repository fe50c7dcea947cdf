"""What a request is answered with when it is not served. Each server renders it in its own shape."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from .engines import EngineBusy, EngineLoading
from .wav import UnsupportedAudio

LOGGER = logging.getLogger(__name__)


@dataclass(eq=False)
class Refusal(Exception):
    """Why a request is not served; `param` names the form field at fault."""

    status: int
    message: str
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Unexplained(Exception):
    """The request failed, and all that is said is what web frameworks say by themselves."""


def answer_refusals(render: Callable[[Refusal], web.Response]) -> Middleware:
    """Turn everything a handler may raise into an answer of `render`'s shape."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except (Refusal, EngineLoading, EngineBusy, UnsupportedAudio, web.HTTPException) as err:
            return render(_refusal(err))
        except Unexplained:
            return web.Response(text="Internal Server Error", status=500)
        except ConnectionError:
            raise
        except Exception:
            LOGGER.exception("Inference failed")
            return render(Refusal(500, "Inference failed."))

    return middleware


def _refusal(err: Refusal | EngineLoading | EngineBusy | UnsupportedAudio | web.HTTPException) -> Refusal:
    match err:
        case Refusal():
            return err
        case EngineLoading():
            return Refusal(503, "The model is still loading.", headers={"Retry-After": "1"})
        case EngineBusy():
            return Refusal(429, "Too many requests wait for this model.", headers={"Retry-After": "5"})
        case UnsupportedAudio():
            return Refusal(415, f"Audio could not be decoded: {err}.", "file")
        case web.HTTPException():
            allow = {name: value for name, value in err.headers.items() if name == "Allow"}
            return Refusal(err.status, err.reason, headers=allow)
