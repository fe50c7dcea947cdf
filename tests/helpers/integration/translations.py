"""The integration's translations."""

import json
from collections.abc import Iterator
from typing import Any

from tests.helpers.integration.set_up import INTEGRATION

LANGUAGES = sorted(path.stem for path in (INTEGRATION / "translations").iterdir())


def load(language: str) -> dict[str, Any]:
    """The translations into a language."""
    translations: dict[str, Any] = json.loads((INTEGRATION / f"translations/{language}.json").read_text())
    return translations


TRANSLATIONS = load("en")


def texts(node: object = TRANSLATIONS, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text of the translations and where it stands."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from texts(value, f"{path}.{key}".strip("."))
    else:
        assert isinstance(node, str), path
        yield path, node
