"""The last requests on the page: off at first, then live, without their content."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, json
from tests.helpers.proxy.accessibility import findings
from tests.helpers.proxy.browser import serving, visiting

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]

expect.set_options(timeout=30_000)

HEAR = ("POST", TRANSCRIPTIONS)
TEXT = "The washing machine has finished."


async def cells(page: Page) -> list[list[str]]:
    """What the table says, row by row, but for times."""
    rows = page.locator("#requests-rows tr")
    return [
        [(await cell.inner_text()).replace("\n", " ") for cell in await row.locator("td").all()]
        for row in await rows.all()
    ]


async def speak(page: Page) -> None:
    """Use the playground."""
    await page.get_by_label("Text", exact=True).fill(TEXT)
    await page.get_by_role("button", name="Speak").click()
    await expect(page.locator("#replay")).to_be_visible()


async def test_the_page_says_how_to_switch_it_on(browser: Browser, speaks: FakeServer) -> None:
    """Requests are then not kept."""
    async with (
        serving(magpie_url=speaks.url) as url,
        visiting(browser, url) as visit,
    ):
        page = visit.page
        await page.get_by_text("Last requests").click()
        note = page.locator("#requests-empty")
        await expect(note).to_contain_text("set SPARK_AUDIO_REQUEST_HISTORY=100")
        await speak(page)
        await expect(note).to_be_visible()
        assert await cells(page) == []


async def test_requests_appear_while_they_end(
    browser: Browser, hears: FakeServer, speaks: FakeServer, clip: Path
) -> None:
    """Newest first, of any client; after a reload the same ones are there."""
    async with (
        serving(parakeet_url=hears.url, magpie_url=speaks.url, request_history=2) as url,
        visiting(browser, url) as visit,
    ):
        page = visit.page
        await expect(page.locator("#requests-count")).to_have_text("(0)")
        await page.locator("#requests summary").press("Enter")
        await expect(page.locator("#requests-empty")).to_have_text("No request yet.")
        await speak(page)
        await expect(page.locator("#requests-count")).to_have_text("(1)")
        (spoken,) = await cells(page)
        assert spoken[1] == "Text to speech"
        assert re.fullmatch(rf"\d\.\d\d s, {len(TEXT)} letters", spoken[3])
        assert re.fullmatch(r"\d\.\d\d s", spoken[4])
        assert (spoken[2], spoken[5]) == ("Answered", "Magpie")
        hears.answers[HEAR] = json({"detail": "CUDA error"}, status=500)
        await page.locator("#file").set_input_files(clip)
        await expect(page.locator("#requests-rows")).to_contain_text("upstream_fault")
        failed, same = await cells(page)
        assert (failed[1], failed[2], failed[5]) == ("Speech to text", "Failed 503 upstream_fault", "Parakeet")
        assert same == spoken
        await speak(page)
        await expect(page.locator("#requests-rows tr").first).to_contain_text("Answered")
        await expect(page.locator("#requests-count")).to_have_text("(2)")
        shown = await cells(page)
        assert shown[1] == failed
        assert TEXT not in await page.locator("#requests").inner_text()
        await page.reload()
        await expect(page.locator("#requests-count")).to_have_text("(2)")
        await page.locator("#requests summary").press("Enter")
        assert await cells(page) == shown


async def test_without_the_key_there_is_no_list(browser: Browser, speaks: FakeServer) -> None:
    """It appears with the key."""
    async with (
        serving(magpie_url=speaks.url, request_history=2, api_key=("right",)) as url,
        visiting(browser, url) as visit,
    ):
        page = visit.page
        await expect(page.locator("#link")).to_have_text("Locked")
        await expect(page.locator("#requests")).to_be_hidden()
        await page.locator("#key-button").click()
        await page.locator("#key").fill("right")
        await page.get_by_role("button", name="Use this key").click()
        await expect(page.locator("#requests")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [(1180, "light"), (390, "dark"), (320, "light")])
async def test_the_table_is_for_all_eyes_and_hands(
    browser: Browser, hears: FakeServer, clip: Path, width: int, scheme: str
) -> None:
    """Axe finds nothing, the keyboard scrolls it, and a phone's page stays as wide as the phone."""
    hears.answers[HEAR] = json({"detail": "CUDA error"}, status=500)
    async with (
        serving(parakeet_url=hears.url, request_history=5) as url,
        visiting(browser, url, width=width, scheme=scheme) as visit,
    ):
        page = visit.page
        await page.locator("#file").set_input_files(clip)
        await page.get_by_text("Last requests").click()
        await expect(page.locator("#requests-rows tr")).to_have_count(1)
        assert await findings(page) == []
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("region", name="Last requests")).to_be_focused()
        assert await page.evaluate("document.documentElement.scrollWidth") == width
