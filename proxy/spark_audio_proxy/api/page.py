"""The status page and playground: files of the package, served as they are."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from aiohttp import ETag, web

from spark_audio_proxy.problems import Problem

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

HEADERS = {
    # No script, style or connection but our own; no other page may frame this one to have its buttons clicked.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; media-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the page and what identifies its content."""

    body: bytes
    content_type: str
    etag: str


async def page(request: web.Request) -> web.Response:
    """`GET /`: the page. It holds nothing secret; what it shows it asks for with the user's key."""
    return _serve(request, "index.html")


async def part(request: web.Request) -> web.Response:
    """`GET /web/{name}`: one of its parts."""
    return _serve(request, request.match_info["name"])


def _serve(request: web.Request, name: str) -> web.Response:
    file = _files().get(name)
    if file is None:
        raise Problem(404, f"Unknown URL: {request.method} {request.path[:100]}.", code="unknown_url")
    if file.etag in [etag.value for etag in request.if_none_match or ()]:
        response = web.Response(status=304, headers=HEADERS)
    else:
        response = web.Response(body=file.body, headers=HEADERS, content_type=file.content_type, charset="utf-8")
        response.enable_compression()
    response.etag = ETag(file.etag)
    return response


@cache
def _files() -> dict[str, _File]:
    """Return all parts by name: what is not among them cannot be asked for, whatever the path says."""
    folder = files("spark_audio_proxy") / "web"
    found = {}
    for item in folder.iterdir():
        content_type = _TYPES.get(item.name.rpartition(".")[2])
        if content_type:
            body = item.read_bytes()
            found[item.name] = _File(body, content_type, hashlib.sha256(body).hexdigest()[:16])
    return found
