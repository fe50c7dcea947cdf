"""A service that restarts do not cure any more, as Home Assistant tells it."""

from playwright.async_api import Page

from .camera import Camera
from .frontend import dialog, plain
from .stage import Home, Spark


async def photograph(page: Page, home: Home, spark: Spark, camera: Camera) -> None:
    """Use up the restarts that are left (a person's count, too), then wedge Parakeet once more."""
    left = int(await home.home_assistant.state("sensor.parakeet_restarts_left"))
    for _ in range(left):
        await home.home_assistant.act("button.press", "button.parakeet_restart")
        await home.until("sensor.parakeet_health", "healthy")
    await spark.wedge_parakeet()
    await home.home_assistant.act("button.press", "button.parakeet_check_now")
    await home.until("sensor.parakeet_health", "gave_up")
    await page.goto("/config/repairs")
    await plain(page)
    await page.get_by_text("Parakeet does not recover").click()
    await page.get_by_role("button", name="Submit").wait_for()
    await camera.take("repair-gave-up", page, dialog(page), margin=24)
