"""All sentences of the page: those in its scripts, and those in its HTML."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import override

import spark_audio_proxy

WEB = Path(spark_audio_proxy.__file__).parent / "web"

LANGUAGES = ("de", "es", "fr", "it")

_TEMPLATE = re.compile(r"\bt`((?:[^`$]|\$\{(?:[^{}`]|\{[^{}]*\})*\})*)`")
_VALUE = re.compile(r"\$\{(?:[^{}`]|\{[^{}]*\})*\}")
_ENTRY = re.compile(r'^  "((?:[^"\\]|\\.)*)":\s*"((?:[^"\\]|\\.)*)",$', re.MULTILINE)


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._tags: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tags.append(tag)
        self.found |= {value for name, value in attrs if name in ("aria-label", "placeholder") and value}

    @override
    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if re.search(r"[A-Za-z]{2}", text) and self._tags[-1] not in ("title", "textarea", "code"):
            self.found.add(text)


def texts_in_scripts() -> set[str]:
    """Return the keys of every template that `t` translates."""
    scripts = (path.read_text() for path in WEB.glob("*.js") if not path.name.startswith("texts"))
    return {_VALUE.sub("{}", text) for script in scripts for text in _TEMPLATE.findall(script)}


def texts_in_page() -> set[str]:
    """Return what the HTML says, but for names and the text to try."""
    page = _Texts()
    page.feed((WEB / "index.html").read_text())
    return page.found - {"Spark Audio", "GET /api/status", "1×"}


def translation(language: str) -> dict[str, str]:
    """Return the translations of one language by the English text."""
    return dict(_ENTRY.findall((WEB / f"texts-{language}.js").read_text()))
