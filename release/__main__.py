"""Checks the versions and writes `dist/spark_audio.zip`; for a tag, `dist/NOTES.md` as well."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from .integration_zip import pack
from .versions import ReleaseError, notes, version

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str]) -> None:
    """Raises SystemExit with a sentence if this must not be released."""
    parser = argparse.ArgumentParser(prog="scripts/package", description=__doc__)
    parser.add_argument("--tag", metavar="vX.Y.Z", help="the tag of the release, which has to be the version's")
    tag: str | None = parser.parse_args(arguments).tag
    dist = ROOT / "dist"
    dist.mkdir(exist_ok=True)
    try:
        number = version(ROOT)
        if tag is not None:
            (dist / "NOTES.md").write_text(notes((ROOT / "CHANGELOG.md").read_text(), tag, number))
    except ReleaseError as error:
        raise SystemExit(f"scripts/package: {error}") from None
    pack(ROOT, dist / json.loads((ROOT / "hacs.json").read_text())["filename"])


if __name__ == "__main__":
    main(sys.argv[1:])
