"""A real Open WebUI on loopback, with a language model that always says the same.

It is installed from PyPI into `.tools`, which git ignores, in the slim form that has no models of its own: some 600 MB.
It wants a Python of 3.11 or 3.12.
"""

import asyncio
import json
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientError, ClientSession, web

from demo.errors import DemoError
from demo.folder import LOOPBACK, REPOSITORY
from demo.processes import Child, Processes, free_port

VERSION = "0.12.4"
HOME = REPOSITORY / ".tools/open-webui"
UV = REPOSITORY / ".tools/bin/uv"
NAME = "Open WebUI"
ADMIN = {"email": "admin@example.com", "password": "only-on-loopback"}

ANSWER = (
    "The kitchen light is on. Is there anything else that I can do for you? "
    "I could dim it, or switch it off in an hour."
)


@dataclass(frozen=True, slots=True)
class OpenWebUI:
    """One that runs, and what its administrator is known by."""

    url: str
    token: str
    process: Child


async def install() -> None:
    """Once. Raises DemoError where it cannot be had."""
    if (HOME / "bin/open-webui").is_file() and list(HOME.glob(f"lib/*/site-packages/open_webui-{VERSION}.dist-info")):
        return
    python = HOME / "bin/python"
    await _uv("venv", "--clear", "--python", ">=3.11,<3.13", str(HOME))
    await _uv("pip", "install", "--python", str(python), "--no-deps", f"open-webui=={VERSION}")
    [requirements] = HOME.glob("lib/*/site-packages/requirements-slim.txt")
    await _uv("pip", "install", "--python", str(python), "--requirements", str(requirements))


async def _uv(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(UV, *arguments, stdout=PIPE, stderr=STDOUT)
    said, _ = await process.communicate()
    if process.returncode:
        raise DemoError(f"Open WebUI cannot be installed:\n{said.decode(errors='replace').strip()}")


@asynccontextmanager
async def language_model() -> AsyncGenerator[str]:
    """The base URL of a server with the one model `house`."""
    app = web.Application()
    app.add_routes([web.get("/v1/models", _models), web.post("/v1/chat/completions", _chat)])
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port(0)
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
    """Start it with its files in `data`; `environment` is what a user would write into a Compose file."""
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
    process = await processes.start(
        NAME,
        *("/usr/bin/env", *(f"{name}={value}" for name, value in (fixed | environment).items())),
        *(HOME / "bin/open-webui", "serve", "--host", LOOPBACK, "--port", str(port)),
        cwd=data,
    )

    async def signed_in() -> str | None:
        try:
            async with session.post(f"{url}/api/v1/auths/signin", json=ADMIN) as response:
                return (await response.json())["token"] if response.ok else None
        except ClientError, TimeoutError:
            return None

    token = await process.until(signed_in, within=120)
    # Otherwise its release notes lie above every page.
    seen = {"ui": {"version": VERSION}}
    headers = {"Authorization": f"Bearer {token}"}
    async with session.post(f"{url}/api/v1/users/user/settings/update", json=seen, headers=headers) as response:
        response.raise_for_status()
    return OpenWebUI(url, token, process)
