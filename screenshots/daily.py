"""Spark Audio as it is used: the voice assistant, a spoken command, the pages of the integration, a card."""

from playwright.async_api import Page, ViewportSize, expect

from demo.spark_setup import PIPELINE

from .camera import SIZE, TALL, Camera
from .card import DASHBOARD
from .frontend import INTEGRATION, dialog, plain
from .stage import Home, Spark


async def photograph_assistant(page: Page, camera: Camera) -> None:
    """The settings of the voice assistant, with the Spark's engines chosen."""
    await page.set_viewport_size(TALL)
    await page.goto("/config/voice-assistants/assistants")
    await plain(page)
    await page.get_by_text(PIPELINE, exact=True).click()
    await expect(page.get_by_label("Text-to-speech")).to_be_visible()
    await camera.take("voice-assistant", page, dialog(page), margin=24)
    await page.set_viewport_size(SIZE)


async def photograph_command(page: Page, camera: Camera) -> None:
    """A command that the browser's microphone hears, and the light that it turns on."""
    await page.goto("/")
    await page.get_by_role("button", name="Assist (A)").click()
    await page.get_by_role("button", name="Start listening").click()
    await page.get_by_text("Turned on the light").wait_for()
    await expect(page.get_by_text("On · Kitchen")).to_be_visible()
    await camera.take("demo-assist", page)


async def photograph_pages(page: Page, home: Home, spark: Spark, camera: Camera) -> None:
    """What there is to see after Parakeet was wedged and healed."""
    # A canary that is under way would not notice.
    await home.until("sensor.parakeet_health", "healthy")
    await spark.wedge_parakeet()
    await home.home_assistant.act("button.press", "button.parakeet_check_now")
    await home.until("sensor.parakeet_recent_restarts", "1")
    await home.until("sensor.parakeet_health", "healthy")
    await page.goto(INTEGRATION)
    await page.get_by_text("Parakeet", exact=True).wait_for()
    await camera.take("integration", page)
    for name in ("Parakeet", "Magpie"):
        await _photograph_device(page, name, camera)
    await page.goto(f"/{DASHBOARD}")
    card = page.locator("hui-entities-card")
    await card.get_by_text("Healthy").first.wait_for()
    await camera.take("dashboard-card", page, card, margin=8)


async def _photograph_device(page: Page, name: str, camera: Camera) -> None:
    """The whole page of a device, however long it is, without the menu beside it."""
    await page.goto(INTEGRATION)
    await page.get_by_text(name, exact=True).click()
    await page.get_by_text("Recent restarts").wait_for()
    await page.locator("ha-logbook-renderer").get_by_text("Healthy").first.wait_for()
    device = page.locator("ha-config-device-page")
    bottom = await device.locator(".container").first.evaluate("cards => cards.getBoundingClientRect().bottom")
    await page.set_viewport_size(ViewportSize(width=SIZE["width"], height=int(bottom)))
    await camera.take(f"device-{name.lower()}", page, device)
    await page.set_viewport_size(SIZE)
