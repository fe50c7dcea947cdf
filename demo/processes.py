"""Child processes: start them, wait until they are ready, notice their end, stop them by pid, show their log."""

import asyncio
import os
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from .errors import DemoError
from .folder import LOOPBACK, enter

HOME_ASSISTANT = "Home Assistant"
PROXY = "Proxy"
SPARK = "Embedded Spark"

POLL_SECONDS = 0.1
# homeassistant.const.RESTART_EXIT_CODE
RESTART_EXIT_CODE = 100
# Home Assistant gives its own integrations up to 30 s before it lets go.
STOP_SECONDS = 40.0


def free_port(wanted: int) -> int:
    """`wanted` if nothing listens there on loopback, else a port the system says is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, wanted))
        except OSError:
            probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def listening_url(output: str, service: str) -> str | None:
    """The URL in the line `<service> listening on <URL>`, or None while that line is missing or unfinished."""
    found = re.search(rf"^{re.escape(service)} listening on (http://\S+)\s*\n", output, re.MULTILINE)
    return found[1] if found else None


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for children: settings of a Spark the user runs elsewhere must not leak into the demo."""
    kept = {name: value for name, value in environment.items() if not name.startswith("SPARK_AUDIO_")}
    return kept | {"PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, where, and the file that takes everything it prints."""

    name: str
    argv: tuple[str | Path, ...]
    cwd: Path
    log: Path


@dataclass(slots=True)
class Child:
    """A program that runs; `process` is another one after a restart."""

    program: Program
    process: asyncio.subprocess.Process

    def output(self) -> str:
        """All it has printed so far."""
        return self.program.log.read_text(errors="replace")

    def last_lines(self, count: int = 25) -> str:
        """The end of its log."""
        return "\n".join(self.output().splitlines()[-count:]) or "(it printed nothing)"

    async def until[T](self, probe: Callable[[], Awaitable[T | None]], *, within: float) -> T:
        """Ask `probe` until it answers something, for `within` seconds at most.

        Raises DemoError when the process ends first or the time is up.
        """
        try:
            async with asyncio.timeout(within):
                while (answer := await probe()) is None:
                    if self.process.returncode is not None:
                        raise DemoError(
                            f"{self.program.name} ended with code {self.process.returncode} while starting.",
                            self.program.name,
                        )
                    await asyncio.sleep(POLL_SECONDS)
                return answer
        except TimeoutError:
            raise DemoError(
                f"{self.program.name} was not ready within {within:.0f} seconds.", self.program.name
            ) from None

    async def listening(self, service: str, *, within: float) -> str:
        """The URL it prints once `service` listens."""

        async def announced() -> str | None:
            return listening_url(self.output(), service)

        return await self.until(announced, within=within)

    async def stop(self) -> None:
        """Ask it to end; after STOP_SECONDS, end it."""
        if self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


class Processes:
    """The children of one demo; leaving the context stops them all, the youngest first."""

    def __init__(self, logs: Path, lock: int) -> None:
        """`lock` (see `folder.held`) is inherited by each child, so that it stays held while one of them lives."""
        self.logs = logs
        self._lock = lock
        self._children: list[Child] = []

    async def start(self, name: str, *argv: str | Path, cwd: Path) -> Child:
        """Start `argv`, with a new log."""
        log = self.logs / f"{name.lower().replace(' ', '-')}.log"
        log.unlink(missing_ok=True)
        program = Program(name, argv, cwd, log)
        child = Child(program, await self._spawn(program))
        self._children.append(child)
        return child

    async def _spawn(self, program: Program) -> asyncio.subprocess.Process:
        """In a session of its own: a Ctrl-C reaches the demo alone, which then stops its children in order."""
        with program.log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *program.argv,
                cwd=program.cwd,
                env=clean_environment(os.environ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(self._lock,),
            )
        enter(self._lock, program.name, process.pid)
        return process

    def last_lines(self, names: Iterable[str]) -> str:
        """The ends of the logs of those children in `names` that were started."""
        faulty = [child for child in self._children if child.program.name in names]
        return "".join(f"\nThe last lines of {child.program.log}:\n{child.last_lines()}\n" for child in faulty)

    async def watch(self) -> NoReturn:
        """Wait for as long as all of them run; DemoError when one ends by itself.

        One that asks to be started again, as Home Assistant does from its own interface, is.
        """
        while True:
            ended = await self._first_end()
            if ended.process.returncode != RESTART_EXIT_CODE:
                raise DemoError(
                    f"{ended.program.name} ended by itself, with code {ended.process.returncode}.", ended.program.name
                )
            ended.process = await self._spawn(ended.program)

    async def _first_end(self) -> Child:
        waits = {asyncio.create_task(child.process.wait()): child for child in self._children}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return waits[done.pop()]

    async def __aenter__(self) -> Self:
        """Nothing runs yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop them all."""
        for child in reversed(self._children):
            await child.stop()
