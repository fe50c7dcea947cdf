"""The restarts of one server, kept on disk: never lost by a crash in the wrong moment."""

import asyncio
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import override

from spark_engine.healing.budget import Ledger, LedgerStore
from spark_engine.models import Json

from spark_audio_proxy.state_folder import write_document


@dataclass(frozen=True, slots=True)
class FileStore(LedgerStore):
    """One JSON file for one server: `{"url": "...", "restarts": [seconds since 1970], "recoveries": [seconds]}`.

    The restarts of another server, which had the name before, do not count.
    """

    path: Path
    url: str

    @override
    async def load(self) -> Ledger:
        return await asyncio.to_thread(self._load)

    @override
    async def save(self, ledger: Ledger) -> None:
        await asyncio.to_thread(self._save, ledger)

    def _load(self) -> Ledger:
        try:
            ledger = _read(self.path.read_bytes(), self.url)
        except FileNotFoundError:
            ledger = Ledger()
        # Whether it can be written is found out now and not in the middle of a wedge.
        self._save(ledger)
        return ledger

    def _save(self, ledger: Ledger) -> None:
        document = {"url": self.url, "restarts": ledger.restarts, "recoveries": ledger.recoveries}
        write_document(self.path, document)


def _read(document: bytes, url: str) -> Ledger:
    """Return the ledger of the server with that URL. Raises ValueError for anything else."""
    match json.loads(document, parse_int=float):
        case {"restarts": list()} as found:
            # One of an older version holds no URL.
            if found.get("url", url) != url:
                return Ledger()
            return Ledger(_seconds(found, "restarts"), _seconds(found, "recoveries"))
    raise ValueError("it holds no list of restarts")


def _seconds(document: Mapping[str, Json], name: str) -> tuple[float, ...]:
    """Return a list of seconds, empty where there is none. Raises ValueError, for NaN and infinity too."""
    match document.get(name, []):
        case [*values]:
            numbers = tuple(value for value in values if isinstance(value, float) and math.isfinite(value))
            if len(numbers) == len(values):
                return numbers
    raise ValueError(f"{name} is no list of seconds")
