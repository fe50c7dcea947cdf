"""What all fake servers share: a real aiohttp server on loopback, with what it was asked kept for the test."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext

from aiohttp import web
from aiohttp.test_utils import TestServer

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    fields: dict[str, str]
    file: bytes | None = None
    file_name: str | None = None


@dataclass
class FakeServer:
    """A server whose routes a test may replace: `answers[("POST", "/path")] = handler`."""

    answers: dict[tuple[str, str], Handler] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Record the request and answer it; 404 or 405 as a real server would."""
        self.asked.append(await _read(request))
        if handler := self.answers.get((request.method, request.path)):
            return await handler(request)
        methods = [method for method, path in self.answers if path == request.path]
        if methods:
            raise web.HTTPMethodNotAllowed(request.method, methods)
        raise web.HTTPNotFound

    def posts(self, path: str) -> list[Asked]:
        """The POST requests that went to `path`."""
        return [asked for asked in self.asked if asked.method == "POST" and asked.path == path]


async def _read(request: web.Request) -> Asked:
    fields: dict[str, str] = {}
    file, file_name = None, None
    if request.content_type == "multipart/form-data":
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                file, file_name = value.file.read(), value.filename
                value.file.seek(0)
            else:
                # A name that comes more than once: its values, with commas between them.
                fields[name] = ",".join((fields[name], str(value))) if name in fields else str(value)
    elif request.content_type == "application/json" and request.can_read_body:
        fields = {key: str(value) for key, value in (await request.json()).items()}
    return Asked(request.method, request.path, dict(request.headers), fields, file, file_name)


@asynccontextmanager
async def running(fake: FakeServer, *, ssl: SSLContext | None = None) -> AsyncGenerator[FakeServer]:
    """The fake, listening on a free loopback port."""
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", fake.handle)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server(ssl=ssl, access_log=None)
    fake.url = str(server.make_url("")).rstrip("/")
    try:
        yield fake
    finally:
        await server.close()


def json(document: object, status: int = 200, headers: dict[str, str] | None = None) -> Handler:
    """A handler that answers this document."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(document, status=status, headers=headers)

    return answer


def text(body: str, status: int = 200, content_type: str = "text/plain") -> Handler:
    """A handler that answers this text."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, status=status, content_type=content_type)

    return answer


def data(body: bytes, content_type: str, status: int = 200) -> Handler:
    """A handler that answers these bytes."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status, content_type=content_type)

    return answer
