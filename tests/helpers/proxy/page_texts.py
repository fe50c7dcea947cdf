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
_SENTENCE = re.compile(r"\b[A-Z][a-z]+ [a-z]{2,}|\b[a-z]{2,} [a-z]{2,} [a-z]{2,}")
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


def codes_with_a_sentence() -> set[str]:
    """Return the codes of errors that the page has a sentence for."""
    return set(re.findall(r"^  (\w+): t`", (WEB / "problems.js").read_text(), re.MULTILINE))


def untranslated_in_scripts() -> set[str]:
    """Return sentences in the scripts that `t` does not get: two words in a row within quotes or a template."""
    found = set()
    for path in WEB.glob("*.js"):
        if path.name.startswith("texts") or path.name in ("samples.js", "snippets.js"):
            continue
        code = _TEMPLATE.sub("", re.sub(r"^\s*//.*|\s// .*", "", path.read_text(), flags=re.MULTILINE))
        literals = re.findall(r'"([^"\n]*)"|`([^`]*)`', code)
        found |= {f"{path.name}: {text}" for pair in literals for text in pair if _SENTENCE.search(text)}
    return found
