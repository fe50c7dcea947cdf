"""The version: one in three places, and the changelog's word on it."""

import json
import re
from pathlib import Path


class ReleaseError(Exception):
    """What must not be released; the sentence says why."""


def version(root: Path) -> str:
    """The version of the package, to which the manifest is held.

    Raises ReleaseError where they differ.
    """
    package = root / "custom_components/spark_audio/spark_engine/__init__.py"
    match = re.search(r'^__version__ = "(.+)"$', package.read_text(), re.MULTILINE)
    if match is None:
        raise ReleaseError(f"{package.name} of spark_engine names no __version__.")
    manifest = json.loads((root / "custom_components/spark_audio/manifest.json").read_text())["version"]
    if manifest != match[1]:
        raise ReleaseError(f"manifest.json says {manifest}, the package {match[1]}.")
    return match[1]


def notes(changelog: str, tag: str, version: str) -> str:
    """What the changelog says about the version that is tagged.

    Raises ReleaseError if the tag is another version's, or the changelog does not have this one as released.
    """
    if tag != f"v{version}":
        raise ReleaseError(f"The tag {tag} is not v{version}, which the package and manifest.json say.")
    sections = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL))
    headings = [heading for heading in sections if heading.split()[0] == version]
    if not headings:
        raise ReleaseError(f"CHANGELOG.md has no section {version}.")
    if "unreleased" in headings[0].lower():
        raise ReleaseError(f"CHANGELOG.md has {version} as unreleased: give it its date.")
    text: str = sections[headings[0]].strip()
    if not text:
        raise ReleaseError(f"CHANGELOG.md says nothing about {version}.")
    return text + "\n"
