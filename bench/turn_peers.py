"""What a voice turn is compared with, fetched when it is asked for into `.tools`, which git ignores.

Home Assistant installs what an integration needs when it is set up. Its environment here is locked, so what core's
OpenAI and Wyoming integrations need lies in a folder beside it. wyoming-openai has an environment of its own.
"""

import json

from .environments import TOOLS, NotInstalled, Package, found, install_environment, lacking, uv
from .errors import BenchError
from .processes import REPOSITORY

HOME_ASSISTANT = REPOSITORY / ".venv-ha"
LIBRARIES = TOOLS / "bench-home-assistant"
WYOMING_OPENAI = TOOLS / "bench-wyoming-openai"

WYOMING_OPENAI_VERSION = "0.8.0"


async def install_integration(name: str) -> tuple[Package, ...]:
    """What one of core's integrations needs, in the very version that core asks for. Raises NotInstalled."""
    wanted = _requirements(name)
    if not lacking(wanted, LIBRARIES):
        return wanted
    # What Home Assistant's environment has, it has in its own version; only the rest may be chosen.
    kept = await uv("pip", "freeze", "-p", str(HOME_ASSISTANT))
    constraints = TOOLS / "bench-constraints.txt"
    constraints.write_text(kept)
    await uv(
        *("pip", "install", "-p", str(HOME_ASSISTANT), "--target", str(LIBRARIES), "-c", str(constraints)),
        *(f"{package.name}=={package.version}" for package in wanted),
    )
    return wanted


async def install_wyoming_openai() -> tuple[Package, ...]:
    """The server that stands between Wyoming and OpenAI's contract, and its client. Raises NotInstalled."""
    wanted = Package("wyoming-openai", WYOMING_OPENAI_VERSION)
    folders = await install_environment(WYOMING_OPENAI, HOME_ASSISTANT / "bin/python", (wanted,))
    return wanted, *found(("openai",), *folders)


def home_assistant_version() -> str:
    """Of the Home Assistant that is measured. Raises BenchError where there is none."""
    for package in found(("homeassistant",), *HOME_ASSISTANT.glob("lib/*/site-packages")):
        return package.version
    raise BenchError(".venv-ha is missing: run scripts/setup first.")


def _requirements(integration: str) -> tuple[Package, ...]:
    for manifest in HOME_ASSISTANT.glob(f"lib/*/site-packages/homeassistant/components/{integration}/manifest.json"):
        pins = (pin.partition("==") for pin in json.loads(manifest.read_text())["requirements"])
        return tuple(Package(name, version) for name, _, version in pins)
    raise NotInstalled(f"this Home Assistant has no integration {integration}")
