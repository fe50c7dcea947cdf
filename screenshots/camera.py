"""Takes pictures: of a page that has settled, and small enough for a repository."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import FloatRect, Locator, Page, ViewportSize

from demo.errors import DemoError
from demo.report import line

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
class Camera:
    """Puts PNG pictures into `folder`."""

    folder: Path

    async def take(
        self, name: str, page: Page, of: Locator | None = None, *, margin: int = 0, whole: bool = False
    ) -> None:
        """Photograph what the window shows, the page with all that is below (`whole`), or an element.

        `margin` is what is left around the element, in pixels.
        """
        await page.mouse.move(SIZE["width"] - 1, SIZE["height"] - 1)
        await page.evaluate(LEAVE_FIELD)
        await page.evaluate("document.fonts.ready")
        clip = await _around(of, margin) if of else None
        png = await page.screenshot(animations="disabled", caret="hide", full_page=whole, clip=clip)
        (self.folder / f"{name}.png").write_bytes(await shrunk(png))
        line(f"  {name}.png")


async def _around(element: Locator, margin: int) -> FloatRect:
    handle = await element.element_handle()
    if handle:
        await handle.wait_for_element_state("stable")
    box = await element.bounding_box()
    if box is None:
        raise DemoError(f"There is nothing to be seen of {element}.")
    return FloatRect(
        x=box["x"] - margin, y=box["y"] - margin, width=box["width"] + 2 * margin, height=box["height"] + 2 * margin
    )


async def shrunk(png: bytes) -> bytes:
    """The same picture with at most 256 colours. DemoError where ffmpeg cannot."""
    ffmpeg = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-hide_banner", "-loglevel", "error", "-f", "png_pipe", "-i", "pipe:0", "-vf", PALETTE),
        *("-compression_level", "9", "-pred", "mixed", "-f", "image2pipe", "-c:v", "png", "pipe:1"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    small, complaint = await ffmpeg.communicate(png)
    if ffmpeg.returncode:
        raise DemoError(f"The picture cannot be made smaller: {complaint.decode(errors='replace').strip()}")
    return small
