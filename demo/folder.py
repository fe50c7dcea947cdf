"""The folder `.demo`: Home Assistant's configuration, the logs, and what a kept demo must remember."""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import DemoError

REPOSITORY = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
LOCK = "lock"
RECORD = "demo.json"
# This onboarding step installs integrations that live on the internet (weather, radio, Google's voices); marked as
# done beforehand, Home Assistant leaves them out. The other steps are taken over HTTP.
ONBOARDING = "onboarding", 4, {"done": ["core_config"]}


@dataclass(frozen=True, slots=True)
class Record:
    """What a demo decides once, and `--keep` needs again: the password and the ports on loopback."""

    password: str
    home_assistant_port: int
    proxy_port: int
    parakeet_port: int
    magpie_port: int


@contextmanager
def held(folder: Path) -> Iterator[int]:
    """Hold `folder` for this demo and its children alone; gives the descriptor the children inherit.

    Raises DemoError while another demo, or a process one left behind, is alive.
    """
    folder.mkdir(exist_ok=True)
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holders = (folder / LOCK).read_text().strip()
            raise DemoError(f"Another demo is running, or left a process behind. It started:\n{holders}") from None
        os.truncate(lock, 0)
        enter(lock, "Demo", os.getpid())
        yield lock
    finally:
        os.close(lock)


def enter(lock: int, name: str, pid: int) -> None:
    """Write a process into the lock file, for whoever finds the folder held."""
    os.write(lock, f"  {name}, process {pid}\n".encode())


def recall(folder: Path) -> Record:
    """The record of the demo that was here before; DemoError if none got as far as being set up."""
    try:
        return Record(**json.loads((folder / RECORD).read_text()))
    except FileNotFoundError:
        raise DemoError(f"There is no demo to keep in {folder}: start once without --keep.") from None
    except ValueError, TypeError:
        raise DemoError(f"{folder / RECORD} is damaged: start once without --keep.") from None


def remember(folder: Path, record: Record) -> None:
    """Write the record; from here on `--keep` finds a demo that is set up."""
    path = folder / RECORD
    path.touch(mode=0o600)
    path.write_text(json.dumps(asdict(record), indent=2))


def clear(folder: Path) -> None:
    """Throw away whatever an earlier demo left."""
    for entry in folder.iterdir():
        if entry.name == LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def lay_out(folder: Path, port: int) -> None:
    """What Home Assistant finds at its first start: its configuration, this checkout's integration, and its address.

    The address goes into its storage: YAML may no longer say it, and a new one that nobody confirms in the interface is
    taken back after five minutes, for one that listens everywhere. Version 1 of that storage is the bare settings.
    """
    (folder / ".storage").mkdir()
    for name, version, data in (ONBOARDING, ("http", 1, {"server_host": [LOOPBACK], "server_port": port})):
        stored = {"version": version, "minor_version": 1, "key": name, "data": data}
        (folder / ".storage" / name).write_text(json.dumps(stored))
    (folder / "custom_components").symlink_to(REPOSITORY / "custom_components")
    (folder / "logs").mkdir()
    shutil.copyfile(Path(__file__).with_name("configuration.yaml"), folder / "configuration.yaml")


def new_password() -> str:
    """Short enough to type, and not guessable by a page or a neighbour that reaches loopback."""
    return secrets.token_hex(4)
