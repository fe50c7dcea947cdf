"""The documentation's pictures: none is missing, none is left over, and the way to them is still there."""

import re
import struct
from pathlib import Path

import pytest

from tools.screenshots.__main__ import IMAGES, parse
from tools.screenshots.browser import chromium
from tools.screenshots.card import PAGE, card, dashboard
from tools.screenshots.frontend import signed_in
from tools.screenshots.home_assistant import open_home, take_menu
from tools.screenshots.pictures import Pictures, shrunk
from tools.screenshots.status_page import CLIP
from tools.stack.errors import ToolError
from tools.stack.folders import REPOSITORY
from tools.stack.http import new_session
from tools.stack.processes import Processes

PAGES = [
    path
    for folder in (REPOSITORY, REPOSITORY / "docs", REPOSITORY / "proxy", REPOSITORY / "custom_components/spark_audio")
    for path in folder.glob("*.md")
]
LINK = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<to>[^)\s]+)\)|(?:src|srcset)=\"(?P<html>[^\"]+)\"")


def linked(page: Path) -> set[Path]:
    """The pictures of this repository that a page shows."""
    links = [match["to"] or match["html"] for match in LINK.finditer(page.read_text())]
    return {(page.parent / link).resolve() for link in links if "://" not in link}


def size(png: bytes) -> tuple[int, ...]:
    """Width and height of a PNG picture."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", png[16:24])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_picture_that_is_shown_exists(page: Path) -> None:
    """And says in words what it shows, for those who do not see it."""
    assert [picture for picture in linked(page) if not picture.is_file()] == []
    assert [match[0] for match in LINK.finditer(page.read_text()) if match["to"] and not match["alt"]] == []


def test_every_picture_is_shown() -> None:
    """One that no page shows is downloaded for nothing."""
    shown = {picture for page in PAGES for picture in linked(page)}
    assert sorted(set(IMAGES.iterdir()) - shown) == []


def test_pictures_are_small() -> None:
    """A clone carries every version of them for ever."""
    assert [picture.name for picture in IMAGES.iterdir() if picture.stat().st_size > 200_000] == []


def test_card_in_the_picture_is_the_documented_one() -> None:
    """A dashboard is made of the page's own YAML."""
    yaml = card(PAGE.read_text())
    first, second, *_ = dashboard(yaml).splitlines()[2:]
    assert (first, second) == ("      - type: vertical-stack", "        title: Speech")


def test_page_without_a_card() -> None:
    """Other YAML is none, nor is what only looks like some."""
    with pytest.raises(ToolError, match="has no card"):
        card("```yaml\naction: tts.speak\n```\n\n    type: entities\n")


@pytest.mark.parametrize("arguments", [["phone"], ["--into", "/nowhere"]])
def test_wrong_command_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Told before anything is started."""
    with pytest.raises(SystemExit):
        parse(arguments)
    assert arguments[-1] in capsys.readouterr().err


async def test_shrinking_keeps_the_size() -> None:
    """Pixels are as many as before, bytes fewer; what is no picture is told."""
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 320, "height": 200})
        await page.set_content("<body style='background: linear-gradient(red, blue)'>Spark")
        picture = await page.screenshot()
    small = shrunk(picture)
    assert size(small) == size(picture) == (320, 200)
    assert len(small) < len(picture)
    with pytest.raises(ToolError, match="cannot be made smaller"):
        shrunk(b"no picture")


def test_the_microphone_has_something_to_hear() -> None:
    """The browser is silent about a file that is not there."""
    assert CLIP.read_bytes().startswith(b"RIFF")


async def test_first_picture_of_home_assistant(tmp_path: Path) -> None:
    """A real Home Assistant, a real login, and the menu that adding Spark Audio begins with."""
    logs, folder = tmp_path / "logs", tmp_path / "home"
    logs.mkdir()
    folder.mkdir()
    async with new_session() as session, Processes(logs) as processes, chromium() as browser:
        home = await open_home(session, processes, folder)
        async with signed_in(browser, home) as page:
            await take_menu(page, Pictures(tmp_path))
    width, height = size((tmp_path / "config-menu.png").read_bytes())
    assert width == size((IMAGES / "config-menu.png").read_bytes())[0]
    assert 250 < height < 500
