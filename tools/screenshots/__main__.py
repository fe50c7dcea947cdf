"""`scripts/screenshots`: take the pictures of the documentation anew."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Error as BrowserError

from tools.stack.command import run
from tools.stack.errors import ToolError
from tools.stack.folders import REPOSITORY, free_port
from tools.stack.http import new_session
from tools.stack.processes import Processes
from tools.stack.services import start_spark

from . import home_assistant, open_webui, open_webui_server, status_page
from .browser import chromium, spoken_command, talking_into
from .frontend import missed
from .pictures import Pictures

IMAGES = REPOSITORY / "docs/images"
PARTS = ("status-page", "home-assistant", "open-webui")
PARAKEET_PORT, MAGPIE_PORT = 9001, 9000
"""The usual ones of the two services, if they can be had: Home Assistant shows them."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="scripts/screenshots", description="Take the documentation's pictures anew.")
    parser.add_argument("part", nargs="?", choices=PARTS, help="only these; open-webui is taken by name alone")
    parser.add_argument("--into", type=Path, default=IMAGES, metavar="FOLDER", help="instead of docs/images")
    parsed = parser.parse_args(arguments)
    if not parsed.into.is_dir():
        parser.error(f"there is no folder {parsed.into}")
    return parsed


async def take_pictures(part: str | None, pictures: Pictures) -> bool:
    """Start what the pictures show, take them, and stop it however this ends. Raises ToolError."""
    try:
        if part == "open-webui":
            await open_webui_server.install()
        with TemporaryDirectory(prefix="spark-audio-") as name:
            await _take(part, Path(name), pictures)
    except (BrowserError, AssertionError) as error:
        raise ToolError(missed(error)) from error
    return True


async def _take(part: str | None, folder: Path, pictures: Pictures) -> None:
    logs, home, state = (folder / name for name in ("logs", "home", "state"))
    logs.mkdir()
    home.mkdir()
    async with (
        Processes(logs) as processes,
        new_session() as session,
        chromium(*talking_into(spoken_command(folder))) as browser,
    ):
        spark = await start_spark(processes, free_port(PARAKEET_PORT), free_port(MAGPIE_PORT))
        if part in (None, "status-page"):
            await status_page.take(browser, session, spark, processes, state, pictures)
        if part in (None, "home-assistant"):
            await home_assistant.take(browser, session, spark, processes, home, pictures)
        if part == "open-webui":
            await open_webui.take(browser, session, spark, processes, home, pictures)


if __name__ == "__main__":
    options = parse(sys.argv[1:])
    sys.exit(run(take_pictures(options.part, Pictures(options.into))))
