"""`scripts/demo`: talk to a real Home Assistant through Spark Audio, with nothing but this checkout."""

import argparse
import asyncio
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.stack.command import line, run
from tools.stack.configuration import lay_out
from tools.stack.errors import ToolError
from tools.stack.folders import HOME_ASSISTANTS, REPOSITORY, held
from tools.stack.home import DOMAIN, Home, start_home
from tools.stack.home_assistant import Account
from tools.stack.http import new_session
from tools.stack.processes import Processes
from tools.stack.services import Spark, start_proxy, start_spark

from . import check, wedge
from .kept import USER, clear, new_record, recall, remember

FOLDER = REPOSITORY / ".demo"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__.partition(": ")[2] if __doc__ else None)
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument("--check", action="store_true", help="speak one command, print what came of it, and end")
    ends.add_argument("--wedge", action="store_true", help="break Parakeet, print how it heals, and end")
    parser.add_argument("--keep", action="store_true", help="go on with the Home Assistant of the last demo")
    parser.add_argument(
        "--home-assistant",
        choices=HOME_ASSISTANTS,
        default="newest",
        help="the version of Home Assistant: the newest, the one before, or the oldest that is supported",
    )
    options = parser.parse_args(arguments)
    if options.wedge and options.keep:
        parser.error("--wedge needs no Home Assistant: leave --keep out")
    return options


def invite(home: Home, proxy_url: str, spark: Spark) -> None:
    """Print where everything is."""
    line(f"""
Spark Audio is up.

  Home Assistant  {home.client.url}   user {home.account.user}, password {home.account.password}
  OpenAI API      {proxy_url}/v1
  Parakeet        {spark.parakeet_url}
  Magpie          {spark.magpie_url}
  logs            {FOLDER.relative_to(REPOSITORY)}/logs

Log in, open Assist from the icon at the top and say or type "turn on the kitchen light".
Stop with Ctrl-C.""")


async def run_home(folder: Path, processes: Processes, installed: Path, *, keep: bool, check_it: bool) -> bool:
    """Bring everything up, in a new folder or a kept one; then check it, or stay up until Ctrl-C.

    `installed` is the environment of Home Assistant. Raises ToolError.
    """
    record = recall(folder) if keep else new_record()
    if not keep:
        clear(folder)
        lay_out(folder, record.home_assistant_port)
    async with new_session() as session:
        line("Starting the embedded Spark, its speech engines on this machine's CPU.")
        spark = await start_spark(processes, record.parakeet_port, record.magpie_port)
        proxy_url, _ = await start_proxy(processes, folder / "state", *spark.proxy_settings, port=record.proxy_port)
        line(f"The proxy answers at {proxy_url}.\nStarting Home Assistant.")
        account = Account(USER, record.password)
        port = record.home_assistant_port
        home = await start_home(processes, session, folder, port, account, installed=installed, is_new=not keep)
        if not keep:
            await home.furnish()
        if not await home.client.entries(DOMAIN):
            await home.add(DOMAIN, {"parakeet_url": spark.parakeet_url, "magpie_url": spark.magpie_url})
        pipeline = await home.prefer_spark_audio()
        line(f"Home Assistant {await home.client.version()} has Spark Audio set up at {home.client.url}.")
        remember(folder, record)
        if check_it:
            return await check.run(processes, home.client, pipeline, proxy_url)
        invite(home, proxy_url, spark)
        try:
            await processes.watch()
        except asyncio.CancelledError:
            line("\nStopping.")
        return True


async def demo(options: argparse.Namespace) -> bool:
    """Run the whole demo and return whether it went well. Its children are stopped however it ends."""
    if not options.wedge and shutil.which("ffmpeg") is None:
        raise ToolError("ffmpeg is missing, and Home Assistant needs it to speak: install it (apt install ffmpeg).")
    with held(FOLDER) as lock:
        folder = wedge.lay_out_folder(FOLDER) if options.wedge else FOLDER
        async with Processes(folder / "logs", lock) as processes:
            if options.wedge:
                return await wedge.run(folder, processes)
            installed = HOME_ASSISTANTS[options.home_assistant]
            return await run_home(folder, processes, installed, keep=options.keep, check_it=options.check)


if __name__ == "__main__":
    sys.exit(run(demo(parse(sys.argv[1:]))))
