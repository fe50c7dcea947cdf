"""Where everything is: the checkout, its environments, ports on loopback, and a folder that one run holds alone."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ToolError

REPOSITORY = Path(__file__).resolve().parents[2]
FETCHED = REPOSITORY / ".tools"
"""What is fetched on demand; git ignores it."""

PYTHON = REPOSITORY / ".venv/bin/python"
HOME_ASSISTANT = REPOSITORY / ".venv-ha-newest"
"""The environment of the Home Assistant that the tools start, unless they are told to start another."""

HOME_ASSISTANTS = {
    "newest": HOME_ASSISTANT,
    "previous": REPOSITORY / ".venv-ha",
    "oldest": REPOSITORY / ".venv-ha-oldest",
}

LOOPBACK = "127.0.0.1"
LOCK = "lock"


def free_port(wanted: int = 0) -> int:
    """Return `wanted` if nothing listens there on loopback, else a port that the system says is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, wanted))
        except OSError:
            probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def held(folder: Path) -> Iterator[int]:
    """Hold `folder` for this run and its children alone; yield the descriptor that the children inherit.

    Raises ToolError while another run, or a process that one left behind, is alive.
    """
    folder.mkdir(exist_ok=True)
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holders = (folder / LOCK).read_text().strip()
            raise ToolError(f"Another demo is running, or left a process behind. It started:\n{holders}") from None
        os.truncate(lock, 0)
        enter(lock, "Demo", os.getpid())
        yield lock
    finally:
        os.close(lock)


def enter(lock: int, name: str, pid: int) -> None:
    """Write a process into the lock file, where a second run reads it."""
    os.write(lock, f"  {name}, process {pid}\n".encode())
