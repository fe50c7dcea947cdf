"""What a voice turn is compared with, fetched when it is asked for into `.tools`, which git ignores.

Home Assistant installs what an integration needs when it is set up. Its environment here is locked, so what core's
OpenAI and Wyoming integrations need lies in a folder beside it, which has to be there before Home Assistant starts: a
folder that is missing at its start is never looked into again. wyoming-openai has an environment of its own.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from tools.stack.errors import ToolError
from tools.stack.fetched import NotInstalled, Package, found, install_environment, lacking, pins, site_packages, uv
from tools.stack.folders import FETCHED, HOME_ASSISTANT, LOOPBACK, free_port
from tools.stack.home import Engines, Home
from tools.stack.home_assistant import LANGUAGE
from tools.stack.processes import Processes

from .upstream import OPENAI

CORE_OPENAI = "core's OpenAI integration"
WYOMING = "Wyoming with wyoming-openai"
PEERS = (CORE_OPENAI, WYOMING)

WYOMING_OPENAI = FETCHED / "bench-wyoming-openai"
WYOMING_OPENAI_PACKAGE = Package("wyoming-openai", "0.8.0")


@dataclass(frozen=True, slots=True)
class Peers:
    """Those that are there, with what they are made of, and why the others are not."""

    packages: dict[str, tuple[Package, ...]]
    missing: dict[str, str]


def home_assistant_version() -> str:
    """Return the version of the Home Assistant that is measured. Raises ToolError where there is none."""
    for package in found(("homeassistant",), *site_packages(HOME_ASSISTANT)):
        return package.version
    raise ToolError(f"{HOME_ASSISTANT.name} is missing: run scripts/setup first.")


async def install_peers() -> Peers:
    """Install both, as far as they can be had here."""
    peers = Peers({}, {})
    for name in PEERS:
        try:
            peers.packages[name] = await _install(name)
        except NotInstalled as err:
            peers.missing[name] = f"not measured, it cannot be installed here: {err}"
    return peers


async def _install(name: str) -> tuple[Package, ...]:
    if name == CORE_OPENAI:
        return await install_integration("openai_conversation")
    return *await install_integration("wyoming"), *await install_wyoming_openai()


async def install_wyoming_openai() -> tuple[Package, ...]:
    """Install it in an environment of its own. Raises NotInstalled."""
    folders = await install_environment(WYOMING_OPENAI, HOME_ASSISTANT / "bin/python", (WYOMING_OPENAI_PACKAGE,))
    return WYOMING_OPENAI_PACKAGE, *found(("openai",), *folders)


async def install_integration(name: str) -> tuple[Package, ...]:
    """Install what one of core's integrations needs, in the very version that it asks for. Raises NotInstalled."""
    wanted, target = _requirements(name), libraries()
    if lacking(wanted, target):
        # What Home Assistant's environment has, it has in its own version; only the rest may be chosen.
        constraints = target.with_name(f"{target.name}.txt")
        constraints.parent.mkdir(parents=True, exist_ok=True)
        constraints.write_text(await uv("pip", "freeze", "-p", str(HOME_ASSISTANT)))
        options = ("-p", str(HOME_ASSISTANT), "--target", str(target), "-c", str(constraints))
        await uv("pip", "install", *options, *pins(wanted))
    return wanted


def libraries() -> Path:
    """Return the folder of what core's integrations need, one for each version of Home Assistant."""
    return FETCHED / f"bench-home-assistant-{home_assistant_version()}"


def _requirements(integration: str) -> tuple[Package, ...]:
    for folder in site_packages(HOME_ASSISTANT):
        manifest = json.loads((folder / f"homeassistant/components/{integration}/manifest.json").read_text())
        requirements = (pin.partition("==") for pin in manifest["requirements"])
        return tuple(Package(name, version) for name, _, version in requirements)
    raise NotInstalled(f"{HOME_ASSISTANT.name} is missing")


def home_environment(upstream_url: str) -> dict[str, str]:
    """Return the variables with which Home Assistant finds the libraries, and the server in OpenAI's place."""
    return {"PYTHONPATH": str(libraries()), "OPENAI_BASE_URL": f"{upstream_url}/{OPENAI}/v1"}


async def add_peer(name: str, home: Home, processes: Processes, upstream_url: str) -> Engines:
    """Set one up as its documentation has it. Raises ToolError."""
    if name == CORE_OPENAI:
        return await home.engines(await home.add("openai_conversation", {"api_key": "bench"}))
    url = f"{upstream_url}/{OPENAI}/v1"
    port = await start_wyoming_openai(
        processes,
        *("--stt-openai-url", url, "--stt-openai-key", "bench", "--stt-backend", "OPENAI"),
        *("--stt-models", "gpt-4o-mini-transcribe"),
        *("--tts-openai-url", url, "--tts-openai-key", "bench", "--tts-backend", "OPENAI"),
        *("--tts-streaming-models", "gpt-4o-mini-tts", "--tts-voices", "alloy"),
    )
    return await home.engines(await home.add("wyoming", {"host": LOOPBACK, "port": port}))


async def start_wyoming_openai(processes: Processes, *settings: str) -> int:
    """Start the server between Wyoming and OpenAI's contract and return its port. Raises ToolError."""
    port = free_port()
    server = await processes.start(
        "wyoming-openai",
        *(WYOMING_OPENAI / "bin/python", "-m", "wyoming_openai"),
        *("--uri", f"tcp://{LOOPBACK}:{port}", "--log-level", "WARNING", "--languages", LANGUAGE),
        *settings,
        cwd=processes.logs,
        environment={"PYTHONPATH": ""},
    )
    await server.reached(port)
    return port
