"""One identity for everything: chat and embeddings, passed on to a language model server byte for byte."""

import asyncio
import logging
import zlib
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing

from aiohttp import ClientConnectorError, ClientError, ClientResponse, ClientTimeout, web
from multidict import CIMultiDict
from spark_engine.errors import ServerFault
from spark_engine.servers.documents import read_json
from spark_engine.servers.probe import MOST_NAMES, as_name, items
from spark_engine.servers.refusals import Hide, hiding
from spark_engine.servers.transport import read_bounded

from spark_audio_proxy.app_state import SESSION, SETTINGS
from spark_audio_proxy.problems import Problem
from spark_audio_proxy.streamed_answer import StreamedAnswer

LOGGER = logging.getLogger(__name__)

PATHS = ("chat/completions", "completions", "responses", "embeddings")

CONNECT_DEADLINE = 5.0
LIST_DEADLINE = 5.0

LARGEST_LIST = 1 << 20
"""Bytes of a list of models: a hundred times what servers have."""

LARGEST_ERROR = 1 << 20
"""Bytes of an error that is passed on."""

_ENDS_HERE = {
    *("connection", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
    *("te", "trailer", "transfer-encoding", "upgrade"),
}
"""Headers that belong to one connection (RFC 9110, 7.6.1), as do those that `Connection` names."""

_OURS = {"api-key", "authorization", "content-encoding", "content-length", "cookie", "x-request-id"}
"""Headers of a request that are not passed on, or written anew. Its body has been unpacked on its way in."""

_NOT_ADDED = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
"""Headers that the client would add where the caller has sent none."""

_OURS_TO_SAY = {"content-security-policy", "referrer-policy", "server", "set-cookie", "x-request-id"}
"""Headers of an answer that stay behind, as do those of CORS: who may read what comes from here is not for the language
model server to say, and many say that every web page may."""


async def relay(request: web.Request) -> web.StreamResponse:
    """Pass one request on and its answer back as it comes."""
    path = next(path for path in PATHS if request.path.rstrip("/").endswith(path))
    try:
        upstream = await _ask(request, path)
    except ClientConnectorError as err:
        raise Problem(503, "The language model server cannot be reached.", code="upstream_unreachable") from err
    except ClientError as err:
        raise Problem(502, "The language model server's answer broke off.", code="upstream_fault") from err
    async with upstream:
        key = request.app[SETTINGS].llm_key
        hide = hiding(key)
        if key and upstream.status >= 400:
            return await _error(upstream, hide)
        response = StreamedAnswer(status=upstream.status, headers=_passed_back(upstream, hide))
        await response.prepare(request)
        async with aclosing(_pieces(upstream)) as pieces:
            async for piece in pieces:
                await response.write(piece)
    return response


def _passed_back(upstream: ClientResponse, hide: Hide) -> CIMultiDict[str]:
    """Return the headers of an answer that are the caller's. The reason phrase stays behind: it may hold anything."""
    kept = _for_the_other_side(upstream.headers, _OURS_TO_SAY)
    return CIMultiDict((name, hide(value)) for name, value in kept if not name.lower().startswith("access-control-"))


async def _error(upstream: ClientResponse, hide: Hide) -> web.Response:
    """Return an error without our key, which servers repeat to say that they refuse it."""
    headers = _passed_back(upstream, hide)
    headers.popall("Content-Length", None)
    try:
        body = await read_bounded(upstream, LARGEST_ERROR)
        if codings := headers.popall("Content-Encoding", ()):
            body = _unpacked(body, codings)
    except ClientError as err:
        raise Problem(502, "The language model server broke off in the middle.", code="upstream_fault") from err
    except (ServerFault, ValueError, zlib.error) as err:
        raise Problem(
            upstream.status, "The language model server's error cannot be read.", code="upstream_fault"
        ) from err
    return web.Response(status=upstream.status, headers=headers, body=hide(body.decode("latin-1")).encode("latin-1"))


def _unpacked(body: bytes, codings: Sequence[str]) -> bytes:
    """Raises ValueError, zlib.error for what is no gzip or deflate, or unpacks to more than LARGEST_ERROR."""
    if [coding.strip().lower() for coding in codings] not in (["gzip"], ["deflate"]):
        raise ValueError("another coding")
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    unpacked = unpacker.decompress(body, LARGEST_ERROR)
    if unpacker.unconsumed_tail:
        raise ValueError("too large")
    return unpacked


def _for_the_other_side(headers: Mapping[str, str], ours: Collection[str]) -> list[tuple[str, str]]:
    """Return the headers that are for the other side, and not for one connection or for us."""
    ends_here = {
        name.strip().lower()
        for name, value in headers.items()
        if name.lower() == "connection"
        for name in value.split(",")
    }
    return [(name, value) for name, value in headers.items() if name.lower() not in {*_ENDS_HERE, *ends_here, *ours}]


async def _pieces(upstream: ClientResponse) -> AsyncGenerator[bytes]:
    """Yield the body as it comes. Raises Problem 502 where it breaks off."""
    try:
        async for piece in upstream.content.iter_any():
            yield piece
    except ClientError as err:
        raise Problem(502, "The language model server broke off in the middle.", code="upstream_fault") from err


async def _ask(request: web.Request, path: str) -> ClientResponse:
    headers = _for_the_other_side(request.headers, _OURS)
    if request.content_length is not None and "Content-Encoding" not in request.headers:
        headers.append(("Content-Length", str(request.content_length)))
    return await request.app[SESSION].request(
        request.method,
        _url(request, path),
        params=request.query,
        data=request.content if request.can_read_body else None,
        headers=[*headers, *_key_header(request)],
        skip_auto_headers=_NOT_ADDED,
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
                document = read_json(await read_bounded(response, LARGEST_LIST))
    except (TimeoutError, ClientError, ServerFault, ValueError) as err:
        LOGGER.warning("The language model server does not list its models: %s", type(err).__name__)
        return []
    listed = document.get("data") if isinstance(document, dict) else None
    return [dict[str, object](item) for item in items(listed) if as_name(item.get("id"))][:MOST_NAMES]


def _url(request: web.Request, path: str) -> str:
    base = (request.app[SETTINGS].llm_url or "").rstrip("/").removesuffix("/v1").rstrip("/")
    return f"{base}/v1/{path}"


def _key_header(request: web.Request) -> list[tuple[str, str]]:
    key = request.app[SETTINGS].llm_key
    return [("Authorization", f"Bearer {key}")] if key else []
