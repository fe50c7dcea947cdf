"""aiohttp's server, with our error object also for what is no HTTP: no middleware sees that."""

from typing import override

from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError, LineTooLong

from .problems import Problem, response_for


class _Connection(web.RequestHandler):
    """One connection of a caller."""

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer; the connection closes behind it. Raises ConnectionError where another one has begun."""
        super().handle_error(request, status, exc, message)
        response = response_for(_problem(status, exc))
        response.force_close()
        return response


def _problem(status: int, exc: BaseException | None) -> Problem:
    match exc:
        case ContentEncodingError():
            return Problem(415, "The Content-Encoding is not known: send the body as it is, or as gzip or deflate.")
        case LineTooLong():
            return Problem(400, "The URL or a header is too long.")
    if status >= 500:
        return Problem(status, "The request could not be answered; the proxy's log has the details.")
    return Problem(status, "The request is not valid HTTP. An https URL needs a reverse proxy with TLS in front.")


class _Server(web.Server):
    @override
    def __call__(self) -> _Connection:
        return _Connection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs the application on such connections."""

    @override
    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        # aiohttp has no parameter for it.
        server.__class__ = _Server
        return server
