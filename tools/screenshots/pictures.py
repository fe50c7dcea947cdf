"""Takes pictures: of a page that has settled, and small enough for a repository."""

import asyncio
import subprocess
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import FloatRect, Locator, Page, ViewportSize

from tools.stack.command import line
from tools.stack.errors import ToolError

SIZE = ViewportSize(width=1280, height=800)

TALL = ViewportSize(width=1280, height=2600)
"""For forms that are shown whole: a dialog grows with the window."""

LEAVE_FIELD = """() => {
    let element = document.activeElement;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    element?.blur();
}"""
"""What has the focus looks different."""

# A palette of the picture's own colours: text stays sharp, the file shrinks to a third.
PALETTE = "split[a][b];[a]palettegen=stats_mode=single:reserve_transparent=0[p];[b][p]paletteuse=dither=none"


@dataclass(frozen=True, slots=True)
class Pictures:
    """Puts PNG pictures into `folder`."""

    folder: Path

    async def take(
        self, name: str, page: Page, of: Locator | None = None, *, margin: int = 0, whole: bool = False
    ) -> None:
        """Take what the window shows, the page with all that is below (`whole`), or an element.

        `margin` is what is left around the element, in pixels. Raises ToolError.
        """
        await page.mouse.move(SIZE["width"] - 1, SIZE["height"] - 1)
        await page.evaluate(LEAVE_FIELD)
        await page.evaluate("document.fonts.ready")
        clip = await _around(of, margin) if of else None
        png = await page.screenshot(animations="disabled", caret="hide", full_page=whole, clip=clip)
        (self.folder / f"{name}.png").write_bytes(await asyncio.to_thread(shrunk, png))
        line(f"  {name}.png")


async def _around(element: Locator, margin: int) -> FloatRect:
    handle = await element.element_handle()
    if handle:
        await handle.wait_for_element_state("stable")
    box = await element.bounding_box()
    if box is None:
        raise ToolError(f"There is nothing to be seen of {element}.")
    return FloatRect(
        x=box["x"] - margin, y=box["y"] - margin, width=box["width"] + 2 * margin, height=box["height"] + 2 * margin
    )


def shrunk(png: bytes) -> bytes:
    """Return the same picture with at most 256 colours. Blocking; raises ToolError where ffmpeg cannot."""
    source = ("ffmpeg", "-hide_banner", "-loglevel", "error", "-f", "png_pipe", "-i", "pipe:0", "-vf", PALETTE)
    output = ("-compression_level", "9", "-pred", "mixed", "-f", "image2pipe", "-c:v", "png", "pipe:1")
    ffmpeg = subprocess.run((*source, *output), input=png, capture_output=True, check=False)  # noqa: S603 - our own words
    if ffmpeg.returncode:
        raise ToolError(f"The picture cannot be made smaller: {ffmpeg.stderr.decode(errors='replace').strip()}")
    return ffmpeg.stdout
