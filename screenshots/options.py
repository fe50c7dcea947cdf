"""The options: one form with its sections opened, and the one about restarting."""

from playwright.async_api import Locator, Page, expect

from .camera import SIZE, TALL, Camera
from .frontend import INTEGRATION, dialog, finish, plain, submit
from .stage import Spark, named

SECTIONS = ("voice", "listening", "healing", "fallback")

VOICE = "Aria · Calm"


async def photograph(page: Page, spark: Spark, camera: Camera) -> None:
    """Choose a voice, and what restarts the services; in the end both are stored."""
    await page.set_viewport_size(TALL)
    await page.goto(INTEGRATION)
    await plain(page)
    await page.get_by_role("button", name="Configure").click()
    sections = page.locator("step-flow-form ha-form-expandable")
    # Whoever adds a section gives it a picture.
    await expect(sections).to_have_count(len(SECTIONS))
    for section in await sections.all():
        await _open(section)
    lists = sections.locator("ha-select")
    await _choose(lists.filter(has_text="Voice: English"), VOICE)
    await _choose(lists.filter(has_text="Restart by"), "HTTP request")
    for name, section in zip(SECTIONS, await sections.all(), strict=True):
        await camera.take(f"options-{name}", page, section, margin=12)
    await submit(page)
    for name, url in (("parakeet", spark.parakeet_url), ("magpie", spark.magpie_url)):
        await page.locator(f"input[name={name}_restart_url]").fill(f"{named(url)}/embedded/restart")
    await camera.take("options-restart", page, dialog(page), margin=24)
    await submit(page)
    await finish(page)
    await page.set_viewport_size(SIZE)


async def _open(section: Locator) -> None:
    panel = section.locator("ha-expansion-panel").first
    if await panel.get_attribute("expanded") is None:
        await panel.locator("#summary").click()
    await expect(panel).to_have_attribute("expanded", "")


async def _choose(field: Locator, choice: str) -> None:
    await field.click()
    await field.locator("ha-dropdown-item").filter(has_text=choice).first.click()
    await expect(field.locator("ha-dropdown-item").first).to_be_hidden()
