"""Child processes: start, learn where they listen, stop by their own id."""

import asyncio
import os
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .errors import BenchError

REPOSITORY = Path(__file__).parents[1]

START_DEADLINE = 30.0
"""Seconds until a child listens."""

STOP_DEADLINE = 10.0
"""Seconds for a child to end when told to; after that it is killed."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process that listens on `url`."""

    pid: int
    url: str


@asynccontextmanager
async def started(module: str, *arguments: str) -> AsyncGenerator[Child]:
    """`python -m module`, from its line `... listening on URL` on; stopped however this ends. Raises BenchError."""
    # Settings of a proxy that somebody runs here must not get into the measurement.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_AUDIO_")}
    # A file takes the log as fast as it comes and never makes the child wait.
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            cwd=REPOSITORY,
            env=environment,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=log,
        )
        try:
            yield Child(process.pid, await _listening_url(process, module, log))
        finally:
            await _stop(process)


async def _listening_url(process: Process, module: str, log: IO[bytes]) -> str:
    if process.stdout is None:
        raise RuntimeError("started without a pipe")
    try:
        async with asyncio.timeout(START_DEADLINE):
            line = (await process.stdout.readline()).decode()
    except TimeoutError:
        raise BenchError(f"{module} did not listen within {START_DEADLINE:.0f} s.") from None
    _, found, url = line.rstrip().rpartition(" listening on ")
    if not found:
        log.seek(0)
        said = log.read().decode(errors="replace").strip().splitlines()
        raise BenchError(f"{module} did not start: {said[-1] if said else 'it said nothing'}")
    return url


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(STOP_DEADLINE):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
