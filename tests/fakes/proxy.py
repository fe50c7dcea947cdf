"""A fake Spark Audio proxy: its health page (docs/api.md), and both services behind it."""

from collections.abc import Iterable

from aiohttp import web

from tests.fakes import magpie, parakeet
from tests.fakes.server import FakeServer, Handler, json

STATUS = "/api/status"


def proxy(
    services: Iterable[str] = ("parakeet", "magpie"), *, key: str | None = None, proxy_id: str | None = None
) -> FakeServer:
    """The proxy with these services. Everything but its lists wants the key, where it has one."""
    fake = FakeServer({**parakeet.openai().answers, **magpie.spark_audio().answers})
    del fake.answers["GET", "/health"]
    fake.answers["GET", STATUS] = json(status(services) | {"id": proxy_id})
    if key:
        closed = [STATUS, parakeet.TRANSCRIPTIONS, magpie.SPEECH]
        fake.answers |= {route: _locked(answer, key) for route, answer in fake.answers.items() if route[1] in closed}
    return fake


def status(services: Iterable[str]) -> dict[str, object]:
    """What `/api/status` answers while these servers are well."""
    watched = {"state": "healthy", "since": "2026-11-01T12:00:00.000+00:00", "evidence": "", "last_canary": None}
    healing: dict[str, object] = {
        "last_success": None,
        "restart_target": None,
        "restarts_left": 3,
        "restarts": [],
        "history": [],
    }
    return {
        "id": None,
        "automatic_restarts": True,
        "restart_limit": 3,
        "restart_window": 1800,
        "services": [
            {"name": name, "url": f"http://{name}", "server": "openai", **watched, **healing} for name in services
        ],
    }


def _locked(answer: Handler, key: str) -> Handler:
    async def checked(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {key}":
            error = {"message": "The key is missing or wrong.", "type": "invalid_request_error"}
            return web.json_response({"error": error}, status=401)
        return await answer(request)

    return checked
