"""What a kept demo must remember: its password and its ports."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.stack.command import line
from tools.stack.errors import ToolError
from tools.stack.folders import LOCK, free_port
from tools.stack.home import new_account
from tools.stack.processes import HOME_ASSISTANT

USER = "demo"
RECORD = "demo.json"
HOME_ASSISTANT_PORT = 8123
PROXY_PORT = 8600


@dataclass(frozen=True, slots=True)
class Record:
    """What a demo decides once, and `--keep` needs again: the password and the ports on loopback."""

    password: str
    home_assistant_port: int
    proxy_port: int
    parakeet_port: int
    magpie_port: int


def new_record() -> Record:
    """Return a new password and free ports: the usual ones of Home Assistant and of the proxy if they can be had."""

    def port(whose: str, usual: int) -> int:
        chosen = free_port(usual)
        if chosen != usual:
            line(f"Port {usual} is taken: {whose} uses {chosen} instead.")
        return chosen

    return Record(
        new_account(USER).password,
        port(HOME_ASSISTANT, HOME_ASSISTANT_PORT),
        port("the proxy", PROXY_PORT),
        free_port(),
        free_port(),
    )


def recall(folder: Path) -> Record:
    """Return the record of the demo that was here before, whose ports must be free: Home Assistant has them stored.

    Raises ToolError.
    """
    try:
        record = Record(**json.loads((folder / RECORD).read_text()))
    except FileNotFoundError:
        raise ToolError(f"There is no demo to keep in {folder}: start once without --keep.") from None
    except ValueError, TypeError:
        raise ToolError(f"{folder / RECORD} is damaged: start once without --keep.") from None
    for port in (record.home_assistant_port, record.proxy_port, record.parakeet_port, record.magpie_port):
        if free_port(port) != port:
            raise ToolError(f"Port {port}, which the kept demo uses, is taken: free it, or start without --keep.")
    return record


def remember(folder: Path, record: Record) -> None:
    """Write the record; from here on `--keep` finds a demo that is set up."""
    path = folder / RECORD
    path.touch(mode=0o600)
    path.write_text(json.dumps(asdict(record), indent=2))


def clear(folder: Path) -> None:
    """Throw away what an earlier demo left, but for the lock."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != LOCK:
            entry.unlink()
