"""What is kept on disk, the record of restarts above all: small, and never lost by a crash in the wrong moment."""

import asyncio
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import override

from spark_engine.healing.budget import AttemptStore

APP_NAME = "spark-audio"


def state_folder(given: str | None) -> Path:
    """Return where everything is kept: the setting, else the platform's folder."""
    return Path(given) if given else default_state_dir()


def default_state_dir() -> Path:
    """Return the platform's folder for state: systemd's where it gives one, else the user's (XDG)."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.partition(":")[0])
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".local/state") / APP_NAME


@dataclass(frozen=True, slots=True)
class FileStore(AttemptStore):
    """One JSON file for one server: `{"restarts": [seconds since 1970, ...]}`."""

    path: Path

    @override
    async def load(self) -> tuple[float, ...]:
        return await asyncio.to_thread(self._load)

    @override
    async def save(self, attempts: tuple[float, ...]) -> None:
        await asyncio.to_thread(self._save, attempts)

    def _load(self) -> tuple[float, ...]:
        try:
            attempts = _read(self.path.read_bytes())
        except FileNotFoundError:
            attempts = ()
        # Whether it can be written is found out now and not in the middle of a wedge.
        self._save(attempts)
        return attempts

    def _save(self, attempts: tuple[float, ...]) -> None:
        write_document(self.path, {"restarts": attempts})


def write_document(path: Path, document: object) -> None:
    """Write beside, fsync, rename, fsync the folder: after a crash there is the old document or the new one.

    Blocks. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    with beside.open("w") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(document: bytes) -> tuple[float, ...]:
    """Return the restarts of a record. Raises ValueError for anything else, NaN and infinity included."""
    match json.loads(document, parse_int=float):
        case {"restarts": list() as restarts} if all(isinstance(at, float) and math.isfinite(at) for at in restarts):
            return tuple(restarts)
    raise ValueError("it holds no list of restarts")
