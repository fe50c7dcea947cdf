"""The version: one wherever it stands, and the changelog's word on it."""

import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "custom_components/spark_audio/spark_engine/__init__.py"

PLACES = {
    PACKAGE: r'^__version__ = "(.+)"$',
    "custom_components/spark_audio/manifest.json": r'^ *"version": "(.+)",?$',
    "proxy/deploy/home-assistant-app/config.yaml": r"^version: (.+)$",
    "proxy/deploy/home-assistant-app/CHANGELOG.md": r"\A(?:(?!^## ).*\n)*## (\S+)",
}
"""Files that state the version once, and where in them."""

MENTIONS = ("README.md", "proxy/**/*.md", "docs/*.md", "proxy/**/*.yaml")
"""Files that name images and addresses of the released version, to copy."""

_MENTION = re.compile(r"spark-audio-proxy(?:-app)?:(\d+\.\d+\.\d+)|spark-audio/spark-audio/\S*?v(\d+\.\d+\.\d+)")


class ReleaseError(Exception):
    """What must not be released; the sentence says why."""


def version(root: Path) -> str:
    """Return the version of the package. Raises ReleaseError where another place says something else, naming each."""
    stated = dict(_stated(root))
    wanted = stated[PACKAGE]
    others = [f"{path} says {found}" for path, found in [*stated.items(), *_mentioned(root)] if found != wanted]
    if others:
        raise ReleaseError(f"The package is {wanted}, but {', '.join(dict.fromkeys(others))}.")
    return wanted


def _stated(root: Path) -> Iterator[tuple[str, str]]:
    for path, pattern in PLACES.items():
        match = re.search(pattern, (root / path).read_text(), re.MULTILINE)
        if match is None:
            raise ReleaseError(f"{path} names no version.")
        yield path, match[1]


def _mentioned(root: Path) -> Iterator[tuple[str, str]]:
    for pattern in MENTIONS:
        for path in sorted(root.glob(pattern)):
            for match in _MENTION.finditer(path.read_text()):
                yield str(path.relative_to(root)), match[1] or match[2]


def notes(changelog: str, tag: str, version: str) -> str:
    """Return what the changelog says about the version that is tagged.

    Raises ReleaseError if the tag is another version's, or the changelog does not have this one as released.
    """
    if tag != f"v{version}":
        raise ReleaseError(f"The tag {tag} is not v{version}, which is the version.")
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
