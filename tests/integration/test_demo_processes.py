"""The demo's processes and its folder: what comes up, fails, goes and stays, with real children."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from homeassistant.components.http.config import async_get_and_load_store, async_load_config
from homeassistant.components.onboarding import STORAGE_KEY, STORAGE_VERSION, OnboardingStorage
from homeassistant.const import RESTART_EXIT_CODE
from homeassistant.core import HomeAssistant
from homeassistant.util.json import JsonObjectType

from demo import folder, processes
from demo.errors import DemoError
from demo.processes import Child, Processes, clean_environment, free_port, listening_url
from demo.scene import require_ports

RECORD = folder.Record("secret", 1, 2, 3, 4)


def test_ready_line_is_found_among_others() -> None:
    """The line counts once it is whole, and only for the service asked for."""
    output = "loading\nParakeet listening on http://127.0.0.1:9001\nMagpie listening on http://127.0.0.1:90"
    assert listening_url(output, "Parakeet") == "http://127.0.0.1:9001"
    assert listening_url(output, "Magpie") is None
    assert listening_url(output + "02\n", "Magpie") == "http://127.0.0.1:9002"


def test_settings_of_another_spark_stay_out() -> None:
    """The proxy of the demo must not take its settings from the user's own."""
    assert clean_environment({"PATH": "/bin", "SPARK_AUDIO_API_KEY": "secret"}) == {
        "PATH": "/bin",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.mark.usefixtures("socket_enabled")
async def test_a_taken_port_is_replaced() -> None:
    """The wanted port if it is free, another if not."""
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    taken = server.sockets[0].getsockname()[1]
    assert free_port(taken) not in (0, taken)
    with pytest.raises(DemoError, match=f"Port {taken}, which the kept demo uses, is taken"):
        require_ports(folder.Record("secret", taken, free_port(0), free_port(0), free_port(0)))
    server.close()
    await server.wait_closed()
    assert free_port(taken) == taken


@asynccontextmanager
async def running(tmp_path: Path) -> AsyncGenerator[Processes]:
    """Processes in a folder of their own."""
    with folder.held(tmp_path) as lock:
        async with Processes(tmp_path, lock) as children:
            yield children


async def start(children: Processes, name: str, script: str) -> Child:
    """Start a Python script; it runs in the folder of the logs."""
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


async def test_children_stop_the_youngest_first(tmp_path: Path) -> None:
    """Each is asked to end, and has ended before the one it relies on is asked."""
    async with running(tmp_path) as children:
        for name in ("Spark", "Proxy", "Home"):
            child = await start(children, name, UNTIL_TOLD.format(name=name))
            assert await child.listening(name, within=30) == "http://127.0.0.1:1"
    assert (tmp_path / "ends").read_text().split() == ["Home", "Proxy", "Spark"]


async def test_children_stop_when_the_demo_is_cancelled(tmp_path: Path) -> None:
    """Ctrl-C during start-up leaves nothing behind."""
    started = asyncio.Event()

    async def demo() -> None:
        async with running(tmp_path) as children:
            child = await start(children, "Spark", UNTIL_TOLD.format(name="Spark"))
            await child.listening("Spark", within=30)
            started.set()
            await child.until(never, within=30)

    task = asyncio.create_task(demo())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (tmp_path / "ends").read_text().split() == ["Spark"]


async def never() -> None:
    """A probe that never has an answer."""


async def test_a_process_that_dies_at_its_start_is_named_with_its_log(tmp_path: Path) -> None:
    """The sentence tells who and with what code, the log why."""
    async with running(tmp_path) as children:
        child = await start(children, "Home Assistant", "import sys; print('bad configuration'); sys.exit(3)")
        with pytest.raises(DemoError, match="Home Assistant ended with code 3 while starting") as raised:
            await child.until(never, within=30)
        assert raised.value.faults == ("Home Assistant",)
        assert "bad configuration" in children.last_lines(raised.value.faults)


async def test_a_process_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    """A clear end instead of waiting for ever."""
    async with running(tmp_path) as children:
        child = await start(children, "Spark", UNTIL_TOLD.format(name="Spark"))
        await child.listening("Spark", within=30)
        with pytest.raises(DemoError, match="Spark was not ready within 0 seconds"):
            await child.until(never, within=0)


async def test_watching_ends_with_the_first_process_that_ends(tmp_path: Path) -> None:
    """A demo with a part missing does not pretend to be up."""
    async with running(tmp_path) as children:
        await start(children, "Spark", UNTIL_TOLD.format(name="Spark"))
        await start(children, "Proxy", "raise SystemExit(7)")
        with pytest.raises(DemoError, match="Proxy ended by itself, with code 7"):
            await children.watch()


async def test_a_process_that_asks_for_a_restart_is_started_again(tmp_path: Path) -> None:
    """Home Assistant's own restart button works in the demo."""
    assert processes.RESTART_EXIT_CODE == RESTART_EXIT_CODE
    script = f"""
print('run', file=open('runs', 'a'))
raise SystemExit({RESTART_EXIT_CODE} if len(open('runs').readlines()) == 1 else 5)
"""
    async with running(tmp_path) as children:
        await start(children, "Home Assistant", script)
        with pytest.raises(DemoError, match="ended by itself, with code 5"):
            await children.watch()


async def test_a_folder_is_held_until_the_last_child_is_gone(tmp_path: Path) -> None:
    """A second demo is refused, with the names of those to stop, even if only a child of the first is left."""
    with folder.held(tmp_path) as lock:
        children = Processes(tmp_path, lock)
        child = await start(children, "Spark", UNTIL_TOLD.format(name="Spark"))
        await child.listening("Spark", within=30)
    with (
        pytest.raises(DemoError, match=f"(?s)Another demo is running.*Spark, process {child.process.pid}"),
        folder.held(tmp_path),
    ):
        pass
    await child.stop()
    with folder.held(tmp_path):
        pass


def test_a_kept_demo_remembers_what_it_decided(tmp_path: Path) -> None:
    """The record comes back as it was, and nobody else may read the password."""
    folder.remember(tmp_path, RECORD)
    assert folder.recall(tmp_path) == RECORD
    assert (tmp_path / folder.RECORD).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("written", "complaint"), [(None, "no demo to keep"), ("{", "damaged"), ("{}", "damaged")])
