"""Child processes and the folder that a run holds: what comes up, fails, goes and stays, with real children."""

import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tools.stack import command
from tools.stack.errors import ToolError
from tools.stack.folders import held
from tools.stack.processes import RESTART_EXIT_CODE, Child, Processes, clean_environment, listening_url, started


def test_ready_line_is_found_among_others() -> None:
    """The line counts once it is whole, and only for the service asked for."""
    output = "loading\nParakeet listening on http://127.0.0.1:9001\nMagpie listening on http://127.0.0.1:90"
    assert listening_url(output, "Parakeet") == listening_url(output) == "http://127.0.0.1:9001"
    assert listening_url(output, "Magpie") is None
    assert listening_url(output + "02\n", "Magpie") == "http://127.0.0.1:9002"


def test_settings_of_another_spark_stay_out() -> None:
    """A proxy that is started here must not take its settings from the user's own."""
    environment = clean_environment({"PATH": "/bin", "SPARK_AUDIO_API_KEY": "secret", "NO_PROXY": "example.com"})
    assert environment == {"PATH": "/bin", "NO_PROXY": "127.0.0.1"}


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[Processes]:
    """Processes in a folder that is held."""
    with held(folder) as lock:
        async with Processes(folder, lock) as children:
            yield children


async def start(children: Processes, name: str, script: str) -> Child:
    """Start a Python script in the folder of the logs."""
    return await children.start(name, sys.executable, "-c", script, cwd=children.logs)


UNTIL_TOLD = """
import signal, sys
def end(*_):
    print('{name}', file=open('ends', 'a'), flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
print('{name} listening on http://127.0.0.1:1', flush=True)
signal.pause()
"""


async def listening(children: Processes, *names: str) -> Child:
    """Start these, one after the other, and give the last."""
    for name in names:
        child = await start(children, name, UNTIL_TOLD.format(name=name))
        assert await child.listening(name) == "http://127.0.0.1:1"
    return child


async def never() -> None:
    """A probe that never has an answer."""


async def test_children_stop_the_youngest_first_when_told_to_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A signal during start-up leaves nothing behind: each has ended before the one it relies on is asked."""

    async def work() -> bool:
        async with running(tmp_path) as children:
            child = await listening(children, "Spark", "Proxy", "Home")
            signal.raise_signal(signal.SIGTERM)
            await child.until(never)
        return True

    assert await command.run_until_told(work()) == command.INTERRUPTED
    assert (tmp_path / "ends").read_text().split() == ["Home", "Proxy", "Spark"]
    assert capsys.readouterr().out == "Stopped.\n"


async def test_a_failure_is_one_sentence_with_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who died at its start and with what code, and the last it said; no traceback. A file is named, too."""

    async def work() -> bool:
        async with running(tmp_path) as children:
            child = await start(children, "Home Assistant", "import sys; print('bad configuration'); sys.exit(3)")
            await child.until(never)
        return True

    assert await command.run_until_told(work()) == command.FAILED
    said = capsys.readouterr().err
    assert said.startswith("Home Assistant ended with code 3 while starting.\n")
    assert said.endswith("\nbad configuration\n\n")

    async def open_nothing() -> bool:
        raise FileNotFoundError(2, "No such file", "figures.json")

    assert await command.run_until_told(open_nothing()) == command.FAILED
    assert capsys.readouterr().err == "figures.json cannot be used: No such file\n"


async def test_watching_ends_with_the_first_process_that_ends(tmp_path: Path) -> None:
    """One that asks to be started again is, as with Home Assistant's own restart button; no wait is endless."""
    script = f"""
print('run', file=open('runs', 'a'))
raise SystemExit({RESTART_EXIT_CODE} if len(open('runs').readlines()) == 1 else 5)
"""
    async with running(tmp_path) as children:
        spark = await listening(children, "Spark")
        await start(children, "Home Assistant", script)
        with pytest.raises(ToolError, match="Home Assistant ended by itself, with code 5"):
            await children.watch()
        with pytest.raises(ToolError, match="Spark was not ready within 0 seconds"):
            await spark.until(never, within=0)


async def test_a_folder_is_held_until_the_last_child_is_gone(tmp_path: Path) -> None:
    """A second demo is refused, with the names of those to stop, even if only a child of the first is left."""
    with held(tmp_path) as lock:
        children = Processes(tmp_path, lock)
        child = await listening(children, "Spark")
    refusal = f"(?s)Another demo is running.*Spark, process {child.process.pid}"
    with pytest.raises(ToolError, match=refusal), held(tmp_path):
        pass
    await child.stop()
    with held(tmp_path):
        pass


async def test_a_module_is_run_until_the_end_of_its_use() -> None:
    """Whatever ends it; and one that does not start says why."""

    async def fail() -> None:
        async with started("tools.bench.upstream") as server:
            assert Path(f"/proc/{server.pid}").exists()
            raise LookupError(server.pid)

    with pytest.raises(LookupError) as raised:
        await fail()
    assert not Path(f"/proc/{raised.value.args[0]}").exists()
    with pytest.raises(ToolError, match="spark_audio_proxy ended with code") as refused:
        async with started("spark_audio_proxy", "--port", "nonsense"):
            pass
    assert "--port" in refused.value.__notes__[0]
