"""The documentation's pages: their code blocks, links and headings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.repository import ROOT

PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "proxy/*.md", "proxy/deploy/**/*.md", "custom_components/spark_audio/*.md")
    for path in ROOT.glob(pattern)
)

OURS = "https://github.com/spark-audio/spark-audio/blob/main/"
"""Links from pages that are also read outside the repository."""

_BLOCK = re.compile(
    r"(?:<!-- (?P<mark>[^\n]*?) -->\n+)?^(?P<fence>```+)(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_CODE = re.compile(r"^(```+).*?^\1|<!--.*?-->|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?P<to>[^)\s]+)\)|(?:src|srcset|href)=\"(?P<html>[^\"]+)\"")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code; `mark` is the comment right above it, or empty."""

    page: Path
    line: int
    language: str
    text: str
    mark: str

    def __str__(self) -> str:
        """Where it is, as editors and pytest show it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """All blocks in these languages, on all pages."""
    return [block for page in PAGES for block in _blocks_of(page) if block.language in languages]


def _blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("fence")) + 1
        yield Block(page, line, match["language"], match["text"], match["mark"] or "")


def links(page: Path) -> list[str]:
    """Where its links and pictures lead, as written."""
    found = [match["to"] or match["html"] for match in _LINK.finditer(_CODE.sub("", page.read_text()))]
    return [link.replace(OURS, f"{ROOT}/") for link in found]


def anchors(page: Path) -> set[str]:
    """Those that GitHub makes of its headings."""
    found: set[str] = set()
    for heading in re.findall(
        r"^#+ +(.+?) *$", re.sub(r"^(```+).*?^\1", "", page.read_text(), flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    ):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.add(next(name for name in (slug, *(f"{slug}-{n}" for n in range(1, 99))) if name not in found))
    return found