def test_nothing_to_keep_is_said(tmp_path: Path, written: str | None, complaint: str) -> None:
    """--keep without a demo, or with a damaged one, says what to do."""
    if written is not None:
        (tmp_path / folder.RECORD).write_text(written)
    with pytest.raises(DemoError, match=f"{complaint}.*start once without --keep"):
        folder.recall(tmp_path)


def test_clearing_spares_the_lock_and_what_links_point_to(tmp_path: Path) -> None:
    """The checkout's integration is only linked into the folder."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "precious").touch()
    demo = tmp_path / "held"
    demo.mkdir()
    for name in (folder.LOCK, "configuration.yaml"):
        (demo / name).touch()
    (demo / ".storage").mkdir()
    (demo / "custom_components").symlink_to(checkout)
    folder.clear(demo)
    assert [entry.name for entry in demo.iterdir()] == [folder.LOCK]
    assert (checkout / "precious").exists()


@pytest.fixture
def stored(tmp_path: Path, hass_storage: dict[str, JsonObjectType]) -> dict[str, JsonObjectType]:
    """Home Assistant's storage, as it is in the folder of a demo that starts."""
    demo = tmp_path / "demo"
    demo.mkdir()
    folder.lay_out(demo, 4242)
    for file in (demo / ".storage").iterdir():
        hass_storage[file.name] = json.loads(file.read_text())
    return hass_storage


@pytest.mark.usefixtures("stored")
async def test_home_assistant_takes_its_address_from_the_folder(hass: HomeAssistant) -> None:
    """Loopback is the confirmed address, not a trial that is taken back after five minutes."""
    applied = await async_load_config(hass, {})
    assert (applied["server_host"], applied["server_port"]) == (["127.0.0.1"], 4242)
    assert (await async_get_and_load_store(hass)).revert_deadline is None


@pytest.mark.usefixtures("stored")
async def test_home_assistant_takes_its_onboarding_from_the_folder(hass: HomeAssistant) -> None:
    """The step that would reach for the internet is done before."""
    assert await OnboardingStorage(hass, STORAGE_VERSION, STORAGE_KEY).async_load() == {"done": ["core_config"]}
