"""The proxy's status page: a Spark that was wedged and healed, with something spoken and something heard."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aiohttp import ClientSession
from playwright.async_api import Browser, Page, ViewportSize, expect
from spark_engine.healing import canary

from tools.stack.folders import free_port
from tools.stack.processes import Processes
from tools.stack.services import Spark, start_proxy
from tools.stack.wedge import Control

from .pictures import Pictures

CLIP = Path(canary.__file__).with_name("canary.wav")
"""A voice says "Turn on the kitchen light."."""

PROXY_PORT = 8600

CANARY_SECONDS = 1
BEFORE = 10
AFTER = 35
"""Canaries of each service before and after the wedge; so many bars make a chart worth looking at."""

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


async def take(
    browser: Browser, session: ClientSession, spark: Spark, processes: Processes, state: Path, pictures: Pictures
) -> None:
    """Take the page of a proxy that is started for it, with its state in `state`. Raises ToolError."""
    settings = (*spark.proxy_settings, "--canary-interval", str(CANARY_SECONDS), "--request-history", "4")
    url, proxy = await start_proxy(processes, state, *settings, port=free_port(PROXY_PORT))
    async with await browser.new_page() as page:
        await page.goto(url)
        await _canaries(page, BEFORE)
        await Control(session, spark.parakeet_url).wedge()
        await _canaries(page, BEFORE + AFTER)
    for name, look in LOOKS.items():
        await _take_one(browser, url, name, look, pictures)
    # Home Assistant is next to restart this Spark: two would get into each other's way.
    await proxy.stop()


async def _take_one(browser: Browser, url: str, name: str, look: Look, pictures: Pictures) -> None:
    """One picture; of the whole page after its playground was used."""
    size = ViewportSize(width=look.width, height=HEIGHT)
    async with await browser.new_page(viewport=size, color_scheme=look.scheme, locale="en-US") as page:
        await page.goto(url)
        await _canaries(page, BEFORE)
        if look.whole:
            await _use(page)
        await pictures.take(name, page, whole=look.whole)


async def _canaries(page: Page, count: int) -> None:
    """Wait until each of the two services has had so many."""
    await expect(page.locator(".bar").nth(2 * count - 1)).to_be_attached(timeout=5_000 * count * CANARY_SECONDS)


async def _use(page: Page) -> None:
    """Speak the text, hear the clip, and open the list that has both."""
    await page.get_by_role("button", name="Speak").click()
    await expect(page.get_by_role("button", name="Stop")).to_be_disabled(timeout=20_000)
    await page.locator("#file").set_input_files(CLIP)
    await expect(page.locator("#transcript")).to_be_visible(timeout=20_000)
    await page.locator("#requests summary").click()
    await expect(page.locator("#requests-rows tr").nth(1)).to_be_visible()
