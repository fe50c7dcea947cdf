"""How a tool runs: until it is done or told to end, with one sentence where it fails."""

import asyncio
import signal
import sys
from collections.abc import Coroutine

from .errors import ToolError

FAILED = 1
INTERRUPTED = 130


def line(text: str = "") -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201 - what a command says to the person who started it


def run(work: Coroutine[None, None, bool]) -> int:
    """Run `work`, whose result says whether all went well, and return the exit status."""
    return asyncio.run(run_until_told(work))


async def run_until_told(work: Coroutine[None, None, bool]) -> int:
    """Run `work` until its end or a signal and return the exit status. Its children are stopped however it ends."""
    running = asyncio.create_task(work)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Only once: a second Ctrl-C must not cut short the stopping of children.
        asyncio.get_running_loop().add_signal_handler(number, lambda: running.cancelling() or running.cancel())
    try:
        return 0 if await running else FAILED
    except asyncio.CancelledError:
        line("Stopped.")
        return INTERRUPTED
    except ToolError as error:
        sys.stderr.write("\n".join((str(error), *getattr(error, "__notes__", ()))) + "\n")
    except OSError as error:
        sys.stderr.write(f"{error.filename or 'This'} cannot be used: {error.strerror or error}\n")
    return FAILED
