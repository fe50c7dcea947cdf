"""Child processes: start them, wait until they are ready, notice their end, stop them by id, keep their log."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import NoReturn, Self

from .errors import ToolError
from .folders import LOOPBACK, REPOSITORY, enter

HOME_ASSISTANT = "Home Assistant"
PROXY = "Proxy"
SPARK = "Embedded Spark"

START_SECONDS = 60.0
POLL_SECONDS = 0.05
# homeassistant.const.RESTART_EXIT_CODE
RESTART_EXIT_CODE = 100
# Home Assistant gives its own integrations up to 30 s before it lets go.
STOP_SECONDS = 40.0


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for children, without the settings of a Spark that the user runs elsewhere.

    A machine's proxy for the internet has no place between processes of one machine.
    """
    kept = {name: value for name, value in environment.items() if not name.startswith("SPARK_AUDIO_")}
    return kept | {"NO_PROXY": LOOPBACK}


def listening_url(output: str, service: str = "") -> str | None:
    """Return the URL in the line `<service> listening on <URL>`, None while that line is missing or unfinished."""
    found = re.search(rf"^{re.escape(service) or '.*'} listening on (http://\S+)\s*\n", output, re.MULTILINE)
    return found[1] if found else None


@dataclass(slots=True)
class Child:
    """A program that runs, and the file that takes everything it prints; `process` is another one after a restart."""

    name: str
    log: Path
    start: Callable[[], Awaitable[Process]]
    process: Process

    def output(self) -> str:
        """Return all that it has printed so far."""
        return self.log.read_text(errors="replace")

    def last_lines(self, count: int = 25) -> str:
        """Return the end of its log."""
        return "\n".join(self.output().splitlines()[-count:]) or "(it printed nothing)"

    async def until[T](self, probe: Callable[[], Awaitable[T | None]], *, within: float = START_SECONDS) -> T:
        """Ask `probe` until it returns something, for `within` seconds at most.

        Raises ToolError when the process ends first or the time is up.
        """
        try:
            async with asyncio.timeout(within):
                while (answer := await probe()) is None:
                    if self.process.returncode is not None:
                        code = self.process.returncode
                        raise ToolError(f"{self.name} ended with code {code} while starting.", self.name)
                    await asyncio.sleep(POLL_SECONDS)
                return answer
        except TimeoutError:
            raise ToolError(f"{self.name} was not ready within {within:.0f} seconds.", self.name) from None

    async def listening(self, service: str = "") -> str:
        """Return the URL that it prints once `service` listens. Raises ToolError."""

        async def announced() -> str | None:
            return listening_url(self.output(), service)

        return await self.until(announced)

    async def reached(self, port: int) -> None:
        """Return once a port on loopback can be reached. Raises ToolError."""

        async def answers() -> bool | None:
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, port)
            except OSError:
                return None
            writer.close()
            return True

        await self.until(answers)

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
    """The children of one run. Leaving the context stops them all, the youngest first.

    A ToolError that leaves it takes the last log lines of those it names along, as a note.
    """

    def __init__(self, logs: Path, lock: int | None = None) -> None:
        """`lock` (see `folders.held`) is inherited by each child, so that it stays held while one of them lives."""
        self.logs = logs
        self._lock = lock
        self._children: list[Child] = []

    async def start(
        self, name: str, *argv: str | Path, cwd: Path = REPOSITORY, environment: Mapping[str, str] | None = None
    ) -> Child:
        """Start `argv`, with a new log. Raises ToolError where it cannot be started."""
        log = self.logs / f"{name.lower().replace(' ', '-')}.log"
        log.unlink(missing_ok=True)

        async def spawn() -> Process:
            with log.open("ab") as output:
                process = await asyncio.create_subprocess_exec(
                    *argv,
                    cwd=cwd,
                    env=clean_environment(os.environ) | dict(environment or {}),
                    stdin=DEVNULL,
                    stdout=output,
                    stderr=STDOUT,
                    # A Ctrl-C reaches the tool alone, which then stops its children in order.
                    start_new_session=True,
                    pass_fds=() if self._lock is None else (self._lock,),
                )
            if self._lock is not None:
                enter(self._lock, name, process.pid)
            return process

        try:
            child = Child(name, log, spawn, await spawn())
        except OSError as error:
            raise ToolError(f"{argv[0]} cannot be started: {error.strerror}.") from error
        self._children.append(child)
        return child

    def last_lines(self, names: Iterable[str]) -> str:
        """Return the ends of the logs of those children in `names` that were started."""
        faulty = [child for child in self._children if child.name in names]
        return "".join(f"\nThe last lines of {child.log}:\n{child.last_lines()}\n" for child in faulty)

    async def watch(self) -> NoReturn:
        """Wait for as long as all of them run. Raises ToolError when one ends by itself.

        One that asks to be started again, as Home Assistant does from its own interface, is.
        """
        while True:
            ended = await self._first_end()
            if (code := ended.process.returncode) != RESTART_EXIT_CODE:
                raise ToolError(f"{ended.name} ended by itself, with code {code}.", ended.name)
            ended.process = await ended.start()

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
        if isinstance(error, ToolError) and (said := self.last_lines(error.faults)):
            error.add_note(said)
        for child in reversed(self._children):
            await child.stop()


@dataclass(frozen=True, slots=True)
class Server:
    """A process that listens on `url`."""

    pid: int
    url: str


@asynccontextmanager
async def temporary_processes() -> AsyncGenerator[Processes]:
    """Children whose logs end with them."""
    with TemporaryDirectory(prefix="spark-audio-") as logs:
        async with Processes(Path(logs)) as processes:
            yield processes


@asynccontextmanager
async def started(module: str, *arguments: str | Path) -> AsyncGenerator[Server]:
    """Run `python -m module`; yield it once it says where it listens. Stopped however this ends. Raises ToolError."""
    async with temporary_processes() as processes:
        child = await processes.start(module, sys.executable, "-m", module, *arguments)
        yield Server(child.process.pid, await child.listening())
