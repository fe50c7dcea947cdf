"""Takes the pictures of the status page that the documentation shows: `python -m tests.proxy.pictures`."""

import asyncio
import tempfile
from pathlib import Path

from aiohttp import ClientSession
from embedded_spark import EmbeddedSpark
from playwright.async_api import Page, expect
from spark_engine.audio import write_wav
from spark_engine.canary import canary_clip

from tests.proxy.browser import chromium, serving, talking_into, visiting

IMAGES = Path(__file__).parents[2] / "docs/images"
CANARIES = 45
"""Bars that make a chart worth looking at; one each second."""

PICTURES = (("status-light", 1180, "light"), ("status-dark", 1180, "dark"), ("status-phone", 390, "light"))


async def main() -> None:
    """A Spark that was wedged and healed, with something spoken and something heard."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "turn-on-the-kitchen-light.wav"
        clip.write_bytes(write_wav(canary_clip()))
        async with EmbeddedSpark() as spark, chromium(*talking_into(clip)) as browser:
            settings = {
                "parakeet_url": spark.parakeet_url,
                "magpie_url": spark.magpie_url,
                "parakeet_restart_url": spark.parakeet_restart_url,
                "magpie_restart_url": spark.magpie_restart_url,
                "canary_interval": 1.0,
                "state_dir": folder,
            }
            async with serving(**settings) as url:
                async with visiting(browser, url) as visit, ClientSession() as client:
                    await expect(visit.page.locator(".bar").nth(20)).to_be_attached(timeout=60_000)
                    await client.post(f"{spark.parakeet_url}/embedded/wedge", json={"mode": "cublas"})
                    await expect(visit.page.locator(".bar").nth(2 * CANARIES)).to_be_attached(timeout=200_000)
                for name, width, scheme in PICTURES:
                    async with visiting(browser, url, width, scheme) as visit:
                        await use(visit.page, clip)
                        await visit.page.screenshot(path=IMAGES / f"{name}.png", full_page=True)


async def use(page: Page, clip: Path) -> None:
    """Speak the text, hear the clip."""
    await page.get_by_role("button", name="Speak").click()
    await expect(page.get_by_role("button", name="Stop")).to_be_disabled(timeout=20_000)
    await page.locator("#file").set_input_files(clip)
    await expect(page.locator("#transcript")).to_be_visible()


if __name__ == "__main__":
    asyncio.run(main())
