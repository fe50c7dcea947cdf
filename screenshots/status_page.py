"""The proxy's status page: a Spark that was wedged and healed, with something spoken and something heard."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Page, ViewportSize, expect

from demo.folder import REPOSITORY

from .camera import Camera
from .stage import Spark

CLIP = REPOSITORY / "custom_components/spark_audio/spark_engine/canary.wav"
"""Somebody says "Turn on the kitchen light."."""

CANARY_SECONDS = 1
BEFORE = 10
AFTER = 35
"""Canaries of each service before and after the wedge; so many bars make a chart worth looking at."""

SETTINGS = ("--canary-interval", str(CANARY_SECONDS))
HEIGHT = 900


@dataclass(frozen=True, slots=True)
class Look:
    """A width in pixels, a colour scheme, and whether all of the page is shown or just what comes first."""

    width: int
    scheme: Literal["light", "dark"]
    whole: bool = True


LOOKS: Mapping[str, Look] = {
    "status-light": Look(1180, "light"),
    "status-dark": Look(1180, "dark"),
    "status-phone": Look(390, "light", whole=False),
}


async def photograph(browser: Browser, spark: Spark, url: str, camera: Camera) -> None:
    """The page at `url`, of a proxy that was started with `SETTINGS`."""
    async with await browser.new_page() as page:
        await page.goto(url)
        await _canaries(page, BEFORE)
        await spark.wedge_parakeet()
        await _canaries(page, BEFORE + AFTER)
    for name, look in LOOKS.items():
        await take(browser, url, name, look, camera)


async def take(browser: Browser, url: str, name: str, look: Look, camera: Camera) -> None:
    """One picture; of the whole page after its playground was used."""
    size = ViewportSize(width=look.width, height=HEIGHT)
    async with await browser.new_page(viewport=size, color_scheme=look.scheme, locale="en-US") as page:
        await page.goto(url)
        await _canaries(page, BEFORE)
        if look.whole:
            await _use(page, CLIP)
        await camera.take(name, page, whole=look.whole)


async def _canaries(page: Page, count: int) -> None:
    """Wait until each of the two services has had so many."""
    await expect(page.locator(".bar").nth(2 * count - 1)).to_be_attached(timeout=5_000 * count * CANARY_SECONDS)


async def _use(page: Page, clip: Path) -> None:
    """Speak the text, hear the clip."""
    await page.get_by_role("button", name="Speak").click()
    await expect(page.get_by_role("button", name="Stop")).to_be_disabled(timeout=20_000)
    await page.locator("#file").set_input_files(clip)
    await expect(page.locator("#transcript")).to_be_visible(timeout=20_000)
