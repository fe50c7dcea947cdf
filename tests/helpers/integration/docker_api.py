"""A Docker API, and a restart hook, that heal a fake Parakeet: what the tests of restarting share."""

from typing import TypedDict

from aiohttp import web

from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import Asked, FakeServer, json

DOCKER_RESTART = ("POST", "/v1.44/containers/parakeet/restart")
DOCKER_INSPECT = ("GET", "/v1.44/containers/parakeet/json")
HOOK = ("POST", "/restart")


def healing(server: FakeServer) -> FakeServer:
    """A restart hook and a Docker API at once, whose restarts bring the server's healthy answer back."""
    well = server.answers["POST", TRANSCRIPTIONS]

    async def restart(_: web.Request) -> web.Response:
        server.answers["POST", TRANSCRIPTIONS] = well
        return web.Response(status=204)

    return FakeServer({HOOK: restart, DOCKER_RESTART: restart, DOCKER_INSPECT: json({"Name": "/parakeet"})})


def restarts(api: FakeServer) -> list[Asked]:
    """Return the requests for restarts, without those that only try it out."""
    return [asked for asked in api.asked if asked.method == "POST"]


class DockerOptions(TypedDict):
    """The options of an entry that restarts Parakeet by Docker's API."""

    restart_kind: str
    parakeet_restart_docker: str


def docker(api: FakeServer) -> DockerOptions:
    """The options that restart Parakeet by Docker's API."""
    return {"restart_kind": "docker", "parakeet_restart_docker": f"{api.url}#parakeet"}
