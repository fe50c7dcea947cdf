"""What was heard, kept on disk: a run that is broken off goes on, and one with other rules does not hear again."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

AT_A_TIME = 80
"""Recordings that are heard before their transcripts are kept."""


class KeptTranscripts:
    """Transcripts by a digest of what they are of, one to a line of a file; without a file, for this run alone."""

    def __init__(self, path: Path | None) -> None:
        """Read what the file has, if there is one."""
        self._path = path
        self.texts: dict[str, str] = {}
        if path and path.exists():
            for line in path.read_text().splitlines():
                self.texts |= json.loads(line)

    def keep(self, texts: Mapping[str, str]) -> None:
        """Add transcripts to the file."""
        self.texts |= texts
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as file:
                # In one write: a run that is broken off leaves whole lines.
                file.write("".join(f"{json.dumps({name: text})}\n" for name, text in texts.items()))


def digest(*parts: bytes) -> str:
    """Return a name for these bytes."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:24]
