"""Where the proxy keeps what must outlive it, and how it writes there. One proxy to a folder."""

import fcntl
import json
import logging
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from .config import SettingsError

LOGGER = logging.getLogger(__name__)

APP_NAME = "spark-audio"

LOCK = "lock"


def state_folder(given: str | None) -> Path:
    """Return where everything is kept: the setting, else the platform's folder."""
    return Path(given) if given else default_state_dir()


def default_state_dir() -> Path:
    """Return the platform's folder for state: systemd's where it gives one, else the user's (XDG)."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.partition(":")[0])
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".local/state") / APP_NAME


@contextmanager
def only_user(folder: Path) -> Generator[None]:
    """Hold the folder: with two proxies on it, one would erase the restarts that the other has written down. Blocks.

    Raises SettingsError where another proxy holds it. A folder that cannot be written is not held: what is to be
    written there says so itself.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("a")
    except OSError as err:
        LOGGER.warning("Nothing can be kept in %s: %s", folder, err.strerror or err)
        yield
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for unfinished in folder.glob("*.new"):
                unfinished.unlink(missing_ok=True)
        except BlockingIOError as err:
            raise SettingsError(f"{folder} is used by another proxy: give each its own with --state-dir") from err
        except OSError as err:
            LOGGER.warning("%s cannot be locked (%s): let no other proxy use it", folder, err.strerror or err)
        yield


def write_document(path: Path, document: object) -> None:
    """Write beside, fsync, rename, fsync the folder: after a crash there is the old document or the new one.

    Blocks. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, beside = tempfile.mkstemp(prefix=f"{path.stem}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(path)
    except BaseException:
        # Also where the process is being stopped: no unfinished file is left behind.
        Path(beside).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
