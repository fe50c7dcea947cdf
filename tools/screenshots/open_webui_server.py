"""A real Open WebUI on loopback, with a language model that always says the same.

It is installed from PyPI into `.tools`, which git ignores, in the slim form that has no models of its own: some 600 MB.
It wants a Python of 3.11 or 3.12.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientError, ClientSession, web

from tools.stack.errors import ToolError
from tools.stack.fetched import NotInstalled, uv
from tools.stack.folders import FETCHED, LOOPBACK, free_port
from tools.stack.http import ask, text
from tools.stack.processes import Processes

VERSION = "0.12.4"
HOME = FETCHED / "open-webui"
NAME = "Open WebUI"
ADMIN = {"email": "admin@example.com", "password": "only-on-loopback"}
START_SECONDS = 120.0

ANSWER = (
    "The kitchen light is on. Is there anything else that I can do for you? "
    "I could dim it, or switch it off in an hour."
)


@dataclass(frozen=True, slots=True)
class OpenWebUI:
    """One that runs, and what its administrator is known by."""

    url: str
    token: str


async def install() -> None:
    """Install it once. Raises ToolError where it cannot be had."""
    if (HOME / "bin/open-webui").is_file() and list(HOME.glob(f"lib/*/site-packages/open_webui-{VERSION}.dist-info")):
        return
    python = str(HOME / "bin/python")
    try:
        await uv("venv", "--clear", "--python", ">=3.11,<3.13", str(HOME))
        await uv("pip", "install", "--python", python, "--no-deps", f"open-webui=={VERSION}")
        [requirements] = HOME.glob("lib/*/site-packages/requirements-slim.txt")
        await uv("pip", "install", "--python", python, "--requirements", str(requirements))
    except NotInstalled as err:
        raise ToolError(f"Open WebUI cannot be installed: {err}") from err


@asynccontextmanager
async def language_model() -> AsyncGenerator[str]:
    """Yield the base URL of a server with the one model `house`."""
    app = web.Application()
    app.add_routes([web.get("/v1/models", _models), web.post("/v1/chat/completions", _chat)])
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    try:
        await web.TCPSite(runner, LOOPBACK, port).start()
        yield f"http://{LOOPBACK}:{port}/v1"
    finally:
        await runner.cleanup()


async def _models(_: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [{"id": "house", "object": "model"}]})


async def _chat(request: web.Request) -> web.StreamResponse:
    if not (await request.json()).get("stream"):
        message = {"role": "assistant", "content": ANSWER}
        return web.json_response({"choices": [{"index": 0, "finish_reason": "stop", "message": message}]})
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for delta, reason in (({"content": ANSWER}, None), ({}, "stop")):
        event = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
        await response.write(f"data: {json.dumps(event)}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response


async def start(
    processes: Processes, session: ClientSession, data: Path, models: str, environment: dict[str, str]
) -> OpenWebUI:
    """Start it with its files in `data`; `environment` is what a user would write into a Compose file.

    Raises ToolError.
    """
    port = free_port(3000)
    url = f"http://{LOOPBACK}:{port}"
    fixed = {
        "USE_SLIM_DOCKER": "true",
        "DATA_DIR": str(data),
        "WEBUI_SECRET_KEY": "only-on-loopback",
        "WEBUI_ADMIN_EMAIL": ADMIN["email"],
        "WEBUI_ADMIN_PASSWORD": ADMIN["password"],
        "OPENAI_API_BASE_URL": models,
        "OPENAI_API_KEY": "none",
        "ENABLE_OLLAMA_API": "false",
        "OFFLINE_MODE": "true",
        "DO_NOT_TRACK": "true",
    }
    command = (HOME / "bin/open-webui", "serve", "--host", LOOPBACK, "--port", str(port))
    process = await processes.start(NAME, *command, cwd=data, environment=fixed | environment)

    async def signed_in() -> str | None:
        try:
            async with session.post(f"{url}/api/v1/auths/signin", json=ADMIN) as response:
                return text(await response.json(), "token") if response.ok else None
        except ClientError, TimeoutError:
            return None

    token = await process.until(signed_in, within=START_SECONDS)
    # Otherwise its release notes lie above every page.
    headers, seen = {"Authorization": f"Bearer {token}"}, {"ui": {"version": VERSION}}
    await ask(session, "POST", f"{url}/api/v1/users/user/settings/update", NAME, seen, headers)
    return OpenWebUI(url, token)
