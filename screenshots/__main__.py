"""`scripts/screenshots`: take the pictures of the documentation anew."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Browser
from playwright.async_api import Error as BrowserError

from demo.errors import DemoError
from demo.folder import REPOSITORY, held
from demo.processes import Processes, free_port
from demo.report import line
from demo.scene import PROXY_PORT, start_proxy
from demo.spark_setup import find_engines, prefer_pipeline
from demo.speech import models

from . import daily, open_webui, options, setting_up, status_page, trouble
from .browser import chromium, talking_into
from .camera import Camera
from .frontend import missed, signed_in
from .stage import Spark, open_home, open_spark, talking_to

IMAGES = REPOSITORY / "docs/images"
INTERRUPTED = 130
PARTS = ("status-page", "home-assistant", "open-webui")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/screenshots", description="Take the documentation's pictures anew.")
    parser.add_argument("part", nargs="?", choices=PARTS, help="only these; open-webui is taken by name alone")
    parser.add_argument("--into", type=Path, default=IMAGES, metavar="FOLDER", help="instead of docs/images")
    parsed = parser.parse_args(arguments)
    if not parsed.into.is_dir():
        parser.error(f"there is no folder {parsed.into}")
    return parsed


async def take_pictures(part: str | None, folder: Path, camera: Camera) -> None:
    """Start what is photographed, with its files in `folder`, and stop it however this ends."""
    logs, home = folder / "logs", folder / "home"
    logs.mkdir()
    home.mkdir()
    with held(folder) as lock:
        async with Processes(logs, lock) as processes, talking_to() as session:
            try:
                async with chromium(*talking_into(status_page.CLIP)) as browser:
                    spark = await open_spark(session, processes)
                    if part != "home-assistant":
                        await photograph_proxy(browser, spark, processes, folder / "state", camera)
                    if part != "status-page":
                        await photograph_home(browser, spark, processes, home, camera)
            except DemoError as error:
                raise DemoError(f"{error}\n{processes.last_lines(error.faults)}") from error


async def photograph_proxy(browser: Browser, spark: Spark, processes: Processes, state: Path, camera: Camera) -> None:
    """The status page."""
    port = free_port(PROXY_PORT)
    url, proxy = await start_proxy(processes, port, spark.parakeet_url, spark.magpie_url, state, *status_page.SETTINGS)
    await proxy.until(lambda: models(spark.session, url), within=60)
    await status_page.photograph(browser, spark, url, camera)
    # Home Assistant is next to restart this Spark: two would get into each other's way.
    await proxy.stop()


async def photograph_home(browser: Browser, spark: Spark, processes: Processes, folder: Path, camera: Camera) -> None:
    """Home Assistant, from the first time that it hears of Spark Audio."""
    home = await open_home(spark.session, processes, folder)
    async with signed_in(browser, home) as page:
        await setting_up.photograph(page, spark, camera)
        await options.photograph(page, spark, camera)
        await prefer_pipeline(home.home_assistant, await find_engines(home.home_assistant, home.process))
        await daily.photograph_assistant(page, camera)
        await daily.photograph_command(page, camera)
        await daily.photograph_pages(page, home, spark, camera)
        await trouble.photograph(page, home, spark, camera)


async def run(parsed: argparse.Namespace) -> int:
    """The pictures, until all are taken or this is told to end; gives the exit code."""
    with TemporaryDirectory(prefix="spark-audio-") as folder:
        camera = Camera(parsed.into)
        if parsed.part == "open-webui":
            taking = asyncio.create_task(open_webui.take_pictures(Path(folder), camera))
        else:
            taking = asyncio.create_task(take_pictures(parsed.part, Path(folder), camera))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Only once: a second Ctrl-C must not cut short the stopping of children.
            asyncio.get_running_loop().add_signal_handler(number, lambda: taking.cancelling() or taking.cancel())
        try:
            await taking
        except asyncio.CancelledError:
            line("Stopped.")
            return INTERRUPTED
        except (BrowserError, AssertionError) as error:
            line(missed(error))
            return 1
        except (DemoError, OSError) as error:
            line(str(error))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(run(parse(sys.argv[1:]))))
