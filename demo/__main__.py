"""`scripts/demo`: talk to a real Home Assistant through Spark Audio, with nothing but this checkout."""

import argparse
import asyncio
import shutil
import signal
import sys
from collections.abc import Sequence

from . import check, wedge
from .errors import DemoError
from .folder import REPOSITORY, held
from .processes import Processes
from .report import line
from .scene import HASS, PROJECT_PYTHON, Scene, staged

FOLDER = REPOSITORY / ".demo"
INTERRUPTED = 130


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__.partition(": ")[2] if __doc__ else None)
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument("--check", action="store_true", help="speak one command, print what came of it, and end")
    ends.add_argument("--wedge", action="store_true", help="break Parakeet, tell how it heals, and end")
    parser.add_argument("--keep", action="store_true", help="go on with the Home Assistant of the last demo")
    options = parser.parse_args(arguments)
    if options.wedge and options.keep:
        parser.error("--wedge needs no Home Assistant: leave --keep out")
    return options


def require_tools(options: argparse.Namespace) -> None:
    """DemoError unless everything the demo starts is there."""
    for path in (PROJECT_PYTHON, HASS):
        if not path.exists():
            raise DemoError(f"{path.relative_to(REPOSITORY)} is missing: run scripts/setup first.")
    if not options.wedge and shutil.which("ffmpeg") is None:
        raise DemoError("ffmpeg is missing, and Home Assistant needs it to speak: install it (apt install ffmpeg).")


def invite(scene: Scene) -> None:
    """Say where everything is."""
    line(f"""
Spark Audio is up.

  Home Assistant  {scene.home_assistant.url}   user {scene.account.user}, password {scene.account.password}
  OpenAI API      {scene.proxy_url}/v1
  Parakeet        {scene.parakeet_url}
  Magpie          {scene.magpie_url}
  logs            {FOLDER.relative_to(REPOSITORY)}/logs

Log in, open Assist from the icon at the top and say or type "turn on the kitchen light".
Stop with Ctrl-C.""")


async def up_until_told(processes: Processes) -> None:
    """Stay up; DemoError when a process ends by itself."""
    try:
        await processes.watch()
    except asyncio.CancelledError:
        line("\nStopping.")


async def demo(options: argparse.Namespace) -> bool:
    """The whole demo; True if it went well. Its children are stopped however it ends."""
    require_tools(options)
    with held(FOLDER) as lock:
        folder = wedge.lay_out(FOLDER) if options.wedge else FOLDER
        async with Processes(folder / "logs", lock) as processes:
            try:
                if options.wedge:
                    return await wedge.run(folder, processes)
                async with staged(FOLDER, processes, keep=options.keep) as scene:
                    if options.check:
                        return await check.run(scene)
                    invite(scene)
                    await up_until_told(processes)
                    return True
            except DemoError as error:
                line(f"\n{error}\n{processes.last_lines(error.faults)}")
                return False


async def run(options: argparse.Namespace) -> int:
    """The demo until it ends or is told to; gives the exit code."""
    running = asyncio.create_task(demo(options))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Only once: a second Ctrl-C must not cut short the stopping of children.
        asyncio.get_running_loop().add_signal_handler(number, lambda: running.cancelling() or running.cancel())
    try:
        return 0 if await running else 1
    except asyncio.CancelledError:
        line("Stopped.")
        return INTERRUPTED
    except DemoError as error:
        line(str(error))
        return 1
    except OSError as error:
        line(f"The demo cannot go on: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(run(parse(sys.argv[1:]))))
