"""The ledger of restarts: what a crash, a full disk or a stray editor may do to it."""

import json
import os
import re
from pathlib import Path

import pytest
from spark_audio_proxy.restarts.ledger import FileStore
from spark_engine.healing.budget import Ledger

URL = "http://spark.local:8000"
AT = (1_700_000_000.0, 1_700_000_060.25)
ATTEMPTS = Ledger(AT, (8.5,))
LATER = Ledger(AT[1:])


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    """A store in a folder that does not exist yet."""
    return FileStore(tmp_path / "state" / "spark-audio" / "parakeet-2.json", URL)


async def test_a_first_start_finds_nothing_and_that_it_can_write(store: FileStore) -> None:
    """Folder and record are there afterwards."""
    assert await store.load() == Ledger()
    assert json.loads(store.path.read_text()) == {"url": URL, "restarts": [], "recoveries": []}


async def test_what_was_saved_is_loaded_by_the_next_process(store: FileStore) -> None:
    """To the fraction of a second; nothing else is left in the folder."""
    await store.save(ATTEMPTS)
    assert await FileStore(store.path, URL).load() == ATTEMPTS
    assert list(store.path.parent.iterdir()) == [store.path]


async def test_the_last_save_counts(store: FileStore) -> None:
    """Attempts that have left the window are gone."""
    await store.save(ATTEMPTS)
    await store.save(LATER)
    assert await store.load() == LATER


async def test_whole_seconds_are_taken_as_well(store: FileStore) -> None:
    """A person may have edited it."""
    await store.save(Ledger())
    store.path.write_text('{"restarts": [1700000000, 1700000060.25], "note": "by hand"}')
    assert await store.load() == Ledger(AT)


async def test_restarts_of_another_server_do_not_count(store: FileStore) -> None:
    """The order of the URLs was changed, or another server took the place: its budget is its own."""
    await store.save(ATTEMPTS)
    assert await FileStore(store.path, "http://spark.local:8001").load() == Ledger()


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\x00" * 64,
        b'{"restarts": [1700000000.0, 17000',
        b"\xff\xfe{}",
        b"[]",
        b"null",
        b"{}",
        b'{"restarts": null}',
        b'{"restarts": {"0": 1700000000.0}}',
        b'{"restarts": ["1700000000.0"]}',
        b'{"restarts": [true]}',
        b'{"restarts": [null]}',
        b'{"restarts": [NaN]}',
        b'{"restarts": [-Infinity]}',
        b'{"restarts": [1' + b"0" * 400 + b"]}",
        b'{"restarts": [], "recoveries": ["8.5"]}',
        b'{"restarts": [], "recoveries": 8.5}',
    ],
)
async def test_a_damaged_record_is_never_taken_for_an_empty_one(store: FileStore, damaged: bytes) -> None:
    """ValueError: the watchdog counts it as a spent budget. It is left as it is, for a person to look at."""
    await store.save(ATTEMPTS)
    store.path.write_bytes(damaged)
    with pytest.raises(ValueError):
        await store.load()
    assert store.path.read_bytes() == damaged


class TestUnwritable:
    """OSError: the watchdog restarts nothing by itself then, and says so."""

    async def test_a_file_in_place_of_the_folder(self, store: FileStore) -> None:
        """Nothing can be made in it."""
        store.path.parent.parent.mkdir()
        store.path.parent.write_text("I am a file")
        with pytest.raises(OSError, match=r"Not a directory|File exists"):
            await store.load()
        with pytest.raises(OSError, match=r"Not a directory|File exists"):
            await store.save(ATTEMPTS)

    async def test_a_folder_that_takes_no_files(self) -> None:
        """As on a read-only file system; even root cannot write there."""
        store = FileStore(Path("/proc/self/fdinfo/parakeet.json"), URL)
        with pytest.raises(OSError):
            await store.load()

    async def test_a_folder_in_place_of_the_record(self, store: FileStore) -> None:
        """It can neither be read nor replaced."""
        store.path.mkdir(parents=True)
        with pytest.raises(OSError):
            await store.load()
        with pytest.raises(OSError):
            await store.save(ATTEMPTS)


class Crash(BaseException):
    """The process is killed here."""


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
async def test_a_crash_before_the_rename_keeps_the_old_record(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """An unfinished file does no harm."""

    def crash(*_: object, **__: object) -> None:
        raise Crash

    await store.save(ATTEMPTS)
    with monkeypatch.context() as patch:
        patch.setattr(*{"write": (json, "dump"), "fsync": (os, "fsync"), "replace": (Path, "replace")}[where], crash)
        with pytest.raises(Crash):
            await store.save(Ledger((*AT, 1_700_000_120.0)))
    assert await store.load() == ATTEMPTS
    await store.save(LATER)
    assert await store.load() == LATER


def _named(path: Path) -> str:
    """The name without the part that makes it unique."""
    return re.sub(r"\.[^.]+\.new$", ".new", path.name)


async def test_it_is_on_the_disk_before_it_is_in_its_place(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """File, rename, folder, in this order: or else a power cut leaves an empty record."""
    events: list[str] = []
    replace = Path.replace

    def fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        events.append(f"fsync {_named(path)}")
        if path.suffix:
            assert json.loads(path.read_text())["restarts"] == list(AT)

    def rename(source: Path, target: Path) -> Path:
        events.append(f"{_named(source)} -> {target.name}")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", rename)
    await store.save(ATTEMPTS)
    assert events == ["fsync parakeet-2.new", "parakeet-2.new -> parakeet-2.json", "fsync spark-audio"]
