"""One identity for everything: chat and embeddings, passed on to a language model server byte for byte."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import ClientConnectorError, ClientError, ClientResponse, ClientTimeout, web

from spark_audio_proxy.app_state import SESSION, SETTINGS
from spark_audio_proxy.problems import Problem
from spark_audio_proxy.streamed_answer import StreamedAnswer

LOGGER = logging.getLogger(__name__)

PATHS = ("chat/completions", "completions", "responses", "embeddings")

CONNECT_DEADLINE = 5.0
LIST_DEADLINE = 5.0

_ENDS_HERE = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "proxy-connection"}
"""Headers that belong to one connection (RFC 9110, 7.6.1)."""

_OURS = {"authorization", "content-encoding", "content-length", "cookie", "x-request-id"}
"""Headers of a request that are not passed on, or written anew. Its body has been unpacked on its way in."""

_OURS_TO_SAY = {"content-security-policy", "referrer-policy", "server", "set-cookie", "x-request-id"}
"""Headers of an answer that stay behind, as do those of CORS: who may read what comes from here is not for the language
model server to say, and many say that every web page may."""


async def relay(request: web.Request) -> web.StreamResponse:
    """Pass one request on and its answer back as it comes."""
    path = request.path.rpartition("/v1/")[2].lstrip("/")
    try:
        upstream = await _ask(request, path)
    except ClientConnectorError as err:
        raise Problem(503, "The language model server cannot be reached.", code="upstream_unreachable") from err
    except ClientError as err:
        raise Problem(502, "The language model server's answer broke off.", code="upstream_fault") from err
    async with upstream:
        response = StreamedAnswer(status=upstream.status, reason=upstream.reason)
        for name, value in upstream.headers.items():
            if name.lower() not in _ENDS_HERE | _OURS_TO_SAY and not name.lower().startswith("access-control-"):
                response.headers.add(name, value)
        await response.prepare(request)
        async with aclosing(_pieces(upstream)) as pieces:
            async for piece in pieces:
                await response.write(piece)
    return response


async def _pieces(upstream: ClientResponse) -> AsyncGenerator[bytes]:
    """Yield the body as it comes. Raises Problem 502 where it breaks off."""
    try:
        async for piece in upstream.content.iter_any():
            yield piece
    except ClientError as err:
        raise Problem(502, "The language model server broke off in the middle.", code="upstream_fault") from err


async def _ask(request: web.Request, path: str) -> ClientResponse:
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _ENDS_HERE | _OURS]
    if request.content_length is not None and "Content-Encoding" not in request.headers:
        headers.append(("Content-Length", str(request.content_length)))
    return await request.app[SESSION].request(
        request.method,
        _url(request, path),
        params=request.query,
        data=request.content if request.can_read_body else None,
        headers=[*headers, *_key_header(request)],
        timeout=ClientTimeout(total=None, sock_connect=CONNECT_DEADLINE),
        allow_redirects=False,
        auto_decompress=False,
    )


async def relayed_models(request: web.Request) -> list[dict[str, object]]:
    """Return the models of the language model server; none while it is away, since our own must still be listed."""
    if not request.app[SETTINGS].llm_url:
        return []
    try:
        async with asyncio.timeout(LIST_DEADLINE):
            async with request.app[SESSION].get(
                _url(request, "models"), headers=_key_header(request), allow_redirects=False
            ) as response:
                response.raise_for_status()
                document = await response.json()
    except (TimeoutError, ClientError, ValueError) as err:
        LOGGER.warning("The language model server does not list its models: %s", type(err).__name__)
        return []
    items = document.get("data") if isinstance(document, dict) else None
    return [item for item in items if isinstance(item, dict) and "id" in item] if isinstance(items, list) else []


def _url(request: web.Request, path: str) -> str:
    base = (request.app[SETTINGS].llm_url or "").rstrip("/").removesuffix("/v1").rstrip("/")
    return f"{base}/v1/{path}"


def _key_header(request: web.Request) -> list[tuple[str, str]]:
    key = request.app[SETTINGS].llm_key
    return [("Authorization", f"Bearer {key}")] if key else []
