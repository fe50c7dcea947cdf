"""Child processes: start, learn where they listen, stop by their own id."""

import asyncio
import os
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
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
async def started(module: str, *arguments: str, python: Path = Path(sys.executable)) -> AsyncGenerator[Child]:
    """`python -m module`, from its line `... listening on URL` on; stopped however this ends. Raises BenchError."""
    async with _run(str(python), "-m", module, *arguments) as (process, log):
        yield Child(process.pid, await _listening_url(process, module, log))


@asynccontextmanager
async def started_on(port: int, program: Path, *arguments: str) -> AsyncGenerator[Child]:
    """Any program, from when its port on loopback can be reached; stopped however this ends. Raises BenchError."""
    async with _run(str(program), *arguments) as (process, log):
        await _until_reached(process, port, program.name, log)
        yield Child(process.pid, f"http://127.0.0.1:{port}")


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@asynccontextmanager
async def _run(*command: str) -> AsyncGenerator[tuple[Process, IO[bytes]]]:
    """A child and its log; stopped however this ends. Raises BenchError."""
    # Settings of a proxy that somebody runs here must not get into the measurement.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_AUDIO_")}
    # A file takes the log as fast as it comes and never makes the child wait.
    with tempfile.TemporaryFile() as log:
        try:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=REPOSITORY, env=environment, stdin=DEVNULL, stdout=PIPE, stderr=log
            )
        except OSError as err:
            raise BenchError(f"{command[0]} cannot be started: {err.strerror}.") from err
        try:
            yield process, log
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
        raise _not_started(module, log)
    return url


async def _until_reached(process: Process, port: int, name: str, log: IO[bytes]) -> None:
    try:
        async with asyncio.timeout(START_DEADLINE):
            while process.returncode is None:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise BenchError(f"{name} did not listen within {START_DEADLINE:.0f} s.") from None
    raise _not_started(name, log)


def _not_started(name: str, log: IO[bytes]) -> BenchError:
    log.seek(0)
    said = log.read().decode(errors="replace").strip().splitlines()
    return BenchError(f"{name} did not start: {said[-1] if said else 'it said nothing'}")


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(STOP_DEADLINE):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
