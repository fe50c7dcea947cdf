"""The page as a whole: for all eyes, hands and screens."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, json
from tests.helpers.proxy.accessibility import findings
from tests.helpers.proxy.browser import serving, state, visiting

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]

expect.set_options(timeout=30_000)

HEAR = ("POST", TRANSCRIPTIONS)
TEXT = "The washing machine has finished."


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_core_finds_no_accessibility_problem(
    browser: Browser, hears: FakeServer, speaks: FakeServer, tmp_path: Path, scheme: str, clip: Path
) -> None:
    """With everything on the page that can be there, dialogs included."""
    hears.answers[HEAR] = json({"detail": "CUDA error"}, status=500)
    async with (
        serving(parakeet_url=hears.url, magpie_url=speaks.url, state_dir=str(tmp_path)) as url,
        visiting(browser, url, scheme=scheme) as visit,
    ):
        page = visit.page
        await expect(page.locator(state(page))).to_have_attribute("data-state", re.compile("suspect|wedged"))
        await expect(page.locator(state(page, "magpie"))).to_have_attribute("data-state", "healthy")
        await page.get_by_role("button", name="Speak").click()
        await expect(page.locator("#replay")).to_be_visible()
        await page.locator("#file").set_input_files(clip)
        await expect(page.locator("#listen-problem")).to_be_visible()
        assert await findings(page) == []
        await page.get_by_role("button", name="Key…").click()
        assert await findings(page) == []


@pytest.mark.parametrize("width", [320, 390, 768])
async def test_narrow_screens_scroll_one_way_only(
    browser: Browser, hears: FakeServer, speaks: FakeServer, tmp_path: Path, width: int, clip: Path
) -> None:
    """Nothing is wider than a phone."""
    async with (
        serving(parakeet_url=hears.url, magpie_url=speaks.url, state_dir=str(tmp_path)) as url,
        visiting(browser, url, width=width) as visit,
    ):
        await expect(visit.page.locator("#overall")).to_have_text("Everything works")
        await visit.page.locator("#file").set_input_files(clip)
        await expect(visit.page.locator("#transcript")).to_be_visible()
        assert await visit.page.evaluate("document.documentElement.scrollWidth") == width


async def test_it_can_be_used_without_a_mouse(browser: Browser, speaks: FakeServer) -> None:
    """Tab reaches the playground, Enter speaks."""
    async with serving(magpie_url=speaks.url, watch=False) as url, visiting(browser, url) as visit:
        page = visit.page
        await expect(page.locator("#language option")).to_have_count(6)
        await page.keyboard.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        await page.keyboard.press("Enter")
        for _ in range(4):
            await page.keyboard.press("Tab")
        await expect(page.locator("#speed")).to_be_focused()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator("#replay")).to_be_visible()
