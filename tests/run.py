"""Runs the tests, each in the environment that it belongs to: what `scripts/test` calls.

    scripts/test                  everything, in every version of Home Assistant, with coverage
    scripts/test fast             what needs no browser, no build, no real engines and no seconds of waiting, and of a
                                  test with a table of values the first row
    scripts/test PATH... [-k X]   these alone, in the environment that owns them
    scripts/test all PATH...      these alone, in every version of Home Assistant

Whatever else is given goes to pytest.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import covered

ROOT = Path(__file__).parents[1]

FAST_ONLY = ("-m", "not (browser or build or engines or slow)", "--rows=1")
"""What is left out of `fast`; of a test with a table of values, which costs most of the time, all but the first row."""

NOTHING_COLLECTED = 5
"""pytest's exit status where no test matched: no failure as long as one matched in another environment."""

AT_ONCE = 3
"""Runs at the same time: a third of a run is waiting, so that two processors have room for it."""

TAKES_A_VALUE = {"-k", "-m", "-c", "-o", "-p", "-n", "-W", "--deselect", "--ignore", "--durations", "--maxfail"}


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment, how pytest is started in it, and the folders of the tests that belong to it."""

    name: str
    pytest: tuple[str, ...]
    owns: tuple[str, ...]
    fast: bool = False
    """Whether it is the one for its folders where not every version has to be looked at."""


PROXY = Environment("proxy", (".venv/bin/pytest",), ("tests/proxy",), fast=True)
ENGINE = Environment("engine", (".venv/bin/pytest",), ("tests/engine", "tests/fuzz"), fast=True)
TOOLS = Environment("tools", (".venv/bin/pytest",), ("tests/tools",), fast=True)
HOME_ASSISTANT = Environment("Home Assistant", (".venv-ha/bin/pytest",), ("tests/integration",), fast=True)
OLDEST = Environment("oldest Home Assistant", (".venv-ha-oldest/bin/pytest",), ("tests/integration",))
NEWEST = Environment(
    "newest Home Assistant",
    (".venv-ha-newest/bin/python", "tests/environments/newest/run_pytest.py"),
    ("tests/integration",),
)
ENVIRONMENTS = (PROXY, NEWEST, HOME_ASSISTANT, OLDEST, TOOLS, ENGINE)
"""The longest first."""


@dataclass(frozen=True, slots=True)
class Run:
    """One start of pytest."""

    environment: Environment
    arguments: tuple[str, ...]
    name: str


def _halves(folder: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The test files of a folder in two parts that take about as long."""
    files = sorted((ROOT / folder).rglob("test_*.py"), key=lambda path: (path.stat().st_size, path))
    names = [str(path.relative_to(ROOT)) for path in files]
    return tuple(names[::2]), tuple(names[1::2])


FAST = (
    *(Run(HOME_ASSISTANT, files, HOME_ASSISTANT.name) for files in _halves("tests/integration")),
    *(Run(PROXY, files, PROXY.name) for files in _halves("tests/proxy")),
    Run(ENGINE, ENGINE.owns, ENGINE.name),
)
"""The longest first: AT_ONCE at the same time, these take about as long as two processors need."""


def plan(arguments: Sequence[str]) -> list[Run]:
    """What to run. Raises SystemExit for a path that belongs to no environment."""
    mode = arguments[0] if arguments and arguments[0] in ("fast", "all") else None
    paths, options = _split(arguments[1:] if mode else arguments)
    if mode == "fast" and not paths:
        return [Run(each.environment, (*each.arguments, *FAST_ONLY, *options), each.name) for each in FAST]
    everywhere = mode == "all" or not arguments
    runs = []
    for environment in ENVIRONMENTS:
        own = [path for path in paths if _belongs(path, environment)] if paths else list(environment.owns)
        if own and (environment.fast or everywhere):
            runs.append(Run(environment, (*own, *options), environment.name))
    if lost := [path for path in paths if not any(_belongs(path, each) for each in ENVIRONMENTS)]:
        raise SystemExit(f"scripts/test: {lost[0]} belongs to no environment")
    return runs


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The paths among the arguments, and the rest."""
    paths: list[str] = []
    options: list[str] = []
    for before, argument in zip(("", *arguments), arguments, strict=False):
        is_path = before not in TAKES_A_VALUE and (ROOT / argument.partition("::")[0]).exists()
        (paths if is_path else options).append(argument)
    return paths, options


def _belongs(path: str, environment: Environment) -> bool:
    place = (ROOT / path.partition("::")[0]).resolve()
    return any(place.is_relative_to(ROOT / folder) for folder in environment.owns)


def run_one(run: Run) -> int:
    """Run with the terminal; the exit status."""
    return subprocess.run([*run.environment.pytest, *run.arguments], cwd=ROOT, env=_environ(), check=False).returncode


def run_all(runs: Sequence[Run], *, cover: bool) -> int:
    """Run several at a time, and show what each said when it ends; 0 where all passed."""
    with TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as pool:

        def run(number: int, run: Run) -> int:
            started = time.monotonic()
            options: tuple[str, ...] = ()
            environ = _environ()
            if cover and run.environment is not OLDEST:
                options = ("--cov", "--cov-report=")
                environ["COVERAGE_FILE"] = str(ROOT / f".coverage.{number}")
            with Path(folder, str(number)).open("w+b") as said:
                status = subprocess.run(
                    [*run.environment.pytest, *run.arguments, *options],
                    cwd=ROOT,
                    env=environ,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    check=False,
                ).returncode
                said.seek(0)
                sys.stdout.write(said.read().decode(errors="replace"))
            passed = "passed" if status == 0 else f"ended with status {status}"
            print(f"{run.name}: {passed} after {time.monotonic() - started:.0f} s", flush=True)  # noqa: T201
            return status

        return _worst(list(pool.map(run, range(len(runs)), runs)))


def _environ() -> dict[str, str]:
    """The environment of a run: modules are compiled once, also where the machine's settings keep Python from it."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _worst(statuses: Sequence[int]) -> int:
    some = [status for status in statuses if status != NOTHING_COLLECTED]
    return max(some) if some else NOTHING_COLLECTED


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments ask for; the exit status."""
    runs = plan(arguments)
    if arguments and arguments[0] != "fast":
        return _worst([run_one(run) for run in runs])
    status = run_all(runs, cover=not arguments)
    if status == 0 and not arguments:
        covered.main()
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
